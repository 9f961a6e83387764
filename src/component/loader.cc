#include <algorithm>

#include "component/store.h"
#include "component_model/decoder.h"
#include "component_model/validator.h"
#include "decode/decoder.h"
#include "text/component_parser.h"
#include "text/diagnostic.h"

namespace berth::component {
namespace {

std::unexpected<engine::LoadFailure> failure(Error error, std::string message) {
  while (message.ends_with('\n')) message.pop_back();
  return std::unexpected(engine::LoadFailure{std::move(error), std::move(message), {}});
}

Result<> add_modules(engine::Engine& engine, PreparedComponent& root, PreparedComponent& into) {
  for (const cm::Definition& d : into.component->definitions) {
    if (const auto* module = std::get_if<cm::CoreModule>(&d.body)) {
      auto& made = root.modules[module->module.get()];
      if (!made) made = TRY(engine.prepare(module->module));
    } else if (const auto* nested = std::get_if<cm::NestedComponent>(&d.body)) {
      auto part = std::make_unique<PreparedComponent>();
      part->component = nested->component;
      part->root = &root;
      TRY(add_modules(engine, root, *part));
      into.nested.emplace(nested->component.get(), std::move(part));
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const cm::Component>> compile_component(std::vector<u8> binary, const engine::Config& config) {
  cm::Limits limits;
  limits.modules = config.limits;
  const cm::ModuleLoader load = [&](std::vector<u8> bytes) { return engine::compile_binary(std::move(bytes), config); };
  auto component = std::make_shared<cm::Component>(TRY(cm::decode_component(binary, load, config.features, limits)));
  TRY(cm::validate_component(*component, config.features, limits));
  return component;
}

engine::Loaded<std::shared_ptr<const cm::Component>> load_component(std::vector<u8> bytes, std::string_view name,
                                                                    const engine::Config& config) {
  if (decode::has_wasm_magic(bytes)) {
    auto component = compile_component(std::move(bytes), config);
    if (component) return std::move(*component);
    std::string message = std::string(name) + ": error: " + component.error().to_string();
    return failure(std::move(component).error(), std::move(message));
  }
  const std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text::ParseOptions options;
  options.features = config.features;
  auto parsed = text::parse_component(source, options);
  if (!parsed) {
    std::string message = text::render(name, source, parsed.error());
    return failure(std::move(parsed).error(), std::move(message));
  }
  auto component = compile_component(std::move(parsed->binary), config);
  if (component) return std::move(*component);
  std::string message = text::render(name, source, component.error(), &parsed->map);
  return failure(std::move(component).error(), std::move(message));
}

std::vector<std::shared_ptr<const wasm::Module>> core_modules(const cm::Component& component) {
  std::vector<std::shared_ptr<const wasm::Module>> found;
  const auto collect = [&](auto& self, const cm::Component& in) -> void {
    for (const cm::Definition& d : in.definitions) {
      if (const auto* module = std::get_if<cm::CoreModule>(&d.body)) {
        if (std::ranges::find(found, module->module) == found.end()) found.push_back(module->module);
      } else if (const auto* nested = std::get_if<cm::NestedComponent>(&d.body)) {
        self(self, *nested->component);
      }
    }
  };
  collect(collect, component);
  return found;
}

Result<std::shared_ptr<const PreparedComponent>> prepare(engine::Engine& engine,
                                                         std::shared_ptr<const cm::Component> component) {
  auto made = std::make_shared<PreparedComponent>();
  made->component = std::move(component);
  made->root = made.get();
  TRY(add_modules(engine, *made, *made));
  return made;
}

}  // namespace berth::component
