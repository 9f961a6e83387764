#include "runtime/heap.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "os/clock.h"
#include "runtime/marker.h"

namespace berth::runtime {

using abi::Object;

namespace {

// Blocks whose bookkeeping is committed at once; a multiple of pages of every array.
constexpr u32 kCommitBlocks = 256;
constexpr u64 kMaxReservation = u64{1} << 40;
// How much is allocated between collections when little is alive. Measured with 100 million small objects
// and with short-lived trees: less makes trees dearer, more gains nothing.
constexpr u64 kMinThreshold = u64{8} << 20;
// Of what is new while much is alive: a collection looks at a few bytes of bookkeeping for each old object.
constexpr u64 kMaxNew = u64{64} << 20;
// How much may become old between full collections.
constexpr u64 kMinOld = u64{16} << 20, kMaxOld = u64{256} << 20;
// Large objects up to this are cleared by writing; above it the system provides new pages.
constexpr u64 kClearByWriting = 256 << 10;

constexpr u64 round_up(u64 value, u64 unit) { return (value + unit - 1) / unit * unit; }

// First index in [from, end) whose bit is `wanted`, or `end`.
u32 find_bit(const u64* bits, u32 from, u32 end, bool wanted) {
  while (from < end) {
    const u64 word = (wanted ? bits[from / 64] : ~bits[from / 64]) >> from % 64;
    if (word != 0) return std::min(end, from + static_cast<u32>(std::countr_zero(word)));
    from = (from / 64 + 1) * 64;
  }
  return end;
}

void set_bits(u64* bits, u32 from, u32 end, bool to) {
  while (from < end) {
    const u32 here = std::min(end - from, 64 - from % 64);
    const u64 mask = (here == 64 ? ~u64{0} : (u64{1} << here) - 1) << from % 64;
    if (to)
      bits[from / 64] |= mask;
    else
      bits[from / 64] &= ~mask;
    from += here;
  }
}

}  // namespace

void Heap::initialize_runs(abi::AllocationRun* runs) {
  for (u32 c = 0; c < kSizeClasses; ++c) runs[c] = {nullptr, nullptr, kCellBytes[c]};
  runs[kLargeClass] = {nullptr, nullptr, 1};
}

Heap::Heap(u64 limit_bytes, abi::AllocationRun* runs, RootSource& roots, bool stress)
    : limit_bytes_(std::min(limit_bytes, kMaxReservation / 2)),
      runs_(runs),
      roots_(roots),
      stress_(stress),
      threshold_(kMinThreshold),
      full_threshold_(kMinOld) {
  static_assert(sizeof(BlockInfo) * kCommitBlocks % 4096 == 0);
  initialize_runs(runs_);
  // Twice the limit: large objects need blocks in a row, and address space costs nothing.
  const u64 unit = u64{kCommitBlocks} * kBlockBytes;
  u64 bytes = round_up(std::max(limit_bytes_ * 2, unit), unit);
  while (true) {
    auto space = os::Reservation::reserve(bytes, kBlockBytes);
    if (space) {
      space_ = std::move(*space);
      break;
    }
    if (bytes <= unit) return;  // no heap: every allocation fails
    bytes = round_up(bytes / 2, unit);
  }
  const u64 blocks = bytes / kBlockBytes;
  auto entries = os::Reservation::reserve(blocks * sizeof(u32));
  auto infos = os::Reservation::reserve(blocks * sizeof(BlockInfo));
  auto cards = os::Reservation::reserve(blocks * kBlockCards);
  static_assert(kBlockCards * kCommitBlocks % 4096 == 0);
  if (!entries || !infos || !cards || !entries->commit(0, entries->size())) return;
  entry_space_ = std::move(*entries);
  info_space_ = std::move(*infos);
  card_space_ = std::move(*cards);
  base_ = space_.base();
  entries_ = reinterpret_cast<u32*>(entry_space_.base());
  infos_ = reinterpret_cast<BlockInfo*>(info_space_.base());
  cards_ = card_space_.base();
  block_count_ = static_cast<u32>(blocks);
  free_.assign(blocks / 64, ~u64{0});
  dirty_.assign(blocks / 64, 0);
  // An i31 must not look like an address of the heap.
  CHECK(reinterpret_cast<std::uintptr_t>(base_) > (u64{1} << 33));
}

Heap::~Heap() { initialize_runs(runs_); }

u64 Heap::cards() const { return reinterpret_cast<u64>(cards_) - (reinterpret_cast<u64>(base_) >> abi::kCardLog2); }

Object* Heap::allocate(const abi::RuntimeType* type, u64 bytes) {
  const u32 c = size_class(bytes);
  if (c == kLargeClass) return allocate_large(type, bytes);
  abi::AllocationRun& run = runs_[c];
  if (static_cast<u64>(run.limit - run.cursor) < run.cell_bytes && !refill(c)) return nullptr;
  auto* object = reinterpret_cast<Object*>(run.cursor);
  run.cursor += run.cell_bytes;
  object->type = type;
  return object;
}

// Gives the class a new run: between live objects, else from a new block.
bool Heap::refill(u32 size_class) {
  bool collected = false;
  if (collection_due(0)) {
    collect_some(true);
    collected = true;
  }
  if (take_run(size_class) || take_block(size_class)) return true;
  if (!collected) {
    collect_some(false);
    if (take_run(size_class) || take_block(size_class)) return true;
  }
  if (last_was_full_) return false;
  collect(true);
  return take_run(size_class) || take_block(size_class);
}

bool Heap::take_run(u32 size_class) {
  ClassState& state = classes_[size_class];
  const u32 cell_bytes = kCellBytes[size_class];
  const u32 cells = kBlockBytes / cell_bytes;
  for (; state.next < state.blocks.size(); ++state.next, state.cell = 0) {
    const u32 block = state.blocks[state.next];
    BlockInfo& info = infos_[block];
    const u32 first = find_bit(info.live, state.cell, cells, false);
    if (first == cells) continue;
    const u32 end = stress_ ? first + 1 : find_bit(info.live, first, cells, true);
    set_bits(info.live, first, end, true);
    state.cell = end;
    u8* const start = block_address(block) + u64{first} * cell_bytes;
    const u64 bytes = u64{end - first} * cell_bytes;
    std::memset(start, 0, bytes);
    allocated_ += bytes;
    runs_[size_class].cursor = start;
    runs_[size_class].limit = start + bytes;
    return true;
  }
  return false;
}

bool Heap::take_block(u32 size_class) {
  if (used_bytes_ + kBlockBytes > limit_bytes_) return false;
  const u32 block = take_blocks(1);
  if (block == ~0u) return false;
  const u32 cell_bytes = kCellBytes[size_class];
  const u32 cells = kBlockBytes / cell_bytes;
  clear_blocks(block, 1, kBlockBytes);
  entries_[block] = 1 + size_class;
  set_bits(infos_[block].live, 0, cells, true);
  set_bits(infos_[block].mark, 0, cells, false);
  ClassState& state = classes_[size_class];
  state.blocks.push_back(block);
  state.next = static_cast<u32>(state.blocks.size());
  state.cell = 0;
  used_bytes_ += kBlockBytes;
  allocated_ += kBlockBytes;
  runs_[size_class].cursor = block_address(block);
  runs_[size_class].limit = block_address(block) + u64{stress_ ? 1 : cells} * cell_bytes;
  return true;
}

Object* Heap::allocate_large(const abi::RuntimeType* type, u64 bytes) {
  if (bytes > limit_bytes_) return nullptr;
  const u64 charged = os::round_to_pages(bytes);
  const u32 count = static_cast<u32>((bytes + kBlockBytes - 1) >> kBlockLog2);
  bool collected = false;
  if (collection_due(charged)) {
    collect_some(true);
    collected = true;
  }
  u32 head = ~0u;
  while (true) {
    if (used_bytes_ + charged <= limit_bytes_) head = take_blocks(count);
    if (head != ~0u) break;
    if (!collected) {
      collect_some(false);
      collected = true;
    } else {
      if (last_was_full_) return nullptr;
      collect(true);
    }
  }
  clear_blocks(head, count, charged);
  entries_[head] = kLargeHead;
  for (u32 i = 1; i < count; ++i) entries_[head + i] = kLargeTail | head;
  infos_[head].live[0] = 1;
  infos_[head].mark[0] = 0;
  infos_[head].large_bytes = bytes;
  large_.push_back(head);
  used_bytes_ += charged;
  allocated_ += charged;
  auto* object = reinterpret_cast<Object*>(block_address(head));
  object->type = type;
  return object;
}

u32 Heap::take_blocks(u32 count) {
  u32 first = find_bit(free_.data(), lowest_free_, block_count_, true);
  if (count == 1) lowest_free_ = first;
  while (first < block_count_) {
    const u32 end = find_bit(free_.data(), first, std::min(block_count_, first + count), false);
    if (end - first == count) break;
    first = find_bit(free_.data(), end, block_count_, true);
  }
  if (first >= block_count_ || count > block_count_ - first || !commit_up_to(first + count)) return ~0u;
  set_bits(free_.data(), first, first + count, false);
  highest_used_ = std::max(highest_used_, first + count);
  return first;
}

bool Heap::commit_up_to(u32 block_end) {
  if (block_end <= committed_blocks_) return true;
  const u32 end = static_cast<u32>(round_up(block_end, kCommitBlocks));
  const u64 more = end - committed_blocks_;
  if (!info_space_.commit(u64{committed_blocks_} * sizeof(BlockInfo), more * sizeof(BlockInfo)) ||
      !card_space_.commit(u64{committed_blocks_} * kBlockCards, more * kBlockCards) ||
      !space_.commit(u64{committed_blocks_} << kBlockLog2, more << kBlockLog2))
    return false;
  committed_blocks_ = end;
  return true;
}

void Heap::clear_blocks(u32 first, u32 count, u64 bytes) {
  const u32 dirty = find_bit(dirty_.data(), first, first + count, true);
  if (dirty != first + count) {
    if (bytes <= kClearByWriting)
      std::memset(block_address(first), 0, bytes);
    else
      space_.discard(u64{first} << kBlockLog2, u64{count} << kBlockLog2);
  }
  set_bits(dirty_.data(), first, first + count, true);
}

void Heap::free_blocks(u32 first, u32 count) {
  for (u32 i = 0; i < count; ++i) entries_[first + i] = kFree;
  set_bits(free_.data(), first, first + count, true);
  lowest_free_ = std::min(lowest_free_, first);
}

// Collects what is probably enough: because it is due, or because the limit was reached. When that happens long
// before the next collection is due, what is old takes too much.
void Heap::collect_some(bool due) {
  if (stress_) return (void)collect(statistics_.collections % 4 == 0);
  collect(statistics_.live_bytes > full_threshold_ || (!due && allocated_ < threshold_ / 4));
}

u64 Heap::collect(bool full) {
  if (base_ == nullptr) return 0;
  const i64 start = os::monotonic_ns();
  // What is left of the runs becomes free again: those cells hold no object and are not marked.
  initialize_runs(runs_);
  if (full) forget_marks();
  Marker marker(*this);
  if (!full) marker.cards();
  roots_.visit_roots(marker);
  marker.finish();
  // What is left is old.
  std::memset(cards_, 0, u64{highest_used_} * kBlockCards);
  const u64 live_before = statistics_.live_bytes;
  sweep();
  allocated_ = 0;
  // In proportion to what is alive and what had to be looked at, so that the work for each
  // allocated byte stays bounded.
  const u64 live = statistics_.live_bytes;
  // Where much of what is new stays alive, more of it is awaited.
  const u64 stayed = full ? 0 : live - std::min(live, live_before);
  const u64 more = std::clamp(stayed * 4, live / 4, live);
  threshold_ = std::max({kMinThreshold, std::min(more, kMaxNew), marker.root_bytes() * 2});
  if (full) full_threshold_ = live + std::clamp(live, kMinOld, kMaxOld);
  last_was_full_ = full;
  return_spare_memory();
  if (stress_) overwrite_free_memory();
  ++statistics_.collections;
  statistics_.full_collections += full;
  statistics_.collection_ns += static_cast<u64>(os::monotonic_ns() - start);
  return statistics_.live_bytes;
}

void Heap::forget_marks() {
  for (u32 c = 0; c < kSizeClasses; ++c) {
    for (const u32 block : classes_[c].blocks) set_bits(infos_[block].mark, 0, kBlockBytes / kCellBytes[c], false);
  }
  for (const u32 head : large_) infos_[head].mark[0] = 0;
}

void Heap::sweep() {
  u64 live_bytes = 0;
  for (u32 c = 0; c < kSizeClasses; ++c) {
    ClassState& state = classes_[c];
    const u32 words = (kBlockBytes / kCellBytes[c] + 63) / 64;
    size_t kept = 0;
    for (const u32 block : state.blocks) {
      BlockInfo& info = infos_[block];
      u32 count = 0;
      for (u32 w = 0; w < words; ++w) {
        count += static_cast<u32>(std::popcount(info.mark[w]));
        info.live[w] = info.mark[w];
      }
      if (count == 0) {
        used_bytes_ -= kBlockBytes;
        free_blocks(block, 1);
      } else {
        live_bytes += u64{count} * kCellBytes[c];
        state.blocks[kept++] = block;
      }
    }
    state.blocks.resize(kept);
    state.next = 0;
    state.cell = 0;
  }
  std::erase_if(large_, [&](u32 head) {
    BlockInfo& info = infos_[head];
    const bool dead = info.mark[0] == 0;
    info.live[0] = info.mark[0];
    if (!dead) {
      live_bytes += info.large_bytes;
      return false;
    }
    used_bytes_ -= os::round_to_pages(info.large_bytes);
    free_blocks(head, static_cast<u32>((info.large_bytes + kBlockBytes - 1) >> kBlockLog2));
    return true;
  });
  statistics_.live_bytes = live_bytes;
}

// Keeps what the next allocations will need and gives the rest of the free blocks back to the
// system, highest first.
void Heap::return_spare_memory() {
  u64 spare = 0;
  for (u32 w = 0; w < (highest_used_ + 63) / 64; ++w)
    spare += static_cast<u64>(std::popcount(free_[w] & dirty_[w])) << kBlockLog2;
  const u64 wanted = threshold_ + threshold_ / 2;
  for (u32 w = (highest_used_ + 63) / 64; w-- > 0 && spare > wanted;) {
    u64 bits = free_[w] & dirty_[w];
    while (bits != 0 && spare > wanted) {
      const u32 end = 64 - static_cast<u32>(std::countl_zero(bits));
      const u32 run = static_cast<u32>(std::countl_one(bits << (64 - end)));
      const u32 first = w * 64 + end - run;
      space_.discard(u64{first} << kBlockLog2, u64{run} << kBlockLog2);
      set_bits(dirty_.data(), first, first + run, false);
      set_bits(&bits, end - run, end, false);
      spare -= std::min(spare, u64{run} << kBlockLog2);
    }
  }
}

void Heap::overwrite_free_memory() {
  constexpr int kFreeByte = 0xDB;
  for (u32 block = 0; block < highest_used_; ++block) {
    const u32 entry = entries_[block];
    if (entry == kFree && (dirty_[block / 64] >> block % 64 & 1) != 0) {
      std::memset(block_address(block), kFreeByte, kBlockBytes);
    } else if (entry != kFree && entry < kLargeHead) {
      const u32 bytes = kCellBytes[entry - 1];
      for (u32 cell = 0; cell < kBlockBytes / bytes; ++cell) {
        if ((infos_[block].live[cell / 64] >> cell % 64 & 1) == 0)
          std::memset(block_address(block) + u64{cell} * bytes, kFreeByte, bytes);
      }
    }
  }
}

Object* Heap::find(const void* address) const {
  const u64 offset = static_cast<u64>(static_cast<const u8*>(address) - base_);
  if (base_ == nullptr || offset >= u64{highest_used_} << kBlockLog2) return nullptr;
  u32 block = static_cast<u32>(offset >> kBlockLog2);
  u32 entry = entries_[block];
  if (entry == kFree) return nullptr;
  if (entry >= kLargeHead) {
    if ((entry & kLargeTail) != 0) block = entry & ~kLargeTail;
    if (offset - (u64{block} << kBlockLog2) >= infos_[block].large_bytes) return nullptr;
    return reinterpret_cast<Object*>(block_address(block));
  }
  const u32 cell_bytes = kCellBytes[entry - 1];
  const u32 cell = static_cast<u32>(offset & (kBlockBytes - 1)) / cell_bytes;
  if (cell >= kBlockBytes / cell_bytes || (infos_[block].live[cell / 64] >> cell % 64 & 1) == 0) return nullptr;
  auto* object = reinterpret_cast<Object*>(block_address(block) + u64{cell} * cell_bytes);
  return object->type == nullptr ? nullptr : object;
}

}  // namespace berth::runtime
