// Relaxed vector instructions as pure functions (specification: relaxed operations). Stateless.
//
//   Numeric<Op>::apply   the deterministic profile's choice, the same on every machine
//   Relaxed<Op>::apply   the choice that is fastest on this machine; fixed for the process
#pragma once

#include "interp/simd_float.h"
#include "interp/simd_int.h"
#include "interp/simd_lanes.h"

namespace berth::interp {

template <Op>
struct Relaxed;

namespace detail {

// Products of bytes, summed in pairs with saturation.
[[gnu::always_inline]] inline v128 relaxed_dot(v128 a, v128 b) {
  const i16x8 even = (as<i16x8>(as<u16x8>(a) << 8) >> 8) * (as<i16x8>(as<u16x8>(b) << 8) >> 8);
  const i16x8 odd = (as<i16x8>(a) >> 8) * (as<i16x8>(b) >> 8);
  return as<v128>(__builtin_elementwise_add_sat(even, odd));
}
[[gnu::always_inline]] inline v128 relaxed_dot_fast(v128 a, v128 b) {
#if defined(__x86_64__)
  return as<v128>(_mm_maddubs_epi16(as<__m128i>(b), as<__m128i>(a)));
#else
  return relaxed_dot(a, b);
#endif
}
[[gnu::always_inline]] inline v128 add_pairs(v128 dot, v128 c) {
#if defined(__x86_64__)
  const v128 sums = as<v128>(_mm_madd_epi16(as<__m128i>(dot), _mm_set1_epi16(1)));
#else
  const v128 sums = extadd_pairwise<i32x4, u32x4, 16>(dot);
#endif
  return as<v128>(as<u32x4>(sums) + as<u32x4>(c));
}

// Lanes of all ones where the top bit of the mask's lane is set.
template <typename S>
[[gnu::always_inline]] inline v128 select_lanes(v128 a, v128 b, v128 mask) {
  return as<v128>(as<S>(mask) < 0 ? as<S>(a) : as<S>(b));
}

}  // namespace detail

#define BERTH_RELAXED(op, params, ...)                                                \
  template <>                                                                         \
  struct Relaxed<Op::op> {                                                            \
    [[gnu::always_inline]] static constexpr v128 apply params { return __VA_ARGS__; } \
  };
// `expr` is the deterministic choice, also taken where it costs nothing.
#define BERTH_RELAXED_SAME(op, params, ...)    \
  BERTH_NUMERIC(op, v128, params, __VA_ARGS__) \
  BERTH_RELAXED(op, params, __VA_ARGS__)

BERTH_NUMERIC(I8x16RelaxedSwizzle, v128, (v128 a, v128 lanes), detail::swizzle(a, lanes))
#if defined(__x86_64__)
BERTH_RELAXED(I8x16RelaxedSwizzle, (v128 a, v128 lanes), as<v128>(_mm_shuffle_epi8(as<__m128i>(a), as<__m128i>(lanes))))
#else
BERTH_RELAXED(I8x16RelaxedSwizzle, (v128 a, v128 lanes), detail::swizzle(a, lanes))
#endif

BERTH_NUMERIC(I32x4RelaxedTruncF32x4S, v128, (v128 a), detail::trunc_sat_f32_s(a))
BERTH_NUMERIC(I32x4RelaxedTruncF64x2SZero, v128, (v128 a), detail::trunc_sat_f64_s(a))
#if defined(__x86_64__)
BERTH_RELAXED(I32x4RelaxedTruncF32x4S, (v128 a), as<v128>(_mm_cvttps_epi32(as<__m128>(a))))
BERTH_RELAXED(I32x4RelaxedTruncF64x2SZero, (v128 a), as<v128>(_mm_cvttpd_epi32(as<__m128d>(a))))
#else
BERTH_RELAXED(I32x4RelaxedTruncF32x4S, (v128 a), detail::trunc_sat_f32_s(a))
BERTH_RELAXED(I32x4RelaxedTruncF64x2SZero, (v128 a), detail::trunc_sat_f64_s(a))
#endif
BERTH_RELAXED_SAME(I32x4RelaxedTruncF32x4U, (v128 a), detail::trunc_sat_f32_u(a))
BERTH_RELAXED_SAME(I32x4RelaxedTruncF64x2UZero, (v128 a), detail::trunc_sat_f64_u(a))

// Deterministic: two roundings. Fast: one, where the target fuses.
#if defined(__FMA__) || defined(__aarch64__)
#define BERTH_FUSED(F, a, b, c) __builtin_elementwise_fma(as<F>(a), as<F>(b), as<F>(c))
#else
#define BERTH_FUSED(F, a, b, c) as<F>(a) * as<F>(b) + as<F>(c)
#endif
#define BERTH_MADD(p, F, Bits, sign)                                                                      \
  BERTH_NUMERIC(p##RelaxedMadd, v128, (v128 a, v128 b, v128 c), as<v128>(as<F>(a) * as<F>(b) + as<F>(c))) \
  BERTH_NUMERIC(p##RelaxedNmadd, v128, (v128 a, v128 b, v128 c),                                          \
                as<v128>(as<F>(as<Bits>(a) ^ Bits(sign)) * as<F>(b) + as<F>(c)))                          \
  BERTH_RELAXED(p##RelaxedMadd, (v128 a, v128 b, v128 c), as<v128>(BERTH_FUSED(F, a, b, c)))              \
  BERTH_RELAXED(p##RelaxedNmadd, (v128 a, v128 b, v128 c), as<v128>(BERTH_FUSED(F, as<Bits>(a) ^ Bits(sign), b, c)))
BERTH_MADD(F32x4, f32x4, u32x4, 0x8000'0000u)
BERTH_MADD(F64x2, f64x2, u64x2, 0x8000'0000'0000'0000ull)
#undef BERTH_MADD
#undef BERTH_FUSED

// The instruction of the machine where there is one that looks at the top bit only.
#define BERTH_LANESELECT(p, S, ...)                                                                       \
  BERTH_NUMERIC(p##RelaxedLaneselect, v128, (v128 a, v128 b, v128 mask), detail::select_bits(mask, a, b)) \
  BERTH_RELAXED(p##RelaxedLaneselect, (v128 a, v128 b, v128 mask), __VA_ARGS__)
#if defined(__x86_64__)
BERTH_LANESELECT(I8x16, i8x16, detail::select_lanes<i8x16>(a, b, mask))
BERTH_LANESELECT(I16x8, i16x8, detail::select_bits(mask, a, b))
BERTH_LANESELECT(I32x4, i32x4, detail::select_lanes<i32x4>(a, b, mask))
BERTH_LANESELECT(I64x2, i64x2, detail::select_lanes<i64x2>(a, b, mask))
#else
BERTH_LANESELECT(I8x16, i8x16, detail::select_bits(mask, a, b))
BERTH_LANESELECT(I16x8, i16x8, detail::select_bits(mask, a, b))
BERTH_LANESELECT(I32x4, i32x4, detail::select_bits(mask, a, b))
BERTH_LANESELECT(I64x2, i64x2, detail::select_bits(mask, a, b))
#endif
#undef BERTH_LANESELECT

#define BERTH_MIN_MAX(p, F, Bits)                                                           \
  BERTH_NUMERIC(p##RelaxedMin, v128, (v128 a, v128 b), (detail::vector_min<F, Bits>(a, b))) \
  BERTH_NUMERIC(p##RelaxedMax, v128, (v128 a, v128 b), (detail::vector_max<F, Bits>(a, b)))
BERTH_MIN_MAX(F32x4, f32x4, u32x4)
BERTH_MIN_MAX(F64x2, f64x2, u64x2)
#undef BERTH_MIN_MAX
#if defined(__x86_64__)
BERTH_RELAXED(F32x4RelaxedMin, (v128 a, v128 b), as<v128>(_mm_min_ps(as<__m128>(a), as<__m128>(b))))
BERTH_RELAXED(F32x4RelaxedMax, (v128 a, v128 b), as<v128>(_mm_max_ps(as<__m128>(a), as<__m128>(b))))
BERTH_RELAXED(F64x2RelaxedMin, (v128 a, v128 b), as<v128>(_mm_min_pd(as<__m128d>(a), as<__m128d>(b))))
BERTH_RELAXED(F64x2RelaxedMax, (v128 a, v128 b), as<v128>(_mm_max_pd(as<__m128d>(a), as<__m128d>(b))))
#else
BERTH_RELAXED(F32x4RelaxedMin, (v128 a, v128 b), (detail::vector_min<f32x4, u32x4>(a, b)))
BERTH_RELAXED(F32x4RelaxedMax, (v128 a, v128 b), (detail::vector_max<f32x4, u32x4>(a, b)))
BERTH_RELAXED(F64x2RelaxedMin, (v128 a, v128 b), (detail::vector_min<f64x2, u64x2>(a, b)))
BERTH_RELAXED(F64x2RelaxedMax, (v128 a, v128 b), (detail::vector_max<f64x2, u64x2>(a, b)))
#endif

BERTH_NUMERIC(I16x8RelaxedQ15mulrS, v128, (v128 a, v128 b), detail::q15mulr_sat(a, b))
#if defined(__aarch64__)
BERTH_RELAXED(I16x8RelaxedQ15mulrS, (v128 a, v128 b), detail::q15mulr_sat(a, b))
#else
BERTH_RELAXED(I16x8RelaxedQ15mulrS, (v128 a, v128 b), detail::q15mulr_wrapping(a, b))
#endif

BERTH_NUMERIC(I16x8RelaxedDotI8x16I7x16S, v128, (v128 a, v128 b), detail::relaxed_dot(a, b))
BERTH_NUMERIC(I32x4RelaxedDotI8x16I7x16AddS, v128, (v128 a, v128 b, v128 c),
              detail::add_pairs(detail::relaxed_dot(a, b), c))
BERTH_RELAXED(I16x8RelaxedDotI8x16I7x16S, (v128 a, v128 b), detail::relaxed_dot_fast(a, b))
BERTH_RELAXED(I32x4RelaxedDotI8x16I7x16AddS, (v128 a, v128 b, v128 c),
              detail::add_pairs(detail::relaxed_dot_fast(a, b), c))

#undef BERTH_RELAXED
#undef BERTH_RELAXED_SAME

}  // namespace berth::interp
