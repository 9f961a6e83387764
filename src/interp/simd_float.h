// Floating-point vector instructions and conversions between lanes as pure functions
// (specification: vector operations). Extends Numeric<Op> of interp/numeric.h. Stateless.
#pragma once

#include "interp/numeric.h"
#include "interp/vector.h"

namespace berth::interp {
namespace detail {

// Lanes of all ones where a and b compare unordered.
template <typename F>
[[gnu::always_inline]] inline auto unordered(F a, F b) {
  return (a != a) | (b != b);
}

// As min and max of interp/numeric.h, lane by lane.
template <typename F, typename Bits>
[[gnu::always_inline]] inline v128 vector_min(v128 a, v128 b) {
  const F x = as<F>(a), y = as<F>(b);
#if defined(__aarch64__)
  if constexpr (sizeof(F{}[0]) == 4) {
    return as<v128>(vminq_f32(as<float32x4_t>(x), as<float32x4_t>(y)));
  } else {
    return as<v128>(vminq_f64(as<float64x2_t>(x), as<float64x2_t>(y)));
  }
#else
  const F one = x < y ? x : y;
  const F other = y < x ? y : x;
  const F joined = as<F>(as<Bits>(one) | as<Bits>(other));
  return as<v128>(unordered(x, y) ? x + y : joined);
#endif
}
template <typename F, typename Bits>
[[gnu::always_inline]] inline v128 vector_max(v128 a, v128 b) {
  const F x = as<F>(a), y = as<F>(b);
#if defined(__aarch64__)
  if constexpr (sizeof(F{}[0]) == 4) {
    return as<v128>(vmaxq_f32(as<float32x4_t>(x), as<float32x4_t>(y)));
  } else {
    return as<v128>(vmaxq_f64(as<float64x2_t>(x), as<float64x2_t>(y)));
  }
#else
  const F one = x > y ? x : y;
  const F other = y > x ? y : x;
  const F joined = as<F>(as<Bits>(one) & as<Bits>(other));
  return as<v128>(unordered(x, y) ? x + y : joined);
#endif
}

[[gnu::always_inline]] inline v128 trunc_sat_f32_s(v128 v) {
#if defined(__aarch64__)
  return as<v128>(vcvtq_s32_f32(as<float32x4_t>(v)));
#elif defined(__x86_64__)
  const f32x4 a = as<f32x4>(v & as<v128>(as<f32x4>(v) == as<f32x4>(v)));  // NaN becomes 0
  const v128 r = as<v128>(_mm_cvttps_epi32(as<__m128>(a)));               // out of range: the minimum
  return r ^ as<v128>(a >= 0x1p31f);                                      // too large: the maximum
#else
  const f32x4 a = as<f32x4>(v);
  i32x4 r;
  for (int i = 0; i < 4; ++i) r[i] = static_cast<i32>(trunc_sat<i32>(a[i]));
  return as<v128>(r);
#endif
}
[[gnu::always_inline]] inline v128 trunc_sat_f32_u(v128 v) {
#if defined(__aarch64__)
  return as<v128>(vcvtq_u32_f32(as<float32x4_t>(v)));
#elif defined(__x86_64__)
  const __m128 a = _mm_max_ps(as<__m128>(v), _mm_setzero_ps());  // NaN and negatives become 0
  // The part below 2^31 (or 2^31 when there is more), and what exceeds it, saturated at 2^31 - 1.
  const u32x4 base = as<u32x4>(_mm_cvttps_epi32(a));
  const f32x4 excess = as<f32x4>(a) - 0x1p31f;
  const v128 r = as<v128>(_mm_cvttps_epi32(as<__m128>(excess))) ^ as<v128>(excess >= 0x1p31f);
  return as<v128>(base + as<u32x4>(__builtin_elementwise_max(as<i32x4>(r), i32x4(0))));
#else
  const f32x4 a = as<f32x4>(v);
  u32x4 r;
  for (int i = 0; i < 4; ++i) r[i] = trunc_sat<u32>(a[i]);
  return as<v128>(r);
#endif
}
[[gnu::always_inline]] inline v128 trunc_sat_f64_s(v128 v) {
#if defined(__x86_64__)
  const v128 a = v & as<v128>(as<f64x2>(v) == as<f64x2>(v));
  return as<v128>(_mm_cvttpd_epi32(_mm_min_pd(as<__m128d>(a), _mm_set1_pd(2147483647.0))));
#else
  const f64x2 a = as<f64x2>(v);
  return as<v128>(u32x4{trunc_sat<i32>(a[0]), trunc_sat<i32>(a[1]), 0, 0});
#endif
}
[[gnu::always_inline]] inline v128 trunc_sat_f64_u(v128 v) {
#if defined(__x86_64__)
  // Clamped to the range of u32 and truncated, adding 2^52 leaves the integer in the low bits.
  const __m128d a = _mm_min_pd(_mm_max_pd(as<__m128d>(v), _mm_setzero_pd()), _mm_set1_pd(4294967295.0));
  const f64x2 r = as<f64x2>(_mm_round_pd(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)) + 0x1p52;
  return as<v128>(__builtin_shufflevector(as<u32x4>(r), u32x4(0), 0, 2, 4, 4));
#else
  const f64x2 a = as<f64x2>(v);
  return as<v128>(u32x4{trunc_sat<u32>(a[0]), trunc_sat<u32>(a[1]), 0, 0});
#endif
}

template <typename Lanes>
[[gnu::always_inline]] constexpr f64x2 low_to_f64(Lanes v) {
  return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1), f64x2);
}
[[gnu::always_inline]] constexpr v128 demote_zero(v128 v) {
  const Vec<f32, 2> r = __builtin_convertvector(as<f64x2>(v), Vec<f32, 2>);
  return as<v128>(__builtin_shufflevector(r, Vec<f32, 2>(0), 0, 1, 2, 3));
}

}  // namespace detail

