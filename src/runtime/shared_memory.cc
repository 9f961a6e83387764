#include <atomic>
#include <unordered_map>

#include "os/clock.h"
#include "os/futex.h"
#include "runtime/memory.h"

namespace berth::runtime {

namespace {
enum WaiterState : u32 { kWaiting, kWoken, kInterrupted };
}  // namespace

// One thread that waits. Lives on that thread's stack; in a queue exactly while its state is
// kWaiting or kInterrupted and its thread has not yet taken it out, all under the queues' lock.
struct Waiter {
  std::atomic<u32> state{kWaiting};
  bool queued = false;
  Waiter* previous = nullptr;
  Waiter* next = nullptr;

  // Ends the wait unless something else already did.
  bool finish(WaiterState with) {
    u32 expected = kWaiting;
    if (!state.compare_exchange_strong(expected, with, std::memory_order_acq_rel)) return false;
    os::futex_wake(state, 1);
    return true;
  }
};

struct SharedMemory::Queues {
  struct Queue {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };
  std::mutex mutex;
  std::unordered_map<u64, Queue> by_address;

  void append(u64 address, Waiter& waiter) {
    Queue& queue = by_address[address];
    waiter.previous = queue.last;
    (queue.last != nullptr ? queue.last->next : queue.first) = &waiter;
    queue.last = &waiter;
    waiter.queued = true;
  }
  void remove(u64 address, Waiter& waiter) {
    if (!waiter.queued) return;
    const auto at = by_address.find(address);
    Queue& queue = at->second;
    (waiter.previous != nullptr ? waiter.previous->next : queue.first) = waiter.next;
    (waiter.next != nullptr ? waiter.next->previous : queue.last) = waiter.previous;
    waiter.queued = false;
    if (queue.first == nullptr) by_address.erase(at);
  }
};

Result<std::shared_ptr<SharedMemory>> SharedMemory::create(const wasm::MemoryType& type) {
  CHECK(type.is_shared);
  MemoryBacking backing = TRY(MemoryBacking::create(type));
  return std::shared_ptr<SharedMemory>(new SharedMemory(type, std::move(backing)));
}

SharedMemory::SharedMemory(const wasm::MemoryType& type, MemoryBacking backing)
    : type_(type), backing_(std::move(backing)), record_{}, queues_(std::make_unique<Queues>()) {
  record_.base = backing_.base();
  record_.bytes.store(type.limits.min << type.page_size_log2, std::memory_order_release);
}

SharedMemory::~SharedMemory() = default;

i64 SharedMemory::grow(u64 delta_pages, Allowance& allowance) {
  const std::lock_guard lock(grow_mutex_);
  const u32 shift = type_.page_size_log2;
  const u64 old_bytes = bytes();
  if (delta_pages > (backing_.max_bytes() - old_bytes) >> shift) return -1;
  const u64 delta = delta_pages << shift;
  if (!allowance.charge(delta)) return -1;
  if (!backing_.grow(old_bytes + delta, false)) {
    allowance.give_back(delta);
    return -1;
  }
  record_.bytes.store(old_bytes + delta, std::memory_order_seq_cst);
  return static_cast<i64>(old_bytes >> shift);
}

SharedMemory::WaitResult SharedMemory::wait(u64 address, u64 expected, u32 width, i64 timeout_ns, WaitSlot& slot) {
  Waiter waiter;
  {
    const std::lock_guard lock(queues_->mutex);
    u8* const p = record_.base + address;
    // Under the lock, so that a notify after a store that changes the value finds us in the queue.
    const u64 value = width == 4 ? std::atomic_ref(*reinterpret_cast<u32*>(p)).load()
                                 : std::atomic_ref(*reinterpret_cast<u64*>(p)).load();
    if (value != expected) return WaitResult::NotEqual;
    {
      const std::lock_guard slot_lock(slot.mutex_);
      if (slot.interrupted_) return WaitResult::Interrupted;
      slot.waiter_ = &waiter;
    }
    queues_->append(address, waiter);
  }
  const i64 deadline = timeout_ns < 0 ? os::kNoDeadline : os::saturating_add(os::monotonic_ns(), timeout_ns);
  while (waiter.state.load(std::memory_order_acquire) == kWaiting) {
    if (!os::futex_wait(waiter.state, kWaiting, deadline)) break;
  }
  {
    const std::lock_guard lock(queues_->mutex);
    queues_->remove(address, waiter);
  }
  {
    // After this nobody else can reach `waiter`.
    const std::lock_guard slot_lock(slot.mutex_);
    slot.waiter_ = nullptr;
  }
  switch (waiter.state.load(std::memory_order_acquire)) {
    case kWoken: return WaitResult::Woken;
    case kInterrupted: return WaitResult::Interrupted;
    default: return WaitResult::TimedOut;
  }
}

u32 SharedMemory::notify(u64 address, u32 count) {
  const std::lock_guard lock(queues_->mutex);
  const auto at = queues_->by_address.find(address);
  if (at == queues_->by_address.end()) return 0;
  u32 woken = 0;
  Waiter* waiter = at->second.first;
  while (waiter != nullptr && woken < count) {
    Waiter* const next = waiter->next;
    if (waiter->finish(kWoken)) {
      ++woken;
      queues_->remove(address, *waiter);  // may drop the queue: `at` is stale from here on
    }
    waiter = next;
  }
  return woken;
}

void WaitSlot::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (waiter_ != nullptr) waiter_->finish(kInterrupted);
}

void WaitSlot::clear() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

}  // namespace berth::runtime
