#include "component_model/component_validator.h"

#include <algorithm>

namespace berth::component_model {

Result<> validate_component(Component& component, const wasm::FeatureSet& features, const Limits& limits) {
  ComponentValidator validator(std::make_shared<TypeArena>(), features, limits);
  validator.component(component);
  if (auto error = validator.take_error()) return std::unexpected(std::move(*error));
  return {};
}

const ComponentType* ComponentValidator::component(Component& component) {
  scopes_.push_back(std::make_unique<Scope>());
  component.types = arena_;
  definitions(component.definitions);
  if (ok()) component.type = finish_component();
  scopes_.pop_back();
  return component.type;
}

void ComponentValidator::definitions(std::vector<Definition>& list) {
  Definition* const outer = current_;
  for (Definition& d : list) {
    if (!ok()) break;
    current_ = &d;
    offset_ = d.offset;
    std::visit([&](auto& body) { define(body); }, d.body);
  }
  current_ = outer;
}

const AnyType* ComponentValidator::type_at(u32 index) {
  if (index < scope().types.size()) return &scope().types[index];
  fail("unknown type " + std::to_string(index) + ": type index out of bounds");
  return nullptr;
}

const CoreExtern* ComponentValidator::core_item(const SortIndex& item) {
  static constexpr const char* kNames[] = {"function", "table", "memory", "global", "tag"};
  if (item.space > Space::CoreTag) {
    fail(std::string("a core instance cannot export a ") + to_string(item.space));
    return nullptr;
  }
  const auto kind = static_cast<size_t>(item.space);
  return at(scope().core[kind], item.index, kNames[kind]);
}

void ComponentValidator::add_core(const CoreExtern* type) {
  static constexpr u8 kSpaceOf[] = {0, 1, 2, 3, 4};
  scope().core[kSpaceOf[static_cast<size_t>(type->kind)]].push_back(type);
}

std::optional<ExternType> ComponentValidator::item_type(const SortIndex& item) {
  Scope& s = scope();
  switch (item.space) {
    case Space::CoreModule:
      if (const auto* t = at(s.modules, item.index, "module")) return ExternType::of(t);
      return std::nullopt;
    case Space::Func:
      if (const auto* t = at(s.funcs, item.index, "function")) return ExternType::of(t);
      return std::nullopt;
    case Space::Component:
      if (const auto* t = at(s.components, item.index, "component")) return ExternType::of(t);
      return std::nullopt;
    case Space::Instance:
      if (const auto* t = at(s.instances, item.index, "instance")) return ExternType::of(t);
      return std::nullopt;
    case Space::Type:
      if (const auto* t = type_at(item.index)) return ExternType::of_type(*t);
      return std::nullopt;
    default: fail(std::string("a ") + to_string(item.space) + " cannot be imported or exported"); return std::nullopt;
  }
}

// --- core definitions

void ComponentValidator::define(CoreModule& d) {
  const CoreModuleType* type = arena_->add(module_type(*d.module));
  if (check_imports(*type)) scope().modules.push_back(type);
}

// What is imported is given by its two names, which must be unique therefore.
bool ComponentValidator::check_imports(const CoreModuleType& type) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& i : type.imports) {
    if (!seen.emplace(i.module, i.name).second)
      fail("duplicate import name `" + i.module + ":" + i.name + "` already defined");
  }
  return ok();
}

