// The commands of berth-keep. Each gets what was given to it and returns the process's exit code.
#pragma once

#include <span>

#include "base/result.h"
#include "cli/options.h"

namespace berth::keep {

int measure_command(const cli::Arguments& arguments);
int image_command(const cli::Arguments& arguments);
int run_command(const cli::Arguments& arguments);

// Prints an error and what to do; kExitFailure. A line of its text after the first one is the hint.
int report(const Error& error);

}  // namespace berth::keep
