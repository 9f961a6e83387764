// Walking the frames of native code by the tables of artifacts. A walk reads the stack only between where it
// starts and where the entry into native code was made, so damaged tables end it early. All of this is
// async-signal-safe while the thread is in native code or in a builtin that walks.
#pragma once

#include "native/machine.h"

namespace berth::native {

// Code addresses, innermost first. All but the first are return addresses; that one is when `first_is_return`.
struct Trace {
  u32 count = 0;
  bool first_is_return = false;
  u64 pcs[runtime::kMaxBacktrace] = {};
};

// Collects the frames from `at` to the end of the entry that started from stack pointer `end`.
void collect(const Registers& at, bool is_return_address, u64 end, Trace& out);

// Moves `at`, which stands at a return address, to the landing pad of the innermost call that has one. False when
// there is none up to the end of the entry.
bool find_landing(Registers& at, u64 end);

// The wasm frames of what was collected, up to kMaxBacktrace in `out`. Not async-signal-safe.
void append_frames(const Trace& trace, std::vector<runtime::Frame>& out);

}  // namespace berth::native
