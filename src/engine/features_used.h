// Which WebAssembly features a module uses. Pure; reads the whole module, at the speed of a scan.
#pragma once

#include "wasm/features.h"
#include "wasm/module.h"

namespace berth::engine {

// The features that a valid module could not do without. Exceptions in the legacy form count as both
// forms, since they are run in the modern one.
wasm::FeatureSet features_used(const wasm::Module& module);

}  // namespace berth::engine
