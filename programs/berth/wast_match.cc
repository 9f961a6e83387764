#include "berth/wast_match.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "berth/values.h"

namespace berth::cli {
namespace {

using runtime::Value;
using text::NanPattern;
using text::Pattern;
using wasm::ValKind;

// Whether the bits of a float of `width` are what is expected: `bits`, or a NaN of a sort.
bool float_matches(u64 actual, u64 bits, NanPattern nan, u32 width) {
  if (nan == NanPattern::None) return actual == bits;
  const u64 sign = width == 32 ? u64{1} << 31 : u64{1} << 63;
  const u64 quiet = width == 32 ? 0x7FC00000 : 0x7FF8000000000000;
  const u64 magnitude = actual & (sign - 1);
  return nan == NanPattern::Canonical ? magnitude == quiet : (magnitude & quiet) == quiet;
}

u64 lane(const V128& v, u32 bits, u32 index) {
  u64 out = 0;
  std::memcpy(&out, v.bytes + index * bits / 8, bits / 8);
  return out;
}

bool vector_matches(const V128& v, const Pattern& p) {
  if (!p.lanes_are_floats) return v == p.vector;
  for (u32 i = 0; i < 128 / p.lane_bits; ++i) {
    if (!float_matches(lane(v, p.lane_bits, i), lane(p.vector, p.lane_bits, i), p.nan[i], p.lane_bits)) return false;
  }
  return true;
}

bool ref_matches(abi::Ref ref, const Pattern& p) {
  const RefKind kind = kind_of(ref);
  auto is_number = [&] {
    return kind == RefKind::Host && (!p.number || std::bit_cast<const abi::HostObject*>(ref)->payload == *p.number);
  };
  switch (p.kind) {
    case Pattern::Kind::RefNull: return kind == RefKind::Null;
    case Pattern::Kind::RefExtern: return p.number ? is_number() : kind != RefKind::Null;
    case Pattern::Kind::RefHost: return is_number();
    case Pattern::Kind::RefFunc: return kind == RefKind::Func;
    case Pattern::Kind::RefAny: return kind != RefKind::Null && kind != RefKind::Func && kind != RefKind::Exception;
    case Pattern::Kind::RefEq: return kind == RefKind::I31 || kind == RefKind::Struct || kind == RefKind::Array;
    case Pattern::Kind::RefI31: return kind == RefKind::I31;
    case Pattern::Kind::RefStruct: return kind == RefKind::Struct;
    case Pattern::Kind::RefArray: return kind == RefKind::Array;
    case Pattern::Kind::RefExn: return kind == RefKind::Exception;
    default: return false;
  }
}

std::string hex(u64 bits, u32 width) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%0*llx", static_cast<int>(width / 4), static_cast<unsigned long long>(bits));
  return text;
}

// A float as scripts write it; with its bits where a decimal would hide something.
std::string show_float(u64 bits, u32 width, NanPattern nan = NanPattern::None) {
  if (nan == NanPattern::Canonical) return "nan:canonical";
  if (nan == NanPattern::Arithmetic) return "nan:arithmetic";
  const u64 sign = width == 32 ? u64{1} << 31 : u64{1} << 63;
  const u64 infinity = width == 32 ? 0x7F800000 : 0x7FF0000000000000;
  const u64 magnitude = bits & (sign - 1);
  if (magnitude > infinity) return ((bits & sign) ? "-nan:" : "nan:") + hex(magnitude & ~infinity, 0);
  return width == 32 ? format_float(std::bit_cast<f32>(static_cast<u32>(bits)))
                     : format_float(std::bit_cast<f64>(bits));
}

std::string show_vector(const V128& v, u32 bits, bool floats, const NanPattern* nan = nullptr) {
  std::string out =
      std::string("(v128.const ") + (floats ? "f" : "i") + std::to_string(bits) + "x" + std::to_string(128 / bits);
  for (u32 i = 0; i < 128 / bits; ++i) {
    out += " " +
           (floats ? show_float(lane(v, bits, i), bits, nan ? nan[i] : NanPattern::None) : hex(lane(v, bits, i), bits));
  }
  return out + ")";
}

}  // namespace

