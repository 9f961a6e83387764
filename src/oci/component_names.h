// What a component imports and exports, by name, for the configuration of an artifact (CNCF Wasm OCI artifact layout).
// Not a decoder: it looks at the sections of the outermost component only. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::oci {

bool is_module(std::string_view bytes);
bool is_component(std::string_view bytes);

struct ComponentNames {
  std::vector<std::string> imports, exports;
};

// Fails with TextSyntax for what is malformed (component model, Binary.md: import and export definitions).
Result<ComponentNames> component_names(std::string_view bytes);

}  // namespace berth::oci
