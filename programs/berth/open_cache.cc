#include "berth/open_cache.h"

#include <cstdlib>

#include "cli/units.h"

namespace berth::cli {

Result<u64> cache_size() {
  const char* text = std::getenv("BERTH_CACHE_SIZE");
  if (!text || !*text) return engine::kDefaultCacheBytes;
  const auto size = parse_size(text);
  if (!size) return fail(ErrorCode::BadArgument, "$BERTH_CACHE_SIZE takes a size with its unit, not " + std::string(text));
  return *size;
}

Result<std::unique_ptr<engine::Cache>> open_cache() {
  return engine::Cache::open(engine::default_cache_folder(), TRY(cache_size()));
}

}  // namespace berth::cli
