// Which pages of private mappings this process has of its own: those that were written to, whatever is mapped there
// (proc(5), pagemap; PAGEMAP_SCAN where the kernel is 6.7 or later). Any thread.
#pragma once

#include <array>
#include <span>

#include "base/types.h"

namespace berth::os {

class WrittenPages {
 public:
  struct Range {
    u64 begin, end;  // addresses
    u64 categories;  // the kernel's
  };
  // Looks at [base, base + bytes). False when there are more than `most` bytes of them, or they cannot be found out.
  // Without `may_scan` as on older kernels.
  bool find(const u8* base, u64 bytes, u64 most, bool may_scan = true);
  // In order. Pages in swap are among them; pages that were only read are not, but for such as the kernel cannot tell.
  std::span<const Range> ranges() const { return {ranges_.data(), count_}; }

 private:
  bool scan(int pagemap, u64 begin, u64 end, u64 most);
  bool read(int pagemap, u64 begin, u64 end, u64 most);
  bool add(u64 begin, u64 end);

  static constexpr size_t kMaxRanges = 512;
  std::array<Range, kMaxRanges> ranges_;
  size_t count_ = 0;
};

}  // namespace berth::os
