// Sizes of the cells that the garbage-collected heap divides its blocks into. Constants only.
#pragma once

#include <array>

#include "base/types.h"

namespace berth::abi {

inline constexpr u32 kBlockLog2 = 15;
inline constexpr u32 kBlockBytes = 1u << kBlockLog2;

// Cells whose size is a multiple of 16 lie at multiples of 16; an object that needs such alignment
// has such a size. Up to 128 every multiple of 16 is there, so none needs a larger cell that is
// not.
inline constexpr std::array<u16, 34> kCellBytes = {
    16,  24,  32,  40,  48,  56,   64,   80,   96,   112,  128,  160,  192,  224,  256,  320,   384,
    448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2720, 3264, 4096, 5456, 8192, 10912, 16384};
inline constexpr u32 kSizeClasses = kCellBytes.size();
inline constexpr u32 kMaxCellBytes = kCellBytes[kSizeClasses - 1];
// The class of objects too large for a block; its allocation run is always empty.
inline constexpr u8 kLargeClass = kSizeClasses;

namespace detail {
// The class of each multiple of `unit` bytes.
constexpr auto make_class_table(u32 unit) {
  std::array<u8, 129> table{};
  for (u32 i = 0; i < table.size(); ++i) {
    const u32 bytes = i * unit;
    u8 c = 0;
    while (c < kSizeClasses && kCellBytes[c] < bytes) ++c;
    table[i] = c;
  }
  return table;
}
inline constexpr auto kClassByWords = make_class_table(8);
inline constexpr auto kClassBy128 = make_class_table(128);
}  // namespace detail

// The smallest class whose cells hold `bytes`, or kLargeClass.
constexpr u8 size_class(u64 bytes) {
  if (bytes <= 1024) return detail::kClassByWords[(bytes + 7) / 8];
  if (bytes <= kMaxCellBytes) {
    u8 c = detail::kClassBy128[bytes / 128];
    while (kCellBytes[c] < bytes) ++c;
    return c;
  }
  return kLargeClass;
}

}  // namespace berth::abi