#define BERTH_VECTOR_FLOAT(p, F, Bits, sign)                                                          \
  BERTH_NUMERIC(p##Eq, v128, (v128 a, v128 b), as<v128>(as<F>(a) == as<F>(b)))                        \
  BERTH_NUMERIC(p##Ne, v128, (v128 a, v128 b), as<v128>(as<F>(a) != as<F>(b)))                        \
  BERTH_NUMERIC(p##Lt, v128, (v128 a, v128 b), as<v128>(as<F>(a) < as<F>(b)))                         \
  BERTH_NUMERIC(p##Gt, v128, (v128 a, v128 b), as<v128>(as<F>(a) > as<F>(b)))                         \
  BERTH_NUMERIC(p##Le, v128, (v128 a, v128 b), as<v128>(as<F>(a) <= as<F>(b)))                        \
  BERTH_NUMERIC(p##Ge, v128, (v128 a, v128 b), as<v128>(as<F>(a) >= as<F>(b)))                        \
  BERTH_NUMERIC(p##Abs, v128, (v128 a), as<v128>(as<Bits>(a) & Bits(~sign)))                          \
  BERTH_NUMERIC(p##Neg, v128, (v128 a), as<v128>(as<Bits>(a) ^ Bits(sign)))                           \
  BERTH_NUMERIC(p##Ceil, v128, (v128 a), as<v128>(__builtin_elementwise_ceil(as<F>(a))))              \
  BERTH_NUMERIC(p##Floor, v128, (v128 a), as<v128>(__builtin_elementwise_floor(as<F>(a))))            \
  BERTH_NUMERIC(p##Trunc, v128, (v128 a), as<v128>(__builtin_elementwise_trunc(as<F>(a))))            \
  BERTH_NUMERIC(p##Nearest, v128, (v128 a), as<v128>(__builtin_elementwise_roundeven(as<F>(a))))      \
  BERTH_NUMERIC(p##Sqrt, v128, (v128 a), as<v128>(__builtin_elementwise_sqrt(as<F>(a))))              \
  BERTH_NUMERIC(p##Add, v128, (v128 a, v128 b), as<v128>(as<F>(a) + as<F>(b)))                        \
  BERTH_NUMERIC(p##Sub, v128, (v128 a, v128 b), as<v128>(as<F>(a) - as<F>(b)))                        \
  BERTH_NUMERIC(p##Mul, v128, (v128 a, v128 b), as<v128>(as<F>(a) * as<F>(b)))                        \
  BERTH_NUMERIC(p##Div, v128, (v128 a, v128 b), as<v128>(as<F>(a) / as<F>(b)))                        \
  BERTH_NUMERIC(p##Min, v128, (v128 a, v128 b), (detail::vector_min<F, Bits>(a, b)))                  \
  BERTH_NUMERIC(p##Max, v128, (v128 a, v128 b), (detail::vector_max<F, Bits>(a, b)))                  \
  BERTH_NUMERIC(p##Pmin, v128, (v128 a, v128 b), as<v128>(as<F>(b) < as<F>(a) ? as<F>(b) : as<F>(a))) \
  BERTH_NUMERIC(p##Pmax, v128, (v128 a, v128 b), as<v128>(as<F>(a) < as<F>(b) ? as<F>(b) : as<F>(a)))

BERTH_VECTOR_FLOAT(F32x4, f32x4, u32x4, 0x8000'0000u)
BERTH_VECTOR_FLOAT(F64x2, f64x2, u64x2, 0x8000'0000'0000'0000ull)
#undef BERTH_VECTOR_FLOAT

BERTH_NUMERIC(I32x4TruncSatF32x4S, v128, (v128 a), detail::trunc_sat_f32_s(a))
BERTH_NUMERIC(I32x4TruncSatF32x4U, v128, (v128 a), detail::trunc_sat_f32_u(a))
BERTH_NUMERIC(I32x4TruncSatF64x2SZero, v128, (v128 a), detail::trunc_sat_f64_s(a))
BERTH_NUMERIC(I32x4TruncSatF64x2UZero, v128, (v128 a), detail::trunc_sat_f64_u(a))
BERTH_NUMERIC(F32x4ConvertI32x4S, v128, (v128 a), as<v128>(__builtin_convertvector(as<i32x4>(a), f32x4)))
BERTH_NUMERIC(F32x4ConvertI32x4U, v128, (v128 a), as<v128>(__builtin_convertvector(as<u32x4>(a), f32x4)))
BERTH_NUMERIC(F64x2ConvertLowI32x4S, v128, (v128 a), as<v128>(detail::low_to_f64(as<i32x4>(a))))
BERTH_NUMERIC(F64x2ConvertLowI32x4U, v128, (v128 a), as<v128>(detail::low_to_f64(as<u32x4>(a))))
BERTH_NUMERIC(F64x2PromoteLowF32x4, v128, (v128 a), as<v128>(detail::low_to_f64(as<f32x4>(a))))
BERTH_NUMERIC(F32x4DemoteF64x2Zero, v128, (v128 a), detail::demote_zero(a))

}  // namespace berth::interp
