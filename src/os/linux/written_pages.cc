#include "os/linux/written_pages.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "os/memory.h"

namespace berth::os {

namespace {

// As in linux/fs.h, which may be older than the kernel.
struct ScanArguments {
  u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
  u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};
constexpr unsigned long kScan = _IOWR('f', 16, ScanArguments);
constexpr u64 kIsFile = 1 << 2, kIsPresent = 1 << 3, kIsSwapped = 1 << 4, kIsZero = 1 << 5;
// Of an entry of the file.
constexpr u64 kEntryPresent = u64{1} << 63, kEntrySwapped = u64{1} << 62, kEntryFile = u64{1} << 61;

// The file of the process that runs now: a child has another. -1: there is none.
int open_pagemap() {
  static std::atomic<u64> known{0};  // process and descriptor
  const auto process = static_cast<u32>(getpid());
  const u64 found = known.load(std::memory_order_acquire);
  if (found >> 32 == process) return static_cast<int>(static_cast<u32>(found));
  const int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  u64 expected = found;
  if (known.compare_exchange_strong(expected, u64{process} << 32 | static_cast<u32>(file))) return file;
  if (file >= 0) close(file);  // another thread was first
  return static_cast<int>(static_cast<u32>(expected));
}

std::atomic<bool> cannot_scan{false};

}  // namespace

bool WrittenPages::find(const u8* base, u64 bytes, u64 most, bool may_scan) {
  const int pagemap = open_pagemap();
  if (pagemap < 0) return false;
  const u64 begin = reinterpret_cast<u64>(base), end = begin + bytes;
  count_ = 0;
  if (may_scan && !cannot_scan.load(std::memory_order_relaxed)) {
    if (scan(pagemap, begin, end, most)) return true;
    if (!cannot_scan.load(std::memory_order_relaxed)) return false;
  }
  return read(pagemap, begin, end, most);
}

bool WrittenPages::scan(int pagemap, u64 begin, u64 end, u64 most) {
  ScanArguments arguments{};
  arguments.size = sizeof arguments;
  arguments.start = begin;
  arguments.end = end;
  arguments.vec = reinterpret_cast<u64>(ranges_.data());
  arguments.vec_len = kMaxRanges;
  arguments.category_inverted = arguments.category_mask = kIsFile | kIsZero;
  arguments.category_anyof_mask = kIsPresent | kIsSwapped;
  arguments.return_mask = kIsSwapped;
  const int found = ioctl(pagemap, kScan, &arguments);
  if (found < 0) {
    cannot_scan.store(true, std::memory_order_relaxed);
    return false;
  }
  count_ = static_cast<size_t>(found);
  u64 sum = 0;
  for (const Range& range : ranges()) sum += range.end - range.begin;
  return arguments.walk_end >= end && sum <= most;
}

bool WrittenPages::read(int pagemap, u64 begin, u64 end, u64 most) {
  const u64 page = page_size();
  // Beyond that, reading takes longer than what it saves.
  constexpr u64 kMostPages = 16384;
  if ((end - begin) / page > kMostPages) return false;
  u64 entries[512];
  u64 sum = 0;
  for (u64 at = begin; at < end;) {
    const u64 wanted = std::min<u64>(std::size(entries), (end - at) / page);
    const auto bytes = static_cast<ssize_t>(wanted * sizeof(u64));
    if (pread(pagemap, entries, static_cast<size_t>(bytes), static_cast<off_t>(at / page * sizeof(u64))) != bytes)
      return false;
    for (u64 i = 0; i < wanted; ++i, at += page) {
      if ((entries[i] & (kEntryPresent | kEntrySwapped)) == 0 || (entries[i] & kEntryFile) != 0) continue;
      sum += page;
      if (sum > most || !add(at, at + page)) return false;
    }
  }
  return true;
}

bool WrittenPages::add(u64 begin, u64 end) {
  if (count_ != 0 && ranges_[count_ - 1].end == begin) {
    ranges_[count_ - 1].end = end;
    return true;
  }
  if (count_ == kMaxRanges) return false;
  ranges_[count_++] = {begin, end, 0};
  return true;
}

}  // namespace berth::os
