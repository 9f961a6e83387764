// The state of one validation; component_model/validator.h is what others use. One thread.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "component_model/names.h"
#include "component_model/subtyping.h"
#include "component_model/validator.h"

namespace berth::component_model {

// Types and resources that have a name outside.
struct NamedTypes {
  std::unordered_set<const ValType*> values;
  std::unordered_set<u64> resources;  // ResourceRef::key
};

// What resources are called in a scope, for constructors, methods and static functions.
struct ResourceNames {
  std::unordered_map<u64, std::string> by_resource;
  std::set<std::string, std::less<>> all;
};

struct Scope {
  enum class Kind : u8 { Component, ComponentType, InstanceType } kind = Kind::Component;

  std::vector<const CoreExtern*> core[5];  // functions, tables, memories, globals, tags
  struct CoreType {
    const CoreModuleType* module = nullptr;  // or a type of `group`
    std::shared_ptr<const wasm::Module> group;
    u32 index = 0;
  };
  std::vector<CoreType> core_types;
  std::vector<const CoreModuleType*> modules;
  std::vector<const CoreModuleType*> core_instances;  // their exports
  std::vector<const FuncType*> funcs;
  std::vector<AnyType> types;
  std::vector<const ComponentType*> components;
  std::vector<const InstanceType*> instances;

  std::vector<NamedExtern> imports, exports;
  std::set<std::string> import_keys, export_keys;
  std::vector<ResourceVar> imported, defined;
  std::unordered_map<ResourceVar, wasm::ValType> representations;  // of resources that are defined in place
  NamedTypes imported_types, exported_types;
  ResourceNames imported_names, exported_names;
};

class ComponentValidator {
 public:
  ComponentValidator(std::shared_ptr<TypeArena> arena, const wasm::FeatureSet& features, const Limits& limits)
      : arena_(std::move(arena)), features_(features), limits_(limits), subtyping_(*arena_) {}

  const ComponentType* component(Component& component);
  std::optional<Error> take_error() { return std::move(error_); }

 private:
  Scope& scope() { return *scopes_.back(); }
  bool ok() const { return !error_; }
  // Keeps the first error, at the definition under validation.
  void fail(std::string what) { fail(Error(ErrorCode::InvalidComponent, std::move(what))); }
  void fail(Error error) {
    if (!error_) error_ = std::move(error).at(offset_);
  }
  // --- component_validator.cc: definitions
  void define(CoreModule& d);
  void define(CoreInstance& d);
  void define(CoreTypeDef& d);
  void define(NestedComponent& d);
  void define(Instance& d);
  void define(Alias& d);
  void define(TypeDef& d);
  void define(Canon& d);
  void define(Import& d);
  void define(Export& d);
  void definitions(std::vector<Definition>& list);
  void outer_alias(const Alias& a);
  const InstanceType* instantiate(Instance& d);
  template <typename T>
  const T* at(const std::vector<const T*>& space, u32 index, const char* what) {
    if (index < space.size()) return space[index];
    fail(std::string("unknown ") + what + " " + std::to_string(index) + ": " + what + " index out of bounds");
    return nullptr;
  }
  const AnyType* type_at(u32 index);
  std::optional<ExternType> item_type(const SortIndex& item);
  const CoreExtern* core_item(const SortIndex& item);
  void add_core(const CoreExtern* type);
  bool check_imports(const CoreModuleType& type);

  // --- externs.cc: imports and exports
  std::optional<ExternType> desc_type(const ExternDesc& desc, bool is_import, bool* fresh);
  enum class Side : u8 { Import, Export };
  // Adds what is imported or exported to its index space; `fresh` when it brings a new resource type along.
  void add_entity(ExternType& type, const std::string& name, Side side, bool fresh);
  const InstanceType* attach(const InstanceType* type, Side side);
  bool register_named(const ExternType& type, Side side);
  bool parts_named(const AnyType& type, const NamedTypes& named);
  bool is_named(const ValType* type, const NamedTypes& named);
  void check_name(const ExternName& name, const ExternType& type, Side side, const ResourceNames& names,
                  std::set<std::string>& keys, std::vector<NamedExtern>& list);
  std::string annotation_error(const ParsedName& name, const ExternType& type, const ResourceNames& names);

  // --- type_definitions.cc
  const ValType* value_type(const TypeUse& use);
  const ValType* define_value(const TypeDef& d);
  const FuncType* define_func(const TypeDef& d);
  const ComponentType* finish_component();
  void labels(const TypeDef& d, const char* what);
  std::optional<ResourceRef> resource_at(u32 index);

  // --- canon.cc
  std::optional<PointerSize> options(const CanonOptions& o);
  void lift(Canon& d);
  void lower(Canon& d);
  void resource_builtin(Canon& d);
  void task_return(Canon& d);
  void stream_builtin(Canon& d);
  void other_builtin(Canon& d);
  bool require_memory(const CanonOptions& o, bool when);
  bool require_realloc(const CanonOptions& o, bool when);
  void reject_for_builtin(const Canon& d, bool allow_async);

  const std::shared_ptr<TypeArena> arena_;
  const wasm::FeatureSet& features_;
  const Limits& limits_;
  Subtyping subtyping_;
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::deque<CoreExtern> made_;
  std::deque<CoreModuleType> made_instances_;
  std::optional<Error> error_;
  u64 offset_ = 0;
  Definition* current_ = nullptr;
};

}  // namespace berth::component_model
