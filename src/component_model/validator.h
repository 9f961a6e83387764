// Validation of components (component model, Explainer: type definitions, type checking, import and export
// definitions; Binary: notes). Pure functions; any thread.
#pragma once

#include "base/result.h"
#include "component_model/component.h"

namespace berth::component_model {

// Validates a decoded component with all inside it, and fills in what instantiation needs. Errors: kind Invalid with
// the offset of the definition; LimitExceeded.
Result<> validate_component(Component& component, const wasm::FeatureSet& features = {}, const Limits& limits = {});

}  // namespace berth::component_model
