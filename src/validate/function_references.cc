// Validation of instructions on references, tables, structs and arrays.
#include <algorithm>

#include "validate/function_validator.h"

namespace berth::validate {

using wasm::CompositeKind;
using wasm::FieldType;
using wasm::HeapType;
using wasm::Op;
using wasm::Packed;
using wasm::ValKind;
using wasm::ValType;

namespace {
constexpr ValType nullable(HeapType heap) { return ValType::ref(heap, true); }
constexpr ValType non_null(HeapType heap) { return ValType::ref(heap, false); }
constexpr ValType nullable(wasm::TypeIdx type) { return nullable(HeapType(type)); }
constexpr ValType non_null(wasm::TypeIdx type) { return non_null(HeapType(type)); }
}  // namespace

// --- references

bool FunctionValidator::op(OpTag<Op::RefNull>, const wasm::HeapTypeImm& imm) {
  if (!check(nullable(imm.type))) return false;
  push(nullable(imm.type));
  return true;
}

bool FunctionValidator::op(OpTag<Op::RefIsNull>, const wasm::NoImm&) {
  ValType ref;
  if (!pop_ref(ref)) return false;
  push(wasm::kI32);
  return true;
}

bool FunctionValidator::op(OpTag<Op::RefFunc>, const wasm::FuncImm& imm) {
  if (!function_sig(imm.func)) return false;
  if (!facts_.declared[imm.func.value]) {
    return error(ErrorCode::UndeclaredFunctionReference,
                 "function " + std::to_string(imm.func.value) + " is in no element segment, global or export");
  }
  // Before typed references, ref.func had the type funcref.
  const bool typed = features_.has(wasm::Feature::FunctionReferences) || features_.has(wasm::Feature::Gc);
  push(typed ? non_null(module_.functions[imm.func.value].type) : wasm::kFuncRef);
  return true;
}

bool FunctionValidator::op(OpTag<Op::RefEq>, const wasm::NoImm&) {
  if (!pop(nullable(HeapType::kEq)) || !pop(nullable(HeapType::kEq))) return false;
  push(wasm::kI32);
  return true;
}

bool FunctionValidator::op(OpTag<Op::RefAsNonNull>, const wasm::NoImm&) {
  ValType ref;
  if (!pop_ref(ref)) return false;
  push(non_null(ref.heap));
  return true;
}

bool FunctionValidator::ref_test(HeapType type, bool is_nullable, bool cast) {
  const ValType wanted = ValType::ref(type, is_nullable);
  if (!check(wanted) || !pop(nullable(wasm::top_of(module_, type)))) return false;
  push(cast ? wanted : wasm::kI32);
  return true;
}
bool FunctionValidator::op(OpTag<Op::RefTest>, const wasm::HeapTypeImm& imm) {
  return ref_test(imm.type, false, false);
}
bool FunctionValidator::op(OpTag<Op::RefTestNull>, const wasm::HeapTypeImm& imm) {
  return ref_test(imm.type, true, false);
}
bool FunctionValidator::op(OpTag<Op::RefCast>, const wasm::HeapTypeImm& imm) { return ref_test(imm.type, false, true); }
bool FunctionValidator::op(OpTag<Op::RefCastNull>, const wasm::HeapTypeImm& imm) {
  return ref_test(imm.type, true, true);
}

bool FunctionValidator::convert(HeapType from, HeapType to) {
  ValType ref;
  if (!pop_ref(ref)) return false;
  if (ref.is_ref() && !wasm::heap_matches(module_, ref.heap, from)) {
    ++sp_;
    const ValType wanted = nullable(from);
    return mismatch(std::span(&wanted, 1));
  }
  push(ValType::ref(to, ref.is_ref() && ref.nullable));
  return true;
}
bool FunctionValidator::op(OpTag<Op::AnyConvertExtern>, const wasm::NoImm&) {
  return convert(HeapType::kExtern, HeapType::kAny);
}
bool FunctionValidator::op(OpTag<Op::ExternConvertAny>, const wasm::NoImm&) {
  return convert(HeapType::kAny, HeapType::kExtern);
}

bool FunctionValidator::op(OpTag<Op::RefI31>, const wasm::NoImm&) {
  if (!pop(wasm::kI32)) return false;
  push(non_null(HeapType::kI31));
  return true;
}
bool FunctionValidator::op(OpTag<Op::I31GetS>, const wasm::NoImm&) {
  if (!pop(nullable(HeapType::kI31))) return false;
  push(wasm::kI32);
  return true;
}
bool FunctionValidator::op(OpTag<Op::I31GetU>, const wasm::NoImm& imm) { return op(OpTag<Op::I31GetS>{}, imm); }

// --- structs

const FieldType* FunctionValidator::field(wasm::TypeIdx index, u32 field) {
  const wasm::SubType* t = type(index, CompositeKind::Struct);
  if (!t) return nullptr;
  if (field >= t->strct.fields.size()) {
    unknown(ErrorCode::UnknownField, field, t->strct.fields.size(), "fields");
    return nullptr;
  }
  return &t->strct.fields[field];
}

bool FunctionValidator::op(OpTag<Op::StructNew>, const wasm::TypeImm& imm) {
  const wasm::SubType* t = type(imm.type, CompositeKind::Struct);
  if (!t) return false;
  const auto& fields = t->strct.fields;
  for (size_t n = fields.size(); n-- > 0 && !anything_goes();)
    if (!pop(fields[n].type)) return false;
  push(non_null(imm.type));
  return true;
}

bool FunctionValidator::op(OpTag<Op::StructNewDefault>, const wasm::TypeImm& imm) {
  const wasm::SubType* t = type(imm.type, CompositeKind::Struct);
  if (!t) return false;
  if (!facts_.defaultable[imm.type.value]) {
    const auto& fields = t->strct.fields;
    const auto bad = std::ranges::find_if(fields, [](const FieldType& f) { return !f.type.is_defaultable(); });
    return error(ErrorCode::NotDefaultable, "field " + std::to_string(bad - fields.begin()) + " of type " +
                                                std::to_string(imm.type.value) + " is " + wasm::to_string(bad->type));
  }
  push(non_null(imm.type));
  return true;
}

bool FunctionValidator::typed_get(const wasm::TypeFieldImm& imm, bool packed) {
  const FieldType* f = field(imm.type, imm.field);
  if (!f) return false;
  if ((f->packed != Packed::None) != packed)
    return error(packed ? ErrorCode::FieldNotPacked : ErrorCode::FieldPacked,
                 std::to_string(imm.field) + " (" + mnemonic() + ")");
  if (!pop(nullable(imm.type))) return false;
  push(f->type);
  return true;
}
bool FunctionValidator::op(OpTag<Op::StructGet>, const wasm::TypeFieldImm& imm) { return typed_get(imm, false); }
bool FunctionValidator::op(OpTag<Op::StructGetS>, const wasm::TypeFieldImm& imm) { return typed_get(imm, true); }
bool FunctionValidator::op(OpTag<Op::StructGetU>, const wasm::TypeFieldImm& imm) { return typed_get(imm, true); }

bool FunctionValidator::op(OpTag<Op::StructSet>, const wasm::TypeFieldImm& imm) {
  const FieldType* f = field(imm.type, imm.field);
  if (!f) return false;
  if (!f->is_mutable) return error(ErrorCode::ImmutableField, std::to_string(imm.field));
  return pop(f->type) && pop(nullable(imm.type));
}

// --- arrays

const FieldType* FunctionValidator::element(wasm::TypeIdx index) {
  const wasm::SubType* t = type(index, CompositeKind::Array);
  return t ? &t->array.element : nullptr;
}

const FieldType* FunctionValidator::mutable_element(wasm::TypeIdx index) {
  const FieldType* e = element(index);
  if (e && !e->is_mutable) {
    error(ErrorCode::ImmutableArray, std::to_string(index.value) + " (" + mnemonic() + ")");
    return nullptr;
  }
  return e;
}

bool FunctionValidator::op(OpTag<Op::ArrayNew>, const wasm::TypeImm& imm) {
  const FieldType* e = element(imm.type);
  if (!e || !pop(wasm::kI32) || !pop(e->type)) return false;
  push(non_null(imm.type));
  return true;
}

bool FunctionValidator::op(OpTag<Op::ArrayNewDefault>, const wasm::TypeImm& imm) {
  const FieldType* e = element(imm.type);
  if (!e) return false;
  if (!e->type.is_defaultable()) {
    return error(ErrorCode::NotDefaultable,
                 "the element of type " + std::to_string(imm.type.value) + " is " + wasm::to_string(e->type));
  }
  if (!pop(wasm::kI32)) return false;
  push(non_null(imm.type));
  return true;
}

bool FunctionValidator::op(OpTag<Op::ArrayNewFixed>, const wasm::TypeCountImm& imm) {
  const FieldType* e = element(imm.type);
  if (!e) return false;
  if (imm.count > facts_.limits.array_new_fixed)
    return error(limit_error("operands of array.new_fixed", facts_.limits.array_new_fixed, imm.count));
  for (u32 n = 0; n < imm.count && !anything_goes(); ++n)
    if (!pop(e->type)) return false;
  push(non_null(imm.type));
  return true;
}

namespace {
bool holds_numbers(const FieldType& e) { return e.packed != Packed::None || e.type.is_numeric() || e.type.is_vector(); }
}  // namespace

bool FunctionValidator::op(OpTag<Op::ArrayNewData>, const wasm::TypeDataImm& imm) {
  const FieldType* e = element(imm.type);
  if (!e || !check_data(imm.data)) return false;
  if (!holds_numbers(*e)) return error(ErrorCode::ArrayNotNumeric, std::to_string(imm.type.value));
  if (!pop(wasm::kI32) || !pop(wasm::kI32)) return false;
  push(non_null(imm.type));
  return true;
}

bool FunctionValidator::segment_fits(wasm::ElemIdx elem, ValType wanted, const char* where) {
  if (!check_elem(elem)) return false;
  const ValType have = module_.elems[elem.value].type;
  if (wasm::val_matches(module_, have, wanted)) return true;
  return error(ErrorCode::TypeMismatch, "element segment " + std::to_string(elem.value) + " holds " +
                                            wasm::to_string(have) + ", " + where + " " + wasm::to_string(wanted) +
                                            " (" + mnemonic() + ")");
}

bool FunctionValidator::op(OpTag<Op::ArrayNewElem>, const wasm::TypeElemImm& imm) {
  const FieldType* e = element(imm.type);
  if (!e || !segment_fits(imm.elem, e->type, "the array")) return false;
  if (!pop(wasm::kI32) || !pop(wasm::kI32)) return false;
  push(non_null(imm.type));
  return true;
}

bool FunctionValidator::array_get(wasm::TypeIdx type, bool packed) {
  const FieldType* e = element(type);
  if (!e) return false;
  if ((e->packed != Packed::None) != packed)
    return error(packed ? ErrorCode::FieldNotPacked : ErrorCode::FieldPacked,
                 "array " + std::to_string(type.value) + " (" + mnemonic() + ")");
  if (!pop(wasm::kI32) || !pop(nullable(type))) return false;
  push(e->type);
  return true;
}
bool FunctionValidator::op(OpTag<Op::ArrayGet>, const wasm::TypeImm& imm) { return array_get(imm.type, false); }
bool FunctionValidator::op(OpTag<Op::ArrayGetS>, const wasm::TypeImm& imm) { return array_get(imm.type, true); }
bool FunctionValidator::op(OpTag<Op::ArrayGetU>, const wasm::TypeImm& imm) { return array_get(imm.type, true); }

bool FunctionValidator::op(OpTag<Op::ArraySet>, const wasm::TypeImm& imm) {
  const FieldType* e = mutable_element(imm.type);
  return e && pop(e->type) && pop(wasm::kI32) && pop(nullable(imm.type));
}

bool FunctionValidator::op(OpTag<Op::ArrayLen>, const wasm::NoImm&) {
  if (!pop(nullable(HeapType::kArray))) return false;
  push(wasm::kI32);
  return true;
}

bool FunctionValidator::op(OpTag<Op::ArrayFill>, const wasm::TypeImm& imm) {
  const FieldType* e = mutable_element(imm.type);
  return e && pop(wasm::kI32) && pop(e->type) && pop(wasm::kI32) && pop(nullable(imm.type));
}

bool FunctionValidator::op(OpTag<Op::ArrayCopy>, const wasm::TypeTypeImm& imm) {
  const FieldType* to = mutable_element(imm.dst);
  const FieldType* from = to ? element(imm.src) : nullptr;
  if (!from) return false;
  if (from->packed != to->packed || !wasm::val_matches(module_, from->type, to->type)) {
    return error(ErrorCode::ArrayTypesMismatch,
                 std::to_string(imm.src.value) + " cannot be copied into " + std::to_string(imm.dst.value));
  }
  return pop(wasm::kI32) && pop(wasm::kI32) && pop(nullable(imm.src)) && pop(wasm::kI32) && pop(nullable(imm.dst));
}

bool FunctionValidator::op(OpTag<Op::ArrayInitData>, const wasm::TypeDataImm& imm) {
  const FieldType* e = mutable_element(imm.type);
  if (!e || !check_data(imm.data)) return false;
  if (!holds_numbers(*e)) return error(ErrorCode::ArrayNotNumeric, std::to_string(imm.type.value));
  return pop(wasm::kI32) && pop(wasm::kI32) && pop(wasm::kI32) && pop(nullable(imm.type));
}

bool FunctionValidator::op(OpTag<Op::ArrayInitElem>, const wasm::TypeElemImm& imm) {
  const FieldType* e = mutable_element(imm.type);
  return e && segment_fits(imm.elem, e->type, "the array") && pop(wasm::kI32) && pop(wasm::kI32) && pop(wasm::kI32) &&
         pop(nullable(imm.type));
}

// --- tables and memories

bool FunctionValidator::op(OpTag<Op::TableGet>, const wasm::TableImm& imm) {
  const wasm::Table* t = table(imm.table);
  if (!t || !pop(t->type.address_type())) return false;
  push(t->type.element);
  return true;
}

bool FunctionValidator::op(OpTag<Op::TableSet>, const wasm::TableImm& imm) {
  const wasm::Table* t = table(imm.table);
  return t && pop(t->type.element) && pop(t->type.address_type());
}

bool FunctionValidator::op(OpTag<Op::TableSize>, const wasm::TableImm& imm) {
  const wasm::Table* t = table(imm.table);
  if (!t) return false;
  push(t->type.address_type());
  return true;
}

bool FunctionValidator::op(OpTag<Op::TableGrow>, const wasm::TableImm& imm) {
  const wasm::Table* t = table(imm.table);
  if (!t || !pop(t->type.address_type()) || !pop(t->type.element)) return false;
  push(t->type.address_type());
  return true;
}

bool FunctionValidator::op(OpTag<Op::TableFill>, const wasm::TableImm& imm) {
  const wasm::Table* t = table(imm.table);
  return t && pop(t->type.address_type()) && pop(t->type.element) && pop(t->type.address_type());
}

bool FunctionValidator::op(OpTag<Op::TableCopy>, const wasm::TableTableImm& imm) {
  const wasm::Table* to = table(imm.dst);
  const wasm::Table* from = to ? table(imm.src) : nullptr;
  if (!from) return false;
  if (!wasm::val_matches(module_, from->type.element, to->type.element)) {
    return error(ErrorCode::TypeMismatch, "table " + std::to_string(imm.src.value) + " holds " +
                                              wasm::to_string(from->type.element) + ", table " +
                                              std::to_string(imm.dst.value) + " " + wasm::to_string(to->type.element));
  }
  const ValType size = to->type.is_64 && from->type.is_64 ? wasm::kI64 : wasm::kI32;
  return pop(size) && pop(from->type.address_type()) && pop(to->type.address_type());
}

bool FunctionValidator::op(OpTag<Op::TableInit>, const wasm::ElemTableImm& imm) {
  const wasm::Table* t = table(imm.table);
  return t && segment_fits(imm.elem, t->type.element, "the table") && pop(wasm::kI32) && pop(wasm::kI32) &&
         pop(t->type.address_type());
}

bool FunctionValidator::op(OpTag<Op::MemoryCopy>, const wasm::MemoryMemoryImm& imm) {
  ValType to;
  ValType from;
  if (!memory_address(imm.dst, to) || !memory_address(imm.src, from)) return false;
  const ValType size = to == wasm::kI64 && from == wasm::kI64 ? wasm::kI64 : wasm::kI32;
  return pop(size) && pop(from) && pop(to);
}

}  // namespace berth::validate
