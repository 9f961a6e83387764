// What the handler of the nudging signal does for os/late_call.h.
#pragma once

#include <signal.h>

namespace berth::os {

inline constexpr int kNudgeSignal = SIGURG;

// Makes the call that the signal is for; whether it was for one. Async-signal-safe.
bool run_late_call(const siginfo_t& info);

}  // namespace berth::os
