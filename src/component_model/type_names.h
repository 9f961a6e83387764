// What the types of a component's imports and exports are called: by the import or export that names each. One
// thread; refers to the types.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "component_model/types.h"

namespace berth::component_model {

class TypeNames {
 public:
  // Where a type has its name.
  struct Place {
    u32 owner = 0;
    std::string_view name;
  };

  // Owner 0 is the component itself. What owners are is their maker's business.
  u32 new_owner() { return ++owners_; }
  // Takes note that `type`, a type or an instance with types, is called `name` by `owner`. The first name stays.
  void add(u32 owner, std::string_view name, const AnyType& type);

  // The name of a type itself. Null when it has none.
  const Place* find(const ValType* type) const;
  const Place* find(ResourceRef resource) const;
  // What a named type was taken from, if that has a name: the nearest of those that it goes back to.
  const Place* origin(const ValType* type) const;
  const Place* origin(ResourceRef resource) const;

 private:
  u32 owners_ = 0;
  std::unordered_map<const ValType*, Place> values_;
  std::unordered_map<u64, Place> resources_;        // by ResourceRef::key
  std::unordered_map<ResourceVar, Place> first_;    // of each resource type
  std::unordered_map<ResourceVar, u64> first_key_;  // and the use of it that was named
};

}  // namespace berth::component_model
