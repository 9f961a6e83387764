// Streams and what can be waited for (wasi:io). The store's thread.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "hostio/file.h"
#include "wasi_p2/resources.h"

namespace berth::wasi_p2 {

struct State;

// Whose error codes describe an error.
enum class Domain : u8 { Stream, Filesystem, Network, Http };

// wasi:io/error
class IoError final : public Resource {
 public:
  IoError(hostio::Errno code, Domain domain) : code(code), domain(domain) {}
  const hostio::Errno code;
  const Domain domain;
};

// Why a stream does nothing more.
struct StreamFailure {
  bool is_closed = true;
  hostio::Errno error{};  // unless closed
};
template <typename T = void>
using Streamed = std::expected<T, StreamFailure>;
inline std::unexpected<StreamFailure> closed() { return std::unexpected(StreamFailure{}); }
inline std::unexpected<StreamFailure> failed(hostio::Errno e) { return std::unexpected(StreamFailure{false, e}); }

// What somebody who waits looks at: a descriptor, a moment, or whichever comes first; nothing when there is no need to
// wait.
struct Wants {
  bool is_ready = false;
  int fd = -1;
  short events = 0;
  std::optional<u64> deadline;  // of the monotonic clock
  static Wants ready() {
    Wants w;
    w.is_ready = true;
    return w;
  }
  static Wants descriptor(int fd, short events) {
    Wants w;
    w.fd = fd;
    w.events = events;
    return w;
  }
};

// Something that becomes ready.
class Waitable : public Resource {
 public:
  virtual Wants wants() = 0;
  // What it wanted has come; whether it is ready now.
  virtual bool woken() { return true; }
};

class Pollable final : public Resource {
 public:
  explicit Pollable(Ref<Waitable> source) : source(std::move(source)) {}
  const Ref<Waitable> source;
};

class Timer final : public Waitable {
 public:
  explicit Timer(u64 deadline) : deadline_(deadline) {}
  Wants wants() override {
    Wants w;
    w.deadline = deadline_;
    return w;
  }

 private:
  const u64 deadline_;
};

class InputStream : public Waitable {
 public:
  explicit InputStream(Domain domain) : domain(domain) {}
  // Reads what is there now; 0: nothing. Once it has failed it is closed.
  Streamed<size_t> read(std::span<u8> out);
  const Domain domain;

 private:
  // `out` is not empty.
  virtual Streamed<size_t> read_some(std::span<u8> out) = 0;
  bool is_closed_ = false;
};

class OutputStream : public Waitable {
 public:
  explicit OutputStream(Domain domain) : domain(domain) {}
  // How many bytes may be written now. Once it has failed it is closed.
  Streamed<u64> check_write();
  // Not more than that; never waits.
  Streamed<> write(std::span<const u8> bytes);
  // Starts to write what is kept; what is still kept then makes `wants` wait.
  Streamed<> flush();
  // What the guest was permitted to write and has not.
  u64 permit = 0;
  const Domain domain;

 protected:
  // What failed while nobody asked.
  std::optional<StreamFailure> failure_;

 private:
  virtual Streamed<u64> capacity() = 0;
  virtual Streamed<> write_all(std::span<const u8> bytes) = 0;
  virtual Streamed<> push() { return {}; }
  // Whether it can go on: not closed, and nothing failed meanwhile, which is told once.
  Streamed<> check_open();
  template <typename T>
  Streamed<T> note(Streamed<T> result) {
    if (!result) is_closed_ = true;
    return result;
  }
  bool is_closed_ = false;
};

// --- over files

// A file that is shared by what was made of it.
class SharedFile final : public Resource {
 public:
  explicit SharedFile(hostio::File file) : file(std::move(file)) {}
  hostio::File file;

  // For those that may make a writer wait: writes what can be written, and keeps the rest.
  Streamed<> write(std::span<const u8> bytes, hostio::Waiter& waiter);
  Streamed<> push(hostio::Waiter& waiter);
  bool has_pending() const { return sent_ < pending_.size(); }

  // Of a socket: nothing more is read; nothing more is written, once what is kept has gone out.
  void end_reading() { has_ended_reading_ = true; }
  void end_writing(hostio::Waiter& waiter);
  bool has_ended_reading() const { return has_ended_reading_; }
  bool has_ended_writing() const { return has_ended_writing_; }

 private:
  std::string pending_;
  size_t sent_ = 0;
  bool has_ended_reading_ = false, has_ended_writing_ = false;
};

// From a position on, which only this stream moves.
class FileInput final : public InputStream {
 public:
  FileInput(Ref<SharedFile> file, u64 position)
      : InputStream(Domain::Filesystem), file_(std::move(file)), position_(position) {}
  Wants wants() override { return Wants::ready(); }

 private:
  Streamed<size_t> read_some(std::span<u8> out) override;
  const Ref<SharedFile> file_;
  u64 position_;
};
class FileOutput final : public OutputStream {
 public:
  // Without a position it appends.
  FileOutput(Ref<SharedFile> file, std::optional<u64> position)
      : OutputStream(Domain::Filesystem), file_(std::move(file)), position_(position) {}
  Wants wants() override { return Wants::ready(); }

 private:
  Streamed<u64> capacity() override;
  Streamed<> write_all(std::span<const u8> bytes) override;
  const Ref<SharedFile> file_;
  std::optional<u64> position_;
};

// Pipes, terminals, sockets, and whatever the process was started with. `file` null: closed.
class DescriptorInput final : public InputStream {
 public:
  DescriptorInput(Ref<SharedFile> file, hostio::Waiter& waiter, Domain domain)
      : InputStream(domain), file_(std::move(file)), waiter_(waiter) {}
  Wants wants() override;

 private:
  Streamed<size_t> read_some(std::span<u8> out) override;
  const Ref<SharedFile> file_;
  hostio::Waiter& waiter_;
};
class DescriptorOutput final : public OutputStream {
 public:
  DescriptorOutput(Ref<SharedFile> file, hostio::Waiter& waiter, Domain domain)
      : OutputStream(domain), file_(std::move(file)), waiter_(waiter) {}
  Wants wants() override;
  bool woken() override;

 private:
  Streamed<u64> capacity() override;
  Streamed<> write_all(std::span<const u8> bytes) override;
  Streamed<> push() override;
  const Ref<SharedFile> file_;
  hostio::Waiter& waiter_;
};

}  // namespace berth::wasi_p2
