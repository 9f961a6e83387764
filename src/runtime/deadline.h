// Limits on how long a guest may run.
#pragma once

#include <atomic>
#include <chrono>

#include "os/timer.h"
#include "runtime/store.h"

namespace berth::runtime {

// Interrupts a store (Store::interrupt) once `duration` has passed, unless destroyed before. The
// store must outlive it. Created and destroyed on any one thread; one timer thread serves all
// deadlines of the process. The interrupt stays until Store::clear_interrupt.
class Deadline {
 public:
  Deadline(Store& store, std::chrono::nanoseconds duration);
  Deadline(const Deadline&) = delete;

  // Whether it has interrupted the store.
  bool passed() const { return passed_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> passed_{false};
  os::Alarm alarm_;  // last: its destructor waits for the callback, which uses the rest
};

}  // namespace berth::runtime
