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

inline constexpr u32 kMaxFused = 20;

// The longest sequence that `code` begins with and that has a fused handler: returns the handler, or null
// when there is none. Looks at no more than kMaxFused. Slots from `first_temporary` on hold values of the operand
// stack, which nobody reads again after the instruction that pops them. Any thread.
Handler fused_handler(std::span<const Instruction> code, u32 first_temporary);

}  // namespace berth::interp
