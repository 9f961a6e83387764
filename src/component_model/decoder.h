// Turns the bytes of a component into definitions (component model, Binary). Pure functions; any thread.
#pragma once

#include <functional>
#include <span>

#include "base/result.h"
#include "component_model/component.h"

namespace berth::component_model {

// Makes a module, validated, of its binary; errors count offsets from the start of that.
using ModuleLoader = std::function<Result<std::shared_ptr<const wasm::Module>>(std::vector<u8>)>;

// Decodes a component and everything inside it; nothing is validated but what `load` does. Errors: Malformed with the
// offset in `bytes` of the byte at fault, LimitExceeded, and what `load` fails with.
Result<Component> decode_component(std::span<const u8> bytes, const ModuleLoader& load,
                                   const wasm::FeatureSet& features = {}, const Limits& limits = {});

}  // namespace berth::component_model