void ComponentValidator::define(CoreInstance& d) {
  CoreModuleType made;
  if (!d.module) {
    std::set<std::string_view> seen;
    for (const CoreExport& e : d.exports) {
      if (!seen.insert(e.name).second)
        return fail("duplicate instantiation export name `" + e.name + "` already defined");
      const CoreExtern* type = core_item(e.item);
      if (!type) return;
      made.exports.push_back({e.name, *type});
    }
  } else {
    const CoreModuleType* module = at(scope().modules, *d.module, "module");
    if (!module) return;
    std::map<std::string_view, const CoreModuleType*> given;
    for (const Argument& a : d.arguments) {
      const CoreModuleType* instance = at(scope().core_instances, a.item.index, "core instance");
      if (!instance) return;
      if (!given.emplace(a.name, instance).second)
        return fail("duplicate module instantiation argument named `" + a.name + "`");
    }
    for (const auto& import : module->imports) {
      const auto from = given.find(import.module);
      if (from == given.end()) return fail("missing module instantiation argument named `" + import.module + "`");
      const auto* found = from->second->find_export(import.name);
      if (!found) {
        return fail("module instantiation argument `" + import.module + "` does not export an item named `" +
                    import.name + "`");
      }
      if (!matches(found->type, import.type)) {
        return fail("type mismatch for export `" + import.name + "` of module instantiation argument `" +
                    import.module + "`: expected " + to_string(import.type) + ", found " + to_string(found->type));
      }
    }
    made.exports = module->exports;
  }
  scope().core_instances.push_back(&made_instances_.emplace_back(std::move(made)));
}

void ComponentValidator::define(CoreTypeDef& d) {
  Scope& s = scope();
  if (d.module) {
    if (!check_imports(*d.module)) return;
    std::set<std::string_view> exports;
    for (const auto& e : d.module->exports) {
      if (!exports.insert(e.name).second) return fail("export name `" + e.name + "` already defined");
    }
    s.core_types.push_back({arena_->add(*d.module), nullptr, 0});
    return;
  }
  for (u32 i = 0; i < d.count; ++i) s.core_types.push_back({nullptr, d.group, d.first + i});
}

// --- components and instances

void ComponentValidator::define(NestedComponent& d) {
  if (const ComponentType* type = component(*d.component)) {
    current_->type = ExternType::of(type);
    scope().components.push_back(type);
  }
}

void ComponentValidator::define(Instance& d) {
  if (const InstanceType* type = instantiate(d)) {
    current_->type = ExternType::of(type);
    scope().instances.push_back(type);
  }
}

const InstanceType* ComponentValidator::instantiate(Instance& d) {
  if (!d.component) {
    InstanceType made;
    std::set<std::string> keys;
    const ResourceNames none;
    for (InlineExport& e : d.exports) {
      const auto type = item_type(e.item);
      if (!type) return nullptr;
      if (type->sort == Sort::Type && type->type.kind == AnyType::Kind::Resource) e.resource = type->type.resource.var;
      check_name(e.name, *type, Side::Export, none, keys, made.exports);
      if (!ok()) return nullptr;
    }
    return arena_->add(std::move(made));
  }
  const ComponentType* component = at(scope().components, *d.component, "component");
  if (!component) return nullptr;
  std::map<std::string_view, ExternType> given;
  for (Argument& a : d.arguments) {
    const auto type = item_type(a.item);
    if (!type) return nullptr;
    if (type->sort == Sort::Type && type->type.kind == AnyType::Kind::Resource) a.resource = type->type.resource.var;
    if (!given.emplace(a.name, *type).second) {
      fail("instantiation argument `" + a.name + "` conflicts with previous argument `" + a.name + "`");
      return nullptr;
    }
  }
  Substitution map;
  for (const NamedExtern& i : component->imports) {
    const auto found = given.find(i.name);
    if (found == given.end()) {
      fail(std::string("missing import named `") + i.name + "`");
      return nullptr;
    }
    Subtyping::bind(i.type, found->second, component->imported, map);
  }
  {
    Substituter substitute(*arena_, map);
    for (const NamedExtern& i : component->imports) {
      if (const Mismatch m = subtyping_.check(given.find(i.name)->second, substitute(i.type)); !m.empty()) {
        fail("type mismatch for import `" + i.name + "`: " + m);
        return nullptr;
      }
    }
  }
  // Each instance brings resource types of its own along, which are now this component's matter.
  for (const ResourceVar v : component->defined) {
    const ResourceVar fresh = arena_->new_resource();
    map[v] = fresh;
    scope().defined.push_back(fresh);
  }
  Substituter substitute(*arena_, map);
  for (const NamedExtern& i : component->imports) substitute.replace_types(i.type, given.find(i.name)->second);
  InstanceType made;
  for (const NamedExtern& e : component->exports) made.exports.push_back({e.name, substitute(e.type)});
  return arena_->add(std::move(made));
}

