// Makes valid modules out of arbitrary bytes, for fuzzing what executes them. A pure function of its
// input: any number of threads.
//
// The modules use every proposal that Berth knows: all instructions of spec/opcodes.def, those with a fixed
// signature by it, and by hand those whose signature depends on context (fuzz/layout.h says on what).
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace berth::fuzz {

// The binary of a module that validates. It imports a function "host" "call" of type [i32 anyref] -> [anyref i32].
// It exports its functions as "f0", "f1", … with parameters that are numbers, vectors or references that may be null,
// its memories as "m0" to "m3" (32-bit, 64-bit, shared, and of pages of one byte, starting with any), its tables as
// "t0", … and its globals as "g0", …. The same bytes always make the same module; more bytes make larger ones.
// Calls may trap, throw, or run for ever.
std::vector<u8> generate_module(std::span<const u8> choices);

}  // namespace berth::fuzz
