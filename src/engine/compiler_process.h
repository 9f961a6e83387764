// The compiler, a program of its own: found, started with little priority and a limit on its memory, and waited for.
#pragma once

#include <mutex>
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
  std::string output;                // the file that there is when it succeeds; there is none, or what was there, otherwise
  u64 memory = kDefaultCompilerMemory;  // bytes of address space that it may take; 0: no limit
  bool show_progress = false;           // it may write to standard error, and says there itself what is wrong
};

// One compilation at a time runs in it. `cancel` may be called from any thread.
class CompilerProcess {
 public:
  // Fails with CompilerFailed: what the compiler says or what became of it; or with System. The process ends with
  // this thread's one, if need be.
  Result<> run(const std::string& compiler, const Compilation& compilation);
  // Makes the `run` under way, and those to come, fail soon.
  void cancel();

 private:
  Result<int> start(const std::string& compiler, const Compilation& compilation, int input, int messages);

  std::mutex mutex_;
  int child_ = 0;  // not reaped yet
  bool cancelled_ = false;
};

}  // namespace berth::engine