// --- aliases

void ComponentValidator::define(Alias& d) {
  if (d.kind == Alias::Kind::Outer) return outer_alias(d);
  Scope& s = scope();
  if (d.kind == Alias::Kind::CoreExport) {
    const CoreModuleType* instance = at(s.core_instances, d.instance, "core instance");
    if (!instance) return;
    const auto* found = instance->find_export(d.name);
    const std::string where = " for core instance " + std::to_string(d.instance);
    if (!found) return fail("core instance " + std::to_string(d.instance) + " has no export named `" + d.name + "`");
    static constexpr wasm::ExternKind kKinds[] = {wasm::ExternKind::Func, wasm::ExternKind::Table,
                                                  wasm::ExternKind::Memory, wasm::ExternKind::Global,
                                                  wasm::ExternKind::Tag};
    if (found->type.kind != kKinds[static_cast<size_t>(d.space)]) {
      return fail("export `" + d.name + "`" + where + " is not a " + std::string(to_string(d.space)).substr(5));
    }
    add_core(&found->type);
    return;
  }
  const InstanceType* instance = at(s.instances, d.instance, "instance");
  if (!instance) return;
  const ExternType* found = instance->find_export(d.name);
  if (!found) return fail("instance " + std::to_string(d.instance) + " has no export named `" + d.name + "`");
  static constexpr Space kSpaceOf[] = {Space::CoreModule, Space::Func,      Space::Value,
                                       Space::Type,       Space::Component, Space::Instance};
  if (kSpaceOf[static_cast<size_t>(found->sort)] != d.space) {
    return fail("export `" + d.name + "` for instance " + std::to_string(d.instance) + " is not a " +
                to_string(d.space));
  }
  current_->type = *found;
  switch (d.space) {
    case Space::CoreModule: s.modules.push_back(found->module); break;
    case Space::Func: s.funcs.push_back(found->type.func); break;
    case Space::Type: s.types.push_back(found->type); break;
    case Space::Component: s.components.push_back(found->type.component); break;
    case Space::Instance: s.instances.push_back(found->type.instance); break;
    default: break;
  }
}

void ComponentValidator::outer_alias(const Alias& a) {
  if (a.count >= scopes_.size()) return fail("invalid outer alias count of " + std::to_string(a.count));
  Scope& from = *scopes_[scopes_.size() - 1 - a.count];
  const auto find = [&](const auto& space, const char* what) {
    const bool found = a.index < space.size();
    if (!found)
      fail(std::string("unknown ") + what + " " + std::to_string(a.index) + ": " + what + " index out of bounds");
    return found;
  };
  Scope& s = scope();
  switch (a.space) {
    case Space::CoreModule:
      if (find(from.modules, "module")) s.modules.push_back(from.modules[a.index]);
      break;
    case Space::CoreType:
      if (!find(from.core_types, "type")) break;
      {
        const Scope::CoreType type = from.core_types[a.index];
        s.core_types.push_back(type);
      }
      break;
    case Space::Component:
      if (find(from.components, "component")) s.components.push_back(from.components[a.index]);
      break;
    case Space::Type: {
      if (!find(from.types, "type")) break;
      const AnyType type = from.types[a.index];
      // What crosses the border of a component may not depend on what only that component knows.
      if (a.count > 0 && scopes_[scopes_.size() - a.count]->kind == Scope::Kind::Component) {
        std::unordered_set<ResourceVar> free;
        collect_resources(type, free);
        if (!free.empty()) {
          return fail(
              "cannot alias outer type which transitively refers to resources not defined in the current component");
        }
      }
      current_->type = ExternType::of_type(type);
      s.types.push_back(type);
      break;
    }
    default: fail(std::string("a ") + to_string(a.space) + " cannot be an outer alias");
  }
}

}  // namespace berth::component_model
