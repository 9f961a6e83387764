// Integer vector instructions as pure functions (specification: vector operations): arithmetic,
// comparisons, shifts, tests, widening and narrowing. Extends Numeric<Op> of interp/numeric.h;
// vectors come and go as v128, scalars as u32. Stateless.
#pragma once

#include "interp/numeric.h"
#include "interp/vector.h"

namespace berth::interp {
namespace detail {

// All bits where `mask` lanes are set, else of `b`: `mask` has lanes of all ones or all zeros.
[[gnu::always_inline]] constexpr v128 select_bits(v128 mask, v128 a, v128 b) { return (a & mask) | (b & ~mask); }

// Eight or sixteen lanes of half the width, as lanes of twice the width.
template <typename Wider, typename Lanes, u32... kIndex>
[[gnu::always_inline]] constexpr Wider widen(Lanes v) {
  return __builtin_convertvector(__builtin_shufflevector(v, v, kIndex...), Wider);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider low(u8x16 v) {
  return widen<Wider, u8x16, 0, 1, 2, 3, 4, 5, 6, 7>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider low(i8x16 v) {
  return widen<Wider, i8x16, 0, 1, 2, 3, 4, 5, 6, 7>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider low(u16x8 v) {
  return widen<Wider, u16x8, 0, 1, 2, 3>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider low(i16x8 v) {
  return widen<Wider, i16x8, 0, 1, 2, 3>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider low(u32x4 v) {
  return widen<Wider, u32x4, 0, 1>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider low(i32x4 v) {
  return widen<Wider, i32x4, 0, 1>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider high(u8x16 v) {
  return widen<Wider, u8x16, 8, 9, 10, 11, 12, 13, 14, 15>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider high(i8x16 v) {
  return widen<Wider, i8x16, 8, 9, 10, 11, 12, 13, 14, 15>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider high(u16x8 v) {
  return widen<Wider, u16x8, 4, 5, 6, 7>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider high(i16x8 v) {
  return widen<Wider, i16x8, 4, 5, 6, 7>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider high(u32x4 v) {
  return widen<Wider, u32x4, 2, 3>(v);
}
template <typename Wider>
[[gnu::always_inline]] constexpr Wider high(i32x4 v) {
  return widen<Wider, i32x4, 2, 3>(v);
}

// The product of equal halves of two vectors, in lanes of twice the width: it cannot overflow, and
// is the same bits whether the wide lanes are signed or not.
template <typename Lanes, typename Wider, typename UnsignedWider>
[[gnu::always_inline]] constexpr v128 extmul_low(v128 a, v128 b) {
  return as<v128>(as<UnsignedWider>(low<Wider>(as<Lanes>(a))) * as<UnsignedWider>(low<Wider>(as<Lanes>(b))));
}
template <typename Lanes, typename Wider, typename UnsignedWider>
[[gnu::always_inline]] constexpr v128 extmul_high(v128 a, v128 b) {
  return as<v128>(as<UnsignedWider>(high<Wider>(as<Lanes>(a))) * as<UnsignedWider>(high<Wider>(as<Lanes>(b))));
}

// The sums of neighbouring lanes, as lanes of twice the width; `Wider` is signed as the lanes are.
template <typename Wider, typename UnsignedWider, int kLaneBits>
[[gnu::always_inline]] constexpr v128 extadd_pairwise(v128 v) {
  const Wider even = as<Wider>(as<UnsignedWider>(v) << kLaneBits) >> kLaneBits;
  const Wider odd = as<Wider>(v) >> kLaneBits;
  return as<v128>(even + odd);
}

[[gnu::always_inline]] inline v128 popcnt(v128 v) {
  v = v - ((v >> 1) & 0x55);
  v = (v & 0x33) + ((v >> 2) & 0x33);
  return (v + (v >> 4)) & 0x0F;
}

// Clamps the lanes of a and b to [kLow, kHigh] and packs them into lanes of half the width.
template <typename Lanes, typename Narrow, i32 kLow, i32 kHigh>
[[gnu::always_inline]] inline v128 narrow(v128 a, v128 b) {
  constexpr u32 kCount = sizeof(Lanes) / sizeof(Lanes{}[0]);
  Vec<typename std::remove_cvref_t<decltype(Lanes{}[0])>, 2 * kCount> both;
  __builtin_memcpy(&both, &a, 16);
  __builtin_memcpy(reinterpret_cast<u8*>(&both) + 16, &b, 16);
  both = __builtin_elementwise_min(__builtin_elementwise_max(both, decltype(both)(kLow)), decltype(both)(kHigh));
  return as<v128>(__builtin_convertvector(both, Narrow));
}
#if defined(__x86_64__)
[[gnu::always_inline]] inline v128 narrow_i8_s(v128 a, v128 b) {
  return as<v128>(_mm_packs_epi16(as<__m128i>(a), as<__m128i>(b)));
}
[[gnu::always_inline]] inline v128 narrow_i8_u(v128 a, v128 b) {
  return as<v128>(_mm_packus_epi16(as<__m128i>(a), as<__m128i>(b)));
}
[[gnu::always_inline]] inline v128 narrow_i16_s(v128 a, v128 b) {
  return as<v128>(_mm_packs_epi32(as<__m128i>(a), as<__m128i>(b)));
}
[[gnu::always_inline]] inline v128 narrow_i16_u(v128 a, v128 b) {
  return as<v128>(_mm_packus_epi32(as<__m128i>(a), as<__m128i>(b)));
}
#else
[[gnu::always_inline]] inline v128 narrow_i8_s(v128 a, v128 b) { return narrow<i16x8, i8x16, -128, 127>(a, b); }
[[gnu::always_inline]] inline v128 narrow_i8_u(v128 a, v128 b) { return narrow<i16x8, u8x16, 0, 255>(a, b); }
[[gnu::always_inline]] inline v128 narrow_i16_s(v128 a, v128 b) { return narrow<i32x4, i16x8, -32768, 32767>(a, b); }
[[gnu::always_inline]] inline v128 narrow_i16_u(v128 a, v128 b) { return narrow<i32x4, u16x8, 0, 65535>(a, b); }
#endif

// The sign bits of all lanes, lane 0 lowest.
#if defined(__x86_64__)
[[gnu::always_inline]] inline u32 bitmask8(v128 v) { return static_cast<u32>(_mm_movemask_epi8(as<__m128i>(v))); }
[[gnu::always_inline]] inline u32 bitmask16(v128 v) {
  return static_cast<u32>(_mm_movemask_epi8(_mm_packs_epi16(as<__m128i>(v), _mm_setzero_si128())));
}
[[gnu::always_inline]] inline u32 bitmask32(v128 v) { return static_cast<u32>(_mm_movemask_ps(as<__m128>(v))); }
[[gnu::always_inline]] inline u32 bitmask64(v128 v) { return static_cast<u32>(_mm_movemask_pd(as<__m128d>(v))); }
#else
[[gnu::always_inline]] inline u32 bitmask8(v128 v) {
  const u8x16 weights = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const u8x16 set = as<u8x16>(as<i8x16>(v) < 0) & weights;
  return static_cast<u32>(__builtin_reduce_or(__builtin_shufflevector(set, set, 0, 1, 2, 3, 4, 5, 6, 7)) |
                          __builtin_reduce_or(__builtin_shufflevector(set, set, 8, 9, 10, 11, 12, 13, 14, 15)) << 8);
}
[[gnu::always_inline]] inline u32 bitmask16(v128 v) {
  const u16x8 weights = {1, 2, 4, 8, 16, 32, 64, 128};
  return __builtin_reduce_or(as<u16x8>(as<i16x8>(v) < 0) & weights);
}
[[gnu::always_inline]] inline u32 bitmask32(v128 v) {
  const u32x4 weights = {1, 2, 4, 8};
  return __builtin_reduce_or(as<u32x4>(as<i32x4>(v) < 0) & weights);
}
[[gnu::always_inline]] inline u32 bitmask64(v128 v) {
  return static_cast<u32>(as<u64x2>(v)[0] >> 63 | (as<u64x2>(v)[1] >> 63) << 1);
}
#endif

[[gnu::always_inline]] inline u32 any_true(v128 v) { return __builtin_reduce_or(as<u64x2>(v)) != 0; }
// Whether no lane is zero.
template <typename Lanes>
[[gnu::always_inline]] inline u32 all_true(v128 v) {
  return !any_true(as<v128>(as<Lanes>(v) == 0));
}

// The rounded product of fixed-point numbers with 15 fraction bits. Only -1 times -1 overflows.
[[gnu::always_inline]] inline v128 q15mulr_wrapping(v128 a, v128 b) {
#if defined(__x86_64__)
  return as<v128>(_mm_mulhrs_epi16(as<__m128i>(a), as<__m128i>(b)));
#else
  using Wide8 = Vec<i32, 8>;
  const Wide8 product = __builtin_convertvector(as<i16x8>(a), Wide8) * __builtin_convertvector(as<i16x8>(b), Wide8);
  return as<v128>(__builtin_convertvector((product + 0x4000) >> 15, i16x8));
#endif
}
[[gnu::always_inline]] inline v128 q15mulr_sat(v128 a, v128 b) {
#if defined(__aarch64__)
  return as<v128>(vqrdmulhq_s16(as<int16x8_t>(a), as<int16x8_t>(b)));
#else
  const v128 r = q15mulr_wrapping(a, b);
  return r ^ as<v128>(as<u16x8>(r) == 0x8000);
#endif
}

[[gnu::always_inline]] inline v128 dot(v128 a, v128 b) {
#if defined(__x86_64__)
  return as<v128>(_mm_madd_epi16(as<__m128i>(a), as<__m128i>(b)));
#else
  const u32x4 p = as<u32x4>(low<i32x4>(as<i16x8>(a)) * low<i32x4>(as<i16x8>(b)));
  const u32x4 q = as<u32x4>(high<i32x4>(as<i16x8>(a)) * high<i32x4>(as<i16x8>(b)));
  return as<v128>(__builtin_shufflevector(p, q, 0, 2, 4, 6) + __builtin_shufflevector(p, q, 1, 3, 5, 7));
#endif
}

// (a + b + 1) / 2 in lanes that do not overflow.
template <typename Lanes, typename Double>
[[gnu::always_inline]] constexpr v128 avgr(v128 a, v128 b) {
  const Double sum = __builtin_convertvector(as<Lanes>(a), Double) + __builtin_convertvector(as<Lanes>(b), Double) + 1;
  return as<v128>(__builtin_convertvector(sum >> 1, Lanes));
}

}  // namespace detail

// Bits of the whole vector.
BERTH_NUMERIC(V128Not, v128, (v128 a), ~a)
BERTH_NUMERIC(V128And, v128, (v128 a, v128 b), a& b)
BERTH_NUMERIC(V128Andnot, v128, (v128 a, v128 b), a & ~b)
BERTH_NUMERIC(V128Or, v128, (v128 a, v128 b), a | b)
BERTH_NUMERIC(V128Xor, v128, (v128 a, v128 b), a ^ b)
BERTH_NUMERIC(V128Bitselect, v128, (v128 a, v128 b, v128 mask), detail::select_bits(mask, a, b))
BERTH_NUMERIC(V128AnyTrue, u32, (v128 a), detail::any_true(a))

// What every integer shape has. `U` and `S` are its lanes unsigned and signed, `kBits` a lane's
// width.
#define BERTH_VECTOR_INTEGER(p, U, S, Lane, kBits)                                                                  \
  BERTH_NUMERIC(p##Eq, v128, (v128 a, v128 b), as<v128>(as<U>(a) == as<U>(b)))                                      \
  BERTH_NUMERIC(p##Ne, v128, (v128 a, v128 b), as<v128>(as<U>(a) != as<U>(b)))                                      \
  BERTH_NUMERIC(p##LtS, v128, (v128 a, v128 b), as<v128>(as<S>(a) < as<S>(b)))                                      \
  BERTH_NUMERIC(p##GtS, v128, (v128 a, v128 b), as<v128>(as<S>(a) > as<S>(b)))                                      \
  BERTH_NUMERIC(p##LeS, v128, (v128 a, v128 b), as<v128>(as<S>(a) <= as<S>(b)))                                     \
  BERTH_NUMERIC(p##GeS, v128, (v128 a, v128 b), as<v128>(as<S>(a) >= as<S>(b)))                                     \
  BERTH_NUMERIC(p##Abs, v128, (v128 a), as<v128>(__builtin_elementwise_abs(as<S>(a))))                              \
  BERTH_NUMERIC(p##Neg, v128, (v128 a), as<v128>(U(0) - as<U>(a)))                                                  \
  BERTH_NUMERIC(p##Add, v128, (v128 a, v128 b), as<v128>(as<U>(a) + as<U>(b)))                                      \
  BERTH_NUMERIC(p##Sub, v128, (v128 a, v128 b), as<v128>(as<U>(a) - as<U>(b)))                                      \
  BERTH_NUMERIC(p##Shl, v128, (v128 a, u32 n), as<v128>(as<U>(a) << U(static_cast<Lane>(n & (kBits - 1)))))         \
  BERTH_NUMERIC(p##ShrS, v128, (v128 a, u32 n), as<v128>(as<S>(a) >> as<S>(U(static_cast<Lane>(n & (kBits - 1)))))) \
  BERTH_NUMERIC(p##ShrU, v128, (v128 a, u32 n), as<v128>(as<U>(a) >> U(static_cast<Lane>(n & (kBits - 1)))))        \
  BERTH_NUMERIC(p##AllTrue, u32, (v128 a), detail::all_true<U>(a))                                                  \
  BERTH_NUMERIC(p##Bitmask, u32, (v128 a), detail::bitmask##kBits(a))

BERTH_VECTOR_INTEGER(I8x16, u8x16, i8x16, u8, 8)
BERTH_VECTOR_INTEGER(I16x8, u16x8, i16x8, u16, 16)
BERTH_VECTOR_INTEGER(I32x4, u32x4, i32x4, u32, 32)
BERTH_VECTOR_INTEGER(I64x2, u64x2, i64x2, u64, 64)
#undef BERTH_VECTOR_INTEGER

// Unsigned comparisons, minimum and maximum: all shapes but i64x2.
#define BERTH_VECTOR_ORDER(p, U, S)                                                                       \
  BERTH_NUMERIC(p##LtU, v128, (v128 a, v128 b), as<v128>(as<U>(a) < as<U>(b)))                            \
  BERTH_NUMERIC(p##GtU, v128, (v128 a, v128 b), as<v128>(as<U>(a) > as<U>(b)))                            \
  BERTH_NUMERIC(p##LeU, v128, (v128 a, v128 b), as<v128>(as<U>(a) <= as<U>(b)))                           \
  BERTH_NUMERIC(p##GeU, v128, (v128 a, v128 b), as<v128>(as<U>(a) >= as<U>(b)))                           \
  BERTH_NUMERIC(p##MinS, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_min(as<S>(a), as<S>(b)))) \
  BERTH_NUMERIC(p##MinU, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_min(as<U>(a), as<U>(b)))) \
  BERTH_NUMERIC(p##MaxS, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_max(as<S>(a), as<S>(b)))) \
  BERTH_NUMERIC(p##MaxU, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_max(as<U>(a), as<U>(b))))

BERTH_VECTOR_ORDER(I8x16, u8x16, i8x16)
BERTH_VECTOR_ORDER(I16x8, u16x8, i16x8)
BERTH_VECTOR_ORDER(I32x4, u32x4, i32x4)
#undef BERTH_VECTOR_ORDER

#define BERTH_VECTOR_SATURATING(p, U, S)                                                                         \
  BERTH_NUMERIC(p##AddSatS, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_add_sat(as<S>(a), as<S>(b)))) \
  BERTH_NUMERIC(p##AddSatU, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_add_sat(as<U>(a), as<U>(b)))) \
  BERTH_NUMERIC(p##SubSatS, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_sub_sat(as<S>(a), as<S>(b)))) \
  BERTH_NUMERIC(p##SubSatU, v128, (v128 a, v128 b), as<v128>(__builtin_elementwise_sub_sat(as<U>(a), as<U>(b))))

BERTH_VECTOR_SATURATING(I8x16, u8x16, i8x16)
BERTH_VECTOR_SATURATING(I16x8, u16x8, i16x8)
#undef BERTH_VECTOR_SATURATING

BERTH_NUMERIC(I16x8Mul, v128, (v128 a, v128 b), as<v128>(as<u16x8>(a) * as<u16x8>(b)))
BERTH_NUMERIC(I32x4Mul, v128, (v128 a, v128 b), as<v128>(as<u32x4>(a) * as<u32x4>(b)))
BERTH_NUMERIC(I64x2Mul, v128, (v128 a, v128 b), as<v128>(as<u64x2>(a) * as<u64x2>(b)))

BERTH_NUMERIC(I8x16Popcnt, v128, (v128 a), detail::popcnt(a))
BERTH_NUMERIC(I8x16AvgrU, v128, (v128 a, v128 b), detail::avgr<u8x16, Vec<u16, 16>>(a, b))
BERTH_NUMERIC(I16x8AvgrU, v128, (v128 a, v128 b), detail::avgr<u16x8, Vec<u32, 8>>(a, b))
BERTH_NUMERIC(I16x8Q15mulrSatS, v128, (v128 a, v128 b), detail::q15mulr_sat(a, b))
BERTH_NUMERIC(I32x4DotI16x8S, v128, (v128 a, v128 b), detail::dot(a, b))

BERTH_NUMERIC(I8x16NarrowI16x8S, v128, (v128 a, v128 b), detail::narrow_i8_s(a, b))
BERTH_NUMERIC(I8x16NarrowI16x8U, v128, (v128 a, v128 b), detail::narrow_i8_u(a, b))
BERTH_NUMERIC(I16x8NarrowI32x4S, v128, (v128 a, v128 b), detail::narrow_i16_s(a, b))
BERTH_NUMERIC(I16x8NarrowI32x4U, v128, (v128 a, v128 b), detail::narrow_i16_u(a, b))

BERTH_NUMERIC(I16x8ExtaddPairwiseI8x16S, v128, (v128 a), (detail::extadd_pairwise<i16x8, u16x8, 8>(a)))
BERTH_NUMERIC(I16x8ExtaddPairwiseI8x16U, v128, (v128 a), (detail::extadd_pairwise<u16x8, u16x8, 8>(a)))
BERTH_NUMERIC(I32x4ExtaddPairwiseI16x8S, v128, (v128 a), (detail::extadd_pairwise<i32x4, u32x4, 16>(a)))
BERTH_NUMERIC(I32x4ExtaddPairwiseI16x8U, v128, (v128 a), (detail::extadd_pairwise<u32x4, u32x4, 16>(a)))

// Widening of half a vector. `n` and `w` name the narrow and the wide shape.
#define BERTH_VECTOR_WIDENING(w, n, UN, SN, UW, SW)                                                   \
  BERTH_NUMERIC(w##ExtendLow##n##S, v128, (v128 a), as<v128>(detail::low<SW>(as<SN>(a))))             \
  BERTH_NUMERIC(w##ExtendHigh##n##S, v128, (v128 a), as<v128>(detail::high<SW>(as<SN>(a))))           \
  BERTH_NUMERIC(w##ExtendLow##n##U, v128, (v128 a), as<v128>(detail::low<UW>(as<UN>(a))))             \
  BERTH_NUMERIC(w##ExtendHigh##n##U, v128, (v128 a), as<v128>(detail::high<UW>(as<UN>(a))))           \
  BERTH_NUMERIC(w##ExtmulLow##n##S, v128, (v128 a, v128 b), (detail::extmul_low<SN, SW, UW>(a, b)))   \
  BERTH_NUMERIC(w##ExtmulHigh##n##S, v128, (v128 a, v128 b), (detail::extmul_high<SN, SW, UW>(a, b))) \
  BERTH_NUMERIC(w##ExtmulLow##n##U, v128, (v128 a, v128 b), (detail::extmul_low<UN, UW, UW>(a, b)))   \
  BERTH_NUMERIC(w##ExtmulHigh##n##U, v128, (v128 a, v128 b), (detail::extmul_high<UN, UW, UW>(a, b)))

BERTH_VECTOR_WIDENING(I16x8, I8x16, u8x16, i8x16, u16x8, i16x8)
BERTH_VECTOR_WIDENING(I32x4, I16x8, u16x8, i16x8, u32x4, i32x4)
BERTH_VECTOR_WIDENING(I64x2, I32x4, u32x4, i32x4, u64x2, i64x2)
#undef BERTH_VECTOR_WIDENING

}  // namespace berth::interp
