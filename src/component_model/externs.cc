#include <algorithm>

#include "component_model/component_validator.h"

namespace berth::component_model {

std::optional<ExternType> ComponentValidator::desc_type(const ExternDesc& desc, bool, bool* fresh) {
  if (desc.sort == Sort::CoreModule) {
    if (desc.type >= scope().core_types.size()) {
      fail("unknown type " + std::to_string(desc.type) + ": type index out of bounds");
      return std::nullopt;
    }
    const CoreModuleType* module = scope().core_types[desc.type].module;
    if (module) return ExternType::of(module);
    fail("core type index " + std::to_string(desc.type) + " is not a module type");
    return std::nullopt;
  }
  if (desc.sort == Sort::Type && desc.is_resource) {
    AnyType type;
    type.kind = AnyType::Kind::Resource;
    type.resource = {arena_->new_resource(), 0};
    *fresh = true;
    return ExternType::of_type(type);
  }
  const AnyType* found = type_at(desc.type);
  if (!found) return std::nullopt;
  AnyType type = *found;
  const auto expect = [&](AnyType::Kind kind, const char* what) {
    if (type.kind == kind) return true;
    fail("type index " + std::to_string(desc.type) + " is not " + what + " type");
    return false;
  };
  switch (desc.sort) {
    case Sort::Func:
      if (expect(AnyType::Kind::Func, "a function")) return ExternType::of(type.func);
      break;
    case Sort::Component:
      if (expect(AnyType::Kind::Component, "a component")) return ExternType::of(type.component);
      break;
    case Sort::Instance:
      if (expect(AnyType::Kind::Instance, "an instance")) return ExternType::of(type.instance);
      break;
    default:
      // Equal, but a name of its own.
      if (type.kind == AnyType::Kind::Value) type.value = arena_->rename(type.value);
      if (type.kind == AnyType::Kind::Resource) type.resource = arena_->rename(type.resource);
      return ExternType::of_type(type);
  }
  return std::nullopt;
}

void ComponentValidator::define(Import& d) {
  bool fresh = false;
  auto type = desc_type(d.desc, true, &fresh);
  if (!type) return;
  add_entity(*type, d.name.name, Side::Import, fresh);
  if (!ok()) return;
  current_->type = *type;
  check_name(d.name, *type, Side::Import, scope().imported_names, scope().import_keys, scope().imports);
}

void ComponentValidator::define(Export& d) {
  bool fresh = false;
  std::optional<ExternType> type;
  if (scope().kind != Scope::Kind::Component) {
    type = desc_type(*d.desc, false, &fresh);
  } else {
    type = item_type(d.item);
    if (!type) return;
    if (type->sort == Sort::Type && type->type.kind == AnyType::Kind::Resource) d.resource = type->type.resource.var;
    if (d.desc) {
      auto ascribed = desc_type(*d.desc, false, &fresh);
      if (!ascribed) return;
      Mismatch m;
      if (fresh) {
        if (type->sort != Sort::Type || type->type.kind != AnyType::Kind::Resource) m = "expected resource";
      } else {
        m = subtyping_.check(*type, *ascribed);
      }
      if (!m.empty()) return fail("ascribed type of export is not compatible with item's type: " + m);
      type = ascribed;
    } else if (type->sort == Sort::Type) {
      if (type->type.kind == AnyType::Kind::Value) type->type.value = arena_->rename(type->type.value);
      if (type->type.kind == AnyType::Kind::Resource) type->type.resource = arena_->rename(type->type.resource);
    }
  }
  if (!type) return;
  add_entity(*type, d.name.name, Side::Export, fresh);
  if (!ok()) return;
  current_->type = *type;
  check_name(d.name, *type, Side::Export, scope().exported_names, scope().export_keys, scope().exports);
}

const InstanceType* ComponentValidator::attach(const InstanceType* type, Side side) {
  if (type->defined.empty()) return type;
  Substitution map;
  for (const ResourceVar v : type->defined) {
    const ResourceVar fresh = arena_->new_resource();
    map.emplace(v, fresh);
    (side == Side::Import ? scope().imported : scope().defined).push_back(fresh);
  }
  Substituter substitute(*arena_, map);
  InstanceType made;
  for (const NamedExtern& e : type->exports) made.exports.push_back({e.name, substitute(e.type)});
  return arena_->add(std::move(made));
}

void ComponentValidator::add_entity(ExternType& type, const std::string& name, Side side, bool fresh) {
  Scope& s = scope();
  switch (type.sort) {
    case Sort::CoreModule: s.modules.push_back(type.module); break;
    case Sort::Func: s.funcs.push_back(type.type.func); break;
    case Sort::Component: s.components.push_back(type.type.component); break;
    case Sort::Instance:
      type.type.instance = attach(type.type.instance, side);
      s.instances.push_back(type.type.instance);
      break;
    case Sort::Type:
      s.types.push_back(type.type);
      if (type.type.kind == AnyType::Kind::Resource) {
        if (fresh) (side == Side::Import ? s.imported : s.defined).push_back(type.type.resource.var);
        ResourceNames& names = side == Side::Import ? s.imported_names : s.exported_names;
        names.by_resource[type.type.resource.key()] = name;
        names.all.insert(name);
      }
      break;
    case Sort::Value: break;
  }
  if (!register_named(type, side)) {
    fail(std::string(to_string(type.sort)) + " not valid to be used as " +
         (side == Side::Import ? "import" : "export"));
  }
}

bool ComponentValidator::register_named(const ExternType& type, Side side) {
  Scope& s = scope();
  if (s.kind == Scope::Kind::InstanceType) return true;
  NamedTypes& named = side == Side::Import ? s.imported_types : s.exported_types;
  switch (type.sort) {
    case Sort::Type: {
      if (!parts_named(type.type, named)) return false;
      const auto add = [&](NamedTypes& to) {
        if (type.type.kind == AnyType::Kind::Value) to.values.insert(type.type.value);
        if (type.type.kind == AnyType::Kind::Resource) to.resources.insert(type.type.resource.key());
      };
      // What is imported can be named by exports too.
      if (side == Side::Import) add(s.imported_types);
      add(s.exported_types);
      return true;
    }
    case Sort::Instance:
      return std::ranges::all_of(type.type.instance->exports,
                                 [&](const NamedExtern& e) { return register_named(e.type, side); });
    case Sort::Func: return parts_named(type.type, named);
    default: return true;
  }
}

bool ComponentValidator::parts_named(const AnyType& type, const NamedTypes& named) {
  switch (type.kind) {
    case AnyType::Kind::Value: {
      const ValType& t = *type.value;
      if (t.kind == TypeKind::Own || t.kind == TypeKind::Borrow) return named.resources.contains(t.resource.key());
      return is_named(t.element, named) &&
             std::ranges::all_of(t.fields, [&](const Field& f) { return is_named(f.type, named); });
    }
    case AnyType::Kind::Func:
      return is_named(type.func->result, named) &&
             std::ranges::all_of(type.func->params, [&](const Field& f) { return is_named(f.type, named); });
    case AnyType::Kind::Instance:
      return std::ranges::all_of(type.instance->exports, [&](const NamedExtern& e) {
        return e.type.sort == Sort::CoreModule || e.type.sort == Sort::Component || parts_named(e.type.type, named);
      });
    default: return true;
  }
}

bool ComponentValidator::is_named(const ValType* type, const NamedTypes& named) {
  if (!type || is_primitive(type->kind)) return true;
  switch (type->kind) {
    case TypeKind::Record:
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Flags: return named.values.contains(type);
    case TypeKind::Own:
    case TypeKind::Borrow: return named.resources.contains(type->resource.key());
    default:
      return is_named(type->element, named) &&
             std::ranges::all_of(type->fields, [&](const Field& f) { return is_named(f.type, named); });
  }
}

// --- names

void ComponentValidator::check_name(const ExternName& name, const ExternType& type, Side side,
                                    const ResourceNames& names, std::set<std::string>& keys,
                                    std::vector<NamedExtern>& list) {
  const std::string what = side == Side::Import ? "import" : "export";
  const auto parsed = parse_name(name.name, name.version_suffix);
  if (!parsed) return fail(what + " name `" + name.name + "` is not a valid extern name");
  if (name.implements) {
    if (parsed->kind != ParsedName::Kind::Label) return fail("name `" + name.name + "` is not valid with `implements`");
    if (type.sort != Sort::Instance) return fail("only instances can have an `implements`");
    const auto interface = parse_name(*name.implements);
    if (!interface || interface->kind != ParsedName::Kind::Interface)
      return fail("name `" + *name.implements + "` must be an interface");
  }
  if (name.version_suffix && type.sort != Sort::Instance) return fail("only instances can have a `versionsuffix`");
  if (std::string wrong = annotation_error(*parsed, type, names); !wrong.empty())
    return fail(what + " name `" + name.name + "` is not valid: " + wrong);
  if (!keys.insert(uniqueness_key(name.name)).second)
    return fail(what + " name `" + name.name + "` conflicts with previous name");
  list.push_back({name.name, type});
}

std::string ComponentValidator::annotation_error(const ParsedName& name, const ExternType& type,
                                                 const ResourceNames& names) {
  using Kind = ParsedName::Kind;
  if (name.kind == Kind::Label || name.kind == Kind::Interface) return {};
  if (type.sort != Sort::Func) return "item is not a func";
  const FuncType& func = *type.type.func;
  const auto check_resource = [&](const ValType& handle) -> std::string {
    const auto found = names.by_resource.find(handle.resource.key());
    if (found == names.by_resource.end()) return "resource used in function does not have a name in this context";
    if (found->second != name.resource) return "function does not match expected resource name `" + found->second + "`";
    return {};
  };
  switch (name.kind) {
    case Kind::Constructor: {
      if (func.is_async) return "constructor function cannot be async";
      if (!func.result) return "function should return one value";
      const ValType* made = func.result;
      if (made->kind == TypeKind::Result && made->fields[0].type) made = made->fields[0].type;
      if (made->kind != TypeKind::Own) return "function should return `(own $T)` or `(result (own $T))`";
      return check_resource(*made);
    }
    case Kind::Method: {
      if (func.params.empty()) return "function should have at least one argument";
      if (func.params[0].label != "self") return "function should have a first argument called `self`";
      if (func.params[0].type->kind != TypeKind::Borrow)
        return "function should take a first argument of `(borrow $T)`";
      return check_resource(*func.params[0].type);
    }
    default: return names.all.contains(name.resource) ? "" : "static resource name is not known in this context";
  }
}

}  // namespace berth::component_model
