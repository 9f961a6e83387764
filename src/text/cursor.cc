#include "text/cursor.h"

#include "text/literals.h"
#include "text/utf8.h"

namespace berth::text {

void Cursor::fail(u32 source_offset, std::string message, ErrorCode code) {
  if (failed_) return;
  failed_ = true;
  error_ = Error(code, std::move(message)).at(source_offset);
  pos_ = last_;
}

void Cursor::unexpected(Token t) {
  if (failed_) return;
  const auto is_memory_argument = [](std::string_view s) {
    return s.starts_with("offset=") || s.starts_with("align=");
  };
  switch (t.kind()) {
    case TokenKind::End: fail(t, "unexpected token: end of text"); return;
    case TokenKind::Reserved: fail(t, "unknown operator " + shown(t)); return;
    case TokenKind::Word:
      if (Tokens::word(t) == kw::kUnknown && !is_memory_argument(text(t))) {
        fail(t, "unknown operator " + shown(t));
        return;
      }
      [[fallthrough]];
    default: fail(t, "unexpected token " + shown(t));
  }
}

std::string Cursor::shown(Token t) const {
  const std::string_view s = text(t);
  return s.size() <= 60 ? std::string(s) : std::string(s.substr(0, 57)) + "...";
}

std::string Cursor::take_name() {
  const Token t = peek();
  if (t.kind() != TokenKind::String) {
    unexpected();
    return {};
  }
  std::string value = string_value(text(t));
  if (!is_utf8(value)) {
    fail(t, "malformed UTF-8 encoding");
    return {};
  }
  advance();
  return value;
}

u64 Cursor::take_nat(u32 bits) {
  const Token t = peek();
  if (t.kind() != TokenKind::Nat) {
    unexpected();
    return 0;
  }
  const auto value = parse_nat(text(t));
  if (!value || (bits < 64 && *value >> bits != 0)) {
    out_of_range(t, 'i', bits);
    return 0;
  }
  advance();
  return *value;
}

u64 Cursor::take_int(u32 bits) {
  const Token t = peek();
  if (t.kind() != TokenKind::Nat && t.kind() != TokenKind::Int) {
    unexpected();
    return 0;
  }
  const auto value = parse_int(text(t), bits);
  if (!value) {
    out_of_range(t, 'i', bits);
    return 0;
  }
  advance();
  return *value;
}

u64 Cursor::take_float(u32 bits) {
  const Token t = peek();
  if (!at_number()) {
    unexpected();
    return 0;
  }
  std::optional<u64> value;
  if (bits == 64) {
    value = parse_f64(text(t));
  } else if (const auto narrow = parse_f32(text(t))) {
    value = *narrow;
  }
  if (!value) {
    out_of_range(t, 'f', bits);
    return 0;
  }
  advance();
  return *value;
}

Cursor::Shape Cursor::take_shape() {
  Shape shape;
  switch (word()) {
    case kw::I8x16: shape = {16, 8, false}; break;
    case kw::I16x8: shape = {8, 16, false}; break;
    case kw::I32x4: shape = {4, 32, false}; break;
    case kw::I64x2: shape = {2, 64, false}; break;
    case kw::F32x4: shape = {4, 32, true}; break;
    case kw::F64x2: shape = {2, 64, true}; break;
    default: unexpected(); return shape;
  }
  advance();
  return shape;
}

V128 Cursor::take_vector() {
  V128 out{};
  const Shape shape = take_shape();
  if (!ok()) return out;
  u32 count = 0;
  while (count <= shape.lanes && pos_ + count < last_ && list_[pos_ + count].kind() >= TokenKind::Nat &&
         list_[pos_ + count].kind() <= TokenKind::Float) {
    ++count;
  }
  if (count != shape.lanes) {
    const Token after = peek(count);
    if (after.kind() == TokenKind::Reserved || after.kind() == TokenKind::Word) {
      unexpected(after);
      return out;
    }
    fail(peek(), "wrong number of lane literals");
    return out;
  }
  const u32 bytes = shape.bits / 8;
  for (u32 lane = 0; lane < shape.lanes; ++lane) {
    const u64 bits = shape.is_float ? take_float(shape.bits) : take_int(shape.bits);
    for (u32 i = 0; i < bytes; ++i) out.bytes[lane * bytes + i] = static_cast<u8>(bits >> (8 * i));
  }
  return out;
}

}  // namespace berth::text
