// Handlers of references and of garbage-collected objects.
#include "interp/handlers.h"
#include "interp/machine.h"
#include "runtime/builtins.h"

namespace berth::interp {

BERTH_HANDLER op_ref_is_null(BERTH_REGS) {
  acc = fp[field_b(pc)] == 0;
  fp[field_a(pc)] = acc;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_ref_eq(BERTH_REGS) {
  acc = fp[field_b(pc)] == fp[field_c(pc)];
  fp[field_a(pc)] = acc;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_ref_func(BERTH_REGS) {
  fp[field_a(pc)] = reinterpret_cast<Ref>(ctx->functions[static_cast<u32>(field_imm(pc))]);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_ref_as_non_null(BERTH_REGS) {
  if (fp[field_a(pc)] == 0) [[unlikely]]
    BERTH_RAISE(TrapCode::NullReference);
  BERTH_NEXT(2);
}

namespace {

// Whether a non-null reference to an object or function is of a type of the module.
[[gnu::always_inline]] inline bool is_concrete(Ref ref, const abi::RuntimeType* type) {
  if (abi::is_i31(ref)) return false;
  // Functions and objects both start with their type.
  static_assert(offsetof(abi::FunctionInstance, type) == 0 && offsetof(abi::Object, type) == 0);
  return abi::is_subtype(*reinterpret_cast<const abi::RuntimeType* const*>(ref), type);
}

}  // namespace

BERTH_HANDLER op_ref_test(BERTH_REGS) {
  acc = runtime::ref_test(ctx, fp[field_b(pc)], wasm::HeapType::from_bits(static_cast<u32>(pc[2])), field_c(pc));
  fp[field_a(pc)] = acc;
  BERTH_NEXT(3);
}
BERTH_HANDLER op_ref_cast(BERTH_REGS) {
  if (!runtime::ref_test(ctx, fp[field_a(pc)], wasm::HeapType::from_bits(static_cast<u32>(pc[2])), field_b(pc)))
      [[unlikely]]
    BERTH_RAISE(TrapCode::CastFailure);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_ref_test_concrete(BERTH_REGS) {
  const Ref ref = fp[field_b(pc)];
  acc = ref == 0 ? field_c(pc) != 0 : is_concrete(ref, reinterpret_cast<const abi::RuntimeType*>(pc[2]));
  fp[field_a(pc)] = acc;
  BERTH_NEXT(3);
}
BERTH_HANDLER op_ref_cast_concrete(BERTH_REGS) {
  const Ref ref = fp[field_a(pc)];
  const bool ok = ref == 0 ? field_b(pc) != 0 : is_concrete(ref, reinterpret_cast<const abi::RuntimeType*>(pc[2]));
  if (!ok) [[unlikely]]
    BERTH_RAISE(TrapCode::CastFailure);
  BERTH_NEXT(3);
}

BERTH_HANDLER op_ref_i31(BERTH_REGS) {
  fp[field_a(pc)] = abi::make_i31(load_slot<u32>(fp, field_b(pc)));
  BERTH_NEXT(2);
}
BERTH_HANDLER op_i31_get_s(BERTH_REGS) {
  const Ref ref = fp[field_b(pc)];
  if (ref == 0) [[unlikely]]
    BERTH_RAISE(TrapCode::NullI31Reference);
  acc = static_cast<u32>(abi::i31_signed(ref));
  fp[field_a(pc)] = acc;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_i31_get_u(BERTH_REGS) {
  const Ref ref = fp[field_b(pc)];
  if (ref == 0) [[unlikely]]
    BERTH_RAISE(TrapCode::NullI31Reference);
  acc = abi::i31_unsigned(ref);
  fp[field_a(pc)] = acc;
  BERTH_NEXT(2);
}

namespace {

using abi::RuntimeType;

// Stores the slots at `values` into the fields of a new struct.
void fill_fields(Ref object, const RuntimeType* type, const Slot* values) {
  const auto& fields = type->definition->strct.fields;
  for (u32 i = 0; i < fields.size(); ++i) {
    std::memcpy(reinterpret_cast<u8*>(object) + type->field_offsets[i], values, fields[i].size());
    values += fields[i].type.is_vector() ? 2 : 1;
  }
}

void fill_elements(Ref array, const Slot* values, u32 count, u32 element_log2) {
  u8* out = reinterpret_cast<abi::ArrayObject*>(array)->data();
  for (u32 i = 0; i < count; ++i) {
    std::memcpy(out, values, size_t{1} << element_log2);
    out += size_t{1} << element_log2;
    values += element_log2 == 4 ? 2 : 1;
  }
}

template <typename Stored, typename Value>
[[gnu::always_inline]] inline bool get_field(const Word* pc, Slot* fp) {
  const Ref ref = fp[field_b(pc)];
  if (ref == 0) [[unlikely]]
    return false;
  Stored v;
  std::memcpy(&v, reinterpret_cast<const u8*>(ref) + field_imm(pc), sizeof v);
  store_slot<Value>(fp, field_a(pc), static_cast<Value>(v));
  return true;
}
// Fields and elements of 64 bits may be references; whether they are is not looked up.
template <typename Stored>
[[gnu::always_inline]] inline void note_store(const abi::StoreContext* st, const u8* place) {
  if constexpr (sizeof(Stored) == sizeof(Ref)) abi::mark_card(*st, place);
}
template <typename Stored>
[[gnu::always_inline]] inline bool set_field(const Word* pc, Slot* fp, const abi::StoreContext* st) {
  const Ref ref = fp[field_a(pc)];
  if (ref == 0) [[unlikely]]
    return false;
  u8* const place = reinterpret_cast<u8*>(ref) + field_imm(pc);
  std::memcpy(place, fp + field_b(pc), sizeof(Stored));
  note_store<Stored>(st, place);
  return true;
}

// The address of an element, or null and the trap.
template <typename Stored>
[[gnu::always_inline]] inline u8* element(Ref ref, u32 index, TrapCode& code) {
  if (ref == 0) [[unlikely]] {
    code = TrapCode::NullArrayReference;
    return nullptr;
  }
  auto* array = reinterpret_cast<abi::ArrayObject*>(ref);
  if (index >= array->length) [[unlikely]] {
    code = TrapCode::ArrayOutOfBounds;
    return nullptr;
  }
  return array->data() + u64{index} * sizeof(Stored);
}

}  // namespace

BERTH_HANDLER op_struct_new(BERTH_REGS) {
  st->stack_top = fp + field_b(pc);
  Ref object;
  const TrapCode code = runtime::struct_new(ctx, reinterpret_cast<const RuntimeType*>(pc[2]), &object);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fp[field_a(pc)] = object;
  BERTH_NEXT(3);
}
BERTH_HANDLER op_struct_init(BERTH_REGS) {
  st->stack_top = fp + field_c(pc);
  const auto* type = reinterpret_cast<const RuntimeType*>(pc[2]);
  Ref object;
  const TrapCode code = runtime::struct_new(ctx, type, &object);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fill_fields(object, type, fp + field_b(pc));
  fp[field_a(pc)] = object;
  BERTH_NEXT(3);
}

#define BERTH_STRUCT_GET(name, stored, value)           \
  BERTH_HANDLER name(BERTH_REGS) {                      \
    if (!get_field<stored, value>(pc, fp)) [[unlikely]] \
      BERTH_RAISE(TrapCode::NullStructureReference);    \
    BERTH_NEXT(2);                                      \
  }
BERTH_STRUCT_GET(op_struct_get8_s, i8, u32)
BERTH_STRUCT_GET(op_struct_get8_u, u8, u32)
BERTH_STRUCT_GET(op_struct_get16_s, i16, u32)
BERTH_STRUCT_GET(op_struct_get16_u, u16, u32)
BERTH_STRUCT_GET(op_struct_get32, u32, u32)
BERTH_STRUCT_GET(op_struct_get64, u64, u64)
BERTH_STRUCT_GET(op_struct_get128, v128, v128)

#define BERTH_STRUCT_SET(name, stored)               \
  BERTH_HANDLER name(BERTH_REGS) {                   \
    if (!set_field<stored>(pc, fp, st)) [[unlikely]] \
      BERTH_RAISE(TrapCode::NullStructureReference); \
    BERTH_NEXT(2);                                   \
  }
BERTH_STRUCT_SET(op_struct_set8, u8)
BERTH_STRUCT_SET(op_struct_set16, u16)
BERTH_STRUCT_SET(op_struct_set32, u32)
BERTH_STRUCT_SET(op_struct_set64, u64)
BERTH_STRUCT_SET(op_struct_set128, v128)

BERTH_HANDLER op_array_new(BERTH_REGS) {
  st->stack_top = fp + field_d(pc);
  const u32 length = load_slot<u32>(fp, field_c(pc));
  Ref array;
  TrapCode code = runtime::array_new(ctx, reinterpret_cast<const RuntimeType*>(pc[2]), length, &array);
  if (code == TrapCode::None) code = runtime::array_fill(ctx, array, 0, fp + field_b(pc), length);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fp[field_a(pc)] = array;
  BERTH_NEXT(3);
}
BERTH_HANDLER op_array_new_default(BERTH_REGS) {
  st->stack_top = fp + field_d(pc);
  Ref array;
  const TrapCode code =
      runtime::array_new(ctx, reinterpret_cast<const RuntimeType*>(pc[2]), load_slot<u32>(fp, field_c(pc)), &array);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fp[field_a(pc)] = array;
  BERTH_NEXT(3);
}
BERTH_HANDLER op_array_new_fixed(BERTH_REGS) {
  st->stack_top = fp + field_d(pc);
  const auto* type = reinterpret_cast<const RuntimeType*>(pc[2]);
  Ref array;
  const TrapCode code = runtime::array_new(ctx, type, field_c(pc), &array);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fill_elements(array, fp + field_b(pc), field_c(pc), type->element_log2);
  fp[field_a(pc)] = array;
  BERTH_NEXT(3);
}
BERTH_HANDLER op_array_new_data(BERTH_REGS) {
  st->stack_top = fp + field_d(pc);
  Ref array;
  const TrapCode code =
      runtime::array_new_data(ctx, reinterpret_cast<const RuntimeType*>(pc[2]), static_cast<u32>(pc[3]),
                              load_slot<u32>(fp, field_b(pc)), load_slot<u32>(fp, field_c(pc)), &array);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fp[field_a(pc)] = array;
  BERTH_NEXT(4);
}
BERTH_HANDLER op_array_new_elem(BERTH_REGS) {
  st->stack_top = fp + field_d(pc);
  Ref array;
  const TrapCode code =
      runtime::array_new_elem(ctx, reinterpret_cast<const RuntimeType*>(pc[2]), static_cast<u32>(pc[3]),
                              load_slot<u32>(fp, field_b(pc)), load_slot<u32>(fp, field_c(pc)), &array);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  fp[field_a(pc)] = array;
  BERTH_NEXT(4);
}

#define BERTH_ARRAY_GET(name, stored, value)                                               \
  BERTH_HANDLER name(BERTH_REGS) {                                                         \
    TrapCode code = TrapCode::None;                                                        \
    const u8* p = element<stored>(fp[field_b(pc)], load_slot<u32>(fp, field_c(pc)), code); \
    if (p == nullptr) [[unlikely]]                                                         \
      BERTH_RAISE(code);                                                                   \
    stored v;                                                                              \
    std::memcpy(&v, p, sizeof v);                                                          \
    store_slot<value>(fp, field_a(pc), static_cast<value>(v));                             \
    BERTH_NEXT(2);                                                                         \
  }
BERTH_ARRAY_GET(op_array_get8_s, i8, u32)
BERTH_ARRAY_GET(op_array_get8_u, u8, u32)
BERTH_ARRAY_GET(op_array_get16_s, i16, u32)
BERTH_ARRAY_GET(op_array_get16_u, u16, u32)
BERTH_ARRAY_GET(op_array_get32, u32, u32)
BERTH_ARRAY_GET(op_array_get64, u64, u64)
BERTH_ARRAY_GET(op_array_get128, v128, v128)

#define BERTH_ARRAY_SET(name, stored)                                                \
  BERTH_HANDLER name(BERTH_REGS) {                                                   \
    TrapCode code = TrapCode::None;                                                  \
    u8* p = element<stored>(fp[field_a(pc)], load_slot<u32>(fp, field_b(pc)), code); \
    if (p == nullptr) [[unlikely]]                                                   \
      BERTH_RAISE(code);                                                             \
    std::memcpy(p, fp + field_c(pc), sizeof(stored));                                \
    note_store<stored>(st, p);                                                       \
    BERTH_NEXT(2);                                                                   \
  }
BERTH_ARRAY_SET(op_array_set8, u8)
BERTH_ARRAY_SET(op_array_set16, u16)
BERTH_ARRAY_SET(op_array_set32, u32)
BERTH_ARRAY_SET(op_array_set64, u64)
BERTH_ARRAY_SET(op_array_set128, v128)

BERTH_HANDLER op_array_len(BERTH_REGS) {
  const Ref ref = fp[field_b(pc)];
  if (ref == 0) [[unlikely]]
    BERTH_RAISE(TrapCode::NullArrayReference);
  acc = reinterpret_cast<const abi::ArrayObject*>(ref)->length;
  fp[field_a(pc)] = acc;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_array_fill(BERTH_REGS) {
  const TrapCode code = runtime::array_fill(ctx, fp[field_a(pc)], load_slot<u32>(fp, field_b(pc)), fp + field_c(pc),
                                            load_slot<u32>(fp, field_d(pc)));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_array_copy(BERTH_REGS) {
  const TrapCode code =
      runtime::array_copy(ctx, fp[field_a(pc)], load_slot<u32>(fp, field_b(pc)), fp[field_c(pc)],
                          load_slot<u32>(fp, field_d(pc)), load_slot<u32>(fp, static_cast<u32>(pc[2])));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_array_init_data(BERTH_REGS) {
  const TrapCode code =
      runtime::array_init_data(ctx, fp[field_a(pc)], load_slot<u32>(fp, field_b(pc)), static_cast<u32>(pc[2]),
                               load_slot<u32>(fp, field_c(pc)), load_slot<u32>(fp, field_d(pc)));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_array_init_elem(BERTH_REGS) {
  const TrapCode code =
      runtime::array_init_elem(ctx, fp[field_a(pc)], load_slot<u32>(fp, field_b(pc)), static_cast<u32>(pc[2]),
                               load_slot<u32>(fp, field_c(pc)), load_slot<u32>(fp, field_d(pc)));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}

}  // namespace berth::interp
