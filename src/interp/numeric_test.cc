#include "interp/numeric.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <limits>

#include "interp/numeric_complete.h"

namespace berth::interp {
namespace {

// As the processor does it, not the compiler that sees constants.
template <Op kOp, typename... Args>
auto run(Args... args) {
  (..., [](auto& arg) { asm volatile("" : "+m"(arg)); }(args));
  return Numeric<kOp>::apply(args...);
}

// The result or the trap of a trapping instruction, as text, which makes failures readable.
template <Op kOp, typename R, typename... Args>
std::string outcome(Args... args) {
  R out = 12345;
  const TrapCode code = Trapping<kOp>::apply(args..., out);
  if (code != TrapCode::None) {
    EXPECT_EQ(out, R{12345}) << "a trap must leave the result untouched";
    return std::string(trap_text(code));
  }
  return std::to_string(out);
}

const f32 kNan32 = std::bit_cast<f32>(0x7FC00000u);
const f64 kNan64 = std::bit_cast<f64>(u64{0x7FF8000000000000});
const f32 kSignalling32 = std::bit_cast<f32>(0x7FA00000u);
const f64 kSignalling64 = std::bit_cast<f64>(u64{0x7FF4000000000000});
const f32 kInf32 = std::numeric_limits<f32>::infinity();
const f64 kInf64 = std::numeric_limits<f64>::infinity();

u32 bits(f32 v) { return std::bit_cast<u32>(v); }
u64 bits(f64 v) { return std::bit_cast<u64>(v); }
bool is_quiet(f32 v) { return v != v && (bits(v) >> 22 & 1); }
bool is_quiet(f64 v) { return v != v && (bits(v) >> 51 & 1); }

TEST(Numeric, CountsOfZeroAreTheWidth) {
  EXPECT_EQ(run<Op::I32Clz>(u32{0}), 32u);
  EXPECT_EQ(run<Op::I32Ctz>(u32{0}), 32u);
  EXPECT_EQ(run<Op::I64Clz>(u64{0}), 64u);
  EXPECT_EQ(run<Op::I64Ctz>(u64{0}), 64u);
  EXPECT_EQ(run<Op::I32Clz>(u32{1}), 31u);
  EXPECT_EQ(run<Op::I64Ctz>(u64{1} << 63), 63u);
}

TEST(Numeric, ShiftsAndRotatesTakeTheirCountModuloTheWidth) {
  EXPECT_EQ(run<Op::I32Shl>(1u, 33u), 2u);
  EXPECT_EQ(run<Op::I32ShrS>(0x80000000u, 63u), 0xFFFFFFFFu);
  EXPECT_EQ(run<Op::I32ShrU>(0x80000000u, 32u), 0x80000000u);
  EXPECT_EQ(run<Op::I64ShrS>(u64{1} << 63, u64{127}), ~u64{0});
  EXPECT_EQ(run<Op::I32Rotl>(0xABCD9876u, 32u), 0xABCD9876u);
  EXPECT_EQ(run<Op::I32Rotr>(1u, 1u), 0x80000000u);
  EXPECT_EQ(run<Op::I64Rotl>(u64{1}, u64{65}), 2u);
  EXPECT_EQ(run<Op::I64Rotr>(u64{1}, (u64{1} << 40) + 1), u64{1} << 63);
}

TEST(Numeric, ComparisonsKnowTheirSign) {
  EXPECT_EQ(run<Op::I32LtS>(0xFFFFFFFFu, 0u), 1u);
  EXPECT_EQ(run<Op::I32LtU>(0xFFFFFFFFu, 0u), 0u);
  EXPECT_EQ(run<Op::I64GeS>(u64{1} << 63, u64{0}), 0u);
  EXPECT_EQ(run<Op::I64GeU>(u64{1} << 63, u64{0}), 1u);
}

TEST(Numeric, DivisionTraps) {
  EXPECT_EQ((outcome<Op::I32DivS, u32>(1u, 0u)), "integer divide by zero");
  EXPECT_EQ((outcome<Op::I32DivS, u32>(0x80000000u, 0xFFFFFFFFu)), "integer overflow");
  EXPECT_EQ((outcome<Op::I32DivS, u32>(7u, 0xFFFFFFFFu)), std::to_string(static_cast<u32>(-7)));
  EXPECT_EQ((outcome<Op::I32DivU, u32>(0x80000000u, 0xFFFFFFFFu)), "0");
  EXPECT_EQ((outcome<Op::I32RemS, u32>(0x80000000u, 0xFFFFFFFFu)), "0");
  EXPECT_EQ((outcome<Op::I32RemS, u32>(1u, 0u)), "integer divide by zero");
  EXPECT_EQ((outcome<Op::I32RemS, u32>(static_cast<u32>(-7), 3u)), std::to_string(static_cast<u32>(-1)));
  EXPECT_EQ((outcome<Op::I64DivS, u64>(u64{1} << 63, ~u64{0})), "integer overflow");
  EXPECT_EQ((outcome<Op::I64RemS, u64>(u64{1} << 63, ~u64{0})), "0");
  EXPECT_EQ((outcome<Op::I64DivU, u64>(u64{1}, u64{0})), "integer divide by zero");
  EXPECT_EQ((outcome<Op::I64RemU, u64>(u64{1}, u64{0})), "integer divide by zero");
}

TEST(Numeric, TruncationTrapsJustOutsideItsRange) {
  const std::string overflow = "integer overflow", nan = "invalid conversion to integer";
  EXPECT_EQ((outcome<Op::I32TruncF64S, u32>(-2147483648.9)), "2147483648");
  EXPECT_EQ((outcome<Op::I32TruncF64S, u32>(-2147483648.0)), "2147483648");
  EXPECT_EQ((outcome<Op::I32TruncF64S, u32>(-2147483649.0)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF64S, u32>(2147483647.9)), "2147483647");
  EXPECT_EQ((outcome<Op::I32TruncF64S, u32>(2147483648.0)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF64S, u32>(kNan64)), nan);
  EXPECT_EQ((outcome<Op::I32TruncF32S, u32>(-2147483648.0f)), "2147483648");
  EXPECT_EQ((outcome<Op::I32TruncF32S, u32>(-2147483904.0f)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF32S, u32>(2147483648.0f)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF32S, u32>(kSignalling32)), nan);
  EXPECT_EQ((outcome<Op::I32TruncF64U, u32>(-0.9)), "0");
  EXPECT_EQ((outcome<Op::I32TruncF64U, u32>(-1.0)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF64U, u32>(4294967295.9)), "4294967295");
  EXPECT_EQ((outcome<Op::I32TruncF64U, u32>(4294967296.0)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF64U, u32>(-kInf64)), overflow);
  EXPECT_EQ((outcome<Op::I32TruncF32U, u32>(kNan32)), nan);
  EXPECT_EQ((outcome<Op::I32TruncF32U, u32>(1e30f)), overflow);
  EXPECT_EQ((outcome<Op::I64TruncF64S, u64>(-0x1p63)), "9223372036854775808");
  EXPECT_EQ((outcome<Op::I64TruncF64S, u64>(0x1p63)), overflow);
  EXPECT_EQ((outcome<Op::I64TruncF64S, u64>(std::nextafter(-0x1p63, -kInf64))), overflow);
  EXPECT_EQ((outcome<Op::I64TruncF64U, u64>(0x1.fffffffffffffp63)), "18446744073709549568");
  EXPECT_EQ((outcome<Op::I64TruncF64U, u64>(0x1p64)), overflow);
  EXPECT_EQ((outcome<Op::I64TruncF64U, u64>(-0.5)), "0");
  EXPECT_EQ((outcome<Op::I64TruncF32U, u64>(0x1p63f)), "9223372036854775808");
  EXPECT_EQ((outcome<Op::I64TruncF32S, u64>(-0x1p63f)), "9223372036854775808");
  EXPECT_EQ((outcome<Op::I64TruncF32S, u64>(kInf32)), overflow);
}

TEST(Numeric, SaturatingTruncationClamps) {
  EXPECT_EQ(run<Op::I32TruncSatF32S>(kNan32), 0u);
  EXPECT_EQ(run<Op::I32TruncSatF32S>(kInf32), 0x7FFFFFFFu);
  EXPECT_EQ(run<Op::I32TruncSatF32S>(-kInf32), 0x80000000u);
  EXPECT_EQ(run<Op::I32TruncSatF64S>(-2147483648.5), 0x80000000u);
  EXPECT_EQ(run<Op::I32TruncSatF32U>(-3.5f), 0u);
  EXPECT_EQ(run<Op::I32TruncSatF64U>(4294967296.0), 0xFFFFFFFFu);
  EXPECT_EQ(run<Op::I32TruncSatF64U>(kNan64), 0u);
  EXPECT_EQ(run<Op::I64TruncSatF64U>(0x1p64), ~u64{0});
  EXPECT_EQ(run<Op::I64TruncSatF64U>(-kInf64), 0u);
  EXPECT_EQ(run<Op::I64TruncSatF32S>(-0x1p70f), u64{1} << 63);
  EXPECT_EQ(run<Op::I64TruncSatF32S>(0x1p63f), ~u64{0} >> 1);
}

TEST(Numeric, SignOperationsKeepNanPayloads) {
  EXPECT_EQ(bits(run<Op::F32Neg>(kSignalling32)), 0xFFA00000u);
  EXPECT_EQ(bits(run<Op::F32Abs>(std::bit_cast<f32>(0xFFA00001u))), 0x7FA00001u);
  EXPECT_EQ(bits(run<Op::F64Neg>(kSignalling64)), 0xFFF4000000000000u);
  EXPECT_EQ(bits(run<Op::F64Copysign>(kSignalling64, -1.0)), 0xFFF4000000000000u);
  EXPECT_EQ(bits(run<Op::F32Copysign>(1.0f, -kNan32)), bits(-1.0f));
}

TEST(Numeric, MinAndMaxOrderZerosAndQuietNans) {
  EXPECT_EQ(bits(run<Op::F32Min>(0.0f, -0.0f)), bits(-0.0f));
  EXPECT_EQ(bits(run<Op::F32Min>(-0.0f, 0.0f)), bits(-0.0f));
  EXPECT_EQ(bits(run<Op::F32Max>(0.0f, -0.0f)), bits(0.0f));
  EXPECT_EQ(bits(run<Op::F32Max>(-0.0f, 0.0f)), bits(0.0f));
  EXPECT_EQ(bits(run<Op::F64Max>(-0.0, -0.0)), bits(-0.0));
  EXPECT_EQ(run<Op::F64Min>(1.0, -2.0), -2.0);
  EXPECT_EQ(run<Op::F64Max>(-kInf64, 3.0), 3.0);
  EXPECT_TRUE(is_quiet(run<Op::F32Min>(kSignalling32, 1.0f)));
  EXPECT_TRUE(is_quiet(run<Op::F32Max>(-1.0f, kSignalling32)));
  EXPECT_TRUE(is_quiet(run<Op::F64Min>(-kInf64, kSignalling64)));
  // Canonical in, canonical out.
  EXPECT_EQ(bits(run<Op::F64Max>(kNan64, 3.25)) & ~(u64{1} << 63), bits(kNan64));
  EXPECT_EQ(bits(run<Op::F64Min>(3.25, kNan64)) & ~(u64{1} << 63), bits(kNan64));
}

TEST(Numeric, RoundingIsToEvenAndKeepsTheSignOfZero) {
  EXPECT_EQ(run<Op::F64Nearest>(2.5), 2.0);
  EXPECT_EQ(run<Op::F64Nearest>(3.5), 4.0);
  EXPECT_EQ(bits(run<Op::F32Nearest>(-0.5f)), bits(-0.0f));
  EXPECT_EQ(bits(run<Op::F32Ceil>(-0.25f)), bits(-0.0f));
  EXPECT_EQ(bits(run<Op::F64Trunc>(-0.75)), bits(-0.0));
  EXPECT_EQ(run<Op::F32Floor>(-0.25f), -1.0f);
  EXPECT_TRUE(is_quiet(run<Op::F64Ceil>(kSignalling64)));
  EXPECT_TRUE(is_quiet(run<Op::F32Sqrt>(-1.0f)));
}

TEST(Numeric, PromotionAndDemotionQuietNans) {
  EXPECT_TRUE(is_quiet(run<Op::F64PromoteF32>(kSignalling32)));
  EXPECT_TRUE(is_quiet(run<Op::F32DemoteF64>(kSignalling64)));
  EXPECT_EQ(run<Op::F32DemoteF64>(1e300), kInf32);
}

TEST(Numeric, ConversionsRoundOnce) {
  EXPECT_EQ(run<Op::F32ConvertI64U>(u64{0x8000008000000001}), 0x1.000002p63f);
  EXPECT_EQ(run<Op::F32ConvertI64S>(u64{0x7fffff4000000001}), 0x1.fffffep62f);
  EXPECT_EQ(run<Op::F64ConvertI64U>(~u64{0}), 0x1p64);
  EXPECT_EQ(run<Op::F32ConvertI32U>(0xFFFFFFFFu), 0x1p32f);
  EXPECT_EQ(run<Op::F64ConvertI32S>(0x80000000u), -2147483648.0);
}

TEST(Numeric, ExtensionsWrapFirst) {
  EXPECT_EQ(run<Op::I32Extend8S>(0x12345680u), 0xFFFFFF80u);
  EXPECT_EQ(run<Op::I32Extend16S>(0x12347FFFu), 0x7FFFu);
  EXPECT_EQ(run<Op::I64Extend32S>(u64{0x123480000000}), 0xFFFFFFFF80000000u);
  EXPECT_EQ(run<Op::I64ExtendI32S>(0x80000000u), 0xFFFFFFFF80000000u);
  EXPECT_EQ(run<Op::I64ExtendI32U>(0x80000000u), 0x80000000u);
}

TEST(Numeric, WideArithmeticCarries) {
  EXPECT_EQ((run<Op::I64Add128>(~u64{0}, u64{0}, u64{1}, u64{0})), (Wide{0, 1}));
  EXPECT_EQ((run<Op::I64Sub128>(u64{0}, u64{0}, u64{1}, u64{0})), (Wide{~u64{0}, ~u64{0}}));
  EXPECT_EQ((run<Op::I64MulWideS>(~u64{0}, u64{2})), (Wide{~u64{1}, ~u64{0}}));
  EXPECT_EQ((run<Op::I64MulWideU>(~u64{0}, u64{2})), (Wide{~u64{1}, 1}));
  EXPECT_EQ((run<Op::I64MulWideS>(u64{1} << 63, u64{1} << 63)), (Wide{0, u64{1} << 62}));
}

TEST(NumericMemory, NarrowAccessesExtendAndWrap) {
  u8 bytes[16] = {0x80, 0xFF, 0xFF, 0xFF, 0xFF};
  EXPECT_EQ(Load<Op::I32Load8S>::apply(bytes), 0xFFFFFF80u);
  EXPECT_EQ(Load<Op::I32Load8U>::apply(bytes), 0x80u);
  EXPECT_EQ(Load<Op::I64Load16S>::apply(bytes), 0xFFFFFFFFFFFFFF80u);
  EXPECT_EQ(Load<Op::I64Load32U>::apply(bytes + 1), 0xFFFFFFFFu);
  EXPECT_EQ(Load<Op::I64Load32S>::apply(bytes + 1), ~u64{0});
  Store<Op::I64Store16>::apply(bytes + 7, 0x123456789);
  EXPECT_EQ(bytes[7], 0x89);
  EXPECT_EQ(bytes[8], 0x67);
  EXPECT_EQ(bytes[9], 0);
}

TEST(NumericAtomic, NarrowCompareExchangeWrapsWhatItExpects) {
  alignas(8) u8 bytes[8] = {0x11, 0x22};
  EXPECT_EQ((AtomicRmw<Op::I32AtomicRmw8CmpxchgU>::apply(bytes, 0xFFFFFF11u, 0xAAAAAA33u)), 0x11u);
  EXPECT_EQ(bytes[0], 0x33);
  EXPECT_EQ(bytes[1], 0x22);
  EXPECT_EQ((AtomicRmw<Op::I64AtomicRmw16CmpxchgU>::apply(bytes, u64{0}, u64{1})), 0x2233u);
  EXPECT_EQ((AtomicRmw<Op::I64AtomicRmw8SubU>::apply(bytes, u64{0x34})), 0x33u);
  EXPECT_EQ(bytes[0], 0xFF);
  AtomicStore<Op::I64AtomicStore32>::apply(bytes + 4, 0x1122334455667788);
  EXPECT_EQ(AtomicLoad<Op::I64AtomicLoad32U>::apply(bytes + 4), 0x55667788u);
}

}  // namespace
}  // namespace berth::interp
