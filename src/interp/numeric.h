// What each scalar numeric instruction computes, as pure functions keyed by opcode (specification:
// numerics). Integers are unsigned in C++ whatever the instruction makes of their sign; comparisons
// and tests yield 0 or 1. Nothing here can be undefined behaviour for any operands. Stateless.
//
//   Numeric<Op>::apply(a, b)        the result; of the 128-bit instructions a Wide
//   Trapping<Op>::apply(a, b, out)  TrapCode::None and `out`, or the trap and `out` untouched
//
// Compile with -ffp-contract=off. NaNs come out as the specification's arithmetic NaNs; which of
// the allowed ones is left to the hardware.
#pragma once

#include <bit>
#include <limits>
#include <type_traits>

#include "abi/trap_code.h"
#include "base/types.h"
#include "wasm/opcodes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static_assert(std::endian::native == std::endian::little,
              "linear memory is little-endian; a big-endian host needs byte swaps in every access");

namespace berth::interp {

using abi::TrapCode;
using wasm::Op;

// A 128-bit result: two i64 values, the low half pushed first.
struct Wide {
  u64 low;
  u64 high;
  friend constexpr bool operator==(Wide, Wide) = default;
};

// Left undefined: naming an instruction that has no definition below does not compile.
template <Op>
struct Numeric;
template <Op>
struct Trapping;

namespace detail {

__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;

constexpr u128 join(u64 low, u64 high) { return u128{high} << 64 | low; }
constexpr Wide split(u128 v) { return {static_cast<u64>(v), static_cast<u64>(v >> 64)}; }

template <typename F>
struct FloatBits;
template <>
struct FloatBits<f32> {
  using Bits = u32;
  static constexpr u32 kSign = 0x8000'0000;
};
template <>
struct FloatBits<f64> {
  using Bits = u64;
  static constexpr u64 kSign = 0x8000'0000'0000'0000;
};

template <typename F>
[[gnu::always_inline]] constexpr auto bits(F v) {
  return std::bit_cast<typename FloatBits<F>::Bits>(v);
}
template <typename F>
[[gnu::always_inline]] constexpr F from_bits(typename FloatBits<F>::Bits v) {
  return std::bit_cast<F>(v);
}

// Sign operations touch one bit, of NaNs too.
template <typename F>
[[gnu::always_inline]] constexpr F abs(F a) {
  return from_bits<F>(bits(a) & ~FloatBits<F>::kSign);
}
template <typename F>
[[gnu::always_inline]] constexpr F neg(F a) {
  return from_bits<F>(bits(a) ^ FloatBits<F>::kSign);
}
template <typename F>
[[gnu::always_inline]] constexpr F copysign(F a, F b) {
  constexpr auto kSign = FloatBits<F>::kSign;
  return from_bits<F>((bits(a) & ~kSign) | (bits(b) & kSign));
}

// fmin and fmax: any NaN gives a NaN (the sum quiets it), and -0 is less than +0. Where the
// operands are equal they differ at most in their sign, so joining the bits of both orders picks
// the zero.
template <typename F>
[[gnu::always_inline]] inline F min(F a, F b) {
#if defined(__aarch64__)
  if constexpr (sizeof(F) == 4) {
    return vget_lane_f32(vmin_f32(vdup_n_f32(a), vdup_n_f32(b)), 0);
  } else {
    return vget_lane_f64(vmin_f64(vdup_n_f64(a), vdup_n_f64(b)), 0);
  }
#else
  const F one = a < b ? a : b;
  const F other = b < a ? b : a;
  return __builtin_isunordered(a, b) ? a + b : from_bits<F>(bits(one) | bits(other));
#endif
}
template <typename F>
[[gnu::always_inline]] inline F max(F a, F b) {
#if defined(__aarch64__)
  if constexpr (sizeof(F) == 4) {
    return vget_lane_f32(vmax_f32(vdup_n_f32(a), vdup_n_f32(b)), 0);
  } else {
    return vget_lane_f64(vmax_f64(vdup_n_f64(a), vdup_n_f64(b)), 0);
  }
#else
  const F one = a > b ? a : b;
  const F other = b > a ? b : a;
  return __builtin_isunordered(a, b) ? a + b : from_bits<F>(bits(one) & bits(other));
#endif
}

// 2 to the power of `n`, exactly.
template <typename F>
consteval F power_of_two(int n) {
  F result = 1;
  for (int i = 0; i < n; ++i) result *= 2;
  return result;
}

// Whether truncation of `a` fits the integer type I. Bounds are written so that each is exact in F:
// where I's minimum minus one cannot be represented, the minimum itself is the tight bound.
template <typename I, typename F>
[[gnu::always_inline]] constexpr bool truncates(F a) {
  constexpr bool kSigned = static_cast<I>(-1) < static_cast<I>(1);
  constexpr int kBits = sizeof(I) * 8;
  if constexpr (!kSigned) {
    return a > F{-1} && a < power_of_two<F>(kBits);
  } else if constexpr (kBits == 32 && sizeof(F) == 8) {
    return a > -power_of_two<F>(31) - 1 && a < power_of_two<F>(31);
  } else {
    return a >= -power_of_two<F>(kBits - 1) && a < power_of_two<F>(kBits - 1);
  }
}

// The value of a truncation as the hardware has it: sets `ok` to false when it may be out of range
// (then the value means nothing), with one comparison in the common case.
template <typename I, typename F>
[[gnu::always_inline]] inline I truncate_fast(F a, bool& ok) {
#if defined(__x86_64__)
  // cvtt answers 0x80…0 for whatever it cannot represent.
  if constexpr (std::is_same_v<I, i32> || std::is_same_v<I, i64>) {
    I r;
    if constexpr (sizeof(I) == 4 && sizeof(F) == 4) r = _mm_cvttss_si32(_mm_set_ss(a));
    if constexpr (sizeof(I) == 4 && sizeof(F) == 8) r = _mm_cvttsd_si32(_mm_set_sd(a));
    if constexpr (sizeof(I) == 8 && sizeof(F) == 4) r = _mm_cvttss_si64(_mm_set_ss(a));
    if constexpr (sizeof(I) == 8 && sizeof(F) == 8) r = _mm_cvttsd_si64(_mm_set_sd(a));
    ok = r != std::numeric_limits<I>::min();
    return r;
  } else if constexpr (std::is_same_v<I, u32>) {
    i64 r;
    if constexpr (sizeof(F) == 4) r = _mm_cvttss_si64(_mm_set_ss(a));
    if constexpr (sizeof(F) == 8) r = _mm_cvttsd_si64(_mm_set_sd(a));
    ok = static_cast<u64>(r) <= 0xFFFF'FFFF;
    return static_cast<u32>(r);
  }
#endif
  ok = truncates<I>(a);
  return ok ? static_cast<I>(a) : I{0};
}

template <typename I, typename F, typename U>
[[gnu::always_inline]] inline TrapCode trunc(F a, U& out) {
  bool ok;
  I r = truncate_fast<I>(a, ok);
  if (!ok) [[unlikely]] {
    if (!truncates<I>(a)) {
      return a != a ? TrapCode::InvalidConversionToInteger : TrapCode::IntegerOverflow;
    }
    r = static_cast<I>(a);  // the minimum itself
  }
  out = static_cast<U>(r);
  return TrapCode::None;
}

template <typename I, typename F>
[[gnu::always_inline]] inline auto trunc_sat(F a) {
  using U = std::make_unsigned_t<I>;
  bool ok;
  const I r = truncate_fast<I>(a, ok);
  if (ok) [[likely]]
    return static_cast<U>(r);
  if (a != a) return U{0};
  return static_cast<U>(a < 0 ? std::numeric_limits<I>::min() : std::numeric_limits<I>::max());
}

template <typename S, typename U>
[[gnu::always_inline]] constexpr TrapCode div_s(U a, U b, U& out) {
  constexpr U kMin = U{1} << (sizeof(U) * 8 - 1);
  if (b == 0) [[unlikely]]
    return TrapCode::IntegerDivideByZero;
  if (b == static_cast<U>(-1)) [[unlikely]] {
    if (a == kMin) return TrapCode::IntegerOverflow;
    out = 0 - a;
    return TrapCode::None;
  }
  out = static_cast<U>(static_cast<S>(a) / static_cast<S>(b));
  return TrapCode::None;
}
template <typename S, typename U>
[[gnu::always_inline]] constexpr TrapCode rem_s(U a, U b, U& out) {
  if (b == 0) [[unlikely]]
    return TrapCode::IntegerDivideByZero;
  // Also covers the minimum modulo -1, whose quotient overflows though the remainder does not.
  out = b == static_cast<U>(-1) ? 0 : static_cast<U>(static_cast<S>(a) % static_cast<S>(b));
  return TrapCode::None;
}

}  // namespace detail

#define BERTH_NUMERIC(op, result, params, ...)                                          \
  template <>                                                                           \
  struct Numeric<Op::op> {                                                              \
    [[gnu::always_inline]] static constexpr result apply params { return __VA_ARGS__; } \
  };
#define BERTH_TRAPPING(op, params, ...)                                            \
  template <>                                                                      \
  struct Trapping<Op::op> {                                                        \
    [[gnu::always_inline]] static constexpr TrapCode apply params { __VA_ARGS__; } \
  };

// Integers (specification: integer operations). `p` is I32 or I64.
#define BERTH_INTEGER(p, U, S, kBits)                                                                         \
  BERTH_NUMERIC(p##Eqz, u32, (U a), a == 0)                                                                   \
  BERTH_NUMERIC(p##Eq, u32, (U a, U b), a == b)                                                               \
  BERTH_NUMERIC(p##Ne, u32, (U a, U b), a != b)                                                               \
  BERTH_NUMERIC(p##LtS, u32, (U a, U b), static_cast<S>(a) < static_cast<S>(b))                               \
  BERTH_NUMERIC(p##LtU, u32, (U a, U b), a < b)                                                               \
  BERTH_NUMERIC(p##GtS, u32, (U a, U b), static_cast<S>(a) > static_cast<S>(b))                               \
  BERTH_NUMERIC(p##GtU, u32, (U a, U b), a > b)                                                               \
  BERTH_NUMERIC(p##LeS, u32, (U a, U b), static_cast<S>(a) <= static_cast<S>(b))                              \
  BERTH_NUMERIC(p##LeU, u32, (U a, U b), a <= b)                                                              \
  BERTH_NUMERIC(p##GeS, u32, (U a, U b), static_cast<S>(a) >= static_cast<S>(b))                              \
  BERTH_NUMERIC(p##GeU, u32, (U a, U b), a >= b)                                                              \
  BERTH_NUMERIC(p##Clz, U, (U a), static_cast<U>(__builtin_clzg(a, kBits)))                                   \
  BERTH_NUMERIC(p##Ctz, U, (U a), static_cast<U>(__builtin_ctzg(a, kBits)))                                   \
  BERTH_NUMERIC(p##Popcnt, U, (U a), static_cast<U>(__builtin_popcountg(a)))                                  \
  BERTH_NUMERIC(p##Add, U, (U a, U b), a + b)                                                                 \
  BERTH_NUMERIC(p##Sub, U, (U a, U b), a - b)                                                                 \
  BERTH_NUMERIC(p##Mul, U, (U a, U b), a* b)                                                                  \
  BERTH_NUMERIC(p##And, U, (U a, U b), a& b)                                                                  \
  BERTH_NUMERIC(p##Or, U, (U a, U b), a | b)                                                                  \
  BERTH_NUMERIC(p##Xor, U, (U a, U b), a ^ b)                                                                 \
  BERTH_NUMERIC(p##Shl, U, (U a, U b), a << (b & (kBits - 1)))                                                \
  BERTH_NUMERIC(p##ShrS, U, (U a, U b), static_cast<U>(static_cast<S>(a) >> (b & (kBits - 1))))               \
  BERTH_NUMERIC(p##ShrU, U, (U a, U b), a >> (b & (kBits - 1)))                                               \
  BERTH_NUMERIC(p##Rotl, U, (U a, U b), std::rotl(a, static_cast<int>(b & (kBits - 1))))                      \
  BERTH_NUMERIC(p##Rotr, U, (U a, U b), std::rotr(a, static_cast<int>(b & (kBits - 1))))                      \
  BERTH_NUMERIC(p##Extend8S, U, (U a), static_cast<U>(S{static_cast<i8>(a)}))                                 \
  BERTH_NUMERIC(p##Extend16S, U, (U a), static_cast<U>(S{static_cast<i16>(a)}))                               \
  BERTH_NUMERIC(p##TruncSatF32S, U, (f32 a), detail::trunc_sat<S>(a))                                         \
  BERTH_NUMERIC(p##TruncSatF32U, U, (f32 a), detail::trunc_sat<U>(a))                                         \
  BERTH_NUMERIC(p##TruncSatF64S, U, (f64 a), detail::trunc_sat<S>(a))                                         \
  BERTH_NUMERIC(p##TruncSatF64U, U, (f64 a), detail::trunc_sat<U>(a))                                         \
  BERTH_TRAPPING(p##DivS, (U a, U b, U & out), return detail::div_s<S>(a, b, out))                            \
  BERTH_TRAPPING(p##RemS, (U a, U b, U & out), return detail::rem_s<S>(a, b, out))                            \
  BERTH_TRAPPING(p##DivU, (U a, U b, U & out), if (b == 0) [[unlikely]] return TrapCode::IntegerDivideByZero; \
                 out = a / b; return TrapCode::None)                                                          \
  BERTH_TRAPPING(p##RemU, (U a, U b, U & out), if (b == 0) [[unlikely]] return TrapCode::IntegerDivideByZero; \
                 out = a % b; return TrapCode::None)                                                          \
  BERTH_TRAPPING(p##TruncF32S, (f32 a, U & out), return detail::trunc<S>(a, out))                             \
  BERTH_TRAPPING(p##TruncF32U, (f32 a, U & out), return detail::trunc<U>(a, out))                             \
  BERTH_TRAPPING(p##TruncF64S, (f64 a, U & out), return detail::trunc<S>(a, out))                             \
  BERTH_TRAPPING(p##TruncF64U, (f64 a, U & out), return detail::trunc<U>(a, out))

BERTH_INTEGER(I32, u32, i32, 32)
BERTH_INTEGER(I64, u64, i64, 64)
#undef BERTH_INTEGER

BERTH_NUMERIC(I32WrapI64, u32, (u64 a), static_cast<u32>(a))
BERTH_NUMERIC(I64ExtendI32S, u64, (u32 a), static_cast<u64>(i64{static_cast<i32>(a)}))
BERTH_NUMERIC(I64ExtendI32U, u64, (u32 a), a)
BERTH_NUMERIC(I64Extend32S, u64, (u64 a), static_cast<u64>(i64{static_cast<i32>(a)}))

// Floats (specification: floating-point operations). `p` is F32 or F64, `s` the suffix of builtins.
#define BERTH_FLOAT(p, F, s)                                                     \
  BERTH_NUMERIC(p##Eq, u32, (F a, F b), a == b)                                  \
  BERTH_NUMERIC(p##Ne, u32, (F a, F b), a != b)                                  \
  BERTH_NUMERIC(p##Lt, u32, (F a, F b), a < b)                                   \
  BERTH_NUMERIC(p##Gt, u32, (F a, F b), a > b)                                   \
  BERTH_NUMERIC(p##Le, u32, (F a, F b), a <= b)                                  \
  BERTH_NUMERIC(p##Ge, u32, (F a, F b), a >= b)                                  \
  BERTH_NUMERIC(p##Abs, F, (F a), detail::abs(a))                                \
  BERTH_NUMERIC(p##Neg, F, (F a), detail::neg(a))                                \
  BERTH_NUMERIC(p##Copysign, F, (F a, F b), detail::copysign(a, b))              \
  BERTH_NUMERIC(p##Ceil, F, (F a), __builtin_ceil##s(a))                         \
  BERTH_NUMERIC(p##Floor, F, (F a), __builtin_floor##s(a))                       \
  BERTH_NUMERIC(p##Trunc, F, (F a), __builtin_trunc##s(a))                       \
  BERTH_NUMERIC(p##Nearest, F, (F a), __builtin_roundeven##s(a))                 \
  BERTH_NUMERIC(p##Sqrt, F, (F a), __builtin_elementwise_sqrt(a))                \
  BERTH_NUMERIC(p##Add, F, (F a, F b), a + b)                                    \
  BERTH_NUMERIC(p##Sub, F, (F a, F b), a - b)                                    \
  BERTH_NUMERIC(p##Mul, F, (F a, F b), a* b)                                     \
  BERTH_NUMERIC(p##Div, F, (F a, F b), a / b)                                    \
  BERTH_NUMERIC(p##Min, F, (F a, F b), detail::min(a, b))                        \
  BERTH_NUMERIC(p##Max, F, (F a, F b), detail::max(a, b))                        \
  BERTH_NUMERIC(p##ConvertI32S, F, (u32 a), static_cast<F>(static_cast<i32>(a))) \
  BERTH_NUMERIC(p##ConvertI32U, F, (u32 a), static_cast<F>(a))                   \
  BERTH_NUMERIC(p##ConvertI64S, F, (u64 a), static_cast<F>(static_cast<i64>(a))) \
  BERTH_NUMERIC(p##ConvertI64U, F, (u64 a), static_cast<F>(a))

BERTH_FLOAT(F32, f32, f)
BERTH_FLOAT(F64, f64, )
#undef BERTH_FLOAT

BERTH_NUMERIC(F32DemoteF64, f32, (f64 a), static_cast<f32>(a))
BERTH_NUMERIC(F64PromoteF32, f64, (f32 a), static_cast<f64>(a))
BERTH_NUMERIC(I32ReinterpretF32, u32, (f32 a), detail::bits(a))
BERTH_NUMERIC(I64ReinterpretF64, u64, (f64 a), detail::bits(a))
BERTH_NUMERIC(F32ReinterpretI32, f32, (u32 a), detail::from_bits<f32>(a))
BERTH_NUMERIC(F64ReinterpretI64, f64, (u64 a), detail::from_bits<f64>(a))

// Wide arithmetic (proposal: wide-arithmetic). 128-bit operands come as low and high halves.
BERTH_NUMERIC(I64Add128, Wide, (u64 a, u64 a_high, u64 b, u64 b_high),
              detail::split(detail::join(a, a_high) + detail::join(b, b_high)))
BERTH_NUMERIC(I64Sub128, Wide, (u64 a, u64 a_high, u64 b, u64 b_high),
              detail::split(detail::join(a, a_high) - detail::join(b, b_high)))
BERTH_NUMERIC(I64MulWideS, Wide, (u64 a, u64 b),
              detail::split(static_cast<detail::u128>(detail::i128{static_cast<i64>(a)} *
                                                      detail::i128{static_cast<i64>(b)})))
BERTH_NUMERIC(I64MulWideU, Wide, (u64 a, u64 b), detail::split(detail::u128{a} * b))

}  // namespace berth::interp
