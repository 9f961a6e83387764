// Reads numbers as DWARF writes them. Past the end it gives zeros and remembers that it did. Refers to the bytes
// that it was made of.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "base/types.h"

namespace berth::compiler {

class ByteReader {
 public:
  explicit ByteReader(std::span<const u8> bytes, size_t at = 0) : bytes_(bytes), at_(at) {}

  template <typename T>
  T fixed() {
    T value{};
    if (!has(sizeof value)) return value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  u64 unsigned_leb() {
    u64 value = 0;
    for (u32 shift = 0;; shift += 7) {
      const u8 byte = fixed<u8>();
      if (shift < 64) value |= u64{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  i64 signed_leb() {
    u64 value = 0;
    for (u32 shift = 0;;) {
      const u8 byte = fixed<u8>();
      if (shift < 64) value |= u64{byte & 0x7Fu} << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      if ((byte & 0x40) && shift < 64) value |= ~u64{0} << shift;
      return static_cast<i64>(value);
    }
  }
  // Up to a zero byte, which is skipped.
  std::string_view text() {
    const size_t start = at_;
    while (fixed<u8>() != 0) continue;
    return {reinterpret_cast<const char*>(bytes_.data()) + start, overrun_ ? 0 : at_ - start - 1};
  }
  void skip(size_t count) {
    if (has(count)) at_ += count;
  }
  // The next `count` bytes as a reader of their own, positions as here; skips them.
  ByteReader part(size_t count) {
    ByteReader out(bytes_.first(has(count) ? at_ + count : at_), at_);
    skip(count);
    return out;
  }

  size_t position() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }
  bool overrun() const { return overrun_; }

 private:
  bool has(size_t count) {
    if (bytes_.size() - at_ >= count) return true;
    overrun_ = true;
    at_ = bytes_.size();
    return false;
  }

  std::span<const u8> bytes_;
  size_t at_;
  bool overrun_ = false;
};

}  // namespace berth::compiler
