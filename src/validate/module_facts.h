// What the validation of a function needs to know of its module, laid out flat. Built once the sections
// before the code are valid; read by any number of threads from then on.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::validate {

// A function type without indirection; the pointers lead into Module::types.
struct FuncSig {
  const wasm::ValType* params = nullptr;
  const wasm::ValType* results = nullptr;
  u32 param_count = 0;
  u32 result_count = 0;
};

struct ModuleFacts {
  const wasm::Module& module;
  wasm::FeatureSet features;
  wasm::ModuleLimits limits;
  std::vector<FuncSig> sigs;      // by type index; empty for types that are not of functions
  std::vector<bool> defaultable;  // by type index: whether a struct's fields all have default values
  std::vector<bool> declared;     // by function index: whether ref.func may name it

  // The types below `type_end` are known: is `type` one of these, with all features it needs on?
  // An error without offset otherwise (specification: validation, types).
  std::optional<Error> check(wasm::ValType type, u32 type_end) const;
  std::optional<Error> check(wasm::HeapType type, u32 type_end) const;
  std::optional<Error> check(wasm::ValType type) const { return check(type, static_cast<u32>(module.types.size())); }
};

// LimitExceeded, naming what, the limit and the actual figure.
Error limit_error(const char* what, u64 limit, u64 actual);
// FeatureDisabled, naming what needs the feature and the feature.
Error feature_error(std::string_view what, wasm::Feature feature);
// "[i32 i64]"; of a long list only the end
std::string to_string(std::span<const wasm::ValType> types);

}  // namespace berth::validate
