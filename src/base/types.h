// Fixed-width integer aliases and index-space types used by every library. No state.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace berth {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using f32 = float;
using f64 = double;

// A 128-bit vector as bytes in little-endian lane order (specification: values, vectors).
struct alignas(16) V128 {
  u8 bytes[16];
  friend bool operator==(const V128&, const V128&) = default;
};

// An index into one of a module's index spaces. Distinct types cannot be mixed up; `value` is the
// plain number.
template <typename Tag>
struct Index {
  u32 value = 0;
  constexpr Index() = default;
  constexpr explicit Index(u32 v) : value(v) {}
  friend constexpr auto operator<=>(Index, Index) = default;
};

}  // namespace berth
