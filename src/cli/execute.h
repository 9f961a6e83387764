// From the words of a command line to the command that they are for.
#pragma once

#include <span>
#include <string_view>

#include "cli/options.h"

namespace berth::cli {

// The command of that name; null when there is none.
const Command* find_command(std::span<const Command> commands, std::string_view name);
// Runs a command with the words after its name, or prints its help when they ask for it, or says on standard error
// what is wrong with them. Returns the exit code.
int execute(const Command& command, std::span<char* const> words);

}  // namespace berth::cli
