// berth compile

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>

#include "berth/commands.h"
#include "berth/open_cache.h"
#include "cli/output.h"
#include "cli/units.h"
#include "component/store.h"
#include "engine/code_source.h"
#include "engine/compiler_process.h"
#include "engine/demangle.h"
#include "native/processor.h"
#include "os/file.h"

namespace berth::cli {
namespace {

using engine::Cache;

constexpr u64 kNoLimit = ~u64{0} >> 1;

class Compile {
 public:
  explicit Compile(const Arguments& arguments) : arguments_(arguments), input_(arguments.operands()[0]) {}

  std::optional<UsageError> read_options();
  // Reads the module; the exit code when that failed and it has been said.
  std::optional<int> load();
  Result<> run();

 private:
  Result<> into_cache(const Cache& cache);
  Result<> into_file(const Cache& cache);
  Result<> remember_output(const Cache& cache);
  Result<> compile_to(const std::string& path);
  Cache::Origin origin() const;

  const Arguments& arguments_;
  const std::string input_;
  std::string output_;
  engine::Config config_;
  engine::CompilerOptions options_;
  engine::Compilation compilation_;
  void choose(const std::shared_ptr<const wasm::Module>& module);

  // What is compiled now, and all there is.
  std::shared_ptr<const wasm::Module> module_;
  engine::WantedArtifact wanted_{};
  std::vector<std::shared_ptr<const wasm::Module>> modules_;
  bool is_component_ = false;
};

std::optional<UsageError> Compile::read_options() {
  if (auto wrong = read_features(arguments_, config_.features)) return wrong;
  options_.fuel = arguments_.has("--fuel");
  options_.deterministic = arguments_.has("--deterministic");
  compilation_.show_progress = arguments_.has("--progress");
  output_ = arguments_.value("--output").value_or("");
  if (arguments_.has("--output") && output_.empty()) return UsageError{"--output names no file", {}};
  // The compiler may be one for another kind of machine.
  compilation_.options = {"--target", std::string(arguments_.value("--target").value_or(native::this_target()))};
  for (const char* option : {"--opt", "--cpu", "--jobs"}) {
    if (const auto value = arguments_.value(option)) {
      compilation_.options.emplace_back(option);
      compilation_.options.emplace_back(*value);
    }
  }
  for (const char* option : {"--fuel", "--deterministic", "--debug-info", "--progress"}) {
    if (arguments_.has(option)) compilation_.options.emplace_back(option);
  }
  if (const auto level = arguments_.value("--opt"); level && (level->size() != 1 || *level < "0" || *level > "3"))
    return UsageError{"--opt takes a number from 0 to 3, not " + std::string(*level), {}};
  if (const auto jobs = arguments_.value("--jobs")) {
    const auto count = parse_count(*jobs);
    if (!count || *count == 0 || *count > 4096)
      return UsageError{"--jobs takes a number from 1 to 4096, not " + std::string(*jobs), {}};
  }
  if (const auto text = arguments_.value("--max-memory")) {
    const auto size = parse_size(*text);
    if (!size || *size == 0)
      return UsageError{"--max-memory: cannot read " + std::string(*text),
                        "it takes a size with its unit: 512MiB, 2GiB"};
    compilation_.memory = *size;
  }
  if (const auto target = arguments_.value("--target"); target && output_.empty() && !native::is_target(*target))
    return UsageError{"code for another machine does not belong into this one's cache", "-o FILE says where to put it"};
  return std::nullopt;
}

std::optional<int> Compile::load() {
  std::vector<u8> bytes;
  auto module = engine::read_module_file(input_, config_, nullptr, &bytes);
  is_component_ = !bytes.empty();
  if (is_component_) {
    if (!output_.empty())
      return usage_error({"--output is for modules, and " + engine::printable(input_) + " is a component",
                          "without it the native code of its modules goes into the cache, where `berth run` finds it"});
    auto component = component::load_component(std::move(bytes), input_ == "-" ? "standard input" : input_, config_);
    if (!component) return load_error(component.error());
    modules_ = component::core_modules(**component);
    return std::nullopt;
  }
  if (!module) return load_error(module.error());
  modules_ = {std::move(*module)};
  choose(modules_[0]);
  return std::nullopt;
}

void Compile::choose(const std::shared_ptr<const wasm::Module>& module) {
  module_ = module;
  compilation_.module = module_->bytes;
  wanted_ = {engine::sha256(module_->bytes), engine::artifact_options(options_)};
}

Cache::Origin Compile::origin() const {
  std::string request;
  for (const std::string& word : compilation_.options) {
    if (word != "--progress") request += word + "\n";
  }
  return {engine::sha256({reinterpret_cast<const u8*>(request.data()), request.size()}),
          input_.substr(input_.rfind('/') + 1)};
}

Result<> Compile::compile_to(const std::string& path) {
  const std::string compiler = TRY(engine::find_compiler());
  compilation_.output = path;
  return engine::CompilerProcess().run(compiler, compilation_);
}

Result<> Compile::into_cache(const Cache& cache) {
  const auto lock = TRY(cache.lock(wanted_));
  if (!cache.was_made_for(wanted_, origin().request)) {
    const std::string path = cache.new_path();
    TRY(compile_to(path));
    TRY(cache.insert(path, wanted_, origin()));
  }
  // So that whoever runs it need not read it. Of a component each module is found by itself.
  if (is_component_) return {};
  const engine::Descriptor file(input_ == "-" ? -1 : open(input_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.is_open()) static_cast<void>(cache.digest_of(file.get(), input_));
  return {};
}

// By way of the cache's folder, where nobody else can exchange the file before it is vouched for.
Result<> Compile::into_file(const Cache& cache) {
  struct Temporary {
    std::string path;
    ~Temporary() { unlink(path.c_str()); }
  } const made{cache.new_path()};
  if (cache.was_made_for(wanted_, origin().request)) {
    // Compiled before, and vouched for.
    const auto there = TRY(cache.find(wanted_));
    if (there) {
      lseek(there->get(), 0, SEEK_SET);
      const auto bytes = TRY(os::read_descriptor(there->get(), output_, kNoLimit));
      TRY(os::replace_file(output_, bytes));
      return remember_output(cache);
    }
  }
  TRY(compile_to(made.path));
  TRY(cache.vouch(made.path, origin()));
  const auto bytes = TRY(os::read_file(made.path, kNoLimit));
  TRY(os::replace_file(output_, bytes));
  return remember_output(cache);
}

Result<> Compile::remember_output(const Cache& cache) {
  // Reads it once more, so that the first run need not.
  const engine::Descriptor file(open(output_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return {};
  const auto stamp = engine::stamp_of(file.get(), output_);
  const auto summary = engine::read_summary(file.get(), output_);
  if (!stamp || !summary) return {};
  engine::wait_until_settled(*stamp);
  if (auto vouched = cache.authenticate(file.get(), *summary, output_); !vouched)
    print_error("note: " + vouched.error().detail(), "`berth run` will take the module in it, and no native code");
  return {};
}

Result<> Compile::run() {
  auto cache = open_cache();
  if (output_.empty()) {
    const auto open = TRY(std::move(cache));
    for (const auto& module : modules_) {
      choose(module);
      TRY(into_cache(*open));
    }
    return {};
  }
  if (cache) return into_file(**cache);
  print_error("note: " + cache.error().to_string(), "so nothing can vouch for " + output_ + " when it is run here");
  return compile_to(output_);
}

int report(const Error& error, std::string_view input) {
  std::string_view hint;
  if (error.kind() == ErrorKind::Usage) return usage_error({error.detail(), {}});
  if (error.code() == ErrorCode::CompilerFailed && error.detail().find("memory") != std::string::npos)
    hint = "--max-memory sets how much it may take; --jobs 1 makes it take less";
  if (error.code() == ErrorCode::BadArtifact)
    hint = error.detail().find("compiler that") != std::string::npos
               ? "berth and berth-compiler go together: install both from one build"
               : "-o FILE keeps an artifact for another machine";
  print_error((error.kind() == ErrorKind::Io ? "" : std::string(input) + ": ") + error.to_string(), hint);
  return kExitFailure;
}

}  // namespace

int compile_command(const Arguments& arguments) {
  // A limit of file sizes is an error like others.
  std::signal(SIGXFSZ, SIG_IGN);
  Compile compile(arguments);
  if (const auto wrong = compile.read_options()) return usage_error(*wrong);
  if (const auto code = compile.load()) return *code;
  if (auto done = compile.run(); !done) return report(done.error(), arguments.operands()[0]);
  return 0;
}

}  // namespace berth::cli
