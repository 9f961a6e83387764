// The commands of `berth broker`. Each prints its own errors and returns the exit code.
#pragma once

#include "broker/store.h"
#include "cli/options.h"

namespace berth::broker {

int serve_command(const cli::Arguments& arguments);
int put_command(const cli::Arguments& arguments);
int get_command(const cli::Arguments& arguments);
int ls_command(const cli::Arguments& arguments);
int rm_command(const cli::Arguments& arguments);
int audit_command(const cli::Arguments& arguments);

// What --resources and --key name; made when `create` says so and they are not there.
Result<Store> open_store(const cli::Arguments& arguments, bool create);
// Prints an error; the exit code.
int report(const Error& error);

}  // namespace berth::broker
