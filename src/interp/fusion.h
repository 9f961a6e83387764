// Fused instructions: which sequences of instructions have a handler that does them all.
#pragma once

#include <span>

#include "interp/dispatch.h"

namespace berth::interp {

// An instruction as it stands in the code: its own handler and its first operand word.
struct Instruction {
  Handler handler;
  Word operands;
};

// The length of the longest sequence.
inline constexpr u32 kMaxFused = 20;

// Gives every instruction at which such a sequence begins the handler of the longest one. `code` is the
// instructions of a function in order. Slots from `first_temporary` on hold values of the operand stack, which nobody
// reads again after the instruction that pops them. Any thread.
void fuse(std::span<Instruction> code, u32 first_temporary);

}  // namespace berth::interp
