// Ownership of one descriptor of the operating system. Move-only; not shared between threads.
#pragma once

#include <utility>

namespace berth::hostio {

class Handle {
 public:
  Handle() = default;
  // Takes ownership of `fd`, which is closed with the handle. Descriptors made in this library are
  // close-on-exec.
  explicit Handle(int fd) : fd_(fd), owned_(true) {}
  // Refers to a descriptor that outlives the handle and is never closed by it: the process's
  // standard streams.
  static Handle borrowed(int fd) {
    Handle h;
    h.fd_ = fd;
    return h;
  }
  Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)), owned_(other.owned_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
      owned_ = other.owned_;
    }
    return *this;
  }
  ~Handle() { close(); }

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool owned() const { return owned_; }

 private:
  void close();

  int fd_ = -1;
  bool owned_ = false;
};

}  // namespace berth::hostio
