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

// Reads the module to run at `path`, or takes it from where its native code is: the cache, or an artifact at `path`
// that may be run. Sets where native code comes from, as `config.tier` and the options say; `by_default` tells that no
// tier was chosen, which makes an artifact run natively. Says on standard error what is slower than it could be.
// `artifact`, where there is one, has the module's native code, whoever compiled it: to name it is to trust it as one
// trusts a program. Where it does not fit the module or this machine it is left aside.
engine::Loaded<std::shared_ptr<const wasm::Module>> load_program(const std::string& path,
                                                                 std::optional<std::string_view> artifact,
                                                                 bool by_default, engine::Config& config);

}  // namespace berth::cli
