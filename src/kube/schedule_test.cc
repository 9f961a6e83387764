#include "kube/schedule.h"

#include <gtest/gtest.h>

namespace berth::kube {
namespace {

TEST(Schedule, HasFiveFieldsWithRangesStepsListsAndNames) {
  const auto s = parse_schedule("*/20 1-3,22 1,15 JAN-mar Mon-FRI");
  ASSERT_TRUE(s) << s.error().detail();
  EXPECT_EQ(s->minutes.count(), 3u);
  EXPECT_TRUE(s->minutes[0] && s->minutes[20] && s->minutes[40]);
  EXPECT_EQ(s->hours.to_ulong(), 0b10000000000000000001110u);
  EXPECT_EQ(s->months.to_ulong(), 0b1110u);
  EXPECT_EQ(s->weekdays.to_ulong(), 0b0111110u);
  // Either the day or the weekday, where both are restricted.
  EXPECT_TRUE(s->has_day(15, 0));
  EXPECT_TRUE(s->has_day(2, 3));
  EXPECT_FALSE(s->has_day(2, 6));
  EXPECT_EQ(parse_schedule("5/10 * * * *")->minutes.count(), 6u);
}

TEST(Schedule, TakesAnyDayOnlyWhereItSaysSo) {
  const auto s = parse_schedule("0 3 * * 0");
  EXPECT_TRUE(s->has_day(7, 0));
  EXPECT_FALSE(s->has_day(7, 1));
  EXPECT_TRUE(parse_schedule("0 3 31 * ?")->has_day(31, 4));
  EXPECT_FALSE(parse_schedule("0 3 31 * ?")->has_day(30, 4));
}

TEST(Schedule, HasWords) {
  EXPECT_EQ(parse_schedule("@hourly")->minutes.to_ulong(), 1u);
  EXPECT_EQ(parse_schedule("@weekly")->weekdays.to_ulong(), 1u);
  EXPECT_EQ(parse_schedule("@every 1h30m")->every, std::chrono::seconds(5400));
  EXPECT_EQ(parse_schedule("@every 2s")->every, std::chrono::seconds(2));
}

TEST(Schedule, NamesWhatIsWrong) {
  for (const char* text : {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
                           "* * * * 7", "*/0 * * * *", "5-1 * * * *", "a * * * *", "1- * * * *", ", * * * *", "@often",
                           "@every", "@every 5", "@every x", "-1 * * * *", "1/ * * * *"})
    EXPECT_FALSE(parse_schedule(text)) << text;
  EXPECT_NE(parse_schedule("0 25 * * *").error().detail().find("hour \"25\""), std::string::npos);
}

}  // namespace
}  // namespace berth::kube
