#include "component_model/type_names.h"

namespace berth::component_model {

void TypeNames::add(u32 owner, std::string_view name, const AnyType& type) {
  if (type.kind == AnyType::Kind::Value) values_.emplace(type.value, Place{owner, name});
  if (type.kind != AnyType::Kind::Resource) return;
  resources_.emplace(type.resource.key(), Place{owner, name});
  if (first_.emplace(type.resource.var, Place{owner, name}).second)
    first_key_.emplace(type.resource.var, type.resource.key());
}

const TypeNames::Place* TypeNames::find(const ValType* type) const {
  const auto found = values_.find(type);
  return found == values_.end() ? nullptr : &found->second;
}

const TypeNames::Place* TypeNames::find(ResourceRef resource) const {
  const auto found = resources_.find(resource.key());
  return found == resources_.end() ? nullptr : &found->second;
}

const TypeNames::Place* TypeNames::origin(const ValType* type) const {
  constexpr int kMost = 1000;
  int steps = 0;
  for (const ValType* t = type->origin; t != nullptr && steps < kMost; t = t->origin, ++steps) {
    if (const Place* place = find(t)) return place;
  }
  return nullptr;
}

const TypeNames::Place* TypeNames::origin(ResourceRef resource) const {
  if (resource.name != 0) {
    if (const Place* place = find(ResourceRef{resource.var, resource.origin, 0})) return place;
  }
  const auto key = first_key_.find(resource.var);
  if (key == first_key_.end() || key->second == resource.key()) return nullptr;
  return &first_.at(resource.var);
}

}  // namespace berth::component_model
