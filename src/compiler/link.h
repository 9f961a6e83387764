// From relocatable objects to the ELF image of an artifact, with LLVM's linker. Any thread; calls wait for each
// other, since the linker has state of its own.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::compiler {

// The symbol that objects name as personality of functions with landing pads. It need not be defined: the tables
// are read when the artifact is made, and nothing ever calls it.
inline constexpr std::string_view kPersonality = "berth.personality";

// Links objects of one target, at least one, into a shared object at address 0 of a readable and an executable
// segment, each beginning at a page of the file. Symbols, frame information and debug information are kept. Fails
// with CompilerFailed when the linker finds fault (a symbol that no object defines), or when the code would have
// to be written to where it is loaded: dynamic relocations, writable data.
Result<std::vector<u8>> link_image(std::span<const std::vector<u8>> objects);

}  // namespace berth::compiler
