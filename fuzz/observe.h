// Runs a generated module and says what could be seen of that.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"

namespace berth::fuzz {

// Calls each function f0, f1, ... of the module in a store of its own, with fuel for some 100,000 instructions each.
// All that they returned or how they ended, and what is in globals, tables and memories afterwards, as text;
// objects with what they hold. With `stress` garbage is collected before every allocation, and there is less fuel.
std::string observe(engine::Engine& engine, const std::shared_ptr<const wasm::Module>& module, bool stress = false);

// Prints `what` and aborts, which is how a target says that it found something.
[[noreturn]] void fail(const std::string& what);

}  // namespace berth::fuzz
