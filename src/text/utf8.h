// UTF-8 checking (specification: values, names). Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/types.h"

namespace berth::text {

// Bytes of the well-formed UTF-8 sequence that `s` starts with, 0 if there is none: overlong forms,
// surrogates and values past U+10FFFF are refused.
constexpr u32 utf8_sequence(std::string_view s) {
  if (s.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<u8>(s[i]); };
  const auto tail = [&](size_t i) { return i < s.size() && (byte(i) & 0xC0) == 0x80; };
  const u8 b = byte(0);
  if (b < 0x80) return 1;
  if (b < 0xC2) return 0;
  if (b < 0xE0) return tail(1) ? 2 : 0;
  if (b < 0xF0) {
    if (!tail(1) || !tail(2)) return 0;
    if (b == 0xE0 && byte(1) < 0xA0) return 0;
    if (b == 0xED && byte(1) >= 0xA0) return 0;
    return 3;
  }
  if (b < 0xF5) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (b == 0xF0 && byte(1) < 0x90) return 0;
    if (b == 0xF4 && byte(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

constexpr bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    const u32 n = utf8_sequence(s);
    if (n == 0) return false;
    s.remove_prefix(n);
  }
  return true;
}

// Appends the encoding of `c`, which must be a Unicode scalar value.
inline void append_utf8(std::string& out, u32 c) {
  const auto put = [&](u32 b) { out.push_back(static_cast<char>(b)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 63));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  }
}

}  // namespace berth::text
