// What running native code takes of a store: stacks for it, and how others reach the thread that runs it. Used by
// the store's thread, except where noted.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "abi/context.h"
#include "os/fiber.h"
#include "os/timer.h"

namespace berth::runtime {

// Room on a guest stack that is kept for the host: builtins are refused when less is left.
inline constexpr u64 kHostHeadroom = 256 << 10;

// The stacks of one store. Nearly always there is one, made when first needed and kept; whoever enters the store on
// another fiber than that gets another.
class GuestStacks {
 public:
  GuestStacks(abi::StoreContext& store, u64 stack_bytes) : store_(store), stack_bytes_(stack_bytes) {}
  GuestStacks(const GuestStacks&) = delete;

  // Whether the calling code runs on one of them.
  bool here() const;
  // Runs `body` on one; it must return, but may suspend itself: then the fiber that called is suspended with it.
  // StoreContext::native_limit is that stack's meanwhile, and the collector sees
  // the stack. Fails with OutOfMemory.
  Result<> run(const std::function<void()>& body);
  // Gives those that nothing runs on back, for other stores.
  void give_back() { idle_.clear(); }

 private:
  abi::StoreContext& store_;
  const u64 stack_bytes_;
  std::vector<std::unique_ptr<os::Fiber>> idle_;
  std::vector<const os::Fiber*> active_;
};
GuestStacks& guest_stacks(abi::StoreContext& store);

// Lets others of the thread go on when that was asked for (Store::ask_to_yield); whether it was. The store's thread.
bool yield_if_asked(abi::StoreContext& store);

// Says which thread runs the store's native code, so that Store::interrupt can nudge it; 0 while none does. Returns
// what was there before. Whoever announces a thread looks at StoreContext::interrupt afterwards.
int announce_native(abi::StoreContext& store, int thread);

// For whoever has been suspended in the middle of native code and finds the store interrupted: has the thread nudged
// once it is there again. The store's thread.
void nudge_when_back(abi::StoreContext& store);

// Whether `address` lies in the reservation of a guarded memory of the store. Async-signal-safe while the store's
// thread runs guest code.
bool in_guarded_memory(const abi::StoreContext& store, const void* address);

// Nudges the thread that runs a store's native code until it has left it. Any thread.
class Nudger {
 public:
  std::atomic<int> thread{0};
  void start();
  void stop() { alarm_.cancel(); }

 private:
  os::Alarm alarm_;
};

}  // namespace berth::runtime
