// Berth's other programs, called by this one. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace berth::image {

// The program of that name: what `variable` of the environment names, or the one beside this program, or in $PATH.
// Fails, saying what to do.
Result<std::string> find_program(const std::string& name, const char* variable);

struct Outcome {
  int exit_code = 0;  // 128 and the number of a signal, if one ended it
  std::string output, errors;
};
// Runs it to its end with standard input from /dev/null. What it prints is gathered, or goes where ours goes.
Result<Outcome> run_program(const std::vector<std::string>& words, bool gather = true);

// A folder of one's own that goes with the object.
class ScratchFolder {
 public:
  static Result<ScratchFolder> make();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  ~ScratchFolder();
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace berth::image
