// Says on standard error how far a compilation is: a line that is drawn anew on a terminal, else a line now and then.
// Told from any thread.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "base/types.h"

namespace berth::compiler_program {

class Progress {
 public:
  // Says nothing unless `wanted`.
  Progress(bool wanted, u32 functions, u64 bytes);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;

  // More was compiled: so many functions, of so many bytes together.
  void add(u32 functions, u64 bytes);
  // What comes after compiling: "linking".
  void phase(const std::string& what);
  // Takes the line off the terminal, before anything else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void draw(const std::string& line);
  std::string bar(Clock::time_point now) const;

  const bool wanted_, terminal_;
  const u32 functions_;
  const u64 bytes_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;
  Clock::time_point drawn_ = start_;
  u32 done_functions_ = 0;
  u64 done_bytes_ = 0;
  bool line_shown_ = false;
};

// "8s", "2m10s", "1h05m"
std::string format_duration(std::chrono::seconds duration);

}  // namespace berth::compiler_program
