// Instructions that move lanes: splat, shuffle, swizzle, extract and replace (specification: vector
// instructions). Extends Numeric<Op> of interp/numeric.h. Stateless.
//
//   Lane<Op>::apply(v, lane)           extract_lane
//   Lane<Op>::apply(v, x, lane)        replace_lane
//   Shuffle::apply(a, b, lanes)        i8x16.shuffle
//
// The lane comes from a validated immediate, so it is within the shape.
#pragma once

#include "interp/numeric.h"
#include "interp/vector.h"

namespace berth::interp {

template <Op>
struct Lane;

struct Shuffle {
  // `lanes` hold 0 to 31: 0 to 15 pick from `a`, the rest from `b`.
  [[gnu::always_inline]] static v128 apply(v128 a, v128 b, v128 lanes) {
#if defined(__x86_64__)
    // pshufb gives 0 for an index with its top bit set, and else looks at the low four.
    const v128 from_a = as<v128>(_mm_shuffle_epi8(as<__m128i>(a), as<__m128i>(lanes + 0x70)));
    const v128 from_b = as<v128>(_mm_shuffle_epi8(as<__m128i>(b), as<__m128i>(lanes - 16)));
    return from_a | from_b;
#elif defined(__aarch64__)
    return as<v128>(vqtbl2q_u8({{as<uint8x16_t>(a), as<uint8x16_t>(b)}}, as<uint8x16_t>(lanes)));
#else
    v128 r;
    for (int i = 0; i < 16; ++i) r[i] = lanes[i] < 16 ? a[lanes[i] & 15] : b[lanes[i] & 15];
    return r;
#endif
  }
};

namespace detail {

[[gnu::always_inline]] inline v128 swizzle(v128 a, v128 lanes) {
#if defined(__x86_64__)
  const v128 top_bit_beyond_15 = __builtin_elementwise_add_sat(lanes, v128(0x70));
  return as<v128>(_mm_shuffle_epi8(as<__m128i>(a), as<__m128i>(top_bit_beyond_15)));
#elif defined(__aarch64__)
  return as<v128>(vqtbl1q_u8(as<uint8x16_t>(a), as<uint8x16_t>(lanes)));
#else
  v128 r;
  for (int i = 0; i < 16; ++i) r[i] = lanes[i] < 16 ? a[lanes[i] & 15] : 0;
  return r;
#endif
}

template <typename Lanes, typename T>
[[gnu::always_inline]] constexpr v128 replace(v128 v, T x, u32 lane) {
  Lanes lanes = as<Lanes>(v);
  lanes[lane] = x;
  return as<v128>(lanes);
}

}  // namespace detail

BERTH_NUMERIC(I8x16Swizzle, v128, (v128 a, v128 lanes), detail::swizzle(a, lanes))
BERTH_NUMERIC(I8x16Splat, v128, (u32 a), u8x16(static_cast<u8>(a)))
BERTH_NUMERIC(I16x8Splat, v128, (u32 a), as<v128>(u16x8(static_cast<u16>(a))))
BERTH_NUMERIC(I32x4Splat, v128, (u32 a), as<v128>(u32x4(a)))
BERTH_NUMERIC(I64x2Splat, v128, (u64 a), as<v128>(u64x2(a)))
BERTH_NUMERIC(F32x4Splat, v128, (f32 a), as<v128>(f32x4(a)))
BERTH_NUMERIC(F64x2Splat, v128, (f64 a), as<v128>(f64x2(a)))

#define BERTH_LANE(op, result, params, ...)                                             \
  template <>                                                                           \
  struct Lane<Op::op> {                                                                 \
    [[gnu::always_inline]] static constexpr result apply params { return __VA_ARGS__; } \
  };
BERTH_LANE(I8x16ExtractLaneS, u32, (v128 v, u32 lane), static_cast<u32>(i32{as<i8x16>(v)[lane]}))
BERTH_LANE(I8x16ExtractLaneU, u32, (v128 v, u32 lane), v[lane])
BERTH_LANE(I16x8ExtractLaneS, u32, (v128 v, u32 lane), static_cast<u32>(i32{as<i16x8>(v)[lane]}))
BERTH_LANE(I16x8ExtractLaneU, u32, (v128 v, u32 lane), as<u16x8>(v)[lane])
BERTH_LANE(I32x4ExtractLane, u32, (v128 v, u32 lane), as<u32x4>(v)[lane])
BERTH_LANE(I64x2ExtractLane, u64, (v128 v, u32 lane), as<u64x2>(v)[lane])
BERTH_LANE(F32x4ExtractLane, f32, (v128 v, u32 lane), as<f32x4>(v)[lane])
BERTH_LANE(F64x2ExtractLane, f64, (v128 v, u32 lane), as<f64x2>(v)[lane])
BERTH_LANE(I8x16ReplaceLane, v128, (v128 v, u32 x, u32 lane), detail::replace<u8x16>(v, static_cast<u8>(x), lane))
BERTH_LANE(I16x8ReplaceLane, v128, (v128 v, u32 x, u32 lane), detail::replace<u16x8>(v, static_cast<u16>(x), lane))
BERTH_LANE(I32x4ReplaceLane, v128, (v128 v, u32 x, u32 lane), detail::replace<u32x4>(v, x, lane))
BERTH_LANE(I64x2ReplaceLane, v128, (v128 v, u64 x, u32 lane), detail::replace<u64x2>(v, x, lane))
BERTH_LANE(F32x4ReplaceLane, v128, (v128 v, f32 x, u32 lane), detail::replace<f32x4>(v, x, lane))
BERTH_LANE(F64x2ReplaceLane, v128, (v128 v, f64 x, u32 lane), detail::replace<f64x2>(v, x, lane))
#undef BERTH_LANE

}  // namespace berth::interp
