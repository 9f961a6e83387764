// The commands of the program. Each gets what was given to it and returns the process's exit code. One thread.
#pragma once

#include "attest/evidence.h"
#include "cli/options.h"
#include "cli/output.h"

namespace berth::attest {

// What `verify` answers; those who script it rely on them.
inline constexpr int kExitAccepted = 0, kExitRefused = 1;

std::span<const cli::Command> commands();
std::string help_page();

int evidence_command(const cli::Arguments& arguments);
int show_command(const cli::Arguments& arguments);
int verify_command(const cli::Arguments& arguments);

// Says what went wrong and, in a second line, what to do; the exit code.
int report(const Error& error, std::string_view hint = {});
// The evidence in a file, or in standard input for "-".
Result<Evidence> read_evidence_file(std::string_view path);
// Text that may have come from anywhere, for a terminal: control characters become question marks.
std::string printable(std::string_view text);

}  // namespace berth::attest
