#include "broker/limiter.h"

#include <gtest/gtest.h>

namespace berth::broker {
namespace {

constexpr u64 kSecond = 1'000'000'000;

TEST(Limiter, RefillsOverTime) {
  Limiter limiter(2, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take("a", kSecond));
  EXPECT_FALSE(limiter.take("a", kSecond));
  EXPECT_TRUE(limiter.take("b", kSecond)) << "others have buckets of their own";
  EXPECT_FALSE(limiter.has("a", kSecond + kSecond / 4));
  EXPECT_TRUE(limiter.has("a", kSecond + kSecond / 2));
  EXPECT_TRUE(limiter.take("a", kSecond + kSecond / 2));
  EXPECT_FALSE(limiter.take("a", kSecond + kSecond / 2));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take("a", 100 * kSecond));
  EXPECT_FALSE(limiter.take("a", 100 * kSecond));
}

TEST(Limiter, RemembersThoseWhoAskMost) {
  Limiter limiter(0.001, 2, 10);
  EXPECT_TRUE(limiter.take("often", 1));
  EXPECT_TRUE(limiter.take("often", 1));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limiter.take(std::to_string(i), 1));
  EXPECT_FALSE(limiter.take("often", 1));
}

TEST(Limiter, LimitsNothingWithoutARate) {
  Limiter limiter(0, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.take("a", 1));
}

}  // namespace
}  // namespace berth::broker
