// What a component imports and exports, as WIT (component model, WIT). Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "component_model/component.h"

namespace berth::component_model {

// The world of a validated component, and the interfaces that it names by the packages that they belong to. What WIT
// has no words for (modules and components among the imports and exports) is a comment. Fails with LimitExceeded when
// there is too much text. Packages of `skipped_namespace` are left out: with "wasi", what is known anyway.
Result<std::string> to_wit(const Component& component, std::string_view skipped_namespace = {});

}  // namespace berth::component_model
