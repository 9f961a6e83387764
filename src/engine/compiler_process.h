// The compiler, a program of its own: found, started with little priority, as a rule, and a limit on its memory, and
// waited for.
#pragma once

#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace berth::engine {

inline constexpr u64 kDefaultCompilerMemory = u64{4} << 30;

// $BERTH_COMPILER, or berth-compiler beside this program, or in $PATH. Fails with CompilerFailed, saying what to do.
Result<std::string> find_compiler();

struct Compilation {
  std::span<const u8> module;        // its binary
  std::vector<std::string> options;  // of berth-compiler, but for input and output
  std::string output;  // the file that there is when it succeeds; there is none, or what was there, otherwise
  u64 memory = kDefaultCompilerMemory;  // bytes of address space that it may take; 0: no limit
  bool is_urgent = false;               // it is short, and a guest runs slowly until it is there: no less priority
  bool show_progress = false;           // it may write to standard error, and says there itself what is wrong
};

// Any thread.
class CompilerProcess {
 public:
  // Waits for the compiler. Fails with CompilerFailed, saying what the compiler says or what became of it, or with
  // System. When this process ends, so does the compiler.
  Result<> run(const std::string& compiler, const Compilation& compilation);
  // Makes every `run` under way, and those to come, fail soon.
  void cancel();

 private:
  std::mutex mutex_;
  std::set<int> running_;
  bool cancelled_ = false;
};

}  // namespace berth::engine
