// Backtraces for people: names from the name section, source lines from DWARF. Pure functions; safe
// from any thread.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "runtime/outcome.h"

namespace berth::engine {

// What to call a module in a backtrace, "app.wasm"; an empty answer leaves it to the name section.
using ModuleNamer = std::function<std::string(const wasm::Module&)>;

// One line a frame, innermost first, and one more where a source line is known:
//
//   0: parse_number (app.wasm!0x4b2)
//        at src/parse.c:210:7
//   1: main (app.wasm!0x1c0)
//
// A deep stack is cut in the middle. Ends with a line end unless there are no frames.
std::string render_backtrace(std::span<const runtime::Frame> frames, const ModuleNamer& namer = {});

// A function's name as a backtrace shows it: demangled, printable, "<wasm function 5>" if it has
// none.
std::string function_name(const wasm::Module& module, u32 index);

}  // namespace berth::engine
