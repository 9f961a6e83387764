#include "native/code_space.h"

namespace berth::native {

namespace {
// Tried in turn: a process may be limited in address space. No more than is of use: emulators keep a record a page.
constexpr u64 kSizes[] = {u64{16} << 30, u64{2} << 30, u64{256} << 20};
}  // namespace

constinit std::atomic<CodeSpace*> CodeSpace::instance_{nullptr};

Result<CodeSpace*> CodeSpace::instance() {
  static std::mutex making;
  const std::lock_guard lock(making);
  if (CodeSpace* made = instance_.load(std::memory_order_relaxed)) return made;
  auto space = std::make_unique<CodeSpace>();
  for (const u64 size : kSizes) {
    auto range = os::Reservation::reserve(size, u64{1} << kGranuleLog2);
    if (!range && size != kSizes[std::size(kSizes) - 1]) continue;
    space->range_ = TRY(std::move(range));
    break;
  }
  const u64 count = granules(space->range_.size());
  space->owner_table_ = TRY(os::Reservation::reserve(count * sizeof(Owner)));
  TRY(space->owner_table_.commit(0, os::round_to_pages(count * sizeof(Owner))));
  space->free_.emplace(0, count);
  instance_.store(space.get(), std::memory_order_release);
  return space.release();
}

Result<u8*> CodeSpace::take(u64 bytes) {
  const std::lock_guard lock(mutex_);
  const u64 wanted = granules(bytes);
  for (auto at = free_.begin(); at != free_.end(); ++at) {
    const auto [first, count] = *at;
    if (count < wanted) continue;
    free_.erase(at);
    if (count > wanted) free_.emplace(first + wanted, count - wanted);
    return range_.base() + (first << kGranuleLog2);
  }
  return fail(ErrorCode::LimitExceeded, "address space for native code");
}

void CodeSpace::give_back(u8* base, u64 bytes) {
  publish(base, bytes, nullptr);
  const std::lock_guard lock(mutex_);
  u64 first = static_cast<u64>(base - range_.base()) >> kGranuleLog2;
  u64 count = granules(bytes);
  CHECK(range_.decommit(first << kGranuleLog2, count << kGranuleLog2));
  auto after = free_.lower_bound(first);
  if (after != free_.end() && after->first == first + count) {
    count += after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == first) {
      before->second += count;
      return;
    }
  }
  free_.emplace(first, count);
}

void CodeSpace::publish(u8* base, u64 bytes, const Artifact* owner) {
  const u64 first = static_cast<u64>(base - range_.base()) >> kGranuleLog2;
  for (u64 i = 0; i < granules(bytes); ++i) owners()[first + i].store(owner, std::memory_order_release);
}

}  // namespace berth::native
