// Addresses of memory accesses that check their bounds.
#pragma once

#include "interp/dispatch.h"

namespace berth::interp {

// Where an instruction with operands [a, b=address, c=memory] [offset] accesses `width` bytes; null when that is
// out of bounds. `is_64` is the width of the memory's addresses.
[[gnu::always_inline]] inline u8* checked_address(abi::InstanceContext* ctx, const Word* pc, const Slot* fp, u32 width,
                                                  bool is_64) {
  const abi::MemoryRecord* memory = ctx->memories[field_c(pc)];
  const u64 index = is_64 ? fp[field_b(pc)] : u64{load_slot<u32>(fp, field_b(pc))};
  u64 address;
  if (__builtin_add_overflow(index, pc[2], &address)) [[unlikely]]
    return nullptr;
  const u64 bytes = memory->bytes.load(std::memory_order_relaxed);
  if (address > bytes || bytes - address < width) [[unlikely]]
    return nullptr;
  return memory->base + address;
}

}  // namespace berth::interp
