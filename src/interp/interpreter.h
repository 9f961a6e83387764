// The interpreter: an executor that runs functions by threaded dispatch over register code. Starts at
// once, needs no writable executable memory. Thread-safe as runtime::Executor says.
#pragma once

#include <memory>

#include "base/result.h"
#include "interp/lower.h"
#include "runtime/executor.h"

namespace berth::interp {

struct InterpreterConfig {
  bool fuel = false;                  // count StoreContext::fuel down, one for each instruction
  bool deterministic_relaxed = true;  // relaxed vector instructions give the same results on every machine
  bool deterministic_nan = false;     // every NaN that arithmetic makes is the canonical one
};

// Installs the process's fault handler on first use. Fails with System.
Result<std::unique_ptr<runtime::Executor>> make_interpreter(const InterpreterConfig& config = {});

}  // namespace berth::interp
