// Makes valid modules out of arbitrary bytes, for fuzzing what executes them. A pure function of its
// input: any number of threads.
//
// The modules import nothing and use every proposal that Berth knows: all instructions of
// spec/opcodes.def with a fixed signature, and by hand those whose signature depends on context.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace berth::fuzz {

// The binary of a module that validates. It exports its functions as "f0", "f1", … with parameters and
// results of number and vector types only, its memories as "m0" (32-bit) and "m1" (64-bit), and its
// mutable globals as "g0" to "g4" (i32, i64, f32, f64, v128). The same bytes always make the same
// module; more bytes make larger ones. Calls may trap, throw, or run for ever.
std::vector<u8> generate_module(std::span<const u8> choices);

}  // namespace berth::fuzz
