// The garbage-collected heap of one store: a non-moving mark-sweep collector with two generations
// (specification: execution, structure and array instances). Used by the store's thread only.
//
// One range of address space is divided into blocks of 32 KiB. A block holds cells of one size
// class, or is part of a large object. Per block there are two bitmaps: `live` says which cells may
// hold objects, `mark` which ones a collection has reached. Sweeping is making `mark` the new `live`. Allocation takes
// runs of cells that are not live, clears them, and hands out cells by moving a cursor (abi::AllocationRun), which
// generated code can do inline. A cell whose first word is null is no object (yet).
//
// Most collections are of what is new: marks stay, so that marked objects are old ones and are not
// looked into again, but for those on cards (abi::mark_card) where references were stored since. A full
// collection first takes all marks away. It comes when much has become old, or memory runs out.
//
// References on stacks are found conservatively: any word that points into an object, or just past
// an array's elements, keeps it alive. Objects never move.
#pragma once

#include <memory>
#include <vector>

#include "abi/context.h"
#include "abi/size_classes.h"
#include "base/result.h"
#include "os/memory.h"

namespace berth::runtime {

using abi::kBlockBytes;
using abi::kBlockLog2;
using abi::kCellBytes;
using abi::kLargeClass;
using abi::kMaxCellBytes;
using abi::kSizeClasses;
using abi::size_class;

// Receives the roots of a collection.
class RootVisitor {
 public:
  // A reference: null, an i31, a function, or the start of an object.
  virtual void reference(abi::Ref ref) = 0;
  // Words in [low, high) that may be references or point into objects.
  virtual void words(const void* low, const void* high) = 0;

 protected:
  ~RootVisitor() = default;
};

// Whoever owns the heap and knows its roots.
class RootSource {
 public:
  virtual void visit_roots(RootVisitor& visitor) = 0;

 protected:
  ~RootSource() = default;
};

struct HeapStatistics {
  u64 collections = 0;       // of both kinds
  u64 full_collections = 0;  // among these
  u64 collection_ns = 0;     // spent collecting, in all
  u64 live_bytes = 0;        // found by the last collection: after one of the new, also what died old
};

class Heap {
 public:
  // `runs` has kSizeClasses + 1 entries, which the heap keeps up to date; both it and `roots`
  // outlive the heap. Reserves address space, with what can be had where not all of it can.
  // With `stress` it collects before every allocation, everything or what is new, and overwrites what is free.
  Heap(u64 limit_bytes, abi::AllocationRun* runs, RootSource& roots, bool stress = false);
  ~Heap();
  Heap(const Heap&) = delete;

  // Sets `runs` so that every allocation comes to `allocate`.
  static void initialize_runs(abi::AllocationRun* runs);

  // An object of `type` with `bytes` in all, zero but for its type. Collects garbage when it is
  // time. Null when the limit is reached or the system refuses memory.
  abi::Object* allocate(const abi::RuntimeType* type, u64 bytes);

  // Collects now, everything; bytes of the objects that are left.
  u64 collect() { return collect(true); }
  // What abi::StoreContext::cards has to be.
  u64 cards() const;

  u64 limit_bytes() const { return limit_bytes_; }
  // Memory taken for objects, which is what the limit bounds.
  u64 used_bytes() const { return used_bytes_; }
  const HeapStatistics& statistics() const { return statistics_; }
  // The object that holds the byte at `address`, or null. What a conservative root keeps alive.
  abi::Object* find(const void* address) const;

 private:
  friend class Marker;

  static constexpr u32 kMaxCells = kBlockBytes / 16;
  static constexpr u32 kBitWords = kMaxCells / 64;
  static constexpr u32 kCardBytes = 1u << abi::kCardLog2;
  static constexpr u32 kBlockCards = kBlockBytes / kCardBytes;
  struct BlockInfo {
    u64 live[kBitWords];
    u64 mark[kBitWords];
    u64 large_bytes;  // of a large object's first block, whose `live` and `mark` use only bit 0
    u64 unused;
  };
  // What a block is, one word each: free, of a size class, or of a large object.
  static constexpr u32 kFree = 0;  // 1 + class when small
  static constexpr u32 kLargeHead = 1u << 30;
  static constexpr u32 kLargeTail = 1u << 31;  // with the head's index
  // Where allocation of a size class goes on: bit `bit` of block `blocks[next]`.
  struct ClassState {
    std::vector<u32> blocks;
    u32 next = 0;
    u32 cell = 0;
  };

  u8* block_address(u32 block) const { return base_ + (u64{block} << kBlockLog2); }
  u64 collect(bool full);
  void collect_some(bool due);
  bool refill(u32 size_class);
  bool take_run(u32 size_class);
  bool take_block(u32 size_class);
  abi::Object* allocate_large(const abi::RuntimeType* type, u64 bytes);
  bool collection_due(u64 bytes) const { return stress_ || allocated_ + bytes > threshold_; }

  // `count` consecutive free blocks, committed; ~0 when there are none.
  u32 take_blocks(u32 count);
  void free_blocks(u32 first, u32 count);
  bool commit_up_to(u32 block_end);
  // Makes blocks read as zero.
  void clear_blocks(u32 first, u32 count, u64 bytes);
  void forget_marks();
  void sweep();
  void return_spare_memory();
  void overwrite_free_memory();

  bool is_free(u32 block) const { return free_[block / 64] >> block % 64 & 1; }

  u64 limit_bytes_;
  abi::AllocationRun* runs_;
  RootSource& roots_;
  const bool stress_;

  os::Reservation space_, entry_space_, info_space_, card_space_;
  u8* base_ = nullptr;
  u32* entries_ = nullptr;
  BlockInfo* infos_ = nullptr;
  u8* cards_ = nullptr;  // kBlockCards a block; not 0 where references were stored since the last collection
  u32 block_count_ = 0;  // reserved
  u32 committed_blocks_ = 0;
  u32 lowest_free_ = 0;            // no block below is free
  u32 highest_used_ = 0;           // no block at or above has ever been used
  std::vector<u64> free_, dirty_;  // by block: unassigned; may hold something other than zeros
  ClassState classes_[kSizeClasses];
  std::vector<u32> large_;  // heads

  u64 used_bytes_ = 0;
  u64 allocated_ = 0;   // since the last collection
  u64 threshold_;       // of allocated_, for the next collection
  u64 full_threshold_;  // of live_bytes, for that to be a full one
  bool last_was_full_ = false;
  HeapStatistics statistics_;
};

// Allocates a struct without collecting garbage, or returns null: then call struct_new. The fields
// are zero.
inline abi::Object* allocate_inline(abi::StoreContext& store, const abi::RuntimeType* type) {
  abi::AllocationRun& run = store.allocation_runs[type->size_class];
  u8* const cell = run.cursor;
  if (static_cast<u64>(run.limit - cell) < run.cell_bytes) [[unlikely]]
    return nullptr;
  run.cursor = cell + run.cell_bytes;
  auto* object = reinterpret_cast<abi::Object*>(cell);
  object->type = type;
  return object;
}

}  // namespace berth::runtime
