#include "kube/schedule.h"

#include <charconv>
#include <span>
#include <string>
#include <vector>

namespace berth::kube {

namespace {

constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Range {
  const char* name;
  unsigned least, most;
  std::span<const std::string_view> names;  // of `least` and those behind it
};
constexpr Range kFields[] = {{"minute", 0, 59, {}},
                             {"hour", 0, 23, {}},
                             {"day of the month", 1, 31, {}},
                             {"month", 1, 12, kMonths},
                             {"weekday", 0, 6, kWeekdays}};

std::vector<std::string_view> split(std::string_view text, std::string_view at) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t end = std::min(text.find_first_of(at), text.size());
    out.push_back(text.substr(0, end));
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> value_in(std::string_view text, const Range& range) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (size_t i = 0; i < range.names.size(); ++i)
    if (lower == range.names[i]) return range.least + static_cast<unsigned>(i);
  const auto value = number(text);
  return value && *value >= range.least && *value <= range.most ? value : std::nullopt;
}

// Sets the bits that a field names; whether it names all by "*".
template <size_t kSize>
Result<bool> read_field(std::string_view text, const Range& range, std::bitset<kSize>& bits) {
  auto wrong = [&] {
    return fail(ErrorCode::BadArgument, std::string(range.name) + " \"" + std::string(text) + "\": it takes " +
                                            std::to_string(range.least) + " to " + std::to_string(range.most) +
                                            ", ranges (1-5), steps (*/15), and lists of these (1,5)");
  };
  bool all = false;
  for (const std::string_view part : split(text, ",")) {
    const size_t slash = part.find('/');
    const std::string_view what = part.substr(0, slash);
    unsigned step = 1, first = range.least, last = range.most;
    if (slash != std::string_view::npos) {
      const auto given = number(part.substr(slash + 1));
      if (!given || *given == 0) return wrong();
      step = *given;
    }
    if (what == "*" || what == "?") {
      all |= step == 1;
    } else {
      const size_t dash = what.find('-');
      const auto from = value_in(what.substr(0, dash), range);
      const auto to = dash == std::string_view::npos ? from : value_in(what.substr(dash + 1), range);
      if (!from || !to || *from > *to) return wrong();
      first = *from;
      // "5/10" is from 5 on.
      if (dash != std::string_view::npos || slash == std::string_view::npos) last = *to;
    }
    for (unsigned i = first; i <= last; i += step) bits.set(i);
  }
  return all;
}

// "1h30m", as Go writes durations; whole seconds count.
std::optional<std::chrono::seconds> duration_of(std::string_view text) {
  constexpr i64 kMost = i64{10} * 366 * 24 * 3600;
  i64 total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto count = number(text.substr(0, digits));
    if (!count || digits == text.size()) return std::nullopt;
    const char unit = text[digits];
    if (unit != 'h' && unit != 'm' && unit != 's') return std::nullopt;
    total += i64{*count} * (unit == 'h' ? 3600 : unit == 'm' ? 60 : 1);
    if (total > kMost) return std::nullopt;
    text.remove_prefix(digits + 1);
  }
  return std::chrono::seconds(std::max<i64>(total, 1));
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
      {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
  Schedule out;
  constexpr std::string_view kEvery = "@every ";
  if (text.starts_with(kEvery)) {
    out.every = duration_of(text.substr(kEvery.size()));
    if (!out.every) return fail(ErrorCode::BadArgument, "\"" + std::string(text) + "\": @every takes 90s, 5m or 1h30m");
    return out;
  }
  for (const auto& [word, fields] : kWords)
    if (text == word) text = fields;
  std::vector<std::string_view> fields;
  for (const std::string_view field : split(text, " \t"))
    if (!field.empty()) fields.push_back(field);
  if (fields.size() != 5) {
    return fail(ErrorCode::BadArgument, "\"" + std::string(text) +
                                            "\" has not the five fields minute, hour, day of the month, month and "
                                            "weekday, nor is it @hourly, @daily, @weekly, @monthly or @yearly");
  }
  TRY(read_field(fields[0], kFields[0], out.minutes));
  TRY(read_field(fields[1], kFields[1], out.hours));
  out.any_day = TRY(read_field(fields[2], kFields[2], out.days));
  TRY(read_field(fields[3], kFields[3], out.months));
  out.any_weekday = TRY(read_field(fields[4], kFields[4], out.weekdays));
  return out;
}

}  // namespace berth::kube
