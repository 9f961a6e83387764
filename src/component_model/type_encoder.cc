#include "component_model/type_encoder.h"

namespace berth::component_model {

Bytes instance_type(const TypeScope& scope) {
  Bytes out = {0x42};
  text::put_u32(out, scope.declaration_count);
  text::put_bytes(out, scope.declarations);
  return out;
}

void TypeEncoder::note(TypeScope& scope, const AnyType& type, u32 index) {
  if (type.kind == AnyType::Kind::Value) scope.values.insert_or_assign(type.value, index);
  if (type.kind != AnyType::Kind::Resource) return;
  scope.resources.insert_or_assign(type.resource.key(), index);
  scope.first_resource.emplace(type.resource.var, index);
}

u32 TypeEncoder::add_type(TypeScope& scope, const Bytes& definition) {
  if (!scope.is_instance) return writer_.type(definition);
  scope.declarations.push_back(1);
  text::put_bytes(scope.declarations, definition);
  ++scope.declaration_count;
  return scope.types++;
}

u32 TypeEncoder::from_outside(TypeScope& scope, u32 outer_index) {
  if (!scope.is_instance) return outer_index;
  const auto [it, is_new] = scope.outer.emplace(outer_index, scope.types);
  if (!is_new) return it->second;
  scope.declarations.push_back(2);
  put_sort(scope.declarations, Space::Type);
  scope.declarations.push_back(2);
  text::put_u32(scope.declarations, 1);
  text::put_u32(scope.declarations, outer_index);
  ++scope.declaration_count;
  return scope.types++;
}

Result<u32> TypeEncoder::resource(TypeScope& scope, ResourceRef r) {
  if (const auto found = scope.resources.find(r.key()); found != scope.resources.end()) return found->second;
  if (const auto found = scope.first_resource.find(r.var); found != scope.first_resource.end()) return found->second;
  for (const TypeNames::Place* place : {names_.find(r), names_.origin(r)}) {
    if (!place) continue;
    if (const auto outer = find_(*place)) {
      const u32 index = from_outside(scope, *outer);
      scope.resources.emplace(r.key(), index);
      return index;
    }
    return fail(ErrorCode::NotSupported, "its resource `" + std::string(place->name) + "` is not the host's any more");
  }
  return fail(ErrorCode::NotSupported, "a resource has no name");
}

Result<> TypeEncoder::use(TypeScope& scope, const ValType* type, Bytes& out) {
  const bool is_plain = is_primitive(type->kind) && !type->origin;
  if (is_plain) {
    put_use(out, type->kind);
    return {};
  }
  if (const auto found = scope.values.find(type); found != scope.values.end()) {
    put_use(out, found->second);
    return {};
  }
  // A type with a name elsewhere.
  if (const TypeNames::Place* place = names_.find(type)) {
    if (const auto outer = find_(*place)) {
      const u32 index = from_outside(scope, *outer);
      scope.values.emplace(type, index);
      put_use(out, index);
      return {};
    }
  }
  const u32 index = TRY(define(scope, *type));
  scope.values.emplace(type, index);
  put_use(out, index);
  return {};
}

Result<> TypeEncoder::optional_use(TypeScope& scope, const ValType* type, Bytes& out) {
  out.push_back(type != nullptr ? 1 : 0);
  if (type != nullptr) TRY(use(scope, type, out));
  return {};
}

Result<u32> TypeEncoder::define(TypeScope& scope, const ValType& t) {
  Bytes out;
  switch (t.kind) {
    case TypeKind::Record:
    case TypeKind::Variant: {
      const bool is_record = t.kind == TypeKind::Record;
      out.push_back(is_record ? 0x72 : 0x71);
      text::put_u64(out, t.fields.size());
      for (const Field& f : t.fields) {
        text::put_name(out, f.label);
        if (is_record) {
          TRY(use(scope, f.type, out));
        } else {
          TRY(optional_use(scope, f.type, out));
          out.push_back(0);
        }
      }
      break;
    }
    case TypeKind::List:
    case TypeKind::FixedList:
      out.push_back(t.kind == TypeKind::List ? 0x70 : 0x67);
      TRY(use(scope, t.element, out));
      if (t.kind == TypeKind::FixedList) text::put_u32(out, t.length);
      break;
    case TypeKind::Tuple:
      out.push_back(0x6F);
      text::put_u64(out, t.fields.size());
      for (const Field& f : t.fields) TRY(use(scope, f.type, out));
      break;
    case TypeKind::Flags:
    case TypeKind::Enum:
      out.push_back(t.kind == TypeKind::Flags ? 0x6E : 0x6D);
      text::put_u64(out, t.fields.size());
      for (const Field& f : t.fields) text::put_name(out, f.label);
      break;
    case TypeKind::Option:
      out.push_back(0x6B);
      TRY(use(scope, t.fields[1].type, out));
      break;
    case TypeKind::Result:
      out.push_back(0x6A);
      TRY(optional_use(scope, t.fields[0].type, out));
      TRY(optional_use(scope, t.fields[1].type, out));
      break;
    case TypeKind::Own:
    case TypeKind::Borrow: {
      const u32 index = TRY(resource(scope, t.resource));
      out.push_back(t.kind == TypeKind::Own ? 0x69 : 0x68);
      text::put_u32(out, index);
      break;
    }
    case TypeKind::Stream:
    case TypeKind::Future:
      out.push_back(t.kind == TypeKind::Stream ? 0x66 : 0x65);
      TRY(optional_use(scope, t.element, out));
      break;
    case TypeKind::Map:
      out.push_back(0x63);
      TRY(use(scope, t.element->fields[0].type, out));
      TRY(use(scope, t.element->fields[1].type, out));
      break;
    default: put_use(out, t.kind);
  }
  return add_type(scope, out);
}

Result<Bytes> TypeEncoder::func_desc(TypeScope& scope, const FuncType& type) {
  Bytes definition;
  definition.push_back(type.is_async ? 0x43 : 0x40);
  text::put_u64(definition, type.params.size());
  for (const Field& p : type.params) {
    text::put_name(definition, p.label);
    TRY(use(scope, p.type, definition));
  }
  definition.push_back(type.result != nullptr ? 0 : 1);
  if (type.result != nullptr) {
    TRY(use(scope, type.result, definition));
  } else {
    definition.push_back(0);
  }
  Bytes out = {0x01};
  text::put_u32(out, add_type(scope, definition));
  return out;
}

Result<Bytes> TypeEncoder::type_desc(TypeScope& scope, const AnyType& type, u32 owner) {
  Bytes out = {0x03};
  const bool is_resource = type.kind == AnyType::Kind::Resource;
  const TypeNames::Place* origin = is_resource                         ? names_.origin(type.resource)
                                   : type.kind == AnyType::Kind::Value ? names_.origin(type.value)
                                                                       : nullptr;
  std::optional<u32> equal;
  if (origin && origin->owner == owner && scope.is_instance) {
    if (const auto here = scope.by_name.find(origin->name); here != scope.by_name.end()) equal = here->second;
  } else if (origin) {
    if (const auto outer = find_(*origin)) equal = from_outside(scope, *outer);
    if (!equal && is_resource)
      return fail(ErrorCode::NotSupported,
                  "its resource `" + std::string(origin->name) + "` is not the host's any more");
  }
  if (!equal && is_resource) {
    out.push_back(1);
    return out;
  }
  if (!equal && type.kind == AnyType::Kind::Value) equal = TRY(define(scope, *type.value));
  if (!equal) return fail(ErrorCode::NotSupported, "a type that is neither one of values nor a resource");
  out.push_back(0);
  text::put_u32(out, *equal);
  return out;
}

Result<> TypeEncoder::instance(TypeScope& scope, const InstanceType& type, u32 owner) {
  const auto add_export = [&](const std::string& name, const Bytes& desc) {
    scope.declarations.push_back(4);
    scope.declarations.push_back(0);
    text::put_name(scope.declarations, name);
    text::put_bytes(scope.declarations, desc);
    ++scope.declaration_count;
  };
  for (const NamedExtern& e : type.exports) {
    const auto known = scope.by_name.find(e.name);
    switch (e.type.sort) {
      case Sort::Type: {
        if (known == scope.by_name.end()) {
          const Bytes desc = TRY(type_desc(scope, e.type.type, owner));
          add_export(e.name, desc);
          scope.by_name.emplace(e.name, scope.types++);
        }
        note(scope, e.type.type, scope.by_name.find(e.name)->second);
        break;
      }
      case Sort::Func:
        if (known == scope.by_name.end()) {
          const Bytes desc = TRY(func_desc(scope, *e.type.type.func));
          add_export(e.name, desc);
          scope.by_name.emplace(e.name, 0);
        }
        break;
      default:
        return fail(ErrorCode::NotSupported,
                    "it has `" + e.name + "`, a " + to_string(e.type.sort) + ", which cannot be passed on");
    }
  }
  return {};
}

}  // namespace berth::component_model
