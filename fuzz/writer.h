// Writing the binary format: bytes, LEB128 numbers, sections. A value; one thread.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace berth::fuzz {

class Writer {
 public:
  Writer& byte(u32 value) {
    bytes_.push_back(static_cast<u8>(value));
    return *this;
  }
  Writer& bytes(std::initializer_list<u32> values) {
    for (const u32 value : values) byte(value);
    return *this;
  }
  Writer& unsigned_leb(u64 value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<u32>(value & 0x7f) | 0x80);
    return byte(static_cast<u32>(value));
  }
  Writer& signed_leb(i64 value) {
    while (value < -64 || value > 63) {
      byte(static_cast<u32>(value & 0x7f) | 0x80);
      value >>= 7;
    }
    return byte(static_cast<u32>(value & 0x7f));
  }
  Writer& name(std::string_view text) {
    unsigned_leb(text.size());
    for (const char c : text) byte(static_cast<u8>(c));
    return *this;
  }
  Writer& append(const Writer& other) {
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    return *this;
  }
  // `other` preceded by its length, as function bodies and sections are.
  Writer& sized(const Writer& other) { return unsigned_leb(other.bytes_.size()).append(other); }
  Writer& section(u32 id, const Writer& body) { return byte(id).sized(body); }

  std::vector<u8> take() { return std::move(bytes_); }

 private:
  std::vector<u8> bytes_;
};

}  // namespace berth::fuzz
