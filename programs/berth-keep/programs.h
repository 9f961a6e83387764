// Berth's other programs, and what they are. One thread.
#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace berth::keep {

// The program of that name, beside this one or in $PATH. Fails with System, saying what to do.
Result<std::string> find_program(const std::string& name);
// Whether these are the bytes of a program for this machine that loads nothing else.
bool is_static_program(std::span<const u8> bytes);

}  // namespace berth::keep
