// A module made of the input (fuzz/generator.h), executed by the interpreter and as native code: both must do the same
// (fuzz/observe.h). Where the call stack runs out differs, so such runs are not compared.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "abi/artifact.h"
#include "compiler/artifact_writer.h"
#include "compiler/compiler.h"
#include "engine/code_source.h"
#include "fuzz/generator.h"
#include "fuzz/observe.h"

namespace berth::fuzz {
namespace {

// Compiles in this process.
class Compiler final : public engine::CodeSource {
 public:
  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    compiler::Options options;
    options.fuel = true;
    options.deterministic_nan = true;
    options.jobs = 1;
    const auto target = TRY(compiler::resolve_target(options));
    const auto objects = TRY(compiler::compile_objects(module, options));
    compiler::ArtifactOptions artifact;
    artifact.target = target.name;
    artifact.compiler = compiler::compiler_version();
    artifact.options = abi::kCountsFuel | abi::kDeterministicNan | abi::kDeterministicRelaxed;
    artifact.embed_module = false;
    const auto bytes = TRY(compiler::make_artifact(objects, module, artifact));
    const int file = memfd_create("artifact", MFD_CLOEXEC);
    if (file < 0) return std::unexpected(os_error(errno, "memfd_create"));
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t written = write(file, bytes.data() + at, bytes.size() - at);
      if (written < 0) return std::unexpected(os_error(errno, "write"));
      at += static_cast<size_t>(written);
    }
    auto opened = native::Artifact::open(file, "artifact", {});
    close(file);
    return opened;
  }
};

std::unique_ptr<engine::Engine> make_engine(engine::Tier tier, std::optional<u64> mixing_seed) {
  engine::Config config;
  config.fuel = true;
  config.deterministic = true;
  config.tier = tier;
  config.mixing_seed = mixing_seed;
  if (tier == engine::Tier::Native) config.code = std::make_shared<Compiler>();
  auto made = engine::Engine::create(config);
  if (!made) fail(made.error().to_string());
  return std::move(*made);
}

// What the module does as native code, run in a process of its own: artifacts stay mapped as long as one lives.
std::string observe_native(const std::shared_ptr<const wasm::Module>& module, std::optional<u64> mixing_seed,
                           bool stress) {
  int ends[2];
  if (pipe(ends) != 0) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(ends[0]);
    const auto engine = make_engine(engine::Tier::Native, mixing_seed);
    const std::string seen = observe(*engine, module, stress);
    for (size_t at = 0; at < seen.size();) {
      const ssize_t written = write(ends[1], seen.data() + at, seen.size() - at);
      if (written <= 0) _exit(3);
      at += static_cast<size_t>(written);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string seen;
  char buffer[4096];
  // The fuzzer's own clock interrupts both.
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR);)
    seen.append(buffer, static_cast<size_t>(std::max<ssize_t>(got, 0)));
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0) fail("native code ended with status " + std::to_string(status) + " after:\n" + seen);
  return seen;
}

}  // namespace
}  // namespace berth::fuzz

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, std::size_t size) {
  using namespace berth;
  static const auto interpreter = fuzz::make_engine(engine::Tier::Interp, std::nullopt);
  const auto module = engine::compile_binary(fuzz::generate_module({data, size}), interpreter->config());
  if (!module) fuzz::fail("the generator made an invalid module: " + module.error().to_string());
  // Every fourth input mixes the tiers; another one collects garbage before every allocation.
  const std::optional<u64> mixing = size % 4 == 3 ? std::optional<u64>(size) : std::nullopt;
  const bool stress = size % 4 == 1;
  const std::string interpreted = fuzz::observe(*interpreter, *module, stress);
  const std::string native = fuzz::observe_native(*module, mixing, stress);
  // How deep calls can nest differs, and how much a conservative collector keeps.
  for (const abi::TrapCode exhausted : {abi::TrapCode::StackExhausted, abi::TrapCode::GcHeapExhausted}) {
    const std::string ending = "/" + std::to_string(static_cast<int>(exhausted)) + "\n";
    if (interpreted.contains(ending) || native.contains(ending)) return 0;
  }
  if (interpreted != native) fuzz::fail("interpreted:\n" + interpreted + "--- native:\n" + native);
  return 0;
}