bool matches(const Value& value, const Pattern& p) {
  switch (p.kind) {
    case Pattern::Kind::I32:
      return value.kind == ValKind::I32 && static_cast<u32>(value.i32_value) == static_cast<u32>(p.bits);
    case Pattern::Kind::I64: return value.kind == ValKind::I64 && static_cast<u64>(value.i64_value) == p.bits;
    case Pattern::Kind::F32: return value.kind == ValKind::F32 && float_matches(value.f32_bits, p.bits, p.nan[0], 32);
    case Pattern::Kind::F64: return value.kind == ValKind::F64 && float_matches(value.f64_bits, p.bits, p.nan[0], 64);
    case Pattern::Kind::V128: return value.kind == ValKind::V128 && vector_matches(value.v128, p);
    case Pattern::Kind::AnyNan:
      return (value.kind == ValKind::F32 && float_matches(value.f32_bits, 0, p.nan[0], 32)) ||
             (value.kind == ValKind::F64 && float_matches(value.f64_bits, 0, p.nan[0], 64));
    case Pattern::Kind::Either:
      return std::ranges::any_of(p.alternatives, [&](const Pattern& a) { return matches(value, a); });
    default: return value.kind == ValKind::Ref && ref_matches(value.ref, p);
  }
}

std::string show(const Pattern& p) {
  auto numbered = [&](std::string_view word) {
    return "(" + std::string(word) + (p.number ? " " + std::to_string(*p.number) : "") + ")";
  };
  switch (p.kind) {
    case Pattern::Kind::I32: return "(i32.const " + std::to_string(static_cast<i32>(p.bits)) + ")";
    case Pattern::Kind::I64: return "(i64.const " + std::to_string(static_cast<i64>(p.bits)) + ")";
    case Pattern::Kind::F32: return "(f32.const " + show_float(p.bits, 32, p.nan[0]) + ")";
    case Pattern::Kind::F64: return "(f64.const " + show_float(p.bits, 64, p.nan[0]) + ")";
    case Pattern::Kind::V128: return show_vector(p.vector, p.lane_bits, p.lanes_are_floats, p.nan);
    case Pattern::Kind::RefNull: return "(ref.null" + (p.heap ? " " + wasm::to_string(*p.heap) : std::string()) + ")";
    case Pattern::Kind::RefExtern: return numbered("ref.extern");
    case Pattern::Kind::RefHost: return numbered("ref.host");
    case Pattern::Kind::RefFunc: return "(ref.func)";
    case Pattern::Kind::RefAny: return "(ref.any)";
    case Pattern::Kind::RefEq: return "(ref.eq)";
    case Pattern::Kind::RefI31: return "(ref.i31)";
    case Pattern::Kind::RefStruct: return "(ref.struct)";
    case Pattern::Kind::RefArray: return "(ref.array)";
    case Pattern::Kind::RefExn: return "(ref.exn)";
    case Pattern::Kind::AnyNan: return show_float(0, 32, p.nan[0]);
    case Pattern::Kind::Component: return "a component's value";
    case Pattern::Kind::Either: {
      std::string out = "(either";
      for (const auto& a : p.alternatives) out += " " + show(a);
      return out + ")";
    }
  }
  return "?";
}

std::string show(const Value& value, const Pattern* like) {
  switch (value.kind) {
    case ValKind::I32: return "(i32.const " + std::to_string(value.i32_value) + ")";
    case ValKind::I64: return "(i64.const " + std::to_string(value.i64_value) + ")";
    case ValKind::F32: return "(f32.const " + show_float(value.f32_bits, 32) + ")";
    case ValKind::F64: return "(f64.const " + show_float(value.f64_bits, 64) + ")";
    case ValKind::V128:
      if (like && like->kind == Pattern::Kind::Either && !like->alternatives.empty()) like = &like->alternatives[0];
      if (like && like->kind == Pattern::Kind::V128)
        return show_vector(value.v128, like->lane_bits, like->lanes_are_floats);
      return show_vector(value.v128, 32, false);
    default: break;
  }
  switch (kind_of(value.ref)) {
    case RefKind::Null: return "(ref.null)";
    case RefKind::I31: return "(ref.i31 " + std::to_string(abi::i31_signed(value.ref)) + ")";
    case RefKind::Func: return "(ref.func)";
    case RefKind::Struct: return "(ref.struct)";
    case RefKind::Array: return "(ref.array)";
    case RefKind::Host:
      return "(ref.host " + std::to_string(std::bit_cast<const abi::HostObject*>(value.ref)->payload) + ")";
    case RefKind::Exception: return "(ref.exn)";
  }
  return "?";
}

}  // namespace berth::cli
