#include "attest/encoding.h"

#include <array>
#include <ctime>

namespace berth::attest {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::optional<u8> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<u8>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<u8>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<u8>(c - 'A' + 10);
  return std::nullopt;
}

std::string encode(std::span<const u8> bytes, std::string_view digits, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    u32 group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? bytes[i + k] : 0);
    for (size_t k = 0; k < 4; ++k) {
      if (k <= n)
        out += digits[group >> (18 - 6 * k) & 63];
      else if (pad)
        out += '=';
    }
  }
  return out;
}

std::array<i8, 256> reverse_of(std::string_view digits) {
  std::array<i8, 256> out;
  out.fill(-1);
  for (size_t i = 0; i < digits.size(); ++i) out[static_cast<u8>(digits[i])] = static_cast<i8>(i);
  return out;
}

std::optional<Blob> decode(std::string_view text, const std::array<i8, 256>& values, bool padded) {
  Blob out;
  out.reserve(text.size() / 4 * 3 + 3);
  u32 group = 0;
  size_t count = 0, padding = 0;
  for (const char c : text) {
    if (padded && (c == '\n' || c == '\r' || c == ' ' || c == '\t')) continue;
    if (padded && c == '=') {
      ++padding;
      continue;
    }
    const i8 value = values[static_cast<u8>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<u32>(value);
    if (++count % 4 == 0) {
      for (const int shift : {16, 8, 0}) out.push_back(static_cast<u8>(group >> shift));
      group = 0;
    }
  }
  const size_t rest = count % 4;
  if (rest == 1 || (padded && padding != (rest == 0 ? 0 : 4 - rest))) return std::nullopt;
  if (rest == 2) {
    if (group & 15) return std::nullopt;
    out.push_back(static_cast<u8>(group >> 4));
  } else if (rest == 3) {
    if (group & 3) return std::nullopt;
    out.push_back(static_cast<u8>(group >> 10));
    out.push_back(static_cast<u8>(group >> 2));
  }
  return out;
}

// Reads `digits` decimal digits.
bool read_number(std::string_view& text, size_t digits, int& out) {
  if (text.size() < digits) return false;
  out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool read_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string to_hex(std::span<const u8> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const u8 byte : bytes) {
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

std::optional<Blob> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Blob out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const auto high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (!high || !low) return std::nullopt;
    out.push_back(static_cast<u8>(*high << 4 | *low));
  }
  return out;
}

std::string to_base64(std::span<const u8> bytes) { return encode(bytes, kStandard, true); }
std::string to_base64url(std::span<const u8> bytes) { return encode(bytes, kUrlSafe, false); }

std::optional<Blob> from_base64(std::string_view text) {
  static const auto values = reverse_of(kStandard);
  return decode(text, values, true);
}

std::optional<Blob> from_base64url(std::string_view text) {
  static const auto values = reverse_of(kUrlSafe);
  return decode(text, values, false);
}

std::optional<Time> parse_time(std::string_view text) {
  std::tm when{};
  const auto read = [&](size_t digits, int& to, char after) {
    return read_number(text, digits, to) && (after == 0 || read_char(text, after));
  };
  if (!read(4, when.tm_year, '-') || !read(2, when.tm_mon, '-') || !read(2, when.tm_mday, 0)) return std::nullopt;
  if (!read_char(text, 'T') && !read_char(text, ' ') && !read_char(text, 't')) return std::nullopt;
  if (!read(2, when.tm_hour, ':') || !read(2, when.tm_min, ':') || !read(2, when.tm_sec, 0)) return std::nullopt;
  if (read_char(text, '.')) {
    int digit = 0;
    if (!read_number(text, 1, digit)) return std::nullopt;
    while (read_number(text, 1, digit)) continue;
  }
  Time offset = 0;
  if (!read_char(text, 'Z') && !read_char(text, 'z')) {
    const Time sign = text.starts_with('-') ? -1 : 1;
    int hours = 0, minutes = 0;
    if (!read_char(text, '+') && !read_char(text, '-')) return std::nullopt;
    if (!read(2, hours, ':') || !read(2, minutes, 0) || hours > 23 || minutes > 59) return std::nullopt;
    offset = sign * (hours * 3600 + minutes * 60);
  }
  if (!text.empty()) return std::nullopt;
  constexpr int kDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (when.tm_mon < 1 || when.tm_mon > 12 || when.tm_mday < 1 || when.tm_mday > kDays[when.tm_mon - 1] ||
      when.tm_hour > 23 || when.tm_min > 59 || when.tm_sec > 60) {
    return std::nullopt;
  }
  const int month = when.tm_mon, day = when.tm_mday;
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  const std::time_t seconds = timegm(&when);
  // The 29th of February of another year became the first of March.
  if (month == 2 && day == 29 && when.tm_mon != 1) return std::nullopt;
  return static_cast<Time>(seconds) - offset;
}

std::string format_time(Time time) {
  const std::time_t seconds = static_cast<std::time_t>(time);
  std::tm when{};
  if (!gmtime_r(&seconds, &when)) return std::to_string(time);
  char buffer[64];
  const size_t n = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &when);
  return {buffer, n};
}

}  // namespace berth::attest
