// Hardware faults as something a part of the program may handle: memory it guards, divisions it
// lets the processor check, instructions that trap. A fault that nobody claims goes where it went before
// (an earlier handler, or the default that ends the process), so real crashes stay crashes. A nudge is a
// fault that another thread asks for.
#pragma once

#include "base/result.h"

namespace berth::os {

// SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP; a nudge.
enum class FaultKind : u8 { Memory, Bus, Arithmetic, Illegal, Breakpoint, Nudge };

// A fault under way, on the thread that faulted.
class Fault {
 public:
  Fault(FaultKind kind, void* address, void* context) : kind_(kind), address_(address), context_(context) {}
  FaultKind kind() const { return kind_; }
  // The address that was accessed; of the instruction for Arithmetic, Illegal and Breakpoint; null for Nudge.
  void* address() const { return address_; }
  // The platform's ucontext_t.
  void* context() const { return context_; }
  std::uintptr_t pc() const;
  std::uintptr_t sp() const;
  // Where the thread goes on once the handler has returned true.
  void set_pc(std::uintptr_t pc);
  void set_sp(std::uintptr_t sp);
  // The first two integer argument registers of the platform's calling convention.
  void set_argument(int index, u64 value);
  // Has the thread call `function` on its own stack, where it stands, and then go on as if nothing had been; the
  // function may switch stacks meanwhile. The stack has room for all registers and for the function. False, and no
  // change, where that is not offered. From handlers of nudges.
  bool divert(void (*function)());

 private:
  FaultKind kind_;
  void* address_;
  void* context_;
};

// Whether it handled the fault; may change `fault`'s context to that end. Runs in a signal handler:
// it must not allocate, lock or call anything that is not async-signal-safe.
using FaultHandler = bool (*)(Fault& fault, void* data);

// Adds a handler for the whole process, for as long as it lives; the last one added is asked first.
// At most eight. The first call installs the signal handlers. Any thread. Fails with System or
// LimitExceeded.
Result<> add_fault_handler(FaultHandler handler, void* data);

// Gives the calling thread a signal stack of its own, once, so that a fault can be handled when its
// stack has run out, and lets it receive the signals of faults and nudges. Released when the thread ends. Cheap when
// already done.
Result<> ensure_signal_stack();

// The calling thread, for `nudge`. Cheap.
int this_thread();

// Interrupts a thread of this process wherever it stands and asks the fault handlers, there, with
// FaultKind::Nudge; one that nobody claims is over. System calls that can go on do so afterwards. Nothing
// happens when the thread is gone or has no signal stack. A handler must have been added before. Any thread.
void nudge(int thread);

}  // namespace berth::os
