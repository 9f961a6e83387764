// References and garbage-collected objects.
#include "compiler/translate.h"

#include <cstddef>

#include "abi/object_layout.h"
#include "abi/size_classes.h"

namespace berth::compiler {

using abi::InstanceContext;
using abi::RuntimeType;
using wasm::HeapType;
using wasm::ValKind;
using wasm::ValType;

namespace {

u32 field_offset(const wasm::StructType& type, u32 field) {
  abi::StructLayout layout;
  u32 offset = 0;
  for (u32 i = 0; i <= field; ++i) offset = layout.add(type.fields[i]);
  return offset;
}

}  // namespace

Translator::Value Translator::runtime_type(u32 index) {
  return context_entry(offsetof(InstanceContext, types), index, sizeof(RuntimeType));
}

// Whether `actual`, which is not the type itself, is a proper subtype of it.
Translator::Value Translator::is_subtype(Value actual, u32 type_index) {
  const u32 depth = module_.subtype_depth[type_index];
  auto* level = ir_.CreateLoad(ir_.getInt8Ty(), offset(actual, offsetof(RuntimeType, depth)));
  level->setMetadata(llvm::LLVMContext::MD_invariant_load, p_.empty_node());
  const Block start = ir_.GetInsertBlock(), deep = new_block(""), done = new_block("");
  ir_.CreateCondBr(ir_.CreateICmpUGT(level, ir_.getInt8(static_cast<u8>(depth))), deep, done);
  ir_.SetInsertPoint(deep);
  const Value display = invariant(offset(actual, offsetof(RuntimeType, display)), (u64{depth} + 1) * 8);
  const Value at_depth = invariant(offset(display, u64{depth} * 8), sizeof(RuntimeType));
  const Value same = ir_.CreateICmpEQ(at_depth, runtime_type(type_index));
  const Block end = ir_.GetInsertBlock();
  ir_.CreateBr(done);
  ir_.SetInsertPoint(done);
  auto* result = ir_.CreatePHI(ir_.getInt1Ty(), 2);
  result->addIncoming(ir_.getFalse(), start);
  result->addIncoming(same, end);
  return result;
}

Translator::Value Translator::is_of_type(Value ref, ValType from, HeapType heap, bool nullable) {
  const bool may_be_null = from.nullable || !from.is_ref();
  const Value is_null = may_be_null ? ir_.CreateIsNull(ref) : static_cast<Value>(ir_.getFalse());
  const Value for_null = ir_.getInt1(nullable);
  if (from.is_ref() && wasm::heap_matches(module_, from.heap, heap)) {
    return nullable ? static_cast<Value>(ir_.getTrue()) : ir_.CreateNot(is_null);
  }
  if (!heap.is_index()) {
    switch (heap.abstract()) {
      case HeapType::kNone:
      case HeapType::kNoFunc:
      case HeapType::kNoExtern:
      case HeapType::kNoExn: return ir_.CreateAnd(is_null, for_null);
      case HeapType::kI31: {
        const Value low = ir_.CreateAnd(ir_.CreatePtrToInt(ref, ir_.getInt64Ty()), i64(1));
        return ir_.CreateOr(ir_.CreateICmpNE(low, i64(0)), ir_.CreateAnd(is_null, for_null));
      }
      default: {
        const Value yes = builtin(abi::Builtin::RefTest, {ref, i32(heap.bits()), i32(nullable)});
        return ir_.CreateICmpNE(yes, i32(0));
      }
    }
  }
  // A concrete type: null, an i31, or something that starts with its type.
  const Block done = new_block("tested");
  std::vector<std::pair<Value, Block>> verdicts;
  auto branch_out = [&](Value condition, Value verdict) {
    const Block next = new_block("");
    verdicts.emplace_back(verdict, ir_.GetInsertBlock());
    ir_.CreateCondBr(condition, done, next);
    ir_.SetInsertPoint(next);
  };
  if (may_be_null) branch_out(is_null, for_null);
  const bool may_be_i31 =
      !from.is_ref() || (!from.heap.is_index() && from.heap.abstract() != HeapType::kFunc &&
                         from.heap.abstract() != HeapType::kStruct && from.heap.abstract() != HeapType::kArray);
  if (may_be_i31) {
    const Value low = ir_.CreateAnd(ir_.CreatePtrToInt(ref, ir_.getInt64Ty()), i64(1));
    branch_out(ir_.CreateICmpNE(low, i64(0)), ir_.getFalse());
  }
  const u32 index = heap.index().value;
  const Value actual = load(ir_.getPtrTy(), ref, Region::Header);
  const Value same = ir_.CreateICmpEQ(actual, runtime_type(index));
  Value last = same;
  if (!module_.types[index].is_final) {
    branch_out(same, ir_.getTrue());
    last = is_subtype(actual, index);
  }
  verdicts.emplace_back(last, ir_.GetInsertBlock());
  ir_.CreateBr(done);
  ir_.SetInsertPoint(done);
  auto* result = ir_.CreatePHI(ir_.getInt1Ty(), static_cast<unsigned>(verdicts.size()));
  for (const auto& [verdict, block] : verdicts) result->addIncoming(verdict, block);
  return result;
}

void Translator::test_type(Op op, HeapType heap, bool nullable) {
  locate();
  const Operand ref = pop_operand();
  const Value yes = is_of_type(ref.value, ref.type, heap, nullable);
  if (op == Op::RefTest || op == Op::RefTestNull) return push(ir_.CreateZExt(yes, ir_.getInt32Ty()), wasm::kI32);
  trap_if(ir_.CreateNot(yes), TrapCode::CastFailure);
  push(ref.value, ValType::ref(heap, nullable && (ref.type.nullable || !ref.type.is_ref())));
}

void Translator::ref_func(u32 index) {
  const Value f = context_entry(offsetof(InstanceContext, functions), index, sizeof(abi::FunctionInstance));
  push(f, ValType::ref(HeapType(module_.functions[index].type), false));
}

void Translator::reference(Op op) {
  switch (op) {
    case Op::RefIsNull: return push(ir_.CreateZExt(ir_.CreateIsNull(pop()), ir_.getInt32Ty()), wasm::kI32);
    case Op::RefEq: {
      const Value b = pop(), a = pop();
      return push(ir_.CreateZExt(ir_.CreateICmpEQ(a, b), ir_.getInt32Ty()), wasm::kI32);
    }
    case Op::RefAsNonNull: {
      const Operand ref = pop_operand();
      if (ref.type.nullable || !ref.type.is_ref()) trap_if(ir_.CreateIsNull(ref.value), TrapCode::NullReference);
      return push(ref.value, ValType::ref(ref.type.heap, false));
    }
    case Op::RefI31: {
      const Value wide = ir_.CreateZExt(ir_.CreateShl(pop(), 1), ir_.getInt64Ty());
      return push(ir_.CreateIntToPtr(ir_.CreateOr(wide, i64(1)), ir_.getPtrTy()), ValType::ref(HeapType::kI31, false));
    }
    case Op::I31GetS:
    case Op::I31GetU: {
      const Operand ref = pop_operand();
      if (ref.type.nullable || !ref.type.is_ref()) trap_if(ir_.CreateIsNull(ref.value), TrapCode::NullI31Reference);
      const Value bits = ir_.CreatePtrToInt(ref.value, ir_.getInt32Ty());
      return push(op == Op::I31GetS ? ir_.CreateAShr(bits, 1) : ir_.CreateLShr(bits, 1), wasm::kI32);
    }
    case Op::AnyConvertExtern:
    case Op::ExternConvertAny: {
      const Operand ref = pop_operand();
      return push(ref.value,
                  ValType::ref(op == Op::AnyConvertExtern ? HeapType::kAny : HeapType::kExtern, ref.type.nullable));
    }
    default:
      CHECK(op == Op::ArrayLen);
      const Operand ref = pop_operand();
      locate();
      if (ref.type.nullable || !ref.type.is_ref()) trap_if(ir_.CreateIsNull(ref.value), TrapCode::NullArrayReference);
      push(array_length(ref.value), wasm::kI32);
  }
}

Translator::Value Translator::field_value(Value stored, const wasm::FieldType& field, bool is_signed) {
  if (field.packed == wasm::Packed::None) return stored;
  return is_signed ? ir_.CreateSExt(stored, ir_.getInt32Ty()) : ir_.CreateZExt(stored, ir_.getInt32Ty());
}

Translator::Value Translator::field_store(Value v, const wasm::FieldType& field) {
  return field.packed == wasm::Packed::None ? v : ir_.CreateTrunc(v, ir_.getIntNTy(field.size() * 8));
}

llvm::Type* Translator::field_type(const wasm::FieldType& field) const {
  return field.packed == wasm::Packed::None ? type(field.type) : llvm::Type::getIntNTy(p_.context(), field.size() * 8);
}

// Stores a value of type `v_type` in an object that may be old, for the collector to find it.
void Translator::store_in_object(Value v, ValType v_type, Value place, const wasm::FieldType& field) {
  store(field_store(v, field), place, Region::Object);
  const auto is_object = [&](ValType t) {
    if (!t.is_ref()) return false;
    if (wasm::heap_matches(module_, t.heap, HeapType::kFunc) || wasm::heap_matches(module_, t.heap, HeapType::kI31))
      return false;
    return t.heap.is_index() || (t.heap.abstract() != HeapType::kNone && t.heap.abstract() != HeapType::kNoExtern &&
                                 t.heap.abstract() != HeapType::kNoExn);
  };
  if (!is_object(field.type) || !is_object(v_type) || llvm::isa<llvm::ConstantPointerNull>(v)) return;
  const Value cards =
      load(ir_.getInt64Ty(), offset(store_context(), offsetof(abi::StoreContext, cards)), Region::Context);
  const Value number = ir_.CreateLShr(ir_.CreatePtrToInt(place, ir_.getInt64Ty()), u64{abi::kCardLog2});
  store(ir_.getInt8(1), ir_.CreateIntToPtr(ir_.CreateAdd(cards, number), ir_.getPtrTy()), Region::Cards);
}

// A new object of a struct type, all fields zero: from the run of free cells, or by the runtime.
Translator::Value Translator::new_struct(u32 type_index) {
  using abi::AllocationRun;
  abi::StructLayout layout;
  for (const auto& field : module_.types[type_index].strct.fields) layout.add(field);
  const u8 size_class = abi::size_class(layout.object_bytes());
  const Value wanted = runtime_type(type_index);
  if (size_class == abi::kLargeClass) return builtin(abi::Builtin::StructNew, {wanted});
  const Value runs = invariant(offset(store_context(), offsetof(abi::StoreContext, allocation_runs)),
                               sizeof(AllocationRun) * (abi::kSizeClasses + 1));
  const Value run = offset(runs, u64{size_class} * sizeof(AllocationRun));
  const u64 bytes = abi::kCellBytes[size_class];
  const Value cell = load(ir_.getPtrTy(), offset(run, offsetof(AllocationRun, cursor)), Region::Store);
  const Value limit = load(ir_.getPtrTy(), offset(run, offsetof(AllocationRun, limit)), Region::Store);
  const Value left =
      ir_.CreateSub(ir_.CreatePtrToInt(limit, ir_.getInt64Ty()), ir_.CreatePtrToInt(cell, ir_.getInt64Ty()));
  const Block fast = new_block("allocate"), slow = new_block("collect"), done = new_block("allocated");
  ir_.CreateCondBr(ir_.CreateICmpULT(left, i64(bytes)), slow, fast, p_.unlikely());
  ir_.SetInsertPoint(fast);
  store(offset(cell, bytes), offset(run, offsetof(AllocationRun, cursor)), Region::Store);
  store(wanted, cell, Region::Header);
  ir_.CreateBr(done);
  ir_.SetInsertPoint(slow);
  const Value made = builtin(abi::Builtin::StructNew, {wanted});
  const Block slow_end = ir_.GetInsertBlock();
  ir_.CreateBr(done);
  ir_.SetInsertPoint(done);
  auto* object = ir_.CreatePHI(ir_.getPtrTy(), 2);
  object->addIncoming(cell, fast);
  object->addIncoming(made, slow_end);
  return object;
}

void Translator::struct_op(Op op, u32 type_index, u32 field_index) {
  const wasm::StructType& definition = module_.types[type_index].strct;
  locate();
  if (op == Op::StructNew || op == Op::StructNewDefault) {
    const size_t count = op == Op::StructNew ? definition.fields.size() : 0;
    const auto values = top_values(count);
    stack_.resize(stack_.size() - count);
    const Value object = new_struct(type_index);
    for (u32 i = 0; i < count; ++i) {
      const auto& field = definition.fields[i];
      store(field_store(values[i], field), offset(object, field_offset(definition, i)), Region::Object);
    }
    return push(object, ValType::ref(HeapType(wasm::TypeIdx(type_index)), false));
  }
  const wasm::FieldType& field = definition.fields[field_index];
  const u32 at = field_offset(definition, field_index);
  const Operand value = op == Op::StructSet ? pop_operand() : Operand{};
  const Operand object = pop_operand();
  if (object.type.nullable || !object.type.is_ref())
    trap_if(ir_.CreateIsNull(object.value), TrapCode::NullStructureReference);
  if (op == Op::StructSet) return store_in_object(value.value, value.type, offset(object.value, at), field);
  auto* read = ir_.CreateLoad(field_type(field), offset(object.value, at));
  p_.set_region(read, Region::Object);
  push(field_value(read, field, op == Op::StructGetS), field.type);
}

Translator::Value Translator::array_length(Value array) {
  auto* length = ir_.CreateLoad(ir_.getInt32Ty(), offset(array, kArrayLengthOffset));
  length->setMetadata(llvm::LLVMContext::MD_invariant_load, p_.empty_node());
  p_.set_region(length, Region::Object);
  return length;
}

void Translator::array_op(Op op, u32 type_index, u32 second) {
  using abi::Builtin;
  const ValType result = ValType::ref(HeapType(wasm::TypeIdx(type_index)), false);
  const wasm::FieldType& element = module_.types[type_index].array.element;
  locate();
  // Builtins take a value as slots, unpacked.
  auto as_slots = [&](Value v) {
    const ValType types[] = {element.type};
    const Value values[] = {v};
    return slots_of(values, types);
  };
  auto place = [&](Operand array, Value index) {
    if (array.type.nullable || !array.type.is_ref())
      trap_if(ir_.CreateIsNull(array.value), TrapCode::NullArrayReference);
    trap_if(ir_.CreateICmpUGE(index, array_length(array.value)), TrapCode::ArrayOutOfBounds);
    const Value data = offset(array.value, sizeof(abi::ArrayObject));
    return ir_.CreateGEP(field_type(element), data, address(index, false));
  };
  switch (op) {
    case Op::ArrayNew: {
      const Value length = pop(), v = pop();
      return push(builtin(Builtin::ArrayNew, {runtime_type(type_index), length, as_slots(v)}), result);
    }
    case Op::ArrayNewDefault: {
      const Value none = llvm::ConstantPointerNull::get(ir_.getPtrTy());
      return push(builtin(Builtin::ArrayNew, {runtime_type(type_index), pop(), none}), result);
    }
    case Op::ArrayNewFixed: {
      const auto values = top_values(second);
      stack_.resize(stack_.size() - second);
      const Value none = llvm::ConstantPointerNull::get(ir_.getPtrTy());
      const Value array = builtin(Builtin::ArrayNew, {runtime_type(type_index), i32(second), none});
      for (u32 i = 0; i < second; ++i) {
        store(field_store(values[i], element), offset(array, sizeof(abi::ArrayObject) + u64{i} * element.size()),
              Region::Object);
      }
      return push(array, result);
    }
    case Op::ArrayNewData:
    case Op::ArrayNewElem: {
      const Value length = pop(), from = pop();
      const Builtin which = op == Op::ArrayNewData ? Builtin::ArrayNewData : Builtin::ArrayNewElem;
      return push(builtin(which, {runtime_type(type_index), i32(second), from, length}), result);
    }
    case Op::ArrayGet:
    case Op::ArrayGetS:
    case Op::ArrayGetU: {
      const Value index = pop();
      const Value at = place(pop_operand(), index);
      const Value read = load(field_type(element), at, Region::Object);
      return push(field_value(read, element, op == Op::ArrayGetS), element.type);
    }
    case Op::ArraySet: {
      const Operand v = pop_operand();
      const Value index = pop();
      const Value at = place(pop_operand(), index);
      return store_in_object(v.value, v.type, at, element);
    }
    case Op::ArrayFill: {
      const Value count = pop(), v = pop(), index = pop(), array = pop();
      builtin(Builtin::ArrayFill, {array, index, as_slots(v), count});
      return;
    }
    case Op::ArrayCopy: {
      const Value count = pop(), from_index = pop(), from = pop(), to_index = pop(), to = pop();
      builtin(Builtin::ArrayCopy, {to, to_index, from, from_index, count});
      return;
    }
    default: {
      CHECK(op == Op::ArrayInitData || op == Op::ArrayInitElem);
      const Value count = pop(), from = pop(), index = pop(), array = pop();
      builtin(op == Op::ArrayInitData ? Builtin::ArrayInitData : Builtin::ArrayInitElem,
              {array, index, i32(second), from, count});
      return;
    }
  }
}

}  // namespace berth::compiler
