#include "berth/values.h"

#include <bit>
#include <charconv>
#include <cmath>

namespace berth::cli {
namespace {

__extension__ using u128 = unsigned __int128;

// A number without sign, decimal or hexadecimal, at most `max`.
std::optional<u128> parse_unsigned(std::string_view text, u128 max) {
  u32 base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  if (text.empty()) return std::nullopt;
  u128 value = 0;
  for (char c : text) {
    if (c == '_') continue;
    const u32 digit = c >= '0' && c <= '9'   ? static_cast<u32>(c - '0')
                      : c >= 'a' && c <= 'f' ? static_cast<u32>(c - 'a') + 10
                      : c >= 'A' && c <= 'F' ? static_cast<u32>(c - 'A') + 10
                                             : 16;
    if (digit >= base || value > (max - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

// A number of `bits` bits, signed or unsigned.
std::optional<u64> parse_integer(std::string_view text, u32 bits) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const u128 max = negative ? u128{1} << (bits - 1) : (u128{1} << bits) - 1;
  const auto value = parse_unsigned(text, max);
  if (!value) return std::nullopt;
  return static_cast<u64>(negative ? 0 - *value : *value);
}

template <typename F>
std::optional<F> parse_float(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  F value = 0;
  if (text == "nan" || text == "NaN") {
    value = std::numeric_limits<F>::quiet_NaN();
  } else if (text == "inf" || text == "infinity") {
    value = std::numeric_limits<F>::infinity();
  } else {
    auto format = std::chars_format::general;
    if (text.starts_with("0x") || text.starts_with("0X")) {
      format = std::chars_format::hex;
      text.remove_prefix(2);
    }
    if (text.empty() || text[0] == '-' || text[0] == 'n' || text[0] == 'i') return std::nullopt;
    auto [p, e] = std::from_chars(text.data(), text.data() + text.size(), value, format);
    if (e != std::errc{} || p != text.data() + text.size()) return std::nullopt;
  }
  return negative ? -value : value;
}

template <typename F>
std::string format(F value) {
  if (value != value) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const F size = std::fabs(value);
  const bool plain = size == 0 || (size >= F(1e-6) && size < F(1e21));
  char text[128];
  const auto end =
      std::to_chars(text, text + sizeof text, value, plain ? std::chars_format::fixed : std::chars_format::scientific);
  return {text, end.ptr};
}

}  // namespace

std::expected<runtime::Value, std::string> parse_value(std::string_view text, wasm::ValType type) {
  using runtime::Value;
  using wasm::ValKind;
  switch (type.kind) {
    case ValKind::I32:
      if (auto v = parse_integer(text, 32)) return Value::of_i32(static_cast<i32>(*v));
      break;
    case ValKind::I64:
      if (auto v = parse_integer(text, 64)) return Value::of_i64(static_cast<i64>(*v));
      break;
    case ValKind::F32:
      if (auto v = parse_float<f32>(text)) return Value::of_f32_bits(std::bit_cast<u32>(*v));
      break;
    case ValKind::F64:
      if (auto v = parse_float<f64>(text)) return Value::of_f64_bits(std::bit_cast<u64>(*v));
      break;
    case ValKind::V128:
      if (auto v = parse_unsigned(text, ~u128{0})) return Value::of_v128(std::bit_cast<V128>(*v));
      break;
    case ValKind::Ref:
      if (text == "null" && type.nullable) return Value::of_ref(abi::kNull);
      return std::unexpected("a parameter of type " + wasm::to_string(type) +
                             (type.nullable ? " can only be null here" : " cannot be given on the command line"));
    case ValKind::Bottom: break;
  }
  return std::unexpected(std::string(text) + " is no " + wasm::to_string(type));
}

std::string format_float(f32 value) { return format(value); }
std::string format_float(f64 value) { return format(value); }

RefKind kind_of(abi::Ref ref) {
  if (ref == abi::kNull) return RefKind::Null;
  if (abi::is_i31(ref)) return RefKind::I31;
  // Functions and objects alike start with their type.
  const abi::RuntimeType* type = std::bit_cast<const abi::Object*>(ref)->type;
  switch (type->kind) {
    case abi::TypeKind::Func: return RefKind::Func;
    case abi::TypeKind::Struct: return RefKind::Struct;
    case abi::TypeKind::Array: return RefKind::Array;
    case abi::TypeKind::Host: return RefKind::Host;
    case abi::TypeKind::Exception: return RefKind::Exception;
  }
  return RefKind::Null;
}

std::string format_value(const runtime::Value& value) {
  using wasm::ValKind;
  switch (value.kind) {
    case ValKind::I32: return std::to_string(value.i32_value);
    case ValKind::I64: return std::to_string(value.i64_value);
    case ValKind::F32: return format(std::bit_cast<f32>(value.f32_bits));
    case ValKind::F64: return format(std::bit_cast<f64>(value.f64_bits));
    case ValKind::V128: {
      std::string digits;
      for (auto v = std::bit_cast<u128>(value.v128); v != 0 || digits.empty(); v /= 10) {
        digits.insert(digits.begin(), static_cast<char>('0' + static_cast<u32>(v % 10)));
      }
      return digits;
    }
    case ValKind::Ref:
      switch (kind_of(value.ref)) {
        case RefKind::Null: return "null";
        case RefKind::I31: return "i31 " + std::to_string(abi::i31_signed(value.ref));
        case RefKind::Func: return "func";
        case RefKind::Struct: return "struct";
        case RefKind::Array: return "array";
        case RefKind::Host: return "extern";
        case RefKind::Exception: return "exn";
      }
      break;
    case ValKind::Bottom: break;
  }
  return "?";
}

}  // namespace berth::cli
