// Names of native functions for perf, which otherwise reads them from the artifact's own symbols.
#pragma once

#include "native/artifact.h"

namespace berth::native {

// Appends the artifact's functions to /tmp/perf-PID.map when the environment has BERTH_PERF=map, which helps where
// perf cannot read the artifact's file (it is gone, or in another mount namespace). Any thread; silent on failure.
void write_perf_map(const Artifact& artifact, const wasm::Module& module);

}  // namespace berth::native
