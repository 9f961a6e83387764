// Fused instructions: which sequences of instructions have a handler that does them all.
#pragma once

#include <span>

#include "interp/dispatch.h"

namespace berth::interp {

// The longest sequence that `handlers` begins with and that has a fused handler: returns the handler, or null
// when there is none. Looks at no more than kMaxFused. Any thread.
inline constexpr u32 kMaxFused = 10;
Handler fused_handler(std::span<const Handler> handlers);

}  // namespace berth::interp
