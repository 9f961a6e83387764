// Where native code of modules comes from: a cache, a compiler. Implementations are safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cache.h"
#include "native/artifact.h"
#include "wasm/module.h"

namespace berth::engine {

// Some of a module's code, for those who cannot wait for the rest.
struct Part {
  struct Loop {
    u32 function;
    u32 offset;  // of its `loop` instruction in the function's body
  };
  std::vector<u32> functions;  // in the function index space; none: all
  std::vector<Loop> loops;     // that can be entered from the interpreter
};

class CodeSource {
 public:
  virtual ~CodeSource() = default;
  // What is known already to be there; null when there is nothing, or finding out takes time.
  virtual std::shared_ptr<const native::Artifact> known(const wasm::Module& /*module*/) { return nullptr; }
  // What is there already and may be used; null when there is nothing. Reads all of the module, and makes nothing.
  virtual std::shared_ptr<const native::Artifact> find(const wasm::Module& module) { return known(module); }
  // The same, made now if need be, which may take minutes.
  virtual Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) = 0;
  // Code of a part, made now and kept nowhere.
  virtual Result<std::shared_ptr<const native::Artifact>> make_part(const wasm::Module& /*module*/,
                                                                    const Part& /*part*/) {
    return fail(ErrorCode::NotSupported, "code of parts of modules");
  }
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

// The cache; what it does not have is compiled and put there. `file`, if any, is where modules are read from: once
// there is code of one, the cache remembers what the file holds (Cache::digest_by_stamp). `warn`, from any thread and
// once at most, is told why things cannot be kept, which makes the next start slower and is no error.
struct ModuleFile {
  Descriptor descriptor;
  std::string name;
};
std::unique_ptr<CodeSource> make_cached_source(std::shared_ptr<const Cache> cache, const CompilerOptions& options,
                                               ModuleFile file, std::function<void(const std::string&)> warn);

// A source that `make` gives when it is first needed, on whatever thread that is.
std::unique_ptr<CodeSource> make_late_source(std::function<std::unique_ptr<CodeSource>()> make);

// `code` of `module`, and of others what `next` has.
std::unique_ptr<CodeSource> make_known_source(std::shared_ptr<const wasm::Module> module,
                                              std::shared_ptr<const native::Artifact> code,
                                              std::shared_ptr<CodeSource> next);

}  // namespace berth::engine
