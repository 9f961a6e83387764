#include "berth/open_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "cli/output.h"
#include "cli/units.h"
#include "engine/awaited_code.h"
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

using Module = std::shared_ptr<const wasm::Module>;

constexpr std::string_view kCompileAgain = "its module runs instead; `berth compile` makes native code of it";
// Looking for native code of smaller modules at once would take longer than what it saves.
constexpr u64 kSmallModule = u64{64} << 10;

bool is_there_a_cache() { return access((engine::default_cache_folder() + "/key").c_str(), R_OK) == 0; }

class Loading {
 public:
  Loading(const std::string& path, bool by_default, engine::Config& config, std::vector<u8>* component)
      : path_(path),
        by_default_(by_default),
        config_(config),
        options_{config.fuel, config.deterministic},
        component_(component) {}

  engine::Loaded<Module> run();
  // With native code from this artifact.
  engine::Loaded<Module> run_with(const std::string& artifact);
  // With native code and module from this artifact, or once it is there.
  engine::Loaded<Module> run_once_there(const std::string& artifact);

 private:
  Result<std::shared_ptr<const native::Artifact>> code_from(const std::string& path, const wasm::Module& module) const;
  std::optional<engine::Loaded<Module>> take_artifact(const engine::Descriptor& file,
                                                      const engine::ArtifactSummary& summary);
  std::optional<engine::Loaded<Module>> take_known(const engine::Descriptor& file);
  std::optional<engine::Loaded<Module>> take(const engine::Descriptor& artifact, const engine::ArtifactSummary& summary,
                                             const std::string& name);
  engine::Loaded<Module> read(int open_file = -1);
  bool open_cache_now();
  void choose_source(engine::Descriptor file, bool now);
  std::function<void(const std::string&)> warning() const;

  const std::string& path_;
  const bool by_default_;  // the tier was not chosen
  engine::Config& config_;
  const engine::CompilerOptions options_;
  std::vector<u8>* const component_;
  std::shared_ptr<engine::Cache> cache_;
  std::string no_cache_;  // why it could not be opened
};

bool Loading::open_cache_now() {
  if (cache_ != nullptr) return true;
  auto cache = open_cache();
  if (cache)
    cache_ = std::move(*cache);
  else
    no_cache_ = cache.error().to_string();
  return cache_ != nullptr;
}

// Those who asked for native code are told; to the others the note goes that is for the curious.
std::function<void(const std::string&)> Loading::warning() const {
  if (!by_default_) {
    return
        [](const std::string& why) { print_error("note: " + why, "native code is not kept, so each start compiles"); };
  }
  return config_.background_note ? config_.background_note : [](const std::string&) {};
}

// Sets where code comes from. `now`: the cache is opened here, so that it can be looked into.
void Loading::choose_source(engine::Descriptor file, bool now) {
  if (now && !open_cache_now()) {
    warning()(no_cache_);
    config_.code = engine::make_compiler_source({}, options_);
    return;
  }
  auto module_file = std::make_shared<engine::ModuleFile>(std::move(file), path_);
  config_.code = engine::make_late_source([cache = cache_, options = options_, warn = warning(), module_file] {
    std::shared_ptr<const engine::Cache> shared = cache;
    if (shared == nullptr) {
      auto opened = open_cache();
      if (!opened) {
        warn(opened.error().to_string());
        return engine::make_compiler_source({}, options);
      }
      shared = std::move(*opened);
    }
    return engine::make_cached_source(std::move(shared), options, std::move(*module_file), warn);
  });
}

// What is in an authenticated artifact, as long as that can be read and mapped.
std::optional<engine::Loaded<Module>> Loading::take(const engine::Descriptor& artifact,
                                                    const engine::ArtifactSummary& summary, const std::string& name) {
  auto module = engine::read_module_in(artifact.get(), summary, name, config_);
  if (!module) return std::nullopt;
  native::ExpectedArtifact expected;
  expected.module = module->get();
  expected.options = summary.header.options;
  expected.option_mask = ~u32{0};
  expected.check_order = false;
  auto code = native::Artifact::open(artifact.get(), name, expected);
  if (!code) return std::nullopt;
  config_.code = engine::make_known_source(*module, std::move(*code), std::move(config_.code));
  return module;
}

std::optional<engine::Loaded<Module>> Loading::take_artifact(const engine::Descriptor& file,
                                                             const engine::ArtifactSummary& summary) {
  std::string why = engine::why_unfit(summary);
  if (why.empty() && !open_cache_now()) why = no_cache_;
  if (why.empty() && summary.header.options != engine::artifact_options(options_))
    why = "it was compiled with other options";
  if (why.empty()) {
    if (auto authentic = cache_->authenticate(file.get(), summary, path_); !authentic) {
      print_error("note: " + authentic.error().detail(), kCompileAgain);
      return std::nullopt;
    }
  }
  if (!why.empty()) {
    print_error("note: " + path_ + ": " + why, kCompileAgain);
    return std::nullopt;
  }
  auto module = take(file, summary, path_);
  if (module && by_default_) config_.tier = engine::Tier::Native;
  return module;
}

