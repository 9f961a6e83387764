// Calls of component functions (Canonical ABI: canon lift, canon lower, resource built-ins). Private to
// this library; the store's thread.
#pragma once

#include "component/canonical.h"

namespace berth::component {

// A call that core code makes of a lowered function.
runtime::Outcome<void> call_lowered(Lowered& lowered, abi::Slot* values);
// A call that the host makes.
runtime::Outcome<std::optional<Value>> call_from_host(StoreState& store, Function& function,
                                                      std::span<const Value> arguments);

// What task.return was made for.
struct TaskReturn {
  InstanceState* instance = nullptr;
  Options options;
  const cm::ValType* type = nullptr;  // null: no result
  const Plan* plan = nullptr;
  bool in_memory = false;
};
runtime::Outcome<void> task_return(const TaskReturn& made, abi::Slot* values);

runtime::Outcome<void> resource_new(InstanceState& instance, const ResourceType& type, bool is_64, abi::Slot* values);
runtime::Outcome<void> resource_rep(InstanceState& instance, const ResourceType& type, abi::Slot* values);
runtime::Outcome<void> resource_drop(InstanceState& instance, const ResourceType& type, abi::Slot* values);

// Whether a value is one of the type.
bool conforms(const cm::ValType& type, const Value& value);

}  // namespace berth::component
