// Linear memories (specification: execution, memory instances). A Memory belongs to one store and
// is used by its thread. A SharedMemory holds what several stores see at once: its functions may be
// called from any thread. Sizes are in bytes unless named pages; a page is 1 << page_size_log2
// bytes.
//
// How a memory is laid out depends on nothing but its type, so that code can be prepared for it:
//   - guarded (32-bit addresses, pages of 64 KiB): abi::kGuardedReservation is reserved, `base`
//   never
//     moves, and an access beyond the size faults instead of being checked;
//   - otherwise each access is checked against MemoryRecord::bytes, and an unshared memory may move
//   when
//     it grows.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "abi/context.h"
#include "base/result.h"
#include "os/memory.h"

namespace berth::runtime {

// Whether memories of this type are reserved with guard space, so that no access needs a check.
constexpr bool is_guarded(const wasm::MemoryType& type) { return !type.is_64 && type.page_size_log2 == 16; }

// What a store may still take of something: linear memory bytes or table elements.
struct Allowance {
  u64 limit = ~u64{0};
  u64 used = 0;
  bool charge(u64 amount) {
    if (amount > limit - used) return false;
    used += amount;
    return true;
  }
  void give_back(u64 amount) { used -= amount; }
};

// What a memory holds when a store starts: bytes from `offset` on, zeros elsewhere. Any thread.
struct InitialContents {
  // Of the first `bytes` at `base`; null where they are all zero. Fails like os::MemoryImage::make.
  static Result<std::shared_ptr<const InitialContents>> make(std::span<const u8> memory);
  u64 offset;
  os::MemoryImage image;
};

// The address space of one memory and how much of it is accessible. For Memory and SharedMemory.
class MemoryBacking {
 public:
  // Reserves for `type` and makes its minimum accessible. Fails with OutOfMemory or LimitExceeded.
  static Result<MemoryBacking> create(const wasm::MemoryType& type);

  u8* base() const { return reservation_.base(); }
  // The largest size in bytes that growth can ever reach.
  u64 max_bytes() const { return max_bytes_; }
  // Makes the first `bytes` accessible, moving the memory only if `may_move`. False when the system
  // refuses; then nothing changed.
  bool grow(u64 bytes, bool may_move);
  // Hints that [address, address + bytes), which is accessible, is about to be written.
  void populate(u64 address, u64 bytes);
  // Makes the contents those of an image, which the accessible part has room for; it is mapped, not copied.
  Result<> start_from(const InitialContents& contents);
  // Back to `bytes`, and to `contents` (null: zeros). False when the system refuses.
  bool reset(u64 bytes, const InitialContents* contents, u64 most_kept);

 private:
  os::Reservation reservation_;
  u64 committed_ = 0;
  u64 max_bytes_ = 0;
};

struct Waiter;

// A memory that several threads use at once, each through a Memory of its own store. Jointly owned.
class SharedMemory {
 public:
  // `type.is_shared` must hold. Fails like MemoryBacking::create.
  static Result<std::shared_ptr<SharedMemory>> create(const wasm::MemoryType& type);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;

  const wasm::MemoryType& type() const { return type_; }
  abi::MemoryRecord& record() { return record_; }
  u8* base() const { return record_.base; }
  u64 bytes() const { return record_.bytes.load(std::memory_order_acquire); }

  // Grows by `delta_pages`; the old size in pages, or -1. `allowance` of the growing store is
  // charged.
  i64 grow(u64 delta_pages, Allowance& allowance);

  enum class WaitResult : u8 { Woken = 0, NotEqual = 1, TimedOut = 2, Interrupted = 3 };
  // Waits at `address` while the memory there holds `expected` (of `width` 4 or 8 bytes; address
  // checked by the caller); a negative timeout waits for ever. Only `slot.interrupt` from another
  // thread ends it early.
  WaitResult wait(u64 address, u64 expected, u32 width, i64 timeout_ns, class WaitSlot& slot);
  // Wakes up to `count` of those that wait at `address`, longest waiting first; how many.
  u32 notify(u64 address, u32 count);

 private:
  friend class WaitSlot;
  struct Queues;
  SharedMemory(const wasm::MemoryType& type, MemoryBacking backing);

  const wasm::MemoryType type_;
  MemoryBacking backing_;
  abi::MemoryRecord record_;
  std::mutex grow_mutex_;
  std::unique_ptr<Queues> queues_;
};

// Where a store's thread parks while it waits, so that others can find and interrupt it.
class WaitSlot {
 public:
  // From any thread: ends the wait that runs now, or the next one, with WaitResult::Interrupted.
  void interrupt();
  void clear();

 private:
  friend class SharedMemory;
  std::mutex mutex_;
  Waiter* waiter_ = nullptr;
  bool interrupted_ = false;
};

class Memory {
 public:
  // Charges `allowance`, which must outlive the memory. Fails with LimitExceeded or OutOfMemory.
  static Result<std::unique_ptr<Memory>> create(const wasm::MemoryType& type, Allowance& allowance);
  // A store's view of a shared memory.
  Memory(std::shared_ptr<SharedMemory> shared, Allowance& allowance);
  ~Memory();
  Memory(const Memory&) = delete;

  // As declared.
  const wasm::MemoryType& type() const { return type_; }
  // As declared, with the current size as the minimum; what an import is matched against.
  wasm::MemoryType current_type() const;
  bool guarded() const { return is_guarded(type_); }

  u8* base() const { return record().base; }
  u64 bytes() const { return record().bytes.load(std::memory_order_acquire); }
  u64 pages() const { return bytes() >> type_.page_size_log2; }
  // All bytes; stale once the memory grew.
  std::span<u8> span() const { return {base(), bytes()}; }

  // Grows by `delta_pages` (specification: growing memories); the old size in pages, or -1 when the
  // type's maximum, the store's limits or the system forbid it.
  i64 grow(u64 delta_pages);

  // Hints that a large part of the memory is about to be written; of an out-of-bounds range nothing comes.
  void populate(u64 address, u64 bytes);

  // Of an unshared memory: what it is to hold at first (null: zeros), which `reset` goes back to, with the size
  // `bytes`. False when the system refuses; then the memory must not be used any more.
  bool start_from(std::shared_ptr<const InitialContents> contents);
  // Of the pages that were written to, up to `most_kept` bytes stay with the memory.
  bool reset(u64 bytes, u64 most_kept);
  bool has_initial_contents() const { return initial_ != nullptr; }

  abi::MemoryRecord& record() const { return shared_ ? shared_->record() : record_; }
  // Null when not shared.
  const std::shared_ptr<SharedMemory>& shared() const { return shared_; }

 private:
  Memory(const wasm::MemoryType& type, MemoryBacking backing, Allowance& allowance);

  const wasm::MemoryType type_;
  MemoryBacking backing_;
  std::shared_ptr<const InitialContents> initial_;
  mutable abi::MemoryRecord record_;
  Allowance& allowance_;
  std::shared_ptr<SharedMemory> shared_;
};

}  // namespace berth::runtime
