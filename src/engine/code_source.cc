#include "engine/code_source.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "engine/compiler_process.h"
#include "native/processor.h"

namespace berth::engine {

namespace {

// How the compiler's message starts when there is no place for what it made.
constexpr std::string_view kCannotWrite = "cannot write ";

std::vector<std::string> compiler_words(const CompilerOptions& options) {
  // The compiler may be one for another kind of machine.
  std::vector<std::string> words = {"--target", std::string(native::this_target())};
  if (options.fuel) words.emplace_back("--fuel");
  if (options.deterministic) words.emplace_back("--deterministic");
  return words;
}

native::ExpectedArtifact expected_for(const wasm::Module& module, const CompilerOptions& options) {
  native::ExpectedArtifact expected;
  expected.module = &module;
  expected.options = artifact_options(options);
  expected.option_mask = abi::kCountsFuel;
  return expected;
}

// As the compiler's options have it.
std::string list_of(const std::vector<u32>& functions) {
  std::string text;
  for (const u32 f : functions) text += (text.empty() ? "" : ",") + std::to_string(f);
  return text;
}
std::string list_of(const std::vector<Part::Loop>& loops) {
  std::string text;
  for (const auto& l : loops)
    text += (text.empty() ? "" : ",") + std::to_string(l.function) + ":" + std::to_string(l.offset);
  return text;
}

class CompilerSource final : public CodeSource {
 public:
  CompilerSource(std::string path, const CompilerOptions& options) : path_(std::move(path)), options_(options) {}

  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    return make_part(module, {});
  }

  Result<std::shared_ptr<const native::Artifact>> make_part(const wasm::Module& module, const Part& part) override {
    const std::string compiler = path_.empty() ? TRY(find_compiler()) : path_;
    const char* const place = std::getenv("TMPDIR");
    std::string output = std::string(place && *place ? place : "/tmp") + "/berth-XXXXXX";
    const int made = mkstemp(output.data());
    if (made < 0) return fail(os_error(errno, "cannot make a temporary file"));
    close(made);
    Compilation compilation;
    compilation.module = module.bytes;
    compilation.options = compiler_words(options_);
    compilation.options.emplace_back("--no-module");
    if (!part.functions.empty())
      compilation.options.insert(compilation.options.end(), {"--functions", list_of(part.functions)});
    if (!part.loops.empty()) compilation.options.insert(compilation.options.end(), {"--loops", list_of(part.loops)});
    compilation.output = output;
    compilation.is_urgent = !part.functions.empty();
    auto done = process_.run(compiler, compilation);
    Result<std::shared_ptr<const native::Artifact>> artifact =
        done ? native::Artifact::open(output, expected_for(module, options_)) : fail(std::move(done).error());
    unlink(output.c_str());
    return artifact;
  }

  void cancel() override { process_.cancel(); }

 private:
  const std::string path_;
  const CompilerOptions options_;
  CompilerProcess process_;
};

class CachedSource final : public CodeSource {
 public:
  CachedSource(std::shared_ptr<const Cache> cache, const CompilerOptions& options, ModuleFile file,
               std::function<void(const std::string&)> warn)
      : cache_(std::move(cache)),
        options_(options),
        file_(std::move(file)),
        warn_(std::move(warn)),
        uncached_({}, options) {}

  std::shared_ptr<const native::Artifact> find(const wasm::Module& module) override {
    auto artifact = find(module, wanted(module));
    if (artifact) remember_file();
    return artifact;
  }

  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    const WantedArtifact want = wanted(module);
    if (auto artifact = find(module, want)) {
      remember_file();
      return artifact;
    }
    auto lock = cache_->lock(want);
    if (!lock) {
      say(lock.error());
      return uncached_.make(module);
    }
    // Somebody else may have been at it.
    if (auto artifact = find(module, want)) return artifact;
    Compilation compilation;
    compilation.module = module.bytes;
    compilation.options = compiler_words(options_);
    compilation.output = cache_->new_path();
    const std::string compiler = TRY(find_compiler());
    if (auto done = process_.run(compiler, compilation); !done) {
      // Minutes may be lost, and the run is not.
      if (!done.error().detail().starts_with(kCannotWrite)) return fail(std::move(done).error());
      say(done.error());
      return uncached_.make(module);
    }
    auto file = cache_->insert(compilation.output, want, {});
    if (!file) {
      say(file.error());
      return uncached_.make(module);
    }
    remember_file();
    return native::Artifact::open(file->get(), "the artifact in the cache", trusted(module));
  }

  Result<std::shared_ptr<const native::Artifact>> make_part(const wasm::Module& module, const Part& part) override {
    return uncached_.make_part(module, part);
  }

