// The cache of native code, as the environment says, and what is taken from it. One thread.
#pragma once

#include <memory>

#include "base/result.h"
#include "engine/cache.h"
#include "engine/engine.h"

namespace berth::cli {

// How much the cache may hold: $BERTH_CACHE_SIZE. Fails with BadArgument.
Result<u64> cache_size();
// Fails as engine::Cache::open does, or with BadArgument.
Result<std::unique_ptr<engine::Cache>> open_cache();

// Sets where native code comes from when the file at `path` is run, as `config.tier` and the options say: the cache,
// and that file itself when it is an artifact that may be run; `by_default` tells that no tier was chosen, which makes
// such an artifact run natively. Says on standard error what is slower than it could be.
void choose_code(const std::string& path, bool is_artifact, bool by_default, engine::Config& config);

// Sets that the module's native code comes from the artifact at `path`, whoever compiled it: to name it is to trust it
// as one trusts a program. False when it does not fit the module or this machine, after saying why; then nothing is
// set. Fails with what keeps it from being read, or from being an artifact.
Result<bool> use_artifact(const std::string& path, const wasm::Module& module, bool by_default, engine::Config& config);

}  // namespace berth::cli
