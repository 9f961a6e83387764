// Callbacks at a moment, from one thread for the whole process, which starts when first needed.
// Safe from any thread; one Alarm is used by one thread at a time.
#pragma once

#include <functional>

#include "base/result.h"

namespace berth::os {

// Runs a callback once, at or soon after a moment of the monotonic clock, unless cancelled or
// destroyed first.
class Alarm {
 public:
  Alarm() = default;
  ~Alarm() { cancel(); }
  Alarm(const Alarm&) = delete;

  // Cancels what was set, then sets `callback` for `deadline_ns`. The callback must be short, and must not
  // touch this alarm. Fails with System when the process may not have another thread.
  Result<> set(i64 deadline_ns, std::function<void()> callback);
  // The same again and again, `period_ns` after each time that `callback` has returned true.
  Result<> repeat(i64 first_deadline_ns, i64 period_ns, std::function<bool()> callback);
  // Afterwards the callback is not running and will not run.
  void cancel();

 private:
  friend class TimerThread;
  std::function<bool()> callback_;  // whether it wants to be called again
  i64 period_ns_ = 0;
  i64 deadline_ns_ = 0;
  bool is_set_ = false;
};

}  // namespace berth::os
