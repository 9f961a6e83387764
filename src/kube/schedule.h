// When a CronJob runs: "0 3 * * 1-5", "@daily", "@every 90m". Pure; any thread.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace berth::kube {

struct Schedule {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;     // from 1
  std::bitset<13> months;   // from 1
  std::bitset<7> weekdays;  // from Sunday
  // Where both are restricted, a day that is one of either counts, as cron has it.
  bool any_day = false, any_weekday = false;
  // Every so often instead of all that.
  std::optional<std::chrono::seconds> every;

  bool has_day(int day, int weekday) const {
    const bool in_days = days[static_cast<size_t>(day)], in_week = weekdays[static_cast<size_t>(weekday)];
    return any_day || any_weekday ? in_days && in_week : in_days || in_week;
  }
};

// Five fields (minute, hour, day of the month, month, weekday) of numbers, names, ranges, steps and lists, or a word
// with @, as Kubernetes takes them. Fails with BadArgument, saying which field is wrong.
Result<Schedule> parse_schedule(std::string_view text);

}  // namespace berth::kube
