// Waiting for descriptors and time, so that it can be stopped from outside. Every operation of this
// library that may block does so through a Waiter and never inside a system call.
//
// A Waiter belongs to the thread that runs the guest; only `interrupt` may be called from any
// thread.
#pragma once

#include <poll.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <span>

#include "hostio/error.h"
#include "hostio/handle.h"

namespace berth::hostio {

class Waiter {
 public:
  virtual ~Waiter() = default;
  // Waits until a descriptor of `fds` is ready (its `revents` tells) or CLOCK_MONOTONIC reaches
  // `deadline` (nanoseconds; none: no limit). Returns how many are ready, 0 for the deadline. Fails
  // with Canceled when the guest is to stop. A deadline in the past asks without waiting. May also return 0 when
  // something else has happened that the guest may wait for.
  virtual Io<size_t> wait(std::span<pollfd> fds, std::optional<u64> deadline) = 0;
  // Whether the guest is to stop.
  virtual bool interrupted() const = 0;

  // Waits for one descriptor; returns its `revents`.
  Io<short> wait_for(int fd, short events);
};

// Blocks the thread in ppoll. It is woken by `interrupt`, which costs nothing until it is used;
// besides, it asks `stop` every `slice`, for those who cannot call `interrupt`. A slice of zero
// means never.
class PollWaiter final : public Waiter {
 public:
  using Stop = bool (*)(void* argument);
  explicit PollWaiter(Stop stop = nullptr, void* argument = nullptr,
                      std::chrono::nanoseconds slice = std::chrono::milliseconds(50));
  ~PollWaiter() override;

  Io<size_t> wait(std::span<pollfd> fds, std::optional<u64> deadline) override;

  // From any thread: ends this wait and all later ones with Canceled, until `reset`.
  void interrupt();
  void reset();
  bool interrupted() const override;

 private:
  int wake_fd();

  Stop stop_;
  void* argument_;
  std::chrono::nanoseconds slice_;
  std::atomic<bool> interrupted_ = false;
  std::atomic<int> wake_fd_ = -1;
};

}  // namespace berth::hostio
