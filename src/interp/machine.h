// What handlers share with the interpreter's slow paths: activations, entering functions, unwinding.
#pragma once

#include <csetjmp>

#include "interp/dispatch.h"
#include "runtime/activation.h"
#include "runtime/executor.h"
#include "wasm/opcodes.h"

namespace berth::interp {

using abi::FunctionInstance;
using abi::InstanceContext;
using abi::Ref;
using abi::StoreContext;
using abi::TrapCode;

// Where a fault leaves the interpreter to. The compiler's own way, the faster one, is not there for every processor.
#if defined(__x86_64__)
using FaultExit = void* [5];
#define BERTH_SET_FAULT_EXIT(point) __builtin_setjmp(point)
#define BERTH_TAKE_FAULT_EXIT(point) __builtin_longjmp(point, 1)
#else
using FaultExit = jmp_buf;
#define BERTH_SET_FAULT_EXIT(point) _setjmp(point)
#define BERTH_TAKE_FAULT_EXIT(point) longjmp(point, 1)
#endif

// One entry into the interpreter. Lives on the native stack of Interpreter::invoke.
struct Activation : runtime::Activation {
  Slot* base = nullptr;  // the first frame
  // Where the innermost frame stands while a host function or another activation runs above it.
  const Word* pc = nullptr;
  Slot* fp = nullptr;
  InstanceContext* ctx = nullptr;
  // Why the activation ended early, if it did.
  std::unique_ptr<runtime::Unwind> unwind;
  FaultExit fault_exit;  // set before any handler runs
};
// The innermost, which is the interpreter's while its code runs.
inline Activation* activation(StoreContext* st) {
  return static_cast<Activation*>(static_cast<runtime::Activation*>(st->activation));
}

// Makes `callee` enterable with its frame at `frame`: lowers it when that has not been done. `context` is an
// instance of the callee's module. StackExhausted or Interrupted when it must not be entered.
[[gnu::noinline]] TrapCode prepare_call(FunctionCode* callee, InstanceContext* context, StoreContext* st, Slot* frame);

// The same for the target of a branch in a frame of the context's module, when there is anything to do there: notes it
// as asked by Store::observe, and finds what runs the rest of the function from there on; a null entry: nothing does.
struct WayOut {
  runtime::Replacements::One one;
  u32 header, result_slots;  // of the function
};
[[gnu::noinline]] WayOut observe_branch(const Word* target, InstanceContext* context, StoreContext* st);

// Undo what Store::observe has done to the store to see the next call (whether it had), and the next branch.
[[gnu::noinline]] bool end_call_observation(StoreContext* st);
[[gnu::noinline]] void end_branch_observation(StoreContext* st);

// Goes to `acc`, the target of a branch that was taken while StoreContext::interrupt is set.
BERTH_HANDLER_CC void branch_interrupted(BERTH_REGS);

// Records a trap at `pc` in the innermost activation, with its backtrace.
[[gnu::noinline]] void record_trap(StoreContext* st, TrapCode code, const Word* pc, Slot* fp, InstanceContext* ctx);

// Looks for who catches `exception`, thrown by the instruction at `pc` in a frame of `code`. On success
// moves pc, fp and ctx to the handler and delivers the values; else records the unwind and returns false.
[[gnu::noinline]] bool deliver_exception(StoreContext* st, Ref exception, FunctionCode* code, const Word*& pc,
                                         Slot*& fp, InstanceContext*& ctx);

// Leaves the innermost activation from inside a fault, with a trap at `pc`.
[[noreturn]] void leave_after_fault(StoreContext* st, const Word* pc, Slot* fp, InstanceContext* ctx);

// After a host function, or a function's replacement, returned Status::Unwind at the call `pc`, which is null when
// nothing of this activation called: an exception that a frame of this activation catches continues there (true),
// anything else ends the activation (false).
[[gnu::noinline]] bool host_unwound(StoreContext* st, const Word*& pc, Slot*& fp, InstanceContext*& ctx);

// Clears the locals of a frame that are not parameters.
[[gnu::always_inline]] inline void clear_locals(Slot* frame, const FunctionCode* code) {
  const u32 end = code->local_slots;
  for (u32 i = code->param_slots; i < end; ++i) {
    frame[i] = 0;
    asm volatile("");  // keeps the loop a loop: a call of memset would make every handler save its registers
  }
}

[[gnu::always_inline]] inline void write_header(Slot* header, const Word* return_pc, Slot* caller_fp,
                                                InstanceContext* ctx) {
  header[kReturnPc] = reinterpret_cast<Slot>(return_pc);
  header[kCallerFp] = reinterpret_cast<Slot>(caller_fp);
  header[kCallerContext] = reinterpret_cast<Slot>(ctx);
}

[[gnu::always_inline]] inline Slot* stack_limit(StoreContext* st) {
  return __atomic_load_n(&st->stack_limit, __ATOMIC_RELAXED);
}

}  // namespace berth::interp