  void cancel() override {
    process_.cancel();
    uncached_.cancel();
  }

 private:
  WantedArtifact wanted(const wasm::Module& module) const { return {sha256(module.bytes), artifact_options(options_)}; }

  native::ExpectedArtifact trusted(const wasm::Module& module) const {
    auto expected = expected_for(module, options_);
    expected.check_order = false;
    return expected;
  }

  std::shared_ptr<const native::Artifact> find(const wasm::Module& module, const WantedArtifact& want) const {
    auto file = cache_->find(want);
    // One that may not be used is replaced by what is compiled now.
    if (!file || !*file) return nullptr;
    auto artifact = native::Artifact::open((*file)->get(), "the artifact in the cache", trusted(module));
    return artifact ? std::move(*artifact) : nullptr;
  }

  // Whatever it holds by now: the cache looks for itself. That it cannot costs time at the next start.
  void remember_file() const {
    if (file_.descriptor.is_open()) static_cast<void>(cache_->digest_of(file_.descriptor.get(), file_.name));
  }

  void say(const Error& error) {
    std::call_once(warned_, [&] {
      if (warn_) warn_(error.to_string());
    });
  }

  const std::shared_ptr<const Cache> cache_;
  const CompilerOptions options_;
  const ModuleFile file_;
  const std::function<void(const std::string&)> warn_;
  std::once_flag warned_;
  CompilerProcess process_;
  CompilerSource uncached_;
};

class LateSource final : public CodeSource {
 public:
  explicit LateSource(std::function<std::unique_ptr<CodeSource>()> make) : make_(std::move(make)) {}

  std::shared_ptr<const native::Artifact> find(const wasm::Module& module) override { return source().find(module); }
  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    return source().make(module);
  }
  Result<std::shared_ptr<const native::Artifact>> make_part(const wasm::Module& module, const Part& part) override {
    return source().make_part(module, part);
  }
  void cancel() override {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    if (source_ != nullptr) source_->cancel();
  }

 private:
  CodeSource& source() {
    const std::lock_guard lock(mutex_);
    if (source_ == nullptr) {
      source_ = make_();
      if (is_cancelled_) source_->cancel();
    }
    return *source_;
  }
  const std::function<std::unique_ptr<CodeSource>()> make_;
  std::mutex mutex_;
  bool is_cancelled_ = false;
  std::unique_ptr<CodeSource> source_;
};

class KnownSource final : public CodeSource {
 public:
  KnownSource(std::shared_ptr<const wasm::Module> module, std::shared_ptr<const native::Artifact> code,
              std::shared_ptr<CodeSource> next)
      : module_(std::move(module)), code_(std::move(code)), next_(std::move(next)) {}

  std::shared_ptr<const native::Artifact> known(const wasm::Module& module) override {
    return &module == module_.get() ? code_ : next_->known(module);
  }
  std::shared_ptr<const native::Artifact> find(const wasm::Module& module) override {
    return &module == module_.get() ? code_ : next_->find(module);
  }
  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    if (&module == module_.get()) return code_;
    return next_->make(module);
  }
  Result<std::shared_ptr<const native::Artifact>> make_part(const wasm::Module& module, const Part& part) override {
    return next_->make_part(module, part);
  }
  void cancel() override { next_->cancel(); }

 private:
  const std::shared_ptr<const wasm::Module> module_;
  const std::shared_ptr<const native::Artifact> code_;
  const std::shared_ptr<CodeSource> next_;
};

}  // namespace

u32 artifact_options(const CompilerOptions& options) {
  return (options.fuel ? u32{abi::kCountsFuel} : 0) | (options.deterministic ? u32{abi::kDeterministicNan} : 0) |
         abi::kDeterministicRelaxed;
}

std::unique_ptr<CodeSource> make_compiler_source(std::string path, const CompilerOptions& options) {
  return std::make_unique<CompilerSource>(std::move(path), options);
}

std::unique_ptr<CodeSource> make_cached_source(std::shared_ptr<const Cache> cache, const CompilerOptions& options,
                                               ModuleFile file, std::function<void(const std::string&)> warn) {
  return std::make_unique<CachedSource>(std::move(cache), options, std::move(file), std::move(warn));
}

std::unique_ptr<CodeSource> make_late_source(std::function<std::unique_ptr<CodeSource>()> make) {
  return std::make_unique<LateSource>(std::move(make));
}

std::unique_ptr<CodeSource> make_known_source(std::shared_ptr<const wasm::Module> module,
                                              std::shared_ptr<const native::Artifact> code,
                                              std::shared_ptr<CodeSource> next) {
  return std::make_unique<KnownSource>(std::move(module), std::move(code), std::move(next));
}

}  // namespace berth::engine
