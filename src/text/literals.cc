#include "text/literals.h"

#include <bit>
#include <charconv>
#include <string>

namespace berth::text {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_hex_digit(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

// Moves past digits with single underscores between them; false when there are none.
bool skip_digits(std::string_view& s, bool hex) {
  const auto digit = [&](size_t i) { return i < s.size() && (hex ? is_hex_digit(s[i]) : is_digit(s[i])); };
  size_t i = 0;
  if (!digit(0)) return false;
  while (digit(i) || (i < s.size() && s[i] == '_' && digit(i + 1))) ++i;
  s.remove_prefix(i);
  return true;
}

struct Sign {
  bool negative;
  std::string_view rest;
};
Sign split_sign(std::string_view s) {
  if (s[0] == '-') return {true, s.substr(1)};
  return {false, s[0] == '+' ? s.substr(1) : s};
}
bool is_hex_number(std::string_view s) { return s.starts_with("0x"); }

// The layout of a floating-point format.
template <typename Bits>
struct Format;
template <>
struct Format<u32> {
  using Float = f32;
  static constexpr int kMantissa = 23, kExponent = 8;
};
template <>
struct Format<u64> {
  using Float = f64;
  static constexpr int kMantissa = 52, kExponent = 11;
};

// `mantissa` times two to the `exponent`, plus something smaller than one unit when `sticky`.
template <typename Bits>
std::optional<Bits> round_binary(u64 mantissa, i64 exponent, bool sticky) {
  using F = Format<Bits>;
  constexpr i64 kBias = (1 << (F::kExponent - 1)) - 1;
  if (mantissa == 0) return Bits{0};
  const int top = 63 - std::countl_zero(mantissa);
  i64 e = exponent + top;  // of the leading bit
  if (e > kBias) return std::nullopt;
  if (e < -kBias - F::kMantissa) return Bits{0};  // less than half of the smallest number
  // Bits of the mantissa that stay: all, or fewer for a subnormal number.
  const i64 keep = F::kMantissa + 1 - (e < 1 - kBias ? 1 - kBias - e : 0);
  const i64 drop = top + 1 - keep;
  u64 kept;
  if (drop <= 0) {
    kept = mantissa << -drop;
  } else {
    const u64 rest = drop == 64 ? mantissa : mantissa & ((u64{1} << drop) - 1);
    const u64 half = u64{1} << (drop - 1);
    kept = drop == 64 ? 0 : mantissa >> drop;
    if (rest > half || (rest == half && (sticky || (kept & 1)))) ++kept;
  }
  // A carry out of the mantissa moves into the exponent by itself.
  const u64 biased = e < 1 - kBias ? 0 : static_cast<u64>(e + kBias - 1);
  const u64 bits = (biased << F::kMantissa) + kept;
  if (bits >= u64{(1u << F::kExponent) - 1} << F::kMantissa) return std::nullopt;
  return static_cast<Bits>(bits);
}

// A decimal exponent, kept in a range where nothing overflows.
i64 parse_exponent(std::string_view s) {
  const Sign sign = split_sign(s);
  i64 value = 0;
  for (const char c : sign.rest) {
    if (c != '_' && value < 1'000'000'000'000) value = value * 10 + (c - '0');
  }
  return sign.negative ? -value : value;
}

template <typename Bits>
std::optional<Bits> parse_hex_float(std::string_view s) {
  u64 mantissa = 0;
  i64 exponent = 0;
  bool sticky = false, fraction = false;
  size_t i = 0;
  for (; i < s.size() && (s[i] | 0x20) != 'p'; ++i) {
    if (s[i] == '.') {
      fraction = true;
    } else if (s[i] != '_') {
      const u32 digit = hex_digit(s[i]);
      if (mantissa >> 59 == 0) {
        mantissa = mantissa << 4 | digit;
        if (fraction) exponent -= 4;
      } else {
        sticky |= digit != 0;
        if (!fraction) exponent += 4;
      }
    }
  }
  if (i < s.size()) exponent += parse_exponent(s.substr(i + 1));
  return round_binary<Bits>(mantissa, exponent, sticky);
}

template <typename Bits>
std::optional<Bits> parse_decimal_float(std::string_view s) {
  std::string plain;
  if (s.find('_') != std::string_view::npos) {
    for (const char c : s) {
      if (c != '_') plain.push_back(c);
    }
    s = plain;
  }
  typename Format<Bits>::Float value = 0;
  const auto [end, status] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (status == std::errc::result_out_of_range) {
    // Too large or too small: told apart by where the first digit that is not zero stands.
    const size_t e = s.find_first_of("eE");
    const std::string_view digits = s.substr(0, e);
    const i64 point = static_cast<i64>(std::min(digits.find('.'), digits.size()));
    const size_t first = digits.find_first_of("123456789");
    if (first == std::string_view::npos) return Bits{0};
    const i64 exponent = (e == std::string_view::npos ? 0 : parse_exponent(s.substr(e + 1)));
    if (point - static_cast<i64>(first) + exponent < 0) return Bits{0};
    return std::nullopt;
  }
  const Bits bits = std::bit_cast<Bits>(value);
  if (bits == Bits{(Bits{1} << Format<Bits>::kExponent) - 1} << Format<Bits>::kMantissa) return std::nullopt;
  return bits;
}

template <typename Bits>
std::optional<Bits> parse_float(std::string_view text) {
  using F = Format<Bits>;
  const Sign sign = split_sign(text);
  const Bits sign_bit = Bits{sign.negative} << (F::kMantissa + F::kExponent);
  constexpr Bits kInfinity = Bits{(Bits{1} << F::kExponent) - 1} << F::kMantissa;
  const std::string_view s = sign.rest;
  std::optional<Bits> bits;
  if (s == "inf") {
    bits = kInfinity;
  } else if (s == "nan") {
    bits = kInfinity | Bits{1} << (F::kMantissa - 1);
  } else if (s.starts_with("nan:")) {
    const auto payload = parse_nat(s.substr(4));
    if (payload && *payload != 0 && *payload >> F::kMantissa == 0) bits = kInfinity | static_cast<Bits>(*payload);
  } else if (is_hex_number(s)) {
    bits = parse_hex_float<Bits>(s.substr(2));
  } else {
    bits = parse_decimal_float<Bits>(s);
  }
  if (bits) *bits |= sign_bit;
  return bits;
}

}  // namespace

TokenKind number_kind(std::string_view text) {
  const bool has_sign = text[0] == '+' || text[0] == '-';
  std::string_view s = has_sign ? text.substr(1) : text;
  const TokenKind integer = has_sign ? TokenKind::Int : TokenKind::Nat;
  if (s == "inf" || s == "nan") return TokenKind::Float;
  if (s.starts_with("nan:0x")) {
    s.remove_prefix(6);
    return skip_digits(s, true) && s.empty() ? TokenKind::Float : TokenKind::Reserved;
  }
  const bool hex = is_hex_number(s);
  if (hex) s.remove_prefix(2);
  if (!skip_digits(s, hex)) return TokenKind::Reserved;
  if (s.empty()) return integer;
  if (s[0] == '.') {
    s.remove_prefix(1);
    skip_digits(s, hex);
  }
  if (!s.empty() && (s[0] | 0x20) == (hex ? 'p' : 'e')) {
    s.remove_prefix(1);
    if (!s.empty() && (s[0] == '+' || s[0] == '-')) s.remove_prefix(1);
    if (!skip_digits(s, false)) return TokenKind::Reserved;
  }
  return s.empty() ? TokenKind::Float : TokenKind::Reserved;
}

std::optional<u64> parse_nat(std::string_view s) {
  u64 value = 0;
  if (is_hex_number(s)) {
    for (const char c : s.substr(2)) {
      if (c == '_') continue;
      if (value >> 60 != 0) return std::nullopt;
      value = value << 4 | hex_digit(c);
    }
    return value;
  }
  for (const char c : s) {
    if (c == '_') continue;
    const u64 digit = static_cast<u64>(c - '0');
    if (__builtin_mul_overflow(value, u64{10}, &value) || __builtin_add_overflow(value, digit, &value))
      return std::nullopt;
  }
  return value;
}

std::optional<u64> parse_int(std::string_view text, u32 bits) {
  const Sign sign = split_sign(text);
  const auto magnitude = parse_nat(sign.rest);
  if (!magnitude) return std::nullopt;
  const u64 mask = ~u64{0} >> (64 - bits);
  if (sign.negative) {
    if (*magnitude > u64{1} << (bits - 1)) return std::nullopt;
    return (~*magnitude + 1) & mask;
  }
  if (*magnitude > mask) return std::nullopt;
  return magnitude;
}

std::optional<u32> parse_f32(std::string_view text) { return parse_float<u32>(text); }
std::optional<u64> parse_f64(std::string_view text) { return parse_float<u64>(text); }

}  // namespace berth::text
