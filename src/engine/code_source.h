// Where native code of modules comes from: a cache, a compiler. Implementations are safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/cache.h"
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

// abi::ArtifactOption bits that the compiler sets for these options.
u32 artifact_options(const CompilerOptions& options);

// Runs the compiler for each module, at `path` or, when that is empty, as find_compiler says. Keeps nothing.
std::unique_ptr<CodeSource> make_compiler_source(std::string path, const CompilerOptions& options);

// The cache; what it does not have is compiled and put there. `warn`, from any thread and once at most, is told why
// things cannot be kept, which makes the next start slower and is no error.
std::unique_ptr<CodeSource> make_cached_source(std::shared_ptr<const Cache> cache, const CompilerOptions& options,
                                               std::function<void(const std::string&)> warn);

// Code of one module from an artifact that is open, has been authenticated (Cache::authenticate) and fits (why_unfit);
// of others, or with other options, from `next`.
std::unique_ptr<CodeSource> make_artifact_source(Descriptor file, const ArtifactSummary& summary,
                                                 const CompilerOptions& options, std::shared_ptr<CodeSource> next);

}  // namespace berth::engine
