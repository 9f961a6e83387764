#include "interp/simd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace berth::interp {
namespace {

template <Op kOp, typename... Args>
auto run(Args... args) {
  return Numeric<kOp>::apply(args...);
}

// Vectors that are likely to hit corners: a mix of extremes and noise in lanes of every width.
std::vector<v128> samples() {
  std::mt19937_64 random(7);
  const u64 corners[] = {0,
                         ~u64{0},
                         0x8080808080808080,
                         0x7F7F7F7F7F7F7F7F,
                         0x8000800080008000,
                         0x7FFF7FFF7FFF7FFF,
                         0x8000000080000000,
                         0x7FFFFFFF7FFFFFFF,
                         0x8000000000000000,
                         0x7FFFFFFFFFFFFFFF,
                         0x0101010101010101,
                         1};
  std::vector<v128> result;
  for (int i = 0; i < 60; ++i) {
    u64x2 v;
    for (int half = 0; half < 2; ++half) {
      const u64 noise = random();
      v[half] = i % 3 == 0   ? noise
                : i % 3 == 1 ? corners[noise % 12]
                             : corners[noise % 12] ^ (noise & random() & random());
    }
    result.push_back(as<v128>(v));
  }
  return result;
}

// Holds a binary instruction against `expected`, which works on one lane.
template <Op kOp, typename Lanes, typename F>
void check_lanes(F expected) {
  constexpr u32 kCount = 16 / sizeof(Lanes{}[0]);
  const auto vectors = samples();
  for (v128 a : vectors) {
    for (v128 b : vectors) {
      const Lanes got = as<Lanes>(run<kOp>(a, b));
      for (u32 i = 0; i < kCount; ++i) {
        ASSERT_EQ(got[i], static_cast<decltype(got[i] + 0)>(expected(as<Lanes>(a)[i], as<Lanes>(b)[i])))
            << wasm::info(kOp).mnemonic() << " lane " << i;
      }
    }
  }
}

template <typename T>
T clamp(i64 v) {
  return static_cast<T>(std::clamp<i64>(v, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

TEST(Simd, SaturatingArithmetic) {
  check_lanes<Op::I8x16AddSatS, i8x16>([](i64 a, i64 b) { return clamp<i8>(a + b); });
  check_lanes<Op::I8x16SubSatU, u8x16>([](i64 a, i64 b) { return clamp<u8>(a - b); });
  check_lanes<Op::I16x8AddSatU, u16x8>([](i64 a, i64 b) { return clamp<u16>(a + b); });
  check_lanes<Op::I16x8SubSatS, i16x8>([](i64 a, i64 b) { return clamp<i16>(a - b); });
  check_lanes<Op::I16x8Q15mulrSatS, i16x8>([](i64 a, i64 b) { return clamp<i16>((a * b + 0x4000) >> 15); });
  check_lanes<Op::I8x16AvgrU, u8x16>([](i64 a, i64 b) { return (a + b + 1) >> 1; });
  check_lanes<Op::I16x8AvgrU, u16x8>([](i64 a, i64 b) { return (a + b + 1) >> 1; });
}

TEST(Simd, OrderAndProducts) {
  check_lanes<Op::I8x16MinS, i8x16>([](i64 a, i64 b) { return std::min(a, b); });
  check_lanes<Op::I32x4MaxU, u32x4>([](u64 a, u64 b) { return std::max(a, b); });
  check_lanes<Op::I16x8GeU, i16x8>([](i64 a, i64 b) { return (a & 0xFFFF) >= (b & 0xFFFF) ? -1 : 0; });
  check_lanes<Op::I64x2LtS, i64x2>([](i64 a, i64 b) { return a < b ? -1 : 0; });
  check_lanes<Op::I64x2Mul, u64x2>([](u64 a, u64 b) { return a * b; });
  check_lanes<Op::V128Andnot, u8x16>([](u64 a, u64 b) { return a & ~b; });
}

TEST(Simd, WideningAndNarrowing) {
  const auto vectors = samples();
  for (v128 a : vectors) {
    for (v128 b : vectors) {
      const i8x16 narrow_s = as<i8x16>(run<Op::I8x16NarrowI16x8S>(a, b));
      const u16x8 narrow_u = as<u16x8>(run<Op::I16x8NarrowI32x4U>(a, b));
      const i32x4 dot = as<i32x4>(run<Op::I32x4DotI16x8S>(a, b));
      const i16x8 ext_high = as<i16x8>(run<Op::I16x8ExtmulHighI8x16S>(a, b));
      const u64x2 ext_low = as<u64x2>(run<Op::I64x2ExtmulLowI32x4U>(a, b));
      const i16x8 relaxed = as<i16x8>(run<Op::I16x8RelaxedDotI8x16I7x16S>(a, b));
      for (u32 i = 0; i < 8; ++i) {
        ASSERT_EQ(narrow_s[i], clamp<i8>(as<i16x8>(a)[i]));
        ASSERT_EQ(narrow_s[i + 8], clamp<i8>(as<i16x8>(b)[i]));
        ASSERT_EQ(ext_high[i], as<i8x16>(a)[i + 8] * as<i8x16>(b)[i + 8]);
        ASSERT_EQ(relaxed[i], clamp<i16>(as<i8x16>(a)[2 * i] * as<i8x16>(b)[2 * i] +
                                         as<i8x16>(a)[2 * i + 1] * as<i8x16>(b)[2 * i + 1]));
      }
      for (u32 i = 0; i < 4; ++i) {
        ASSERT_EQ(narrow_u[i], clamp<u16>(as<i32x4>(a)[i]));
        ASSERT_EQ(narrow_u[i + 4], clamp<u16>(as<i32x4>(b)[i]));
        ASSERT_EQ(dot[i], static_cast<i32>(i64{as<i16x8>(a)[2 * i]} * as<i16x8>(b)[2 * i] +
                                           i64{as<i16x8>(a)[2 * i + 1]} * as<i16x8>(b)[2 * i + 1]));
      }
      ASSERT_EQ(ext_low[1], u64{as<u32x4>(a)[1]} * as<u32x4>(b)[1]);
    }
    const i16x8 pairs = as<i16x8>(run<Op::I16x8ExtaddPairwiseI8x16S>(a));
    const u32x4 pairs_u = as<u32x4>(run<Op::I32x4ExtaddPairwiseI16x8U>(a));
    for (u32 i = 0; i < 8; ++i) ASSERT_EQ(pairs[i], as<i8x16>(a)[2 * i] + as<i8x16>(a)[2 * i + 1]);
    for (u32 i = 0; i < 4; ++i) {
      ASSERT_EQ(pairs_u[i], u32{as<u16x8>(a)[2 * i]} + as<u16x8>(a)[2 * i + 1]);
    }
  }
}

TEST(Simd, TestsShiftsAndCounts) {
  for (v128 a : samples()) {
    u32 mask8 = 0, mask16 = 0, mask64 = 0;
    bool all8 = true, any = false;
    for (u32 i = 0; i < 16; ++i) {
      mask8 |= static_cast<u32>(a[i] >> 7) << i;
      all8 = all8 && a[i] != 0;
      any = any || a[i] != 0;
      ASSERT_EQ(run<Op::I8x16Popcnt>(a)[i], std::popcount(a[i]));
    }
    for (u32 i = 0; i < 8; ++i) mask16 |= static_cast<u32>(as<u16x8>(a)[i] >> 15) << i;
    for (u32 i = 0; i < 2; ++i) mask64 |= static_cast<u32>(as<u64x2>(a)[i] >> 63) << i;
    ASSERT_EQ(run<Op::I8x16Bitmask>(a), mask8);
    ASSERT_EQ(run<Op::I16x8Bitmask>(a), mask16);
    ASSERT_EQ(run<Op::I64x2Bitmask>(a), mask64);
    ASSERT_EQ(run<Op::I8x16AllTrue>(a), all8);
    ASSERT_EQ(run<Op::V128AnyTrue>(a), any);
    ASSERT_EQ(run<Op::I64x2AllTrue>(a), as<u64x2>(a)[0] != 0 && as<u64x2>(a)[1] != 0);
    for (u32 n : {0u, 3u, 7u, 8u, 31u, 64u, 0xFFFFFFFFu}) {
      for (u32 i = 0; i < 16; ++i) {
        ASSERT_EQ(run<Op::I8x16Shl>(a, n)[i], static_cast<u8>(a[i] << (n & 7)));
        ASSERT_EQ(as<i8x16>(run<Op::I8x16ShrS>(a, n))[i], as<i8x16>(a)[i] >> (n & 7));
      }
      ASSERT_EQ(as<i64x2>(run<Op::I64x2ShrS>(a, n))[1], as<i64x2>(a)[1] >> (n & 63));
      ASSERT_EQ(as<u16x8>(run<Op::I16x8ShrU>(a, n))[7], as<u16x8>(a)[7] >> (n & 15));
    }
  }
  EXPECT_EQ(as<i8x16>(run<Op::I8x16Abs>(v128(0x80)))[0], -128);
  EXPECT_EQ(as<i64x2>(run<Op::I64x2Neg>(as<v128>(u64x2(u64{1} << 63))))[1], std::numeric_limits<i64>::min());
}

TEST(Simd, ShuffleAndSwizzle) {
  for (v128 lanes : samples()) {
    const v128 a = samples()[0], b = samples()[4];
    const v128 swizzled = run<Op::I8x16Swizzle>(a, lanes);
    const v128 picks = lanes & 31;
    const v128 shuffled = Shuffle::apply(a, b, picks);
    for (u32 i = 0; i < 16; ++i) {
      ASSERT_EQ(swizzled[i], lanes[i] < 16 ? a[lanes[i]] : 0);
      ASSERT_EQ(shuffled[i], picks[i] < 16 ? a[picks[i]] : b[picks[i] - 16]);
    }
  }
}

TEST(Simd, SaturatingTruncationMatchesTheScalarOne) {
  const f64 values[] = {0.0,
                        -0.0,
                        0.9,
                        -0.9,
                        -1.0,
                        2147483647.0,
                        2147483648.0,
                        2147483520.0,
                        -2147483648.0,
                        -2147483904.0,
                        4294967295.0,
                        4294967040.0,
                        4294967296.0,
                        1e30,
                        -1e30,
                        0x1p63,
                        3000000000.0,
                        12345.75,
                        std::numeric_limits<f64>::infinity(),
                        -std::numeric_limits<f64>::infinity(),
                        std::numeric_limits<f64>::quiet_NaN(),
                        5e-324};
  for (f64 x : values) {
    const f32 y = static_cast<f32>(x);
    const v128 wide = as<v128>(f64x2{1.5, x}), narrow = as<v128>(f32x4{1.5f, 0, 0, y});
    EXPECT_EQ(as<u32x4>(run<Op::I32x4TruncSatF32x4S>(narrow))[3], run<Op::I32TruncSatF32S>(y)) << x;
    EXPECT_EQ(as<u32x4>(run<Op::I32x4TruncSatF32x4U>(narrow))[3], run<Op::I32TruncSatF32U>(y)) << x;
    EXPECT_EQ(as<u32x4>(run<Op::I32x4TruncSatF64x2SZero>(wide))[1], run<Op::I32TruncSatF64S>(x)) << x;
    EXPECT_EQ(as<u32x4>(run<Op::I32x4TruncSatF64x2UZero>(wide))[1], run<Op::I32TruncSatF64U>(x)) << x;
    EXPECT_EQ(as<u64x2>(run<Op::I32x4TruncSatF64x2UZero>(wide))[1], 0u);
    EXPECT_EQ(as<u64x2>(run<Op::I32x4TruncSatF64x2SZero>(wide))[1], 0u);
  }
}

TEST(Simd, MinAndMaxMatchTheScalarOnes) {
  const f32 values[] = {
      0.0f, -0.0f, 1.0f, -1.0f, std::numeric_limits<f32>::infinity(), -std::numeric_limits<f32>::infinity()};
  const f32 nan = std::numeric_limits<f32>::quiet_NaN();
  for (f32 a : values) {
    for (f32 b : values) {
      const v128 x = as<v128>(f32x4(a)), y = as<v128>(f32x4(b));
      EXPECT_EQ(as<u32x4>(run<Op::F32x4Min>(x, y))[2], std::bit_cast<u32>(run<Op::F32Min>(a, b)));
      EXPECT_EQ(as<u32x4>(run<Op::F32x4Max>(x, y))[2], std::bit_cast<u32>(run<Op::F32Max>(a, b)));
      EXPECT_EQ(as<u32x4>(run<Op::F32x4Pmin>(x, y))[2], std::bit_cast<u32>(b < a ? b : a));
      EXPECT_EQ(as<u32x4>(run<Op::F32x4Pmax>(x, y))[2], std::bit_cast<u32>(a < b ? b : a));
    }
    const v128 x = as<v128>(f32x4(a)), n = as<v128>(f32x4(nan));
    EXPECT_EQ(as<u32x4>(run<Op::F32x4Min>(x, n))[0] & 0x7FFFFFFF, 0x7FC00000u);
    EXPECT_EQ(as<u32x4>(run<Op::F32x4Max>(n, x))[0] & 0x7FFFFFFF, 0x7FC00000u);
    EXPECT_EQ(as<u32x4>(run<Op::F32x4Pmin>(x, n))[0], std::bit_cast<u32>(a));
  }
}

TEST(Simd, ConversionsRoundAndZeroTheRest) {
  EXPECT_EQ(as<f32x4>(run<Op::F32x4ConvertI32x4U>(v128(0xFF)))[3], 0x1p32f);
  EXPECT_EQ(as<f32x4>(run<Op::F32x4ConvertI32x4S>(v128(0xFF)))[3], -1.0f);
  EXPECT_EQ(as<f64x2>(run<Op::F64x2ConvertLowI32x4U>(v128(0xFF)))[1], 4294967295.0);
  EXPECT_EQ(as<u64x2>(run<Op::F32x4DemoteF64x2Zero>(as<v128>(f64x2(1e300))))[1], 0u);
  EXPECT_EQ(as<f32x4>(run<Op::F32x4DemoteF64x2Zero>(as<v128>(f64x2(1e300))))[1], std::numeric_limits<f32>::infinity());
  EXPECT_EQ(as<f64x2>(run<Op::F64x2PromoteLowF32x4>(as<v128>(f32x4{1, 2, 3, 4})))[1], 2.0);
}

TEST(Simd, LanesAndMemory) {
  const u8 bytes[16] = {0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const v128 v = Load<Op::V128Load>::apply(bytes);
  EXPECT_EQ(Lane<Op::I8x16ExtractLaneS>::apply(v, 0), 0xFFFFFF80u);
  EXPECT_EQ(Lane<Op::I8x16ExtractLaneU>::apply(v, 0), 0x80u);
  EXPECT_EQ(Lane<Op::I16x8ExtractLaneU>::apply(v, 7), 0x0F0Eu);
  EXPECT_EQ((as<u32x4>(Lane<Op::I32x4ReplaceLane>::apply(v, 0xAABBCCDDu, 2))[2]), 0xAABBCCDDu);
  EXPECT_EQ(as<u16x8>(Load<Op::V128Load8x8S>::apply(bytes))[0], 0xFF80);
  EXPECT_EQ(as<u64x2>(Load<Op::V128Load32x2U>::apply(bytes))[1], 0x07060504u);
  EXPECT_EQ(as<u32x4>(Load<Op::V128Load32Zero>::apply(bytes + 4))[0], 0x07060504u);
  EXPECT_EQ(as<u64x2>(Load<Op::V128Load32Zero>::apply(bytes))[1], 0u);
  EXPECT_EQ(Load<Op::V128Load8Splat>::apply(bytes + 9)[15], 9);
  EXPECT_EQ((LoadLane<Op::V128Load16Lane>::apply(bytes + 1, v, 3)[6]), 1);
  u8 out[2] = {};
  StoreLane<Op::V128Store16Lane>::apply(out, v, 7);
  EXPECT_EQ(out[0], 14);
  EXPECT_EQ(out[1], 15);
}

TEST(SimdRelaxed, FastChoicesAgreeWhereTheSpecificationFixesThem) {
  for (v128 a : samples()) {
    for (v128 b : samples()) {
      const v128 i7 = b & 0x7F, mask = as<v128>(as<i32x4>(b) < 0);
      ASSERT_TRUE(__builtin_reduce_and(as<u64x2>(v128(Relaxed<Op::I16x8RelaxedDotI8x16I7x16S>::apply(a, i7) ==
                                                      run<Op::I16x8RelaxedDotI8x16I7x16S>(a, i7)))) == ~u64{0});
      ASSERT_EQ(as<u64x2>(Relaxed<Op::I32x4RelaxedLaneselect>::apply(a, b, mask))[0],
                as<u64x2>(run<Op::I32x4RelaxedLaneselect>(a, b, mask))[0]);
      const v128 index = b & 15;
      ASSERT_EQ(as<u64x2>(Relaxed<Op::I8x16RelaxedSwizzle>::apply(a, index))[1],
                as<u64x2>(run<Op::I8x16RelaxedSwizzle>(a, index))[1]);
    }
  }
}

}  // namespace
}  // namespace berth::interp
