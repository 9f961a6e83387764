#include "runtime/guest_stack.h"

#include <algorithm>

#include "os/clock.h"
#include "os/fault.h"
#include "runtime/store_impl.h"

namespace berth::runtime {

namespace {
constexpr i64 kNudgePeriodNs = 1'000'000;
constexpr u64 kMaxStackBytes = u64{1} << 45;
}  // namespace

bool GuestStacks::here() const {
  const os::Fiber* const current = os::Fiber::current();
  return current != nullptr && std::ranges::find(active_, current) != active_.end();
}

Result<> GuestStacks::run(const std::function<void()>& body) {
  struct Job {
    GuestStacks& stacks;
    const std::function<void()>& body;
  } job{*this, body};
  auto on_stack = [&job](os::Fiber& self) {
    abi::StoreContext& store = job.stacks.store_;
    const StackScope scope(StoreAccess::of(&store), self.stack().high());
    const u64 outer_limit = store.native_limit;
    store.native_limit = reinterpret_cast<u64>(self.stack().low()) + kHostHeadroom;
    job.body();
    store.native_limit = outer_limit;
  };
  std::unique_ptr<os::Fiber> fiber;
  if (idle_.empty()) {
    fiber = TRY(os::Fiber::create(std::min(stack_bytes_, kMaxStackBytes) + kHostHeadroom, on_stack));
  } else {
    fiber = std::move(idle_.back());
    idle_.pop_back();
    fiber->restart(on_stack);
  }
  active_.push_back(fiber.get());
  fiber->resume();
  while (!fiber->done()) {
    // Whoever called us runs on a fiber too, and waits as a whole.
    os::Fiber* const outer = os::Fiber::current();
    CHECK(outer != nullptr);
    outer->suspend();
    fiber->resume();
  }
  std::erase(active_, fiber.get());
  idle_.push_back(std::move(fiber));
  return {};
}

GuestStacks& guest_stacks(abi::StoreContext& store) { return StoreAccess::of(&store).guest_stacks; }

int announce_native(abi::StoreContext& store, int thread) {
  return StoreAccess::of(&store).nudger.thread.exchange(thread, std::memory_order_seq_cst);
}

bool in_guarded_memory(const abi::StoreContext& store, const void* address) {
  const StoreImpl& impl = StoreAccess::of(const_cast<abi::StoreContext*>(&store));
  return std::ranges::any_of(impl.memories, [&](const std::unique_ptr<Memory>& memory) {
    return memory->guarded() &&
           reinterpret_cast<u64>(address) - reinterpret_cast<u64>(memory->base()) < abi::kGuardedReservation;
  });
}

void Nudger::start() {
  const int now = thread.load(std::memory_order_seq_cst);
  if (now == 0) return;  // it looks at the flag when it announces itself
  os::nudge(now);
  // A nudge comes to nothing when it finds the thread in a builtin that has looked at the flag already.
  (void)alarm_.repeat(os::monotonic_ns() + kNudgePeriodNs, kNudgePeriodNs, [this] {
    const int at = thread.load(std::memory_order_seq_cst);
    if (at != 0) os::nudge(at);
    return at != 0;
  });
}

}  // namespace berth::runtime
