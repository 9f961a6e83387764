// Stacks that code can be suspended on. A Fiber runs a function on a stack of its own, guarded at
// its end; the function may suspend itself in the middle and be resumed later. Each thread has one
// ExecutionStack of its own and as many fibers as it likes. A fiber stays on the thread that first
// resumed it.
//
// The collector of garbage reads stacks, so each ExecutionStack knows where it was left.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "os/memory.h"

namespace berth::os {

// A stack that some thread runs on, now or once resumed: a thread's own, or a fiber's. Grows
// downwards.
class ExecutionStack {
 public:
  ExecutionStack() = default;
  ExecutionStack(const ExecutionStack&) = delete;
  // The one that the calling thread runs on now.
  static ExecutionStack& current();

  // The stack pointer at the moment it was left, callee-saved registers included in what lies
  // above; only of a stack that is not running.
  const void* saved_sp() const { return saved_sp_; }
  // The lowest usable address of a fiber's stack; null for a thread's own stack.
  const u8* low() const { return low_; }
  const u8* high() const { return high_; }

 private:
  friend class Fiber;
  const void* saved_sp_ = nullptr;
  const u8* low_ = nullptr;
  const u8* high_ = nullptr;
  [[maybe_unused]] void* tsan_ = nullptr;  // the thread sanitizer's name for it
};

class Fiber {
 public:
  // Inaccessible bytes below a stack's low(): wider than a page, so that a frame cannot easily step over them.
  static constexpr u64 kGuardBytes = 64 << 10;

  // `body` runs on the new stack of at least `stack_bytes` when the fiber is first resumed; it must
  // not throw. Fails with OutOfMemory.
  static Result<std::unique_ptr<Fiber>> create(u64 stack_bytes, std::function<void(Fiber&)> body);
  // Gives a fiber whose body has returned another, to be run on the same stack when next resumed, on any thread.
  void restart(std::function<void(Fiber&)> body);
  // The body must have returned, or never have been started: frames are not unwound.
  ~Fiber();
  Fiber(const Fiber&) = delete;

  // The fiber that the calling thread runs on; null on its own stack.
  static Fiber* current();

  // What a thread notes about whoever runs on it is noted for each fiber by itself: `exchange` notes what it is given,
  // null for a fiber that is new, and returns what was noted until then. One for the whole process, set before the
  // fibers that it matters to are resumed.
  using Exchange = void* (*)(void* noted);
  static void set_exchange(Exchange exchange);

  // Goes on with the body until it suspends or returns. Not from the fiber itself.
  void resume();
  // From within the body: goes back to whoever resumed it.
  void suspend();
  bool started() const { return started_; }
  bool done() const { return done_; }
  ExecutionStack& stack() { return stack_; }

 private:
  struct Switch;
  Fiber() = default;

  Reservation mapping_;
  std::function<void(Fiber&)> body_;
  ExecutionStack stack_;
  void* context_ = nullptr;          // where to go on
  void* resumer_context_ = nullptr;  // where whoever resumed it goes on
  ExecutionStack* resumer_ = nullptr;
  Fiber* outer_ = nullptr;  // the fiber that resumed this one, if one did
  void* noted_ = nullptr;   // while it is not running
  bool started_ = false;
  bool running_ = false;
  bool done_ = false;
};

// Calls `function` with the stack pointer such that every register that the callers' frames may
// rely on has been written to the stack above it; for scanning the current stack.
void with_registers_on_stack(void (*function)(const void* stack_pointer, void* data), void* data);

}  // namespace berth::os
