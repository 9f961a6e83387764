// What a store holds of components. Private to this library; the store's thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "component/handles.h"
#include "component/plan.h"
#include "component/store.h"
#include "component_model/component.h"
#include "runtime/memory.h"
#include "runtime/store.h"

namespace berth::component {

using Prepared = std::shared_ptr<const runtime::PreparedModule>;

// How one side of a call has its values (Canonical ABI: options).
struct Options {
  runtime::Memory* memory = nullptr;
  abi::FunctionInstance* realloc = nullptr;
  abi::FunctionInstance* post_return = nullptr;
  abi::FunctionInstance* callback = nullptr;
  bool is_async = false;
  cm::StringEncoding encoding = cm::StringEncoding::Utf8;
  cm::PointerSize pointer = cm::PointerSize::P32;
};

// A function's parameters and result as one side has them.
struct Signature {
  std::vector<const Plan*> params;
  const Plan* tuple = nullptr;   // of all parameters; null when there are none
  const Plan* result = nullptr;  // null: none
  cm::CallShape shape;
};

// A function of a component: lifted from a core function, or the host's.
struct Function {
  const cm::FuncType* type = nullptr;
  // Lifted.
  InstanceState* instance = nullptr;
  abi::FunctionInstance* core = nullptr;
  Options options;
  Signature signature;
  // The host's; its type is the one that it is imported with.
  HostFunction host;
  const HostDefinition* definition = nullptr;  // instead of `host`
  bool is_host() const { return definition != nullptr || host != nullptr; }
};

struct ComponentRef {
  const PreparedComponent* component = nullptr;
  InstanceState* outer = nullptr;  // what its outer aliases refer to
};

struct Exports;
struct Item {
  cm::Sort sort = cm::Sort::Func;
  Function* function = nullptr;
  Prepared module;
  ComponentRef component;
  Exports* instance = nullptr;
  ResourceType* resource = nullptr;  // of a type; null unless it is a resource type
};

// An instance as others see it.
struct Exports {
  std::map<std::string, Item, std::less<>> items;
};

struct CoreExports {
  runtime::Instance* instance = nullptr;  // or
  std::map<std::string, runtime::Extern, std::less<>> items;
  std::optional<runtime::Extern> find(std::string_view name) const;
};

struct InstanceState {
  StoreState* store = nullptr;
  InstanceState* parent = nullptr;  // that instantiated it
  InstanceState* outer = nullptr;   // that its definition stands in
  const PreparedComponent* prepared = nullptr;
  bool may_enter = true;
  bool may_leave = true;
  HandleTable handles;
  u32 backpressure = 0;

  std::vector<abi::FunctionInstance*> core_funcs;
  std::vector<runtime::Table*> core_tables;
  std::vector<runtime::Memory*> core_memories;
  std::vector<runtime::Global*> core_globals;
  std::vector<runtime::Tag*> core_tags;
  std::vector<Prepared> modules;
  std::vector<CoreExports> core_instances;
  std::vector<Function*> funcs;
  std::vector<ComponentRef> components;
  std::vector<Exports*> instances;
  ResourceMap resources;
  Plans plans;
  Exports exports;
};

// A function lowered into an instance, with what it calls.
struct Lowered {
  InstanceState* caller = nullptr;
  Function* callee = nullptr;
  Options options;
  Signature signature;
  std::vector<InstanceState*> entered;  // the instances that a call goes into
};

struct StoreState {
  explicit StoreState(runtime::Store& s) : store(s) {}
  runtime::Store& store;
  Task* task = nullptr;  // innermost
  void* host = nullptr;  // what functions of host interfaces work on
  std::vector<std::unique_ptr<InstanceState>> instances;
  std::vector<std::unique_ptr<Function>> functions;
  std::vector<std::unique_ptr<Lowered>> lowered;
  std::vector<std::unique_ptr<Exports>> exports;
  std::vector<std::unique_ptr<ResourceType>> resources;
  std::vector<std::shared_ptr<const PreparedComponent>> components;  // that instances were made of
};

// The instances that a call from `caller` (null: the host) into `callee` enters.
std::vector<InstanceState*> entered(InstanceState* callee, InstanceState* caller);
Signature make_signature(InstanceState& instance, const cm::FuncType& type, const Options& options,
                         cm::Direction direction);

}  // namespace berth::component
