// The 128-bit vector as the compiler's own vector type, and its lane views (specification: values,
// vectors). Lane 0 is the lowest address. Plain values.
#pragma once

#include "base/types.h"

namespace berth::interp {

template <typename T, u32 N>
using Vec = T __attribute__((ext_vector_type(N)));

using u8x16 = Vec<u8, 16>;
using u16x8 = Vec<u16, 8>;
using u32x4 = Vec<u32, 4>;
using u64x2 = Vec<u64, 2>;
using i8x16 = Vec<i8, 16>;
using i16x8 = Vec<i16, 8>;
using i32x4 = Vec<i32, 4>;
using i64x2 = Vec<i64, 2>;
using f32x4 = Vec<f32, 4>;
using f64x2 = Vec<f64, 2>;

// What instructions take and give.
using v128 = u8x16;
static_assert(sizeof(v128) == 16 && alignof(v128) == 16);

// The same 128 bits as another type.
template <typename To, typename From>
[[gnu::always_inline]] constexpr To as(From v) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, v);
}
[[gnu::always_inline]] constexpr v128 from_value(const V128& v) { return as<v128>(v); }
[[gnu::always_inline]] constexpr V128 to_value(v128 v) { return as<V128>(v); }

}  // namespace berth::interp
