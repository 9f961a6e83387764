// The process's one set of runtime types. Recursion groups that are equal up to references into
// themselves (specification: recursive types, iso-recursive equivalence) share one record, whatever
// module they come from, so that types are equivalent exactly when their pointers are equal.
// Thread-safe. A record lives as long as some TypeGroups, or another record that names it, holds
// it.
#pragma once

#include <memory>
#include <vector>

#include "runtime/types.h"
#include "wasm/module.h"

namespace berth::runtime {

struct TypeGroup;

// Holds the recursion groups of one module, or those that a store made for host functions.
class TypeGroups {
 public:
  TypeGroups() = default;
  ~TypeGroups();
  TypeGroups(const TypeGroups&) = delete;

  // Registers all types of a validated module; the runtime type of each type index.
  std::vector<const abi::RuntimeType*> add_module(const wasm::Module& module);
  // Registers a final function type without supertype, whose types name no type index.
  const abi::RuntimeType* add_function(const wasm::FuncType& type);

 private:
  std::vector<TypeGroup*> held_;
};

// The types that the indices in `type.definition` mean: its group's own members, then others that
// it names.
std::span<const abi::RuntimeType* const> definition_types(const abi::RuntimeType& type);

// Types of objects that no module defines.
const abi::RuntimeType& host_object_type();
const abi::RuntimeType& exception_object_type();

// Recursion groups alive in the process; for tests.
u64 registered_group_count();

}  // namespace berth::runtime
