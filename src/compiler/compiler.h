// From a validated module to native code: the optimizing compiler (LLVM). No state between calls; several
// may run at once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::compiler {

// A loop by its function and the byte in the function's body (Module::body) where its `loop` instruction is.
struct LoopRef {
  u32 function;
  u32 offset;
};

struct Options {
  std::string target;    // "x86_64-linux" or "aarch64-linux"; empty: this machine's
  std::string cpu;       // LLVM's name of a CPU; "native" is this machine's, "generic" a baseline; empty: the former
                         // where the target is this machine's, else the latter
  u32 optimization = 2;  // 0 to 3
  bool fuel = false;
  bool deterministic_nan = false;
  bool deterministic_relaxed = true;  // relaxed vector instructions as the deterministic profile says
  u32 jobs = 0;                       // threads; 0 is one a core
  // Functions to compile, by index in the function index space; empty is all. Calls to others go through
  // FunctionInstance (abi::kPartial).
  std::vector<u32> functions;
  // Loops to make entries for (abi::LoopEntry).
  std::vector<LoopRef> loops;
  // Called from any thread when more is done: function bodies finished, their bytes.
  std::function<void(u32 functions, u64 bytes)> progress;
  // For tests and development: called with the textual IR of each partition, before and after optimization.
  std::function<void(const std::string& ir, bool optimized)> dump;
};

// What code is for, after "native" has been looked up.
struct Target {
  std::string name;      // "x86_64-linux"
  std::string cpu;       // "sapphirerapids"
  std::string features;  // "+avx2 +bmi2 ...", those that the code may use
};
Result<Target> resolve_target(const Options& options);

// Name, identity (abi/compiler_identity.h) and LLVM's version: what an artifact says it was made by.
std::string compiler_version();

// Fails with CompilerFailed, also when there is no function or loop that was asked for.
// Relocatable objects (ELF), one a partition, with symbols as link.h expects them: `<name>[i]` function i,
// `.enter[t]` and `.exit[t]` the trampolines of type t, `.loop[i][o]` loop entries.
Result<std::vector<std::vector<u8>>> compile_objects(const wasm::Module& module, const Options& options);

}  // namespace berth::compiler
