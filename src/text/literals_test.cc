#include "text/literals.h"

#include <gtest/gtest.h>
#include <bit>
#include <charconv>
#include <cstdio>
#include <random>

namespace berth::text {
namespace {

TEST(Literals, Integers) {
  EXPECT_EQ(parse_nat("18446744073709551615"), ~u64{0});
  EXPECT_EQ(parse_nat("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parse_nat("0xffff_ffff_ffff_ffff"), ~u64{0});
  EXPECT_EQ(parse_nat("0x1_0000_0000_0000_0000"), std::nullopt);
  EXPECT_EQ(parse_int("-1", 32), 0xFFFFFFFFu);
  EXPECT_EQ(parse_int("-0x80000000", 32), 0x80000000u);
  EXPECT_EQ(parse_int("-0x80000001", 32), std::nullopt);
  EXPECT_EQ(parse_int("4294967295", 32), 0xFFFFFFFFu);
  EXPECT_EQ(parse_int("+4294967296", 32), std::nullopt);
  EXPECT_EQ(parse_int("-9223372036854775808", 64), u64{1} << 63);
  EXPECT_EQ(parse_int("-128", 8), 0x80u);
  EXPECT_EQ(parse_int("256", 8), std::nullopt);
  EXPECT_EQ(parse_int("-0", 64), 0u);
}

struct FloatCase {
  std::string_view text;
  std::optional<u32> f32_bits;
  std::optional<u64> f64_bits;
};

TEST(Literals, FloatsRoundToNearestEven) {
  constexpr FloatCase kCases[] = {
      {"0", 0u, u64{0}},
      {"-0.0", 0x80000000u, u64{1} << 63},
      {"1.5", 0x3FC00000u, 0x3FF8000000000000u},
      {"0x1.8p0", 0x3FC00000u, 0x3FF8000000000000u},
      {"-0x1p-1", 0xBF000000u, 0xBFE0000000000000u},
      {"inf", 0x7F800000u, 0x7FF0000000000000u},
      {"-nan", 0xFFC00000u, 0xFFF8000000000000u},
      {"nan:0x1", 0x7F800001u, 0x7FF0000000000001u},
      {"nan:0x400000", 0x7FC00000u, 0x7FF0000000400000u},
      {"nan:0x800000", std::nullopt, 0x7FF0000000800000u},
      {"nan:0x0", std::nullopt, std::nullopt},
      // Halfway cases: to even, unless anything comes after.
      {"0x1.000001p0", 0x3F800000u, 0x3FF0000010000000u},
      {"0x1.000003p0", 0x3F800002u, 0x3FF0000030000000u},
      {"0x1.00000100000000000001p0", 0x3F800001u, 0x3FF0000010000000u},
      {"0x1.00000000000008p0", 0x3F800000u, 0x3FF0000000000000u},
      {"0x1.00000000000018p0", 0x3F800000u, 0x3FF0000000000002u},
      {"0x1.000000000000080000000000000001p0", 0x3F800000u, 0x3FF0000000000001u},
      // Subnormal numbers and what is too small.
      {"0x1p-149", 1u, 0x36A0000000000000u},
      {"0x1p-150", 0u, 0x3690000000000000u},
      {"0x1.000002p-150", 1u, 0x3690000020000000u},
      {"0x1.8p-149", 2u, 0x36A8000000000000u},
      {"0x1p-1074", 0u, u64{1}},
      {"0x1p-1075", 0u, u64{0}},
      {"0x1.8p-1075", 0u, u64{1}},
      {"0x0.fffffffp-126", 0x00800000u, 0x380FFFFFFE000000u},
      {"1e-400", 0u, u64{0}},
      {"4.9e-324", 0u, u64{1}},
      {"2.2250738585072011e-308", 0u, 0x000FFFFFFFFFFFFFu},
      {"0.000000000000000000000000000000000000000000000000000000000001e+60", 0x3F800000u, 0x3FF0000000000000u},
      // The largest, and past it.
      {"0x1.fffffep127", 0x7F7FFFFFu, 0x47EFFFFFE0000000u},
      {"0x1.fffffeffffffp127", 0x7F7FFFFFu, 0x47EFFFFFEFFFFFF0u},
      {"0x1.ffffffp127", std::nullopt, 0x47EFFFFFF0000000u},
      {"1e39", std::nullopt, 0x48078287F49C4A1Du},
      {"0x1p1024", std::nullopt, std::nullopt},
      {"1e309", std::nullopt, std::nullopt},
      {"0x1p99999999999999999999", std::nullopt, std::nullopt},
      {"0x1p-99999999999999999999", 0u, u64{0}},
      {"0x0p99999999999999999999", 0u, u64{0}},
      {"0e999999999999", 0u, u64{0}},
      {"1_000.5_0e0_1", 0x461C5400u, 0x40C38A8000000000u},
  };
  for (const FloatCase& c : kCases) {
    EXPECT_EQ(parse_f32(c.text), c.f32_bits) << c.text;
    EXPECT_EQ(parse_f64(c.text), c.f64_bits) << c.text;
  }
}

// Hexadecimal and shortest decimal forms of random numbers read back as they were.
TEST(Literals, FloatsSurviveBeingWritten) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const u64 bits = random();
    const f64 wide = std::bit_cast<f64>(bits);
    const f32 narrow = std::bit_cast<f32>(static_cast<u32>(bits));
    char text[64];
    if (wide == wide && wide - wide == 0) {
      std::snprintf(text, sizeof text, "%a", wide);
      EXPECT_EQ(parse_f64(text), bits) << text;
      *std::to_chars(text, text + sizeof text, wide).ptr = '\0';
      EXPECT_EQ(parse_f64(text), bits) << text;
    }
    if (narrow == narrow && narrow - narrow == 0) {
      std::snprintf(text, sizeof text, "%a", static_cast<f64>(narrow));
      EXPECT_EQ(parse_f32(text), static_cast<u32>(bits)) << text;
      *std::to_chars(text, text + sizeof text, narrow).ptr = '\0';
      EXPECT_EQ(parse_f32(text), static_cast<u32>(bits)) << text;
    }
  }
}

}  // namespace
}  // namespace berth::text
