// Values of the component model as the host sees them. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "component_model/types.h"

namespace berth::component {

namespace cm = component_model;

struct ResourceType;

// A value. `kind` says which members count; a tuple, record, list or variant holds its parts in `items`.
struct Value {
  cm::TypeKind kind = cm::TypeKind::Bool;
  // Bool; integers, sign-extended when signed; Char; floats as their bits; Flags, the first label lowest;
  // Variant, Enum, Option, Result: the index of the case (none 0, some 1; ok 0, error 1); Own, Borrow: the
  // representation.
  u64 bits = 0;
  std::string text;                        // String, in UTF-8; List of u8: its bytes, instead of `items`
  std::vector<Value> items;                // the payload of a variant and its kin, if the case has one
  const ResourceType* resource = nullptr;  // Own, Borrow

  static Value of(cm::TypeKind kind, u64 bits) {
    Value v;
    v.kind = kind;
    v.bits = bits;
    return v;
  }
  static Value of_string(std::string text) {
    Value v;
    v.kind = cm::TypeKind::String;
    v.text = std::move(text);
    return v;
  }
  friend bool operator==(const Value&, const Value&) = default;
};

// The value as script commands write it, for messages: "(u32.const 1)", by the type it is of.
std::string to_string(const Value& value, const cm::ValType& type);

}  // namespace berth::component
