#include "runtime/marker.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/objects.h"

namespace berth::runtime {

using abi::Object;
using abi::Ref;
using abi::TypeKind;

namespace {

// References of one object that are followed before others get their turn; keeps the mark stack
// small.
constexpr u64 kChunk = 128;
// Objects fetched ahead of being looked at.
constexpr u32 kAhead = 8;

// By size class: offset / cell size as a multiplication, exact for offsets within a block.
constexpr auto kReciprocals = [] {
  std::array<u32, kSizeClasses> r{};
  for (u32 c = 0; c < kSizeClasses; ++c) r[c] = static_cast<u32>(((u64{1} << 32) + kCellBytes[c] - 1) / kCellBytes[c]);
  return r;
}();
constexpr u32 cell_of(u32 offset_in_block, u32 size_class) {
  return static_cast<u32>(u64{offset_in_block} * kReciprocals[size_class] >> 32);
}
static_assert([] {
  for (u32 c = 0; c < kSizeClasses; ++c) {
    for (u32 cell = 0; cell * kCellBytes[c] < kBlockBytes; ++cell) {
      const u32 first = cell * kCellBytes[c];
      const u32 last = std::min(first + kCellBytes[c], kBlockBytes) - 1;
      if (cell_of(first, c) != cell || cell_of(last, c) != cell) return false;
    }
  }
  return true;
}());

}  // namespace

Marker::Marker(Heap& heap)
    : heap_(heap),
      base_(reinterpret_cast<u64>(heap.base_)),
      span_(u64{heap.highest_used_} << kBlockLog2),
      // Bounds the host's memory for marking to a fraction of the heap's; beyond it,
      // scan_all_marked.
      stack_limit_(std::max<u64>(4096, heap.limit_bytes_ / 128)) {}

void Marker::reference(Ref ref) {
  root_bytes_ += sizeof(Ref);
  mark(ref);
}

// Stacks hold words of other functions' frames, which the sanitizers think nobody else should read.
__attribute__((no_sanitize("address", "thread", "memory"))) void Marker::words(const void* low, const void* high) {
  const auto begin = (reinterpret_cast<std::uintptr_t>(low) + 7) & ~std::uintptr_t{7};
  const auto end = reinterpret_cast<std::uintptr_t>(high) & ~std::uintptr_t{7};
  if (begin >= end) return;
  root_bytes_ += end - begin;
  for (auto at = begin; at != end; at += 8) {
    const u64 word = *static_cast<const u64*>(pointer_of(at));
    if (word - base_ >= span_) continue;
    if (Object* object = heap_.find(pointer_of(word))) mark_found(object);
  }
}

void Marker::mark_found(Object* object) { mark(reinterpret_cast<Ref>(object)); }

// `ref` is null, an i31, a function, or the start of an object. The heap's range tells.
inline void Marker::mark(Ref ref) {
  const u64 offset = ref - base_;
  if (offset >= span_) return;
  const u32 block = static_cast<u32>(offset >> kBlockLog2);
  const u32 entry = heap_.entries_[block];
  Heap::BlockInfo& info = heap_.infos_[block];
  u64* word = info.mark;
  u64 bit = 1;
  if (entry < Heap::kLargeHead) {
    const u32 cell = cell_of(static_cast<u32>(offset) & (kBlockBytes - 1), entry - 1);
    word += cell / 64;
    bit <<= cell % 64;
  }
  if ((*word & bit) != 0) return;
  *word |= bit;
  push(object_of(ref));
}

inline void Marker::push(Object* object) {
  if (stack_.size() >= stack_limit_) [[unlikely]] {
    overflowed_ = true;
    return;
  }
  stack_.push_back(object);
}

void Marker::scan(Object* object, u64 from) {
  const abi::RuntimeType* type = object->type;
  if (!type->has_refs) return;
  u64 count = 0;
  switch (type->kind) {
    case TypeKind::Struct: {
      count = type->ref_count;
      const u64 end = std::min(count, from + kChunk);
      for (u64 i = from; i < end; ++i)
        mark(*reinterpret_cast<const Ref*>(reinterpret_cast<const u8*>(object) + type->ref_offsets[i]));
      break;
    }
    case TypeKind::Array: {
      auto* array = static_cast<abi::ArrayObject*>(object);
      count = array->length;
      const u64 end = std::min(count, from + kChunk);
      const Ref* elements = reinterpret_cast<const Ref*>(array->data());
      for (u64 i = from; i < end; ++i) mark(elements[i]);
      break;
    }
    case TypeKind::Exception: {
      // Its values are slots of any type: whatever points at an object counts.
      auto* exception = static_cast<abi::ExceptionObject*>(object);
      count = exception->slot_count;
      const u64 end = std::min(count, from + kChunk);
      for (u64 i = from; i < end; ++i) {
        if (Object* found = heap_.find(pointer_of(exception->values()[i]))) mark_found(found);
      }
      break;
    }
    case TypeKind::Func:
    case TypeKind::Host: return;
  }
  if (from + kChunk < count) rests_.push_back({object, from + kChunk});
}

void Marker::cards() {
  constexpr u32 kWords = Heap::kBlockCards / 8;
  for (u32 block = 0; block < heap_.highest_used_; ++block) {
    const u8* cards = heap_.cards_ + u64{block} * Heap::kBlockCards;
    for (u32 w = 0; w < kWords; ++w) {
      u64 dirty;
      std::memcpy(&dirty, cards + w * 8, sizeof dirty);
      for (; dirty != 0; dirty &= dirty - 1) {
        const u32 number = w * 8 + static_cast<u32>(std::countr_zero(dirty)) / 8;
        card(block, number * Heap::kCardBytes, (number + 1) * Heap::kCardBytes);
      }
    }
  }
}

// The old objects that have bytes in [low, high) of the block.
void Marker::card(u32 block, u32 low, u32 high) {
  const u32 entry = heap_.entries_[block];
  if (entry == Heap::kFree) return;
  const u8* base = heap_.block_address(block);
  if (entry >= Heap::kLargeHead) {
    const u32 head = (entry & Heap::kLargeTail) != 0 ? entry & ~Heap::kLargeTail : block;
    if (heap_.infos_[head].mark[0] != 0)
      scan_between(reinterpret_cast<Object*>(heap_.block_address(head)), base + low, base + high);
    return;
  }
  const u32 cell_bytes = kCellBytes[entry - 1];
  const u32 first = cell_of(low, entry - 1),
            last = std::min(cell_of(high - 1, entry - 1), kBlockBytes / cell_bytes - 1);
  for (u32 w = first / 64; w <= last / 64; ++w) {
    u64 old = heap_.infos_[block].mark[w];
    if (w == first / 64) old &= ~u64{0} << first % 64;
    if (w == last / 64) old &= ~u64{0} >> (63 - last % 64);
    for (; old != 0; old &= old - 1) {
      const u64 cell = w * 64 + static_cast<u64>(std::countr_zero(old));
      scan_between(reinterpret_cast<Object*>(heap_.block_address(block) + cell * cell_bytes), base + low, base + high);
    }
  }
}

// Marks what the references refer to that lie in [low, high) of the object. Exceptions never change.
void Marker::scan_between(Object* object, const u8* low, const u8* high) {
  const abi::RuntimeType* type = object->type;
  if (!type->has_refs) return;
  if (type->kind == TypeKind::Struct) {
    for (u32 i = 0; i < type->ref_count; ++i) {
      const u8* at = reinterpret_cast<const u8*>(object) + type->ref_offsets[i];
      if (at >= low && at < high) mark(*reinterpret_cast<const Ref*>(at));
    }
  } else if (type->kind == TypeKind::Array) {
    auto* array = static_cast<abi::ArrayObject*>(object);
    const Ref* begin = reinterpret_cast<const Ref*>(std::max<const u8*>(array->data(), low));
    const Ref* end =
        reinterpret_cast<const Ref*>(std::min<const u8*>(array->data() + u64{array->length} * sizeof(Ref), high));
    for (; begin < end; ++begin) mark(*begin);
  }
}

void Marker::drain() {
  Object* ahead[kAhead] = {};
  u32 next = 0, held = 0;
  while (true) {
    Object* object = ahead[next];
    if (!stack_.empty()) {
      Object* fetched = stack_.back();
      stack_.pop_back();
      __builtin_prefetch(fetched);
      ahead[next] = fetched;
      ++held;
    } else {
      ahead[next] = nullptr;
    }
    next = (next + 1) % kAhead;
    if (object != nullptr) {
      --held;
      scan(object, 0);
    } else if (held == 0 && stack_.empty()) {
      if (rests_.empty()) return;
      const Rest rest = rests_.back();
      rests_.pop_back();
      scan(rest.object, rest.from);
    }
  }
}

void Marker::finish() {
  drain();
  while (overflowed_) {
    overflowed_ = false;
    scan_all_marked();
  }
}

// After the mark stack overflowed, some marked objects have children that are not. Finds them
// again; each round marks at least one object more, and usually very many.
void Marker::scan_all_marked() {
  for (u32 block = 0; block < heap_.highest_used_; ++block) {
    const u32 entry = heap_.entries_[block];
    if (entry == Heap::kFree || (entry & Heap::kLargeTail) != 0) continue;
    const u64 bytes = entry == Heap::kLargeHead ? kBlockBytes : kCellBytes[entry - 1];
    const u64 words = (kBlockBytes / bytes + 63) / 64;
    for (u64 w = 0; w < words; ++w) {
      for (u64 bits = heap_.infos_[block].mark[w]; bits != 0; bits &= bits - 1) {
        const u64 cell = w * 64 + static_cast<u64>(std::countr_zero(bits));
        scan(reinterpret_cast<Object*>(heap_.block_address(block) + cell * bytes), 0);
        drain();
      }
    }
  }
}

}  // namespace berth::runtime
