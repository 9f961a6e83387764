// The address space that artifacts are mapped into: one range of the process, so that whose code an address is takes
// a few instructions to find, also in a signal handler. Any thread.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "base/result.h"
#include "os/memory.h"

namespace berth::native {

class Artifact;

class CodeSpace {
 public:
  // The one of the process; made when first needed. Fails with OutOfMemory.
  static Result<CodeSpace*> instance();

  // An inaccessible range of at least `bytes`, the caller's to map into. Fails with LimitExceeded when all is taken.
  Result<u8*> take(u64 bytes);
  // Unmaps what lies there.
  void give_back(u8* base, u64 bytes);
  // From now on `find` answers `owner` for addresses of the range.
  void publish(u8* base, u64 bytes, const Artifact* owner);

  // Who owns the code at `pc`; null when nobody does. Async-signal-safe.
  static const Artifact* find(u64 pc) {
    const CodeSpace* const space = instance_.load(std::memory_order_acquire);
    if (space == nullptr) return nullptr;
    const u64 offset = pc - reinterpret_cast<u64>(space->range_.base());
    return offset < space->range_.size() ? space->owners()[offset >> kGranuleLog2].load(std::memory_order_acquire)
                                         : nullptr;
  }

 private:
  using Owner = std::atomic<const Artifact*>;
  static constexpr u32 kGranuleLog2 = 16;
  static u64 granules(u64 bytes) { return (bytes + (u64{1} << kGranuleLog2) - 1) >> kGranuleLog2; }
  Owner* owners() const { return reinterpret_cast<Owner*>(owner_table_.base()); }

  static std::atomic<CodeSpace*> instance_;
  os::Reservation range_, owner_table_;
  std::mutex mutex_;
  std::map<u64, u64> free_;  // first granule, how many
};

}  // namespace berth::native