// A module whose native code the cache has, found by the stamp of its file.
std::optional<engine::Loaded<Module>> Loading::take_known(const engine::Descriptor& file) {
  const auto digest = cache_->digest_by_stamp(file.get());
  if (!digest) return std::nullopt;
  auto artifact = cache_->find({*digest, engine::artifact_options(options_)});
  if (!artifact || !*artifact) return std::nullopt;
  const auto summary = engine::read_summary((*artifact)->get(), path_);
  if (!summary || summary->header.module_bytes == 0) return std::nullopt;
  return take(**artifact, *summary, path_);
}

// Reads the file itself.
engine::Loaded<Module> Loading::read(int open_file) {
  auto module = engine::read_module_file(path_, config_, nullptr, component_, open_file);
  // Of a component each module has code of its own. The cache knows files by the one module that they hold.
  if (!component_->empty() && config_.tier != engine::Tier::Interp) choose_source({}, !by_default_);
  return module;
}

engine::Loaded<Module> Loading::run() {
  const bool wants_code = config_.tier != engine::Tier::Interp;
  const engine::Descriptor file(path_ == "-" ? -1 : open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  u8 start[4];
  const bool is_file = file.is_open() && fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                       pread(file.get(), start, sizeof start, 0) == sizeof start;
  if (is_file && wants_code && engine::may_be_artifact(start)) {
    choose_source({}, !by_default_);
    if (const auto summary = engine::read_summary(file.get(), path_)) {
      if (auto module = take_artifact(file, *summary)) return std::move(*module);
    }
  } else if (is_file && wants_code) {
    const bool is_small = static_cast<u64>(status.st_size) < kSmallModule;
    choose_source(engine::Descriptor(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)),
                  !by_default_ || (!is_small && is_there_a_cache()));
    if (cache_ != nullptr) {
      if (auto module = take_known(file)) return std::move(*module);
    }
  } else if (wants_code) {
    choose_source({}, !by_default_);
  }
  return read(is_file ? file.get() : -1);
}

engine::Loaded<Module> Loading::run_with(const std::string& artifact) {
  auto module = read();
  if (!module) return module;
  auto code = code_from(artifact, **module);
  if (!code) {
    std::string message = "--artifact: " + code.error().to_string();
    return std::unexpected(engine::LoadFailure{std::move(code).error(), std::move(message), {}});
  }
  if (*code != nullptr) {
    if (by_default_) config_.tier = engine::Tier::Native;
    config_.code = engine::make_known_source(*module, std::move(*code), engine::make_compiler_source({}, options_));
  } else if (config_.tier != engine::Tier::Interp) {
    choose_source({}, !by_default_);
  }
  return module;
}

engine::Loaded<Module> Loading::run_once_there(const std::string& artifact) {
  config_.code = engine::make_awaited_source(artifact, options_);
  const engine::Descriptor file(open(artifact.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.is_open()) {
    const auto summary = engine::read_summary(file.get(), artifact);
    std::string why = summary ? engine::why_unfit(*summary) : summary.error().detail();
    if (why.empty() && summary->header.options != engine::artifact_options(options_))
      why = "it was compiled with other options";
    if (why.empty()) {
      if (auto module = take(file, *summary, path_)) {
        if (by_default_) config_.tier = engine::Tier::Native;
        return std::move(*module);
      }
      why = "it cannot be mapped";
    }
    print_error("note: " + artifact + " is not used: " + why);
    if (by_default_) config_.tier = engine::Tier::Interp;
  }
  return read();
}

// Null when it does not fit the module or this machine, after saying why.
Result<std::shared_ptr<const native::Artifact>> Loading::code_from(const std::string& path,
                                                                   const wasm::Module& module) const {
  const engine::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return fail(os_error(errno, "cannot open " + path));
  const auto summary = TRY(engine::read_summary(file.get(), path));
  const engine::WantedArtifact wanted{engine::sha256(module.bytes), engine::artifact_options(options_)};
  if (const std::string why = engine::why_unfit(summary, wanted); !why.empty()) {
    print_error("note: " + path + " is not used: " + why);
    return nullptr;
  }
  native::ExpectedArtifact expected;
  expected.module = &module;
  return native::Artifact::open(file.get(), path, expected);
}

}  // namespace

engine::Loaded<std::shared_ptr<const wasm::Module>> load_program(const std::string& path, const NamedCode& code,
                                                                 bool by_default, engine::Config& config,
                                                                 std::vector<u8>* component) {
  Loading loading(path, by_default, config, component);
  if (code.awaited) return loading.run_once_there(std::string(*code.awaited));
  return code.artifact ? loading.run_with(std::string(*code.artifact)) : loading.run();
}

void take_native_code(const std::vector<std::shared_ptr<const wasm::Module>>& modules, engine::Config& config) {
  // In the native tier the engine looks for itself; a cache that nobody has made holds nothing.
  if (config.tier != engine::Tier::Auto || config.code == nullptr || !is_there_a_cache()) return;
  for (const auto& module : modules) {
    if (module->bytes.size() < kSmallModule) continue;
    if (auto code = config.code->find(*module))
      config.code = engine::make_known_source(module, std::move(code), std::move(config.code));
  }
}

}  // namespace berth::cli
