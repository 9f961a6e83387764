// How values of a type are read and written by one instance: the layout for its pointers, and its resource
// types. Made when a function is lifted or lowered, so that calls look nothing up. The store's thread.
#pragma once

#include <deque>
#include <unordered_map>

#include "component/handles.h"
#include "component_model/types.h"

namespace berth::component {

namespace cm = component_model;

struct Plan {
  struct Part {
    const Plan* plan = nullptr;  // null: a case without payload
    u32 offset = 0;              // in memory
  };
  cm::TypeKind kind = cm::TypeKind::Bool;
  u32 size = 0, align = 1;
  u32 flat = 0;            // core values; meaningless when there are too many
  u32 payload_offset = 0;  // variants
  u32 length = 0;          // FixedList; Flags: mask of the labels
  u8 discriminant_bytes = 0;
  u8 pointer_bytes = 4;
  bool is_plain = false;
  std::vector<Part> parts;        // Record, Tuple: fields; variants: cases
  const Plan* element = nullptr;  // lists and maps
  const ResourceType* resource = nullptr;
  const cm::ValType* type = nullptr;
};

using ResourceMap = std::unordered_map<cm::ResourceVar, ResourceType*>;

// Makes plans and keeps them; a type's plan is made once.
class Plans {
 public:
  const Plan* make(const cm::ValType& type, cm::PointerSize pointer, const ResourceMap& resources);

 private:
  std::deque<Plan> plans_;
  std::unordered_map<const cm::ValType*, const Plan*> made_[2];
};

}  // namespace berth::component
