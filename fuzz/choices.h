// A stream of decisions read from a fuzzer's input. When it runs dry every decision is 0, which users
// arrange to be the smallest thing. One thread; does not own the bytes.
#pragma once

#include <span>

#include "base/types.h"

namespace berth::fuzz {

class Choices {
 public:
  explicit Choices(std::span<const u8> bytes) : bytes_(bytes) {}

  bool dry() const { return bytes_.empty(); }
  // The first of `parts` equal parts of what is left, which is taken out.
  Choices take_part(u32 parts) {
    const Choices part(bytes_.first(bytes_.size() / parts));
    bytes_ = bytes_.subspan(bytes_.size() / parts);
    return part;
  }
  u8 byte() {
    if (bytes_.empty()) return 0;
    const u8 value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }
  // A number below `count`, which is not 0.
  u32 below(u32 count) {
    u32 value = byte();
    if (count > 256) value = value << 8 | byte();
    return value % count;
  }
  // True once in `odds` times.
  bool once_in(u32 odds) { return !dry() && below(odds) == odds - 1; }
  // A number of `count` bytes.
  u64 number(u32 count) {
    u64 value = 0;
    for (u32 i = 0; i < count; ++i) value = value << 8 | byte();
    return value;
  }

 private:
  std::span<const u8> bytes_;
};

}  // namespace berth::fuzz
