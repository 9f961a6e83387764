#include "cli/units.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace berth::cli {
namespace {

struct Unit {
  std::string_view name;
  u64 factor;
};

// A decimal number, maybe with a fraction, and one of `units` after it.
template <size_t kCount>
std::optional<u64> parse_with_unit(std::string_view text, const Unit (&units)[kCount]) {
  const size_t digits = text.find_first_not_of("0123456789_.");
  std::string number;
  for (char c : text.substr(0, digits)) {
    if (c != '_') number += c;
  }
  std::string_view unit = digits == std::string_view::npos ? std::string_view{} : text.substr(digits);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& u : units) {
    if (u.name != unit) continue;
    u64 whole = 0;
    const char* end = number.data() + number.size();
    if (auto [p, e] = std::from_chars(number.data(), end, whole); e == std::errc{} && p == end) {
      if (whole > ~u64{0} / u.factor) return std::nullopt;
      return whole * u.factor;
    }
    double fraction = 0;
    auto [p, e] = std::from_chars(number.data(), end, fraction, std::chars_format::fixed);
    if (e != std::errc{} || p != end) return std::nullopt;
    const double value = fraction * static_cast<double>(u.factor);
    if (!(value >= 0 && value < 0x1p63)) return std::nullopt;
    return static_cast<u64>(value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<u64> parse_count(std::string_view text) {
  std::string digits;
  for (char c : text) {
    if (c != '_') digits += c;
  }
  const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
  const char* begin = digits.data() + (hex ? 2 : 0);
  const char* end = digits.data() + digits.size();
  u64 value = 0;
  auto [p, e] = std::from_chars(begin, end, value, hex ? 16 : 10);
  if (e != std::errc{} || p != end || begin == end) return std::nullopt;
  return value;
}

std::optional<u64> parse_size(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"B", 1},
                                    {"K", u64{1} << 10},
                                    {"KiB", u64{1} << 10},
                                    {"KB", 1000},
                                    {"kB", 1000},
                                    {"M", u64{1} << 20},
                                    {"MiB", u64{1} << 20},
                                    {"MB", 1'000'000},
                                    {"G", u64{1} << 30},
                                    {"GiB", u64{1} << 30},
                                    {"GB", 1'000'000'000},
                                    {"T", u64{1} << 40},
                                    {"TiB", u64{1} << 40},
                                    {"TB", 1'000'000'000'000}};
  return parse_with_unit(text, kUnits);
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1'000'000'000}, {"s", 1'000'000'000},  {"ms", 1'000'000},       {"us", 1'000},
                                    {"ns", 1},           {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};
  const auto ns = parse_with_unit(text, kUnits);
  if (!ns || *ns > (~u64{0} >> 1)) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<i64>(*ns));
}

std::string format_size(u64 bytes) {
  if (bytes < 1024) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  static constexpr const char* kNames[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kNames)) {
    value /= 1024;
    ++unit;
  }
  char text[40];
  std::snprintf(text, sizeof text, value == std::floor(value) || value >= 100 ? "%.0f %s" : "%.1f %s", value,
                kNames[unit]);
  return text;
}

}  // namespace berth::cli
