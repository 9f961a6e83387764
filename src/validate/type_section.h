// Validation of type definitions (specification: validation, types, recursive types). Internal.
#pragma once

#include "validate/module_facts.h"

namespace berth::validate {

// Validates Module::types in order of their recursion groups; fills `canonical` and `subtype_depth` of
// the module. Errors name the type.
Result<> validate_types(wasm::Module& module, const ModuleFacts& facts);

}  // namespace berth::validate
