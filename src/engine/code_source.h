// Where native code of modules comes from: a cache, a compiler. Implementations are safe from any thread.
#pragma once

#include <memory>

#include "base/result.h"
#include "native/artifact.h"
#include "wasm/module.h"

namespace berth::engine {

class CodeSource {
 public:
  virtual ~CodeSource() = default;
  // What is there already and may be used; null when there is nothing. Quick.
  virtual std::shared_ptr<const native::Artifact> find(const wasm::Module& /*module*/) { return nullptr; }
  // The same, made now if need be, which may take minutes.
  virtual Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) = 0;
  // Makes every `make` under way, and those to come, fail soon.
  virtual void cancel() {}
};

struct CompilerOptions {
  bool fuel = false;
  bool deterministic = false;
};

// Runs the compiler for each module, at `path` or, when that is empty, `berth-compiler` beside this program or what
// BERTH_COMPILER names. Keeps nothing.
std::unique_ptr<CodeSource> make_compiler_source(std::string path, const CompilerOptions& options);

}  // namespace berth::engine
