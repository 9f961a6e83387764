// Other programs: started, waited for, listened to. Used by one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace berth::container {

// How a program ended, as a shell says it: its exit code, or 128 and the number of the signal.
int exit_code_of(int status);

// Replaces this process; returns only when that fails. crun is given a file in memory that cannot be changed instead of
// its own, which it would make sure of by starting once more.
Error replace_process(const std::vector<std::string>& command);

// Runs a program with our standard streams until it ends; its exit code. SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1,
// SIGUSR2 and SIGWINCH are passed on to it. `in_child` is done by its process before it becomes the program. Fails with
// Io when it cannot be started.
Result<int> run_process(const std::vector<std::string>& command, const std::function<void()>& in_child = {});

struct Captured {
  int exit_code = 0;
  std::string output, errors;
};
// The same with nothing to read and what it writes captured.
Result<Captured> capture_process(const std::vector<std::string>& command);

// A file in memory that holds `text`, open for reading, and not closed by execve. Fails with Io.
Result<int> make_memory_file(const char* name, const std::string& text);

}  // namespace berth::container
