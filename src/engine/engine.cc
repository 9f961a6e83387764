#include "engine/engine.h"

#include "interp/interpreter.h"

namespace berth::engine {

Engine::Engine(const Config& config, std::unique_ptr<runtime::Executor> executor)
    : config_(config), executor_(std::move(executor)) {}

Result<std::unique_ptr<Engine>> Engine::create(const Config& config) {
  interp::InterpreterConfig options;
  options.fuel = config.fuel;
  options.deterministic_relaxed = config.deterministic;
  auto executor = TRY(interp::make_interpreter(options));
  return std::unique_ptr<Engine>(new Engine(config, std::move(executor)));
}
Engine::~Engine() = default;

std::shared_ptr<const runtime::PreparedModule> Engine::prepare(std::shared_ptr<const wasm::Module> module) {
  return std::make_shared<const runtime::PreparedModule>(std::move(module), *executor_);
}

Loaded<std::shared_ptr<const runtime::PreparedModule>> Engine::load(std::vector<u8> bytes, std::string_view name) {
  auto module = read_module(std::move(bytes), name, config_);
  if (!module) return std::unexpected(std::move(module).error());
  return prepare(std::move(*module));
}

Loaded<std::shared_ptr<const runtime::PreparedModule>> Engine::load_file(const std::string& path) {
  auto module = read_module_file(path, config_);
  if (!module) return std::unexpected(std::move(module).error());
  return prepare(std::move(*module));
}

}  // namespace berth::engine
