// Memory instructions (specification: execution, memory instructions).

#include "runtime/builtins.h"
#include "runtime/guest_copy.h"
#include "runtime/store_impl.h"

namespace berth::runtime {

namespace {

// Whether [start, start + size) lies within `bytes`.
bool in_bounds(u64 start, u64 size, u64 bytes) { return size <= bytes && start <= bytes - size; }

u64 bytes_of(const abi::MemoryRecord& memory) { return memory.bytes.load(std::memory_order_acquire); }

}  // namespace

i64 memory_grow(InstanceContext* context, u32 memory, u64 delta_pages) {
  return StoreAccess::of(context).memories[memory]->grow(delta_pages);
}

u64 memory_size(InstanceContext* context, u32 memory) { return StoreAccess::of(context).memories[memory]->pages(); }

TrapCode memory_fill(InstanceContext* context, u32 memory, u64 address, u8 value, u64 size) {
  const abi::MemoryRecord& record = *context->memories[memory];
  if (!in_bounds(address, size, bytes_of(record))) return TrapCode::MemoryOutOfBounds;
  guest_fill(record.base + address, value, size);
  return TrapCode::None;
}

TrapCode memory_copy(InstanceContext* context, u32 dst_memory, u32 src_memory, u64 dst, u64 src, u64 size) {
  const abi::MemoryRecord& to = *context->memories[dst_memory];
  const abi::MemoryRecord& from = *context->memories[src_memory];
  if (!in_bounds(src, size, bytes_of(from)) || !in_bounds(dst, size, bytes_of(to))) return TrapCode::MemoryOutOfBounds;
  guest_move(to.base + dst, from.base + src, size);
  return TrapCode::None;
}

TrapCode memory_init(InstanceContext* context, u32 memory, u32 data, u64 dst, u32 src, u32 size) {
  const abi::MemoryRecord& record = *context->memories[memory];
  const std::span<const u8> bytes = StoreAccess::of(context).data(data);
  if (!in_bounds(src, size, bytes.size()) || !in_bounds(dst, size, bytes_of(record)))
    return TrapCode::MemoryOutOfBounds;
  guest_move(record.base + dst, bytes.data() + src, size);
  return TrapCode::None;
}

void data_drop(InstanceContext* context, u32 data) {
  StoreAccess::of(context).segments_changed = true;
  StoreAccess::of(context).data_dropped[data] = true;
}

// Atomics (threads proposal: wait and notify).

namespace {

TrapCode check_atomic(const Memory& memory, u64 address, u32 width) {
  if (!in_bounds(address, width, memory.bytes())) return TrapCode::MemoryOutOfBounds;
  if (address % width != 0) return TrapCode::UnalignedAtomic;
  return TrapCode::None;
}

TrapCode atomic_wait(InstanceContext* context, u32 memory, u64 address, u64 expected, u32 width, i64 timeout_ns,
                     u32* result) {
  InstanceImpl& instance = StoreAccess::of(context);
  Memory& m = *instance.memories[memory];
  if (const TrapCode code = check_atomic(m, address, width); code != TrapCode::None) return code;
  if (m.shared() == nullptr) return TrapCode::ExpectedSharedMemory;
  const auto outcome =
      m.shared()->wait(address, expected, width, timeout_ns, StoreAccess::of(instance.store).wait_slot);
  if (outcome == SharedMemory::WaitResult::Interrupted) return TrapCode::Interrupted;
  *result = static_cast<u32>(outcome);
  return TrapCode::None;
}

}  // namespace

TrapCode atomic_notify(InstanceContext* context, u32 memory, u64 address, u32 count, u32* woken) {
  Memory& m = *StoreAccess::of(context).memories[memory];
  if (const TrapCode code = check_atomic(m, address, 4); code != TrapCode::None) return code;
  // Nobody can wait on a memory that is not shared.
  *woken = m.shared() == nullptr ? 0 : m.shared()->notify(address, count);
  return TrapCode::None;
}

TrapCode atomic_wait32(InstanceContext* context, u32 memory, u64 address, u32 expected, i64 timeout_ns, u32* result) {
  return atomic_wait(context, memory, address, expected, 4, timeout_ns, result);
}

TrapCode atomic_wait64(InstanceContext* context, u32 memory, u64 address, u64 expected, i64 timeout_ns, u32* result) {
  return atomic_wait(context, memory, address, expected, 8, timeout_ns, result);
}

}  // namespace berth::runtime
