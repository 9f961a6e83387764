#include <algorithm>

#include "component_model/component_validator.h"

namespace berth::component_model {

void ComponentValidator::define(TypeDef& d) {
  AnyType type;
  switch (d.kind) {
    case TypeDef::Kind::Value:
      type.kind = AnyType::Kind::Value;
      type.value = define_value(d);
      break;
    case TypeDef::Kind::Func:
      type.kind = AnyType::Kind::Func;
      type.func = define_func(d);
      break;
    case TypeDef::Kind::Component:
    case TypeDef::Kind::Instance: {
      const bool is_component = d.kind == TypeDef::Kind::Component;
      auto inner = std::make_unique<Scope>();
      inner->kind = is_component ? Scope::Kind::ComponentType : Scope::Kind::InstanceType;
      scopes_.push_back(std::move(inner));
      definitions(d.declarations);
      if (!ok()) return scopes_.pop_back();
      if (is_component) {
        type.kind = AnyType::Kind::Component;
        type.component = finish_component();
      } else {
        InstanceType made;
        made.exports = std::move(scope().exports);
        made.defined = std::move(scope().defined);
        type.kind = AnyType::Kind::Instance;
        type.instance = arena_->add(std::move(made));
      }
      scopes_.pop_back();
      const u32 size = is_component && type.component ? type.component->size : type.instance ? type.instance->size : 0;
      if (size > limits_.type_size) {
        return fail(Error(ErrorCode::LimitExceeded, "size of a type: at most " + std::to_string(limits_.type_size)));
      }
      break;
    }
    case TypeDef::Kind::Resource: {
      if (scope().kind != Scope::Kind::Component)
        return fail("resources can only be defined within a concrete component");
      if (d.representation != wasm::kI32 && d.representation != wasm::kI64)
        return fail("resources can only be represented by `i32` or `i64`");
      if (d.destructor) {
        const CoreExtern* func = core_item({Space::CoreFunc, *d.destructor});
        if (!func) return;
        if (func->key != core_func({{d.representation}, {}}).key) {
          return fail("core function " + std::to_string(*d.destructor) + " has wrong signature for a destructor");
        }
      }
      type.kind = AnyType::Kind::Resource;
      type.resource = {arena_->new_resource(), 0};
      scope().defined.push_back(type.resource.var);
      scope().representations.emplace(type.resource.var, d.representation);
    }
  }
  if (!ok()) return;
  current_->type = ExternType::of_type(type);
  scope().types.push_back(type);
}

const ValType* ComponentValidator::value_type(const TypeUse& use) {
  if (use.primitive) return arena_->primitive(*use.primitive);
  const AnyType* type = type_at(use.index);
  if (!type) return nullptr;
  if (type->kind == AnyType::Kind::Value) return type->value;
  fail("type index " + std::to_string(use.index) + " is not a defined type");
  return nullptr;
}

std::optional<ResourceRef> ComponentValidator::resource_at(u32 index) {
  const AnyType* type = type_at(index);
  if (!type) return std::nullopt;
  if (type->kind == AnyType::Kind::Resource) return type->resource;
  fail("type index " + std::to_string(index) + " is not a resource type");
  return std::nullopt;
}

void ComponentValidator::labels(const TypeDef& d, const char* what) {
  std::set<std::string> keys;
  for (const LabeledType& item : d.items) {
    if (item.label.empty()) return fail(std::string(what) + " name cannot be empty");
    if (!is_label(item.label)) return fail(std::string(what) + " name `" + item.label + "` is not in kebab case");
    if (!keys.insert(uniqueness_key(item.label)).second)
      return fail(std::string(what) + " name `" + item.label + "` conflicts with previous " + what + " name");
  }
}

const ValType* ComponentValidator::define_value(const TypeDef& d) {
  if (is_primitive(d.value)) return arena_->primitive(d.value);
  ValType t;
  t.kind = d.value;
  const char* why = nullptr;
  const auto items = [&](const char* what, const char* empty) {
    if (d.items.empty()) fail(empty);
    if (d.value != TypeKind::Tuple) labels(d, what);
    for (const LabeledType& item : d.items) {
      if (!ok()) return;
      t.fields.push_back({item.label, item.type ? value_type(*item.type) : nullptr});
    }
  };
  const auto optional = [&](const std::optional<TypeUse>& use) { return use ? value_type(*use) : nullptr; };
  switch (d.value) {
    case TypeKind::Record: items("record field", "record type must have at least one field"); break;
    case TypeKind::Variant: items("variant case", "variant type must have at least one case"); break;
    case TypeKind::Tuple: items("tuple", "tuple type must have at least one type"); break;
    case TypeKind::Flags:
      items("flag", "flags must have at least one entry");
      if (d.items.size() > 32) fail("cannot have more than 32 flags");
      break;
    case TypeKind::Enum: items("enum tag", "enum type must have at least one variant"); break;
    case TypeKind::Option: t.fields = {{"none", nullptr}, {"some", optional(d.first)}}; break;
    case TypeKind::Result: t.fields = {{"ok", optional(d.first)}, {"error", optional(d.second)}}; break;
    case TypeKind::List: t.element = optional(d.first); break;
    case TypeKind::FixedList:
      t.element = optional(d.first);
      t.length = d.length;
      if (d.length == 0) fail("fixed-length lists must have more than zero elements");
      break;
    case TypeKind::Map: {
      const ValType *key = optional(d.first), *value = optional(d.second);
      if (!ok()) return nullptr;
      const bool key_fits = is_primitive(key->kind) && key->kind != TypeKind::F32 && key->kind != TypeKind::F64 &&
                            key->kind != TypeKind::ErrorContext;
      if (!key_fits) fail("invalid map key type");
      t.element = arena_->pair(key, value);
      break;
    }
    case TypeKind::Stream:
    case TypeKind::Future:
      t.element = optional(d.first);
      if (t.element && t.element->has_borrow)
        fail(std::string("`") + to_string(d.value) + "` types cannot contain a `borrow`");
      if (d.value == TypeKind::Stream && t.element && t.element->kind == TypeKind::Char)
        fail("`stream<char>` is not valid at this time");
      break;
    case TypeKind::Own:
    case TypeKind::Borrow:
      if (const auto r = resource_at(d.resource)) t.resource = *r;
      break;
    default: break;
  }
  if (!ok()) return nullptr;
  const ValType* made = why ? nullptr : arena_->add(std::move(t), &why);
  if (!made) fail(why);
  return made;
}

const FuncType* ComponentValidator::define_func(const TypeDef& d) {
  labels(d, "function parameter");
  FuncType t;
  t.is_async = d.is_async;
  for (const LabeledType& item : d.items) {
    if (!ok()) return nullptr;
    t.params.push_back({item.label, value_type(*item.type)});
  }
  if (d.result) t.result = value_type(*d.result);
  if (!ok()) return nullptr;
  if (t.result && t.result->has_borrow) {
    fail("function result cannot contain a `borrow` type");
    return nullptr;
  }
  return arena_->add(std::move(t));
}

const ComponentType* ComponentValidator::finish_component() {
  Scope& s = scope();
  ComponentType t;
  t.imports = std::move(s.imports);
  t.exports = std::move(s.exports);
  t.imported = std::move(s.imported);
  std::unordered_set<ResourceVar> free;
  for (const NamedExtern& i : t.imports) collect_resources(i.type, free);
  for (const ResourceVar v : s.defined) {
    if (!free.contains(v)) continue;
    fail("local resource type found in imports");
    return nullptr;
  }
  free.clear();
  for (const NamedExtern& e : t.exports) collect_resources(e.type, free);
  std::unordered_set<ResourceVar> exported;
  const auto note = [&](auto& self, const ExternType& type) -> void {
    if (type.sort == Sort::Type && type.type.kind == AnyType::Kind::Resource) exported.insert(type.type.resource.var);
    if (type.sort == Sort::Instance) {
      for (const NamedExtern& e : type.type.instance->exports) self(self, e.type);
    }
  };
  for (const NamedExtern& e : t.exports) note(note, e.type);
  for (const ResourceVar v : s.defined) {
    if (!free.contains(v)) continue;
    if (!exported.contains(v)) {
      fail("local resource type found in export but not exported itself");
      return nullptr;
    }
    t.defined.push_back(v);
  }
  return arena_->add(std::move(t));
}

}  // namespace berth::component_model
