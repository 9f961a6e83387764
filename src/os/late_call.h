// A call after a delay, in a signal handler on whatever thread: for those who want no thread until then. Any thread.
#pragma once

#include "base/types.h"

namespace berth::os {

// Calls `function`, which must be async-signal-safe, once, at least `delay_ns` from now, unless cancelled. There is one
// such call in the process at a time. False: there is one already, or the system does not offer it. The process has a
// fault handler (os/fault.h), whose signal is used.
bool call_late(i64 delay_ns, void (*function)(void*), void* data);
// Ends the call set with `data`, if there is one, called already or not: afterwards it is not running and will not run.
// Not to be called from the function itself.
void cancel_late_call(void* data);

}  // namespace berth::os
