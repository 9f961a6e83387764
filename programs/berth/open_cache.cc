#include "berth/open_cache.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>

#include "cli/output.h"
#include "cli/units.h"
#include "engine/code_source.h"

namespace berth::cli {

Result<u64> cache_size() {
  const char* text = std::getenv("BERTH_CACHE_SIZE");
  if (!text || !*text) return engine::kDefaultCacheBytes;
  const auto size = parse_size(text);
  if (!size)
    return fail(ErrorCode::BadArgument, "$BERTH_CACHE_SIZE takes a size with its unit, not " + std::string(text));
  return *size;
}

Result<std::unique_ptr<engine::Cache>> open_cache() {
  return engine::Cache::open(engine::default_cache_folder(), TRY(cache_size()));
}

namespace {

constexpr std::string_view kCompileAgain = "its module runs instead; `berth compile` makes native code of it";

// An artifact that may be run here, open.
struct Usable {
  engine::Descriptor file;
  engine::ArtifactSummary summary;
};

// Nothing for other files, and after saying why not.
std::optional<Usable> open_artifact(const std::string& path, const engine::Cache* cache, const std::string& no_cache) {
  engine::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return std::nullopt;
  auto summary = engine::read_summary(file.get(), path);
  if (!summary) return std::nullopt;  // loading says what is wrong
  std::string why = engine::why_unfit(*summary);
  if (why.empty() && cache == nullptr) why = no_cache;
  if (!why.empty()) {
    print_error("note: " + path + ": " + why, kCompileAgain);
    return std::nullopt;
  }
  if (auto authentic = cache->authenticate(file.get(), *summary, path); !authentic) {
    print_error("note: " + authentic.error().detail(), kCompileAgain);
    return std::nullopt;
  }
  return Usable{std::move(file), std::move(*summary)};
}

}  // namespace

void choose_code(const std::string& path, bool is_artifact, bool by_default, engine::Config& config) {
  const bool artifact = is_artifact && path != "-" && (by_default || config.tier != engine::Tier::Interp);
  if (config.tier == engine::Tier::Interp && !artifact) return;
  auto cache = open_cache();
  auto warn = [](const std::string& why) {
    print_error("note: " + why, "native code is not kept, so each start compiles");
  };
  const engine::CompilerOptions options{config.fuel, config.deterministic};
  std::shared_ptr<engine::CodeSource> source;
  std::shared_ptr<const engine::Cache> shared;
  if (cache) {
    shared = std::move(*cache);
    source = engine::make_cached_source(shared, options, warn);
  } else {
    if (config.tier != engine::Tier::Interp) warn(cache.error().to_string());
    source = engine::make_compiler_source({}, options);
  }
  if (artifact) {
    if (auto usable = open_artifact(path, shared.get(), cache ? "" : cache.error().to_string())) {
      const bool fits = usable->summary.header.options == engine::artifact_options(options);
      if (!fits) print_error("note: " + path + ": it was compiled with other options", kCompileAgain);
      if (fits && by_default) config.tier = engine::Tier::Native;
      source = engine::make_artifact_source(std::move(usable->file), usable->summary, options, std::move(source));
    }
  }
  config.code = std::move(source);
}

Result<bool> use_artifact(const std::string& path, const wasm::Module& module, bool by_default,
                          engine::Config& config) {
  engine::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return fail(os_error(errno, "cannot open " + path));
  const auto summary = TRY(engine::read_summary(file.get(), path));
  const engine::CompilerOptions options{config.fuel, config.deterministic};
  const engine::WantedArtifact wanted{engine::sha256(module.bytes), engine::artifact_options(options)};
  if (const std::string why = engine::why_unfit(summary, wanted); !why.empty()) {
    print_error("note: " + path + " is not used: " + why);
    return false;
  }
  if (by_default) config.tier = engine::Tier::Native;
  config.code =
      engine::make_artifact_source(std::move(file), summary, options, engine::make_compiler_source({}, options));
  return true;
}

}  // namespace berth::cli
