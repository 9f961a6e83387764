// Components in a store: loading, instantiating and calling them (component model, Explainer; Canonical
// ABI). A Store and what it made are used by one thread at a time; loaded and prepared components may be
// shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "component/value.h"
#include "component_model/component.h"
#include "engine/engine.h"
#include "runtime/store.h"

namespace berth::component {

// Decodes and validates a component, text or binary; `name` is what messages call the bytes.
engine::Loaded<std::shared_ptr<const cm::Component>> load_component(std::vector<u8> bytes, std::string_view name,
                                                                    const engine::Config& config);
// The same for a binary alone, without wording. Errors as of component_model's decoder and validator.
Result<std::shared_ptr<const cm::Component>> compile_component(std::vector<u8> binary, const engine::Config& config);

// The core modules in a component and in those nested in it, each once.
std::vector<std::shared_ptr<const wasm::Module>> core_modules(const cm::Component& component);

// A component whose modules are ready to be instantiated. Immutable, shared between stores of the engine.
struct PreparedComponent {
  std::shared_ptr<const cm::Component> component;
  std::unordered_map<const wasm::Module*, std::shared_ptr<const runtime::PreparedModule>>
      modules;  // also of nested ones
  std::unordered_map<const cm::Component*, std::unique_ptr<PreparedComponent>> nested;
  const PreparedComponent* root = nullptr;
};
Result<std::shared_ptr<const PreparedComponent>> prepare(engine::Engine& engine,
                                                         std::shared_ptr<const cm::Component> component);

struct Function;
struct InstanceState;
struct StoreState;
struct Item;
struct Exports;
struct HostDefinition;
struct HostInterface;

// A function of the host: takes values of the types it is imported with, gives the result, if there is one, or a trap.
using HostFunction = std::function<runtime::Outcome<std::optional<Value>>(std::span<const Value> arguments)>;

class Instance {
 public:
  // A function among the exports, or in an instance among them: "run", or "run" of "wasi:cli/run@0.2.0". Null when
  // there is none.
  Function* find_function(std::string_view name) const;
  Function* find_function(std::string_view instance, std::string_view name) const;
  explicit Instance(InstanceState* state = nullptr) : state_(state) {}
  InstanceState* state() const { return state_; }

 private:
  InstanceState* state_;
};

class Store {
 public:
  // `store` outlives it.
  explicit Store(runtime::Store& store);
  ~Store();
  Store(const Store&) = delete;

  // The type of a function that was found.
  static const cm::FuncType& type(const Function& function);
  // Calls a function; the arguments must be of its types, which is checked. A Resource among the results is the
  // caller's.
  std::expected<std::optional<Value>, runtime::InstantiationFailure> call(Function& function,
                                                                          std::span<const Value> arguments);

  // What the functions of host interfaces work on: of the class that they name, alive as long as the store.
  void set_host(void* host);

  // Back to how things were when runtime::Store::keep was called: handles forgotten, every instance may be entered
  // again. False when that cannot be, as of runtime::Store::restore, which this calls.
  bool restore(u64 most_kept = 0);

  StoreState& state() { return *state_; }

 private:
  std::unique_ptr<StoreState> state_;
};

// What components may import, by name. Names of interfaces with versions match as semantic versioning has it: what
// is imported in version 0.2.1 is also served by 0.2.6, and the other way around. One thread.
class Linker {
 public:
  explicit Linker(Store& store);
  ~Linker();
  Linker(const Linker&) = delete;

  // `path`: the import's name, or "instance#name" for something inside an imported instance, at any depth.
  void define_function(std::string_view path, HostFunction function);
  void define_module(std::string_view path, std::shared_ptr<const runtime::PreparedModule> module);
  // A resource type of the host; `destructor` is called with the representation when an owned handle is dropped.
  ResourceType* define_resource(std::string_view path, std::function<void(u64)> destructor);
  void define_resource(std::string_view path, ResourceType* resource);
  // Functions and resources with C++ types (host_call.h), which what imports them is checked against. The interface
  // outlives the linker.
  void define_interface(const HostInterface& interface);
  // Modules, components, resource types and instances that an instance exports, as an import of that name.
  void define_instance(std::string_view name, const Instance& instance);

  // Instantiates with what was defined: UnknownImport and IncompatibleImportType errors name every import that
  // lacks, all in one. Instances that need nothing need not be defined.
  std::expected<Instance, runtime::InstantiationFailure> instantiate(
      std::shared_ptr<const PreparedComponent> component);

 private:
  Item* place(std::string_view path);
  Store& store_;
  std::unique_ptr<Exports> root_;
  std::vector<std::unique_ptr<Exports>> owned_;
};

}  // namespace berth::component
