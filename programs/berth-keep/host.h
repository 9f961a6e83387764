// The host's side of a running keep: its process, its streams carried in and out, signals handed on, its exit code. One
// thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "keep/launch.h"

namespace berth::keep {

// A folder for this user alone that goes with the object.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> make();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

struct Wishes {
  bool console = false;                              // show what the kernel says
  std::chrono::milliseconds start_timeout{180'000};  // until the keep answers
};

// Starts the machine, whose sockets are in `folder`, and stays with it to its end. SIGTERM, SIGINT and SIGHUP go to the
// workload; the second one ends the machine. Fails with System when it ends without an exit code; why it refused to run
// anything has been printed then. `has_started`: whether it got as far as its first message; nothing has run before.
Result<int> run_machine(const std::vector<std::string>& words, const TemporaryFolder& folder, const Greeting& greeting,
                        const Wishes& wishes, bool& has_started);
// The same without a machine: a process that gets "--control FD" added, and our own streams.
Result<int> run_process(std::vector<std::string> words, const Greeting& greeting);
// Runs a program to its end; fails with System when its exit code is not 0.
Result<> run_to_end(const std::vector<std::string>& words);

}  // namespace berth::keep
