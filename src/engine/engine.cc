#include "engine/engine.h"

#include "engine/background_compiler.h"
#include "engine/code_source.h"
#include "interp/interpreter.h"
#include "native/executor.h"

namespace berth::engine {

namespace {

Config with_code_source(Config config) {
  if (config.tier != Tier::Interp && config.code == nullptr)
    config.code = make_compiler_source({}, {config.fuel, config.deterministic});
  return config;
}

}  // namespace

Engine::Engine(const Config& config, std::unique_ptr<runtime::Executor> executor)
    : config_(with_code_source(config)), executor_(std::move(executor)) {
  if (config_.tier == Tier::Auto)
    background_ = std::make_unique<BackgroundCompiler>(config_.code, static_cast<native::Executor&>(*executor_),
                                                       config_.background_note);
}

Result<std::unique_ptr<Engine>> Engine::create(const Config& config) {
  interp::InterpreterConfig options;
  options.fuel = config.fuel;
  options.deterministic_relaxed = config.deterministic;
  options.deterministic_nan = config.deterministic;
  auto executor = TRY(interp::make_interpreter(options));
  if (config.tier != Tier::Interp) {
    std::optional<native::Mixing> mixing;
    if (config.mixing_seed) mixing = native::Mixing{.seed = *config.mixing_seed};
    executor = TRY(native::Executor::create(std::move(executor), mixing));
  }
  return std::unique_ptr<Engine>(new Engine(config, std::move(executor)));
}
Engine::~Engine() = default;

void Engine::stop() {
  if (background_) background_->stop();
}

Result<std::shared_ptr<const runtime::PreparedModule>> Engine::prepare(std::shared_ptr<const wasm::Module> module) {
  auto prepared = std::make_shared<const runtime::PreparedModule>(std::move(module), *executor_);
  switch (config_.tier) {
    case Tier::Interp: break;
    case Tier::Native: native::Executor::attach(*prepared, TRY(config_.code->make(prepared->module()))); break;
    case Tier::Auto:
      if (const auto artifact = config_.code->known(prepared->module()))
        native::Executor::attach(*prepared, artifact);
      else
        background_->add(prepared);
      break;
  }
  return prepared;
}

namespace {

std::unexpected<LoadFailure> cannot_prepare(std::string_view name, Error error) {
  std::string message = std::string(name) + ": error: " + error.to_string();
  return std::unexpected(LoadFailure{std::move(error), std::move(message), "--tier interp needs no compiler"});
}

}  // namespace

Loaded<std::shared_ptr<const runtime::PreparedModule>> Engine::load(std::vector<u8> bytes, std::string_view name) {
  auto module = read_module(std::move(bytes), name, config_);
  if (!module) return std::unexpected(std::move(module).error());
  auto prepared = prepare(std::move(*module));
  if (!prepared) return cannot_prepare(name, std::move(prepared).error());
  return std::move(*prepared);
}

Loaded<std::shared_ptr<const runtime::PreparedModule>> Engine::load_file(const std::string& path) {
  auto module = read_module_file(path, config_);
  if (!module) return std::unexpected(std::move(module).error());
  auto prepared = prepare(std::move(*module));
  if (!prepared) return cannot_prepare(path, std::move(prepared).error());
  return std::move(*prepared);
}

}  // namespace berth::engine
