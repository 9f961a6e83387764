#include "wasi_p2/streams.h"

#include <algorithm>

#include "base/result.h"
#include "hostio/socket.h"

namespace berth::wasi_p2 {

namespace {

using hostio::Errno;

// What one write may bring to a file, and to what may have to keep it.
constexpr u64 kFileCapacity = u64{1} << 20;
constexpr u64 kStreamCapacity = u64{64} << 10;

iovec to_iovec(std::span<const u8> bytes) { return {const_cast<u8*>(bytes.data()), bytes.size()}; }

// The file's operations do not wait.
void set_nonblocking(hostio::File& file) {
  if (file.status().nonblocking) return;
  hostio::FileStatus status = file.status();
  status.nonblocking = true;
  // Changes nothing outside of the object.
  static_cast<void>(file.set_status(status));
}

// A connection that has ended needs no end.
void shut_writing(const hostio::File& socket) { static_cast<void>(hostio::shutdown(socket, false, true)); }

}  // namespace

Streamed<size_t> InputStream::read(std::span<u8> out) {
  if (is_closed_) return closed();
  if (out.empty()) return size_t{0};
  auto n = read_some(out);
  if (!n) is_closed_ = true;
  return n;
}

Streamed<> OutputStream::check_open() {
  if (is_closed_) return closed();
  if (!failure_) return {};
  return note(Streamed<>(std::unexpected(*std::exchange(failure_, std::nullopt))));
}
Streamed<u64> OutputStream::check_write() {
  permit = 0;
  TRY(check_open());
  auto n = note(capacity());
  if (n) permit = *n;
  return n;
}
Streamed<> OutputStream::write(std::span<const u8> bytes) {
  permit -= std::min<u64>(permit, bytes.size());
  TRY(check_open());
  return bytes.empty() ? Streamed<>() : note(write_all(bytes));
}
Streamed<> OutputStream::flush() {
  TRY(check_open());
  return note(push());
}

// --- files

Streamed<size_t> FileInput::read_some(std::span<u8> out) {
  const iovec buffer = to_iovec(out);
  const auto n = file_->file.read_at(std::span(&buffer, 1), position_);
  if (!n) return failed(n.error());
  if (*n == 0) return closed();
  position_ += *n;
  return *n;
}

Streamed<u64> FileOutput::capacity() { return kFileCapacity; }

Streamed<> FileOutput::write_all(std::span<const u8> bytes) {
  while (!bytes.empty()) {
    const iovec buffer = to_iovec(bytes);
    const auto n =
        position_ ? file_->file.write_at(std::span(&buffer, 1), *position_) : file_->file.append(std::span(&buffer, 1));
    if (!n) return failed(n.error());
    if (*n == 0) return failed(Errno::Io);
    if (position_) *position_ += *n;
    bytes = bytes.subspan(*n);
  }
  return {};
}

// --- descriptors

Streamed<> SharedFile::push(hostio::Waiter& waiter) {
  while (has_pending()) {
    const iovec buffer{pending_.data() + sent_, pending_.size() - sent_};
    const auto n = file.write(std::span(&buffer, 1), waiter);
    if (!n && n.error() == Errno::Again) return {};
    if (!n) {
      pending_.clear();
      sent_ = 0;
      return n.error() == Errno::BrokenPipe ? Streamed<>(closed()) : Streamed<>(failed(n.error()));
    }
    sent_ += *n;
  }
  if (pending_.empty()) return {};
  pending_.clear();
  sent_ = 0;
  if (has_ended_writing_) shut_writing(file);
  return {};
}

void SharedFile::end_writing(hostio::Waiter& waiter) {
  if (has_ended_writing_) return;
  has_ended_writing_ = true;
  // An error is what the other side would see as an end, too.
  static_cast<void>(push(waiter));
  if (!has_pending()) shut_writing(file);
}

Streamed<> SharedFile::write(std::span<const u8> bytes, hostio::Waiter& waiter) {
  TRY(push(waiter));
  while (!has_pending() && !bytes.empty()) {
    const iovec buffer = to_iovec(bytes);
    const auto n = file.write(std::span(&buffer, 1), waiter);
    if (!n && n.error() == Errno::Again) break;
    if (!n) return n.error() == Errno::BrokenPipe ? Streamed<>(closed()) : Streamed<>(failed(n.error()));
    bytes = bytes.subspan(*n);
  }
  if (!bytes.empty()) pending_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return {};
}

Wants DescriptorInput::wants() {
  if (!file_ || !file_->file.may_wait()) return Wants::ready();
  return Wants::descriptor(file_->file.fd(), POLLIN);
}

Streamed<size_t> DescriptorInput::read_some(std::span<u8> out) {
  if (!file_ || file_->has_ended_reading()) return closed();
  set_nonblocking(file_->file);
  // A FIFO that was opened by its name looks ended until somebody has opened it for writing.
  if (domain == Domain::Filesystem && file_->file.type() == hostio::FileType::Fifo) {
    pollfd entry{file_->file.fd(), POLLIN, 0};
    const auto ready = waiter_.wait(std::span(&entry, 1), 0);
    if (!ready) return failed(ready.error());
    if (*ready == 0) return size_t{0};
  }
  const iovec buffer = to_iovec(out);
  const auto n = file_->file.read(std::span(&buffer, 1), waiter_);
  if (!n && n.error() == Errno::Again) return size_t{0};
  if (!n) return failed(n.error());
  if (*n == 0) return closed();
  return *n;
}

Wants DescriptorOutput::wants() {
  if (!file_ || !file_->has_pending()) return Wants::ready();
  return Wants::descriptor(file_->file.fd(), POLLOUT);
}

bool DescriptorOutput::woken() {
  if (auto pushed = push(); !pushed) failure_ = pushed.error();
  return failure_ || !file_->has_pending();
}

Streamed<u64> DescriptorOutput::capacity() {
  if (!file_ || file_->has_ended_writing()) return closed();
  TRY(push());
  return file_->has_pending() ? 0 : kStreamCapacity;
}

Streamed<> DescriptorOutput::write_all(std::span<const u8> bytes) {
  if (!file_) return closed();
  set_nonblocking(file_->file);
  return file_->write(bytes, waiter_);
}

Streamed<> DescriptorOutput::push() {
  if (!file_) return closed();
  set_nonblocking(file_->file);
  return file_->push(waiter_);
}

}  // namespace berth::wasi_p2
