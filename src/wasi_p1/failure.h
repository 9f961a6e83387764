// Why a WASI function fails: an errno of WASI's, made from its own or from the host's. Two bytes
// wide.
#pragma once

#include <expected>

#include "hostio/error.h"
#include "wasi_p1/types.h"

namespace berth::wasi_p1 {

// The guest's errno for a host's; Io for one that WASI has no name for.
Errno to_errno(hostio::Errno e);

class Failure {
 public:
  Failure(Errno e) : code_(static_cast<u16>(e)) {}
  Failure(hostio::Errno e) : code_(e == hostio::Errno::Canceled ? kInterrupted : static_cast<u16>(to_errno(e))) {}

  // The guest is to stop: no errno is returned to it, it traps.
  bool is_interrupt() const { return code_ == kInterrupted; }
  Errno code() const { return is_interrupt() ? Errno::Interrupted : static_cast<Errno>(code_); }

 private:
  static constexpr u16 kInterrupted = 0xffff;
  u16 code_;
};

template <typename T = void>
using Expected = std::expected<T, Failure>;

}  // namespace berth::wasi_p1
