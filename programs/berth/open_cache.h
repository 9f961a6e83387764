// The cache of native code, as the environment says. Once called, from one thread.
#pragma once

#include <memory>

#include "base/result.h"
#include "engine/cache.h"

namespace berth::cli {

// How much the cache may hold: $BERTH_CACHE_SIZE. Fails with BadArgument.
Result<u64> cache_size();
// Fails as engine::Cache::open does, or with BadArgument.
Result<std::unique_ptr<engine::Cache>> open_cache();

}  // namespace berth::cli
