// The commands of the program. Each gets what was given to it and returns the process's exit code. One thread.
#pragma once

#include "base/result.h"
#include "cli/options.h"
#include "cli/output.h"

namespace berth::play {

using cli::Arguments;

int play_command(const Arguments& arguments);
int ps_command(const Arguments& arguments);
int logs_command(const Arguments& arguments);
int stop_command(const Arguments& arguments);
int top_command(const Arguments& arguments);

// Says what went wrong; the exit code.
int report(const Error& error);

}  // namespace berth::play
