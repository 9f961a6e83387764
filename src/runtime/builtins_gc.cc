// Objects of the garbage-collected heap (specification: execution, aggregate instructions) and
// exceptions.

#include <algorithm>

#include "runtime/builtins.h"
#include "runtime/objects.h"
#include "runtime/store_impl.h"

namespace berth::runtime {

using abi::ArrayObject;

namespace {

bool in_bounds(u64 start, u64 count, u64 size) { return count <= size && start <= size - count; }

u8* element(ArrayObject* array, u32 index) { return array->data() + (u64{index} << array->type->element_log2); }

// After elements were stored.
void note_stores(const InstanceContext* context, ArrayObject* array, u32 index, u32 count) {
  if (array->type->has_refs && count != 0)
    abi::mark_cards(*context->store, element(array, index), u64{count} * sizeof(Ref));
}

}  // namespace

TrapCode struct_new(InstanceContext* context, const abi::RuntimeType* type, Ref* out) {
  if (abi::Object* object = allocate_inline(*context->store, type)) [[likely]] {
    *out = reinterpret_cast<Ref>(object);
    return TrapCode::None;
  }
  return StoreAccess::of(context->store).allocate(type, type->object_bytes, out);
}

TrapCode array_new(InstanceContext* context, const abi::RuntimeType* type, u32 length, Ref* out) {
  const TrapCode code = StoreAccess::of(context->store).allocate(type, array_bytes(type, length), out);
  if (code == TrapCode::None) array_of(*out)->length = length;
  return code;
}

TrapCode array_fill(InstanceContext* context, Ref ref, u32 index, const Slot* value, u32 count) {
  if (ref == abi::kNull) return TrapCode::NullArrayReference;
  ArrayObject* array = array_of(ref);
  if (!in_bounds(index, count, array->length)) return TrapCode::ArrayOutOfBounds;
  u8* at = element(array, index);
  switch (array->type->element_log2) {
    case 0: std::memset(at, static_cast<u8>(*value), count); break;
    case 1: std::fill_n(reinterpret_cast<u16*>(at), count, static_cast<u16>(*value)); break;
    case 2: std::fill_n(reinterpret_cast<u32*>(at), count, static_cast<u32>(*value)); break;
    case 3: std::fill_n(reinterpret_cast<u64*>(at), count, *value); break;
    default:
      for (u32 i = 0; i < count; ++i) std::memcpy(at + u64{i} * 16, value, 16);
  }
  note_stores(context, array, index, count);
  return TrapCode::None;
}

TrapCode array_copy(InstanceContext* context, Ref dst, u32 dst_index, Ref src, u32 src_index, u32 count) {
  if (dst == abi::kNull || src == abi::kNull) return TrapCode::NullArrayReference;
  ArrayObject* to = array_of(dst);
  ArrayObject* from = array_of(src);
  if (!in_bounds(dst_index, count, to->length) || !in_bounds(src_index, count, from->length))
    return TrapCode::ArrayOutOfBounds;
  std::memmove(element(to, dst_index), element(from, src_index), u64{count} << to->type->element_log2);
  note_stores(context, to, dst_index, count);
  return TrapCode::None;
}

TrapCode array_new_data(InstanceContext* context, const abi::RuntimeType* type, u32 data, u32 offset, u32 length,
                        Ref* out) {
  const std::span<const u8> bytes = StoreAccess::of(context).data(data);
  const u64 size = u64{length} << type->element_log2;
  if (!in_bounds(offset, size, bytes.size())) return TrapCode::MemoryOutOfBounds;
  if (const TrapCode code = array_new(context, type, length, out); code != TrapCode::None) return code;
  if (size != 0) std::memcpy(array_of(*out)->data(), bytes.data() + offset, size);
  return TrapCode::None;
}

TrapCode array_new_elem(InstanceContext* context, const abi::RuntimeType* type, u32 elem, u32 offset, u32 length,
                        Ref* out) {
  const InstanceImpl& instance = StoreAccess::of(context);
  if (!in_bounds(offset, length, instance.elem_size(elem))) return TrapCode::TableOutOfBounds;
  if (const TrapCode code = array_new(context, type, length, out); code != TrapCode::None) return code;
  Ref* elements = reinterpret_cast<Ref*>(array_of(*out)->data());
  for (u32 i = 0; i < length; ++i) elements[i] = instance.elem_at(elem, offset + i);
  return TrapCode::None;
}

TrapCode array_init_data(InstanceContext* context, Ref ref, u32 index, u32 data, u32 offset, u32 count) {
  if (ref == abi::kNull) return TrapCode::NullArrayReference;
  ArrayObject* array = array_of(ref);
  if (!in_bounds(index, count, array->length)) return TrapCode::ArrayOutOfBounds;
  const std::span<const u8> bytes = StoreAccess::of(context).data(data);
  const u64 size = u64{count} << array->type->element_log2;
  if (!in_bounds(offset, size, bytes.size())) return TrapCode::MemoryOutOfBounds;
  if (size != 0) std::memcpy(element(array, index), bytes.data() + offset, size);
  return TrapCode::None;
}

TrapCode array_init_elem(InstanceContext* context, Ref ref, u32 index, u32 elem, u32 offset, u32 count) {
  if (ref == abi::kNull) return TrapCode::NullArrayReference;
  ArrayObject* array = array_of(ref);
  if (!in_bounds(index, count, array->length)) return TrapCode::ArrayOutOfBounds;
  const InstanceImpl& instance = StoreAccess::of(context);
  if (!in_bounds(offset, count, instance.elem_size(elem))) return TrapCode::TableOutOfBounds;
  Ref* elements = reinterpret_cast<Ref*>(array->data());
  for (u32 i = 0; i < count; ++i) elements[index + i] = instance.elem_at(elem, offset + i);
  note_stores(context, array, index, count);
  return TrapCode::None;
}

bool ref_test(InstanceContext* context, Ref ref, wasm::HeapType heap, bool nullable) {
  ResolvedType type{wasm::ValType::ref(heap, nullable), nullptr};
  if (heap.is_index()) type.concrete = context->types[heap.index().value];
  return has_type(ref, type);
}

TrapCode exception_new(InstanceContext* context, u32 tag, const Slot* values, Ref* out) {
  const abi::TagInstance* instance = context->tags[tag];
  const u32 slots = instance->type->param_slots;
  const TrapCode code =
      StoreAccess::of(context->store)
          .allocate(&exception_object_type(), sizeof(abi::ExceptionObject) + u64{slots} * sizeof(Slot), out);
  if (code != TrapCode::None) return code;
  auto* exception = static_cast<abi::ExceptionObject*>(object_of(*out));
  exception->tag = instance;
  exception->slot_count = slots;
  std::copy_n(values, slots, exception->values());
  return TrapCode::None;
}

}  // namespace berth::runtime
