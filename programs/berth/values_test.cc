#include "berth/values.h"

#include <gtest/gtest.h>

#include "berth/wast_match.h"

namespace berth::cli {
namespace {

std::string round_trip(std::string_view text, wasm::ValType type) {
  const auto value = parse_value(text, type);
  return value ? format_value(*value) : "error";
}

TEST(Values, AreReadAndPrinted) {
  EXPECT_EQ(round_trip("-2147483648", wasm::kI32), "-2147483648");
  EXPECT_EQ(round_trip("0xFFFF_FFFF", wasm::kI32), "-1");
  EXPECT_EQ(round_trip("+7", wasm::kI64), "7");
  EXPECT_EQ(round_trip("18446744073709551615", wasm::kI64), "-1");
  EXPECT_EQ(round_trip("0.1", wasm::kF32), "0.1");
  EXPECT_EQ(round_trip("-0", wasm::kF64), "-0");
  EXPECT_EQ(round_trip("1e21", wasm::kF64), "1e+21");
  EXPECT_EQ(round_trip("-0x1p-1", wasm::kF32), "-0.5");
  EXPECT_EQ(round_trip("NaN", wasm::kF64), "NaN");
  EXPECT_EQ(round_trip("-inf", wasm::kF32), "-inf");
  EXPECT_EQ(round_trip("0x1_0000_0000_0000_0000", wasm::kV128), "18446744073709551616");
  EXPECT_EQ(round_trip("null", wasm::kFuncRef), "null");
}

TEST(Values, OutOfRangeOrMalformedAreRefused) {
  for (const char* bad : {"", "-", "0x", "2147483648x", "4294967296", "-2147483649", "1.5", "--1"}) {
    EXPECT_EQ(round_trip(bad, wasm::kI32), "error") << bad;
  }
  for (const char* bad : {"", "x", "--1", "1e999", "0x", "1.5 "})
    EXPECT_EQ(round_trip(bad, wasm::kF64), "error") << bad;
  EXPECT_EQ(round_trip("340282366920938463463374607431768211456", wasm::kV128), "error");
  EXPECT_EQ(round_trip("null", wasm::ValType::ref(wasm::HeapType::kAny, false)), "error");
}

TEST(WastMatch, NansMatchBySort) {
  text::Pattern p;
  p.kind = text::Pattern::Kind::F32;
  p.nan[0] = text::NanPattern::Canonical;
  EXPECT_TRUE(matches(runtime::Value::of_f32_bits(0x7FC00000), p));
  EXPECT_TRUE(matches(runtime::Value::of_f32_bits(0xFFC00000), p));
  EXPECT_FALSE(matches(runtime::Value::of_f32_bits(0x7FC00001), p));
  p.nan[0] = text::NanPattern::Arithmetic;
  EXPECT_TRUE(matches(runtime::Value::of_f32_bits(0x7FC00001), p));
  EXPECT_FALSE(matches(runtime::Value::of_f32_bits(0x7FA00000), p));
  EXPECT_FALSE(matches(runtime::Value::of_f32_bits(0x7F800000), p));
  p.nan[0] = text::NanPattern::None;
  p.bits = 0x80000000;
  EXPECT_FALSE(matches(runtime::Value::of_f32_bits(0), p));
}

TEST(WastMatch, LanesOfFloatsMatchOneByOne) {
  text::Pattern p;
  p.kind = text::Pattern::Kind::V128;
  p.lane_bits = 64;
  p.lanes_are_floats = true;
  p.nan[1] = text::NanPattern::Canonical;
  V128 v{};
  v.bytes[15] = 0x7F;
  v.bytes[14] = 0xF8;
  EXPECT_TRUE(matches(runtime::Value::of_v128(v), p));
  v.bytes[0] = 1;
  EXPECT_FALSE(matches(runtime::Value::of_v128(v), p));
}

TEST(WastMatch, EitherTakesAnyAlternative) {
  text::Pattern one, two, either;
  one.bits = 1;
  two.bits = 2;
  either.kind = text::Pattern::Kind::Either;
  either.alternatives = {one, two};
  EXPECT_TRUE(matches(runtime::Value::of_i32(2), either));
  EXPECT_FALSE(matches(runtime::Value::of_i32(3), either));
  EXPECT_FALSE(matches(runtime::Value::of_i64(2), either));
}

}  // namespace
}  // namespace berth::cli
