// Fields and elements of heap objects as slots. Pure functions.
#pragma once

#include <cstring>

#include "abi/context.h"

namespace berth::runtime {

// What a reference that is neither null nor an i31 refers to.
// NOLINTBEGIN(performance-no-int-to-ptr): a reference is a number, so that an i31 can be one.
inline abi::Object* object_of(abi::Ref ref) { return reinterpret_cast<abi::Object*>(ref); }
inline abi::ArrayObject* array_of(abi::Ref ref) { return reinterpret_cast<abi::ArrayObject*>(ref); }
inline abi::FunctionInstance* function_of(abi::Ref ref) { return reinterpret_cast<abi::FunctionInstance*>(ref); }
// What a word may point at.
inline const void* pointer_of(u64 word) { return reinterpret_cast<const void*>(word); }
// NOLINTEND(performance-no-int-to-ptr)

// Stores a field or element of `bytes` (1, 2, 4, 8 or 16) from its slots.
inline void store_packed(u8* at, u32 bytes, const abi::Slot* value) {
  switch (bytes) {
    case 1: std::memcpy(at, value, 1); break;
    case 2: std::memcpy(at, value, 2); break;
    case 4: std::memcpy(at, value, 4); break;
    case 8: std::memcpy(at, value, 8); break;
    default: std::memcpy(at, value, 16); break;
  }
}

// Bytes of an array object. More than its elements need: an optimizer may keep no pointer but the one just past
// the last element, which has to keep the array alive too. A multiple of 16 when elements need that alignment, so
// that the cells have it (abi/size_classes.h).
inline u64 array_bytes(const abi::RuntimeType* type, u32 length) {
  return sizeof(abi::ArrayObject) + (u64{length} << type->element_log2) + (type->element_log2 == 4 ? 16 : 1);
}

}  // namespace berth::runtime
