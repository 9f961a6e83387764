#include "hostio/file.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/result.h"

namespace berth::hostio {

namespace {

constexpr u64 kMaxOffset = std::numeric_limits<i64>::max();
// A stream that says it is writable takes this much without making the writer wait: a page of a
// pipe. Terminals may have less room.
constexpr size_t kPipeChunk = PIPE_BUF;
constexpr size_t kTerminalChunk = 512;

size_t total(std::span<const iovec> buffers) {
  size_t sum = 0;
  for (const iovec& b : buffers) sum += b.iov_len;
  return sum;
}

// The system takes at most IOV_MAX buffers a call; the rest is for the next.
int count(std::span<const iovec> buffers) { return static_cast<int>(std::min<size_t>(buffers.size(), IOV_MAX)); }

// The part of `buffers` behind the first `done` bytes, at most `limit` bytes of it and a few
// buffers.
std::span<const iovec> window(std::span<const iovec> buffers, size_t done, size_t limit, std::span<iovec> out) {
  size_t used = 0;
  for (const iovec& b : buffers) {
    if (done >= b.iov_len) {
      done -= b.iov_len;
      continue;
    }
    if (used == out.size() || limit == 0) break;
    size_t length = std::min(b.iov_len - done, limit);
    out[used++] = {static_cast<char*>(b.iov_base) + done, length};
    limit -= length;
    done = 0;
  }
  return out.first(used);
}

template <typename Call>
Io<size_t> retry(Call call) {
  for (;;) {
    ssize_t n = call();
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return io_fail_errno();
  }
}

template <typename Call>
Io<> check(Call call) {
  while (call() != 0) {
    if (errno != EINTR) return io_fail_errno();
  }
  return {};
}

bool would_wait(Errno e) { return e == Errno::Again; }

// Whether a call that was not to wait failed because that cannot be asked for: by the kernel, this kind of file,
// or a seccomp filter. A real error of these kinds shows again without the flag.
bool knows_no_nowait(Errno e) {
  return e == Errno::NotSupported || e == Errno::NotImplemented || e == Errno::Invalid || e == Errno::Perm;
}

}  // namespace

File::File(Handle handle, FileType type, FileStatus status, bool may_change)
    : handle_(std::move(handle)),
      type_(type),
      status_(status),
      may_change_(may_change),
      descriptor_append_(status.append),
      descriptor_nonblocking_(handle_.owned()) {}

Io<File> File::inherited(int fd) {
  Metadata m = TRY(metadata_of(fd));
  if (m.type == FileType::Directory) return io_fail(Errno::IsDirectory);
  int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return io_fail_errno();
  FileStatus status;
  status.append = (flags & O_APPEND) != 0;
  status.sync = (flags & O_SYNC) == O_SYNC;
  status.data_sync = (flags & O_DSYNC) != 0 && !status.sync;
  File f(Handle::borrowed(fd), m.type, status, true);
  f.descriptor_nonblocking_ = (flags & O_NONBLOCK) != 0;
  return f;
}

Io<size_t> File::read(std::span<const iovec> buffers, Waiter& waiter) {
  if (may_wait()) return read_stream(buffers, waiter);
  if (!handle_) return size_t{0};
  return retry([&] { return ::readv(fd(), buffers.data(), count(buffers)); });
}

Io<size_t> File::read_stream(std::span<const iovec> buffers, Waiter& waiter) {
  if (total(buffers) == 0) return size_t{0};
  // The first read of a FIFO waits until somebody writes; without the wait it would look ended.
  bool ready = false;
  if (type_ == FileType::Fifo && handle_.owned() && !status_.nonblocking) {
    TRY(waiter.wait_for(fd(), POLLIN));
    ready = true;
  }
  for (;;) {
    Io<size_t> n;
    if (is_socket()) {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(buffers.data());
      message.msg_iovlen = static_cast<size_t>(count(buffers));
      n = retry([&] { return ::recvmsg(fd(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
    } else if (descriptor_nonblocking_ || (ready && no_wait_read_ == NoWait::Missing)) {
      n = retry([&] { return ::readv(fd(), buffers.data(), count(buffers)); });
    } else if (no_wait_read_ == NoWait::Missing) {
      n = io_fail(Errno::Again);  // nobody knows yet
      if (status_.nonblocking) {
        pollfd entry{fd(), POLLIN, 0};
        if (TRY(waiter.wait(std::span(&entry, 1), 0)) > 0) {
          ready = true;
          continue;
        }
      }
    } else {
      n = retry([&] { return ::preadv2(fd(), buffers.data(), count(buffers), -1, RWF_NOWAIT); });
      if (!n && knows_no_nowait(n.error())) {
        no_wait_read_ = NoWait::Missing;
        continue;
      }
    }
    if (n || !would_wait(n.error()) || status_.nonblocking) return n;
    TRY(waiter.wait_for(fd(), POLLIN));
    ready = true;
  }
}

int File::write_flags() const {
  int flags = 0;
  if (status_.append && !descriptor_append_) flags |= RWF_APPEND;
  if (status_.sync) flags |= RWF_SYNC;
  if (status_.data_sync) flags |= RWF_DSYNC;
  return flags;
}

Io<size_t> File::write_some(std::span<const iovec> buffers) {
  int flags = write_flags();
  return retry([&] {
    if (flags == 0) return ::writev(fd(), buffers.data(), count(buffers));
    return ::pwritev2(fd(), buffers.data(), count(buffers), -1, flags);
  });
}

Io<size_t> File::write(std::span<const iovec> buffers, Waiter& waiter) {
  if (may_wait()) return write_stream(buffers, waiter);
  if (!handle_) return total(buffers);
  return write_some(buffers);
}

Io<size_t> File::write_stream(std::span<const iovec> buffers, Waiter& waiter) {
  size_t wanted = total(buffers);
  if (wanted == 0) return size_t{0};
  size_t done = 0;
  bool ready = false;
  std::array<iovec, 64> parts;
  for (;;) {
    Io<size_t> n;
    if (is_socket()) {
      std::span<const iovec> rest = window(buffers, done, wanted - done, parts);
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(rest.data());
      message.msg_iovlen = rest.size();
      n = retry([&] { return ::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
    } else if (descriptor_nonblocking_) {
      n = write_some(window(buffers, done, wanted - done, parts));
    } else if (no_wait_write_ != NoWait::Missing) {
      std::span<const iovec> rest = window(buffers, done, wanted - done, parts);
      n = retry([&] { return ::pwritev2(fd(), rest.data(), count(rest), -1, RWF_NOWAIT); });
      if (!n && knows_no_nowait(n.error())) {
        no_wait_write_ = NoWait::Missing;
        continue;
      }
    } else if (ready) {
      size_t chunk = type_ == FileType::Fifo ? kPipeChunk : kTerminalChunk;
      n = write_some(window(buffers, done, chunk, parts));
      ready = false;
    } else {
      n = io_fail(Errno::Again);
      if (status_.nonblocking) {
        pollfd entry{fd(), POLLOUT, 0};
        if (TRY(waiter.wait(std::span(&entry, 1), 0)) > 0) {
          ready = true;
          continue;
        }
      }
    }
    if (n) {
      done += *n;
      // A datagram is one message: what did not fit is not a second one.
      if (done >= wanted || type_ == FileType::SocketDatagram) return done;
      continue;
    }
    if (!would_wait(n.error()) || status_.nonblocking) {
      if (done > 0) return done;
      return n;
    }
    TRY(waiter.wait_for(fd(), POLLOUT));
    ready = true;
  }
}

Io<size_t> File::read_at(std::span<const iovec> buffers, u64 offset) {
  if (!handle_) return io_fail(Errno::NotSeekable);
  if (offset > kMaxOffset) return io_fail(Errno::Invalid);
  return retry([&] { return ::preadv(fd(), buffers.data(), count(buffers), static_cast<off_t>(offset)); });
}

Io<size_t> File::write_at(std::span<const iovec> buffers, u64 offset) {
  if (!handle_) return io_fail(Errno::NotSeekable);
  if (offset > kMaxOffset) return io_fail(Errno::Invalid);
  int flags = write_flags() & ~RWF_APPEND;
  // With O_APPEND Linux would ignore the offset.
  bool hide_append = descriptor_append_ && handle_.owned();
  if (hide_append) TRY(set_status({false, status_.nonblocking, status_.sync, status_.data_sync}));
  Io<size_t> n =
      retry([&] { return ::pwritev2(fd(), buffers.data(), count(buffers), static_cast<off_t>(offset), flags); });
  if (hide_append) TRY(set_status({true, status_.nonblocking, status_.sync, status_.data_sync}));
  return n;
}

Io<size_t> File::append(std::span<const iovec> buffers) {
  if (!handle_) return io_fail(Errno::NotSeekable);
  const int flags = write_flags() | RWF_APPEND;
  return retry([&] { return ::pwritev2(fd(), buffers.data(), count(buffers), 0, flags); });
}

bool File::may_seek() const {
  switch (type_) {
    case FileType::RegularFile:
    case FileType::BlockDevice: return true;
    case FileType::CharacterDevice: return !is_terminal();
    default: return false;
  }
}

Io<u64> File::seek(i64 offset, Whence whence) {
  if (!handle_) return io_fail(Errno::NotSeekable);
  int how = whence == Whence::Start ? SEEK_SET : whence == Whence::Current ? SEEK_CUR : SEEK_END;
  off_t at = ::lseek(fd(), offset, how);
  if (at < 0) return io_fail_errno();
  return static_cast<u64>(at);
}

Io<> File::set_size(u64 size) {
  if (!may_change_) return io_fail(Errno::ReadOnly);
  if (size > kMaxOffset) return io_fail(Errno::TooLarge);
  return check([&] { return ::ftruncate(fd(), static_cast<off_t>(size)); });
}

Io<> File::set_times(TimeChange accessed, TimeChange modified) {
  if (!may_change_) return io_fail(Errno::ReadOnly);
  return set_times_of(fd(), accessed, modified);
}

Io<> File::allocate(u64 offset, u64 length) {
  if (!may_change_) return io_fail(Errno::ReadOnly);
  if (offset > kMaxOffset || length > kMaxOffset - offset) return io_fail(Errno::TooLarge);
  return check([&] { return ::fallocate(fd(), 0, static_cast<off_t>(offset), static_cast<off_t>(length)); });
}

Io<> File::advise(u64 offset, u64 length, Advice advice) {
  static constexpr int kAdvice[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                                    POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE};
  if (offset > kMaxOffset || length > kMaxOffset - offset) return io_fail(Errno::Invalid);
  int e = ::posix_fadvise(fd(), static_cast<off_t>(offset), static_cast<off_t>(length),
                          kAdvice[static_cast<size_t>(advice)]);
  if (e != 0) return io_fail(static_cast<Errno>(e));
  return {};
}

Io<> File::sync(bool data_only) {
  if (!handle_) return {};
  return check([&] { return data_only ? ::fdatasync(fd()) : ::fsync(fd()); });
}

Io<> File::set_status(const FileStatus& status) {
  // Other processes share an inherited descriptor: nothing is changed there, so what it was opened
  // with stays.
  if (!handle_.owned() && descriptor_append_ && !status.append) return io_fail(Errno::NotSupported);
  if (status.append != descriptor_append_ && handle_.owned() && !is_socket()) {
    int flags = O_APPEND * status.append | O_NONBLOCK * descriptor_nonblocking_;
    if (::fcntl(fd(), F_SETFL, flags) != 0) return io_fail_errno();
    descriptor_append_ = status.append;
  }
  status_ = status;
  return {};
}

bool File::is_terminal() const { return type_ == FileType::CharacterDevice && ::isatty(fd()) == 1; }

Io<Metadata> File::metadata() const {
  if (!handle_) return Metadata{};
  return metadata_of(fd());
}

u64 File::available() const {
  if (type_ == FileType::RegularFile) {
    off_t at = ::lseek(fd(), 0, SEEK_CUR);
    Io<Metadata> m = metadata();
    if (at < 0 || !m || m->size <= static_cast<u64>(at)) return 0;
    return m->size - static_cast<u64>(at);
  }
  int bytes = 0;
  if (::ioctl(fd(), FIONREAD, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<u64>(bytes);
}

void ignore_io_signals() {
  for (int signal : {SIGPIPE, SIGXFSZ}) {
    struct sigaction current;
    if (::sigaction(signal, nullptr, &current) != 0 || current.sa_handler != SIG_DFL) continue;
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(signal, &ignore, nullptr);
  }
}

}  // namespace berth::hostio
