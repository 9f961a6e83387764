#include "cli/units.h"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

using namespace std::chrono_literals;

TEST(Units, ReadSizes) {
  EXPECT_EQ(parse_size("65536"), 65536u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("64K"), 65536u);
  EXPECT_EQ(parse_size("1.5GiB"), 1610612736u);
  EXPECT_EQ(parse_size("10MB"), 10000000u);
  EXPECT_EQ(parse_size("2 GiB"), u64{2} << 30);
  for (const char* bad : {"", "MiB", "-1", "1XB", "1.2.3M", "99999999999GiB", "1e3", "64Mib", "nan"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(Units, ReadDurations) {
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("2"), 2s);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("0s"), 0s);
  for (const char* bad : {"", "s", "-1s", "1 day", "9999999999h"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Units, ReadCounts) {
  EXPECT_EQ(parse_count("1_000_000"), 1000000u);
  EXPECT_EQ(parse_count("0xff"), 255u);
  for (const char* bad : {"", "0x", "-1", "1.5", "99999999999999999999"}) EXPECT_FALSE(parse_count(bad)) << bad;
}

TEST(Units, WriteSizes) {
  EXPECT_EQ(format_size(1), "1 byte");
  EXPECT_EQ(format_size(1023), "1023 bytes");
  EXPECT_EQ(format_size(65536), "64 KiB");
  EXPECT_EQ(format_size(1300000), "1.2 MiB");
  EXPECT_EQ(format_size(~u64{0}), "16 EiB");
}

}  // namespace
}  // namespace berth::cli
