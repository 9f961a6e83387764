#include "validate/type_section.h"

#include "wasm/type_relations.h"

namespace berth::validate {

using wasm::CompositeKind;
using wasm::FieldType;
using wasm::Module;
using wasm::SubType;

namespace {

Error in_type(Error error, u32 index) { return std::move(error).with_context("in type " + std::to_string(index)); }

// The types that a definition mentions are known, and their features on.
Result<> check_components(const ModuleFacts& facts, u32 index, u32 group_end) {
  const SubType& type = facts.module.types[index];
  auto check = [&](wasm::ValType t) -> Result<> {
    if (auto e = facts.check(t, group_end)) return fail(in_type(std::move(*e), index));
    return {};
  };
  switch (type.kind) {
    case CompositeKind::Func:
      for (const auto& p : type.func.params) TRY(check(p));
      for (const auto& r : type.func.results) TRY(check(r));
      if (type.func.results.size() > 1 && !facts.features.has(wasm::Feature::MultiValue))
        return fail(in_type(feature_error("several results", wasm::Feature::MultiValue), index));
      return {};
    case CompositeKind::Struct:
      for (const auto& f : type.strct.fields) TRY(check(f.type));
      return {};
    case CompositeKind::Array: return check(type.array.element.type);
  }
  return {};
}

bool field_matches(const Module& module, const FieldType& sub, const FieldType& super) {
  if (sub.is_mutable != super.is_mutable || sub.packed != super.packed) return false;
  return sub.is_mutable ? wasm::val_equal(module, sub.type, super.type)
                        : wasm::val_matches(module, sub.type, super.type);
}

bool composite_matches(const Module& module, const SubType& sub, const SubType& super) {
  if (sub.kind != super.kind) return false;
  switch (sub.kind) {
    case CompositeKind::Func: {
      const auto& a = sub.func;
      const auto& b = super.func;
      if (a.params.size() != b.params.size() || a.results.size() != b.results.size()) return false;
      for (size_t i = 0; i < a.params.size(); ++i)
        if (!wasm::val_matches(module, b.params[i], a.params[i])) return false;
      for (size_t i = 0; i < a.results.size(); ++i)
        if (!wasm::val_matches(module, a.results[i], b.results[i])) return false;
      return true;
    }
    case CompositeKind::Struct:
      if (sub.strct.fields.size() < super.strct.fields.size()) return false;
      for (size_t i = 0; i < super.strct.fields.size(); ++i)
        if (!field_matches(module, sub.strct.fields[i], super.strct.fields[i])) return false;
      return true;
    case CompositeKind::Array: return field_matches(module, sub.array.element, super.array.element);
  }
  return false;
}

}  // namespace

Result<> validate_types(Module& module, const ModuleFacts& facts) {
  wasm::TypeCanonicalizer canonicalizer(module);
  module.subtype_depth.assign(module.types.size(), 0);
  module.canonical.reserve(module.types.size());
  for (u32 start = 0; start < module.types.size();) {
    const u32 size = module.types[start].group_size;
    const u32 end = start + size;
    for (u32 i = start; i < end; ++i) {
      TRY(check_components(facts, i, end));
      const auto super = module.types[i].super;
      if (!super) continue;
      if (super->value >= i) return fail(in_type(Error(ErrorCode::UnknownType, std::to_string(super->value)), i));
      const u32 depth = module.subtype_depth[super->value] + 1u;
      if (depth > std::min<u32>(facts.limits.subtyping_depth, 255))
        return fail(in_type(limit_error("depth of subtyping", facts.limits.subtyping_depth, depth), i));
      module.subtype_depth[i] = static_cast<u8>(depth);
    }
    canonicalizer.add_group(start, size);
    for (u32 i = start; i < end; ++i) {
      const SubType& type = module.types[i];
      if (!type.super) continue;
      const SubType& super = module.types[type.super->value];
      if (super.is_final || !composite_matches(module, type, super)) {
        return fail(ErrorCode::SubTypeFinal, std::to_string(i) + " does not match super type " +
                                                 std::to_string(type.super->value) +
                                                 (super.is_final ? ", which is final" : ""));
      }
    }
    start = end;
  }
  return {};
}

}  // namespace berth::validate
