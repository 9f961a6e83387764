#include "validate/module_facts.h"

namespace berth::validate {

using wasm::Feature;
using wasm::HeapType;
using wasm::ValKind;
using wasm::ValType;

Error limit_error(const char* what, u64 limit, u64 actual) {
  return Error(ErrorCode::LimitExceeded,
               std::string(what) + ": at most " + std::to_string(limit) + ", found " + std::to_string(actual));
}

Error feature_error(std::string_view what, Feature feature) {
  return Error(ErrorCode::FeatureDisabled,
               std::string(what) + " needs the feature " + std::string(wasm::feature_name(feature)));
}

std::string to_string(std::span<const ValType> types) {
  constexpr size_t kMost = 32;
  const bool is_long = types.size() > kMost;
  std::string out = is_long ? "[..." : "[";
  for (const ValType& t : is_long ? types.last(kMost) : types) {
    if (out.size() > 1) out += ' ';
    out += wasm::to_string(t);
  }
  return out + "]";
}

std::optional<Error> ModuleFacts::check(HeapType type, u32 type_end) const {
  Feature needed = Feature::ReferenceTypes;
  if (type.is_index()) {
    if (type.index().value >= type_end) return Error(ErrorCode::UnknownType, std::to_string(type.index().value));
    needed = Feature::FunctionReferences;
    if (features.has(Feature::Gc)) return std::nullopt;
  } else {
    switch (type.abstract()) {
      case HeapType::kFunc:
      case HeapType::kExtern: break;
      case HeapType::kExn:
      case HeapType::kNoExn: needed = Feature::Exceptions; break;
      default: needed = Feature::Gc; break;
    }
  }
  if (!features.has(needed)) return feature_error("the type " + wasm::to_string(type), needed);
  return std::nullopt;
}

std::optional<Error> ModuleFacts::check(ValType type, u32 type_end) const {
  switch (type.kind) {
    case ValKind::V128:
      if (!features.has(Feature::Simd)) return feature_error("the type v128", Feature::Simd);
      return std::nullopt;
    case ValKind::Ref:
      if (!type.nullable && !features.has(Feature::FunctionReferences) && !features.has(Feature::Gc))
        return feature_error("the type " + wasm::to_string(type), Feature::FunctionReferences);
      return check(type.heap, type_end);
    default: return std::nullopt;
  }
}

}  // namespace berth::validate
