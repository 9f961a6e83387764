// Writes types of validated components anew, in the index spaces of another component. One thread; see compose.cc,
// which it is a part of.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "component_model/component_writer.h"
#include "component_model/type_names.h"

namespace berth::component_model {

// Where types are defined: in the component that is written, or in an instance type in it.
struct TypeScope {
  bool is_instance = false;
  Bytes declarations;  // of an instance type
  u32 declaration_count = 0;
  u32 types = 0;  // of an instance type
  // What has an index here.
  std::unordered_map<const ValType*, u32> values;
  std::unordered_map<u64, u32> resources;               // by ResourceRef::key: the name matters
  std::unordered_map<ResourceVar, u32> first_resource;  // under whatever name
  std::map<std::string, u32, std::less<>> by_name;      // of an instance type: what it exports
  std::unordered_map<u32, u32> outer;                   // of an instance type: aliases by outer index
};

class TypeEncoder {
 public:
  // `names` says what the types are called where they come from; `find` gives a place there its type in the
  // component that is written, if it can be named there, and adds aliases for that.
  using Finder = std::function<std::optional<u32>(const TypeNames::Place&)>;
  TypeEncoder(ComponentWriter& writer, const TypeNames& names, Finder find)
      : writer_(writer), names_(names), find_(std::move(find)) {}

  // Adds the exports of an instance type to `scope`, where they are not yet; `owner` is theirs among the names.
  Result<> instance(TypeScope& scope, const InstanceType& type, u32 owner);
  // What follows the name of an import or export of a type: `(type (eq …))`, `(type (sub resource))`.
  Result<Bytes> type_desc(TypeScope& scope, const AnyType& type, u32 owner);
  // `(func (type …))`
  Result<Bytes> func_desc(TypeScope& scope, const FuncType& type);
  // Takes note of the index that a type has in a scope from now on.
  static void note(TypeScope& scope, const AnyType& type, u32 index);

 private:
  u32 add_type(TypeScope& scope, const Bytes& definition);
  u32 from_outside(TypeScope& scope, u32 outer_index);
  Result<u32> resource(TypeScope& scope, ResourceRef resource);
  Result<> use(TypeScope& scope, const ValType* type, Bytes& out);
  Result<> optional_use(TypeScope& scope, const ValType* type, Bytes& out);
  Result<u32> define(TypeScope& scope, const ValType& type);

  ComponentWriter& writer_;
  const TypeNames& names_;
  Finder find_;
};

// An instance type as it is defined.
Bytes instance_type(const TypeScope& scope);

}  // namespace berth::component_model
