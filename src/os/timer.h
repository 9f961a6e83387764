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
  // Afterwards the callback is not running and will not run.
  void cancel();

 private:
  friend class TimerThread;
  std::function<void()> callback_;
  i64 deadline_ns_ = 0;
  bool is_set_ = false;
};

}  // namespace berth::os
