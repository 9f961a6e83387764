// Where the fields of a struct lie in its object: the same for the runtime and for native code.
#pragma once

#include <algorithm>

#include "abi/context.h"

namespace berth::abi {

// Fields are added in order.
class StructLayout {
 public:
  // The byte offset of the field from the start of the object.
  u32 add(const wasm::FieldType& field) {
    const u32 bytes = field.size();
    alignment_ = std::max(alignment_, bytes);
    end_ = (end_ + bytes - 1) & ~(bytes - 1);
    const u32 offset = end_;
    end_ += bytes;
    return offset;
  }
  // Bytes of the object, header included: a multiple of 16 when a field needs that alignment, else of 8.
  u32 object_bytes() const { return (end_ + alignment_ - 1) & ~(alignment_ - 1); }

 private:
  u32 end_ = kStructFieldsStart;
  u32 alignment_ = 8;
};

}  // namespace berth::abi
