// Every vector instruction as a pure function keyed by its opcode. See the parts for what each
// holds.
#pragma once

#include "interp/simd_float.h"    // IWYU pragma: export
#include "interp/simd_int.h"      // IWYU pragma: export
#include "interp/simd_lanes.h"    // IWYU pragma: export
#include "interp/simd_memory.h"   // IWYU pragma: export
#include "interp/simd_relaxed.h"  // IWYU pragma: export
