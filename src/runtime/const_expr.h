// Constant expressions (specification: validation, constant expressions; execution, expressions).
// Store's thread.
#pragma once

#include "runtime/store_impl.h"

namespace berth::runtime {

// Evaluates a validated constant expression in an instance whose functions and imported globals are
// in place, and whose defined globals are as far as they have been initialised. The value goes to
// `out`, which has two slots. A trap when the heap is exhausted.
abi::TrapCode evaluate(InstanceImpl& instance, const wasm::ConstExpr& expression, abi::Slot* out);

}  // namespace berth::runtime
