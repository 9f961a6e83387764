// What differs between processors: registers, the way onto and off native code, stubs. One file each implements
// it, in the folder named after the processor; everything else in this library is portable.
#pragma once

#include "abi/artifact.h"
#include "abi/native.h"
#include "os/fault.h"
#include "runtime/activation.h"

namespace berth::native {

using abi::InstanceContext;
using abi::Ref;
using abi::Slot;
using abi::StoreContext;
using abi::TrapCode;

// Where native code stands: the registers that calls preserve, in the order of abi::UnwindRule::saved.
struct Registers {
  u64 saved[std::extent_v<decltype(abi::UnwindRule::saved)>];
  u64 sp;
  u64 pc;
};

// The part of an entry into native code (native/entry.h) that machine code knows.
struct EntryFrame {
  runtime::Activation activation;
  u64 sp;  // the stack pointer that native code started from
  StoreContext* store;
};
// The innermost entry of the thread. Also read in signal handlers.
extern "C" constinit thread_local EntryFrame* berth_native_entry;

// How an entry ended.
enum class Left : int { Returned = 0, Unwound = 1 };

extern "C" {
// Calls an enter trampoline (abi/native.h) and sets `entry->sp`. Unwound: by leaving through `unwound_point`.
Left berth_native_enter(EntryFrame* entry, const void* enter, void* target, const void* code, Slot* slots);
// Continues at `at->pc` with the registers of `at`, `value` in the first return register and 0 in the second.
[[noreturn]] void berth_native_resume(const Registers* at, u64 value);
}

// The address that enter trampolines return to: where every walk ends.
u64 return_point();
// Continuing there with the stack pointer at EntryFrame::sp makes berth_native_enter return Unwound.
u64 unwound_point();
// What FunctionInstance::native_code is without native code: jumps to the exit trampoline of the function's type.
const void* exit_stub();
// The table that InstanceContext::builtins points to: one stub for each builtin, which keeps where native code
// stands, refuses when there is no room for the host, and goes on to the function of builtins.cc.
extern const void* const kBuiltinTable[abi::kBuiltinCount];
// Whether `pc` is in a stub that refuses.
bool in_refusal(u64 pc);

// Registers at a fault. Async-signal-safe.
Registers registers_at(const os::Fault& fault);
// The same at the call of the builtin that runs, as far as they matter for walking.
Registers registers_at_builtin(const StoreContext& store);
// What the trap instruction at `pc` stands for; None when it is another. Async-signal-safe.
TrapCode trap_instruction(const u8* pc);

// The canonical frame address by `rule`; 0 when it needs a register that is not known.
u64 frame_address(const Registers& at, const abi::UnwindRule& rule);
// The return address of the frame at `cfa`. Reads the stack only within [low, high); 0 otherwise.
u64 return_address(const Registers& at, const abi::UnwindRule& rule, u64 cfa, u64 low, u64 high);

}  // namespace berth::native
