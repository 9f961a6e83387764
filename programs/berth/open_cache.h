// The cache of native code, as the environment says, and what is taken from it. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "engine/cache.h"
#include "engine/engine.h"

namespace berth::cli {

// How much the cache may hold: $BERTH_CACHE_SIZE. Fails with BadArgument.
Result<u64> cache_size();
// Fails as engine::Cache::open does, or with BadArgument.
Result<std::unique_ptr<engine::Cache>> open_cache();

// Native code that the command line names, whoever compiled it: to name it is to trust it as one trusts a program.
// Where it does not fit the module or this machine it is left aside.
struct NamedCode {
  std::optional<std::string_view> artifact;  // of the module at the path
  // The same, or it will be there some time; once it is, it is believed about the module too, which is not read then.
  std::optional<std::string_view> awaited;
};

// Reads the module to run at `path`, or takes it from where its native code is: the cache, an artifact at `path` that
// may be run, or `code`. Sets where native code comes from, as `config.tier` and the options say; `by_default` tells
// that no tier was chosen, which makes an artifact run natively. Says on standard error what is slower than it could
// be. A component fails to be read as a module, and `*component` is then its bytes.
engine::Loaded<std::shared_ptr<const wasm::Module>> load_program(const std::string& path, const NamedCode& code,
                                                                 bool by_default, engine::Config& config,
                                                                 std::vector<u8>* component);

// Takes native code of the modules of a component that the cache has, so that they start with it.
void take_native_code(const std::vector<std::shared_ptr<const wasm::Module>>& modules, engine::Config& config);

}  // namespace berth::cli
