#include "berth-play/calendar.h"

#include <unistd.h>

#include <cstdlib>

namespace berth::play {

namespace {

constexpr char kZones[] = "/usr/share/zoneinfo/";

// $TZ as long as this lives.
class Zone {
 public:
  explicit Zone(const std::string& name) {
    if (name.empty()) return;
    changed_ = true;
    if (const char* before = std::getenv("TZ")) before_ = before;
    setenv("TZ", name == "UTC" ? "UTC0" : (":" + name).c_str(), 1);
    tzset();
  }
  ~Zone() {
    if (!changed_) return;
    if (before_) {
      setenv("TZ", before_->c_str(), 1);
    } else {
      unsetenv("TZ");
    }
    tzset();
  }
  Zone(const Zone&) = delete;

 private:
  bool changed_ = false;
  std::optional<std::string> before_;
};

}  // namespace

std::optional<time_t> next_time(const kube::Schedule& schedule, time_t after, const std::string& zone) {
  if (schedule.every) return after + schedule.every->count();
  const Zone in(zone);
  const time_t end = after + time_t{8} * 366 * 24 * 3600;
  time_t at = after - after % 60 + 60;
  while (at < end) {
    tm parts{};
    localtime_r(&at, &parts);
    tm next = parts;
    next.tm_isdst = -1;
    next.tm_sec = 0;
    if (!schedule.months[static_cast<size_t>(parts.tm_mon + 1)]) {
      next.tm_mon += 1;
      next.tm_mday = 1;
      next.tm_hour = next.tm_min = 0;
    } else if (!schedule.has_day(parts.tm_mday, parts.tm_wday)) {
      next.tm_mday += 1;
      next.tm_hour = next.tm_min = 0;
    } else if (!schedule.hours[static_cast<size_t>(parts.tm_hour)]) {
      next.tm_hour += 1;
      next.tm_min = 0;
    } else if (!schedule.minutes[static_cast<size_t>(parts.tm_min)]) {
      at += 60;
      continue;
    } else {
      return at;
    }
    const time_t then = mktime(&next);
    // Where clocks are put back or forth, the same words may mean a moment that is behind us.
    at = then > at ? then : at + 60;
  }
  return std::nullopt;
}

Result<> check_zone(const std::string& zone) {
  if (zone.empty() || zone == "UTC") return {};
  const bool is_name = !zone.starts_with('/') && zone.find("..") == std::string::npos;
  if (is_name && access((kZones + zone).c_str(), R_OK) == 0) return {};
  return fail(ErrorCode::BadArgument,
              "timeZone \"" + zone + "\" is not known: there is no " + kZones + zone + " (Debian package tzdata)");
}

}  // namespace berth::play
