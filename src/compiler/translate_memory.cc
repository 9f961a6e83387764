// Memories, tables and globals.
#include "compiler/translate.h"

#include <cstddef>

namespace berth::compiler {

using abi::InstanceContext;
using abi::MemoryRecord;
using abi::TableRecord;
using wasm::ValKind;

// Whether accesses need no bounds check because everything that an index and an offset can reach is reserved.
bool Translator::guarded(u32 memory) const {
  const wasm::MemoryType& t = module_.memories[memory].type;
  return !t.is_64 && t.page_size_log2 == 16;
}

Translator::Value Translator::memory_record(u32 memory) {
  return context_entry(offsetof(InstanceContext, memories), memory, sizeof(MemoryRecord));
}

Translator::Value Translator::memory_base(u32 memory) {
  if (!guarded(memory))
    return load(ir_.getPtrTy(), offset(memory_record(memory), offsetof(MemoryRecord, base)), Region::Context);
  Value& base = bases_[memory];
  if (base == nullptr) {
    const llvm::IRBuilderBase::InsertPointGuard guard(ir_);
    ir_.SetInsertPoint(f_.getEntryBlock().getTerminator());
    base = memory == 0 ? invariant(offset(self_, offsetof(InstanceContext, memory0_base)), 0)
                       : invariant(offset(memory_record(memory), offsetof(MemoryRecord, base)), 0);
  }
  return base;
}

Translator::Value Translator::effective_address(const wasm::MemArgImm& m, u32 width, Value index, bool aligned) {
  const u32 memory = m.memory.value;
  const wasm::MemoryType& t = module_.memories[memory].type;
  locate();
  const Value wide = address(index, t.is_64);
  if (aligned && width > 1) {
    // Before the bounds, as in the interpreter: in guarded memories the access itself finds those.
    const Value low = ir_.CreateAnd(ir_.CreateAdd(wide, i64(m.offset)), i64(width - 1));
    trap_if(ir_.CreateICmpNE(low, i64(0)), TrapCode::UnalignedAtomic);
  }
  const Value base = memory_base(memory);
  const Value start = ir_.CreatePtrAdd(base, wide);
  if (m.offset > ~u64{0} - width) {
    trap_if(ir_.getTrue(), TrapCode::MemoryOutOfBounds);
    return start;
  }
  // Offsets beyond what is reserved behind the index are checked even in guarded memories.
  const bool is_guarded = guarded(memory) && m.offset + width <= (u64{1} << 32) + (u64{64} << 10);
  auto* check = ir_.CreateCall(p_.check(), {start, i64(m.offset + width), wide, i32(memory), ir_.getInt1(is_guarded)});
  check->setDoesNotThrow();
  // Merged with another one its constants would become variables.
  check->addFnAttr(llvm::Attribute::NoMerge);
  return m.offset == 0 ? start : offset(start, m.offset);
}

llvm::LoadInst* Translator::memory_load(llvm::Type* t, const wasm::MemArgImm& m, Value index) {
  const u32 width = static_cast<u32>(p_.module().getDataLayout().getTypeStoreSize(t));
  const Value at = effective_address(m, width, index);
  auto* read = ir_.CreateAlignedLoad(t, at, llvm::Align(1), module_.memories[m.memory.value].type.is_shared);
  p_.set_region(read, Region::Memory);
  return read;
}

void Translator::memory_store(Value v, const wasm::MemArgImm& m, Value index) {
  const u32 width = static_cast<u32>(p_.module().getDataLayout().getTypeStoreSize(v->getType()));
  const Value at = effective_address(m, width, index);
  auto* write = ir_.CreateAlignedStore(v, at, llvm::Align(1), module_.memories[m.memory.value].type.is_shared);
  p_.set_region(write, Region::Memory);
}

void Translator::load_op(Op op, const wasm::MemArgImm& m) {
  const Value index = pop();
  auto extended = [&](u32 bits, bool is_signed, wasm::ValType result) {
    const Value v = memory_load(ir_.getIntNTy(bits), m, index);
    push(is_signed ? ir_.CreateSExt(v, type(result)) : ir_.CreateZExt(v, type(result)), result);
  };
  switch (op) {
    case Op::I32Load: return push(memory_load(ir_.getInt32Ty(), m, index), wasm::kI32);
    case Op::I64Load: return push(memory_load(ir_.getInt64Ty(), m, index), wasm::kI64);
    case Op::F32Load: return push(memory_load(ir_.getFloatTy(), m, index), wasm::kF32);
    case Op::F64Load: return push(memory_load(ir_.getDoubleTy(), m, index), wasm::kF64);
    case Op::I32Load8S: return extended(8, true, wasm::kI32);
    case Op::I32Load8U: return extended(8, false, wasm::kI32);
    case Op::I32Load16S: return extended(16, true, wasm::kI32);
    case Op::I32Load16U: return extended(16, false, wasm::kI32);
    case Op::I64Load8S: return extended(8, true, wasm::kI64);
    case Op::I64Load8U: return extended(8, false, wasm::kI64);
    case Op::I64Load16S: return extended(16, true, wasm::kI64);
    case Op::I64Load16U: return extended(16, false, wasm::kI64);
    case Op::I64Load32S: return extended(32, true, wasm::kI64);
    case Op::I64Load32U: return extended(32, false, wasm::kI64);
    default: CHECK(op == Op::V128Load); return push(memory_load(p_.type(ValKind::V128), m, index), wasm::kV128);
  }
}

void Translator::store_op(Op op, const wasm::MemArgImm& m) {
  Value v = pop();
  const Value index = pop();
  switch (op) {
    case Op::I32Store8:
    case Op::I64Store8: v = ir_.CreateTrunc(v, ir_.getInt8Ty()); break;
    case Op::I32Store16:
    case Op::I64Store16: v = ir_.CreateTrunc(v, ir_.getInt16Ty()); break;
    case Op::I64Store32: v = ir_.CreateTrunc(v, ir_.getInt32Ty()); break;
    default: break;
  }
  memory_store(v, m, index);
}

void Translator::memory_size(u32 memory) {
  const wasm::MemoryType& t = module_.memories[memory].type;
  auto* bytes =
      ir_.CreateLoad(ir_.getInt64Ty(), offset(memory_record(memory), offsetof(MemoryRecord, bytes)), t.is_shared);
  p_.set_region(bytes, Region::Store);
  const Value pages = ir_.CreateLShr(bytes, i64(t.page_size_log2));
  if (t.is_64)
    push(pages, wasm::kI64);
  else
    push(ir_.CreateTrunc(pages, ir_.getInt32Ty()), wasm::kI32);
}

// `first` and `second` are indices in the order of the instruction's immediates.
void Translator::bulk(Op op, u32 first, u32 second) {
  using abi::Builtin;
  auto is_64 = [&](u32 memory) { return module_.memories[memory].type.is_64; };
  switch (op) {
    case Op::MemoryGrow: {
      const Value pages = builtin(Builtin::MemoryGrow, {i32(first), address(pop(), is_64(first))});
      if (is_64(first))
        push(pages, wasm::kI64);
      else
        push(ir_.CreateTrunc(pages, ir_.getInt32Ty()), wasm::kI32);
      return;
    }
    case Op::MemoryFill: {
      const Value size = address(pop(), is_64(first)), value = pop(), at = address(pop(), is_64(first));
      builtin(Builtin::MemoryFill, {i32(first), at, value, size});
      return;
    }
    case Op::MemoryCopy: {
      const Value size = address(pop(), is_64(first) && is_64(second));
      const Value from = address(pop(), is_64(second)), to = address(pop(), is_64(first));
      builtin(Builtin::MemoryCopy, {i32(first), i32(second), to, from, size});
      return;
    }
    case Op::MemoryInit: {
      const Value size = pop(), from = pop(), to = address(pop(), is_64(second));
      builtin(Builtin::MemoryInit, {i32(second), i32(first), to, from, size});
      return;
    }
    case Op::DataDrop: builtin(Builtin::DataDrop, {i32(first)}); return;
    default:
      CHECK(op == Op::ElemDrop);
      builtin(Builtin::ElemDrop, {i32(first)});
      return;
  }
}

// Tables.

Translator::Value Translator::table_record(u32 table) {
  return context_entry(offsetof(InstanceContext, tables), table, sizeof(TableRecord));
}

Translator::Value Translator::table_element(u32 table, Value index, TrapCode code) {
  const Value record = table_record(table);
  const wasm::Limits& limits = module_.tables[table].type.limits;
  // A table that cannot grow has the size that its type says.
  const Value size = limits.max == limits.min
                         ? static_cast<Value>(i64(limits.min))
                         : load(ir_.getInt64Ty(), offset(record, offsetof(TableRecord, size)), Region::Store);
  trap_if(ir_.CreateICmpUGE(index, size), code);
  const Value elements = load(ir_.getPtrTy(), offset(record, offsetof(TableRecord, elements)), Region::Store);
  return ir_.CreateGEP(ir_.getInt64Ty(), elements, index);
}

// Elements of tables of functions may have been left until somebody asks for them.
Translator::Value Translator::table_value(u32 table, Value index, Value place) {
  const Value value = load(ir_.getPtrTy(), place, Region::Table);
  if (module_.tables[table].type.element != wasm::kFuncRef) return value;
  const Block before = ir_.GetInsertBlock(), slow = new_block("lookup"), done = new_block("");
  ir_.CreateCondBr(ir_.CreateIsNull(value), slow, done, p_.unlikely());
  ir_.SetInsertPoint(slow);
  const Value found = builtin(abi::Builtin::TableLookUp, {i32(table), index});
  const Block after = ir_.GetInsertBlock();
  ir_.CreateBr(done);
  ir_.SetInsertPoint(done);
  auto* const either = ir_.CreatePHI(ir_.getPtrTy(), 2);
  either->addIncoming(value, before);
  either->addIncoming(found, after);
  return either;
}

void Translator::table_op(Op op, u32 first, u32 second) {
  using abi::Builtin;
  const bool is_64 = op != Op::TableInit && module_.tables[first].type.is_64;
  switch (op) {
    case Op::TableGet: {
      const Value index = address(pop(), is_64);
      const Value at = table_element(first, index, TrapCode::TableOutOfBounds);
      push(table_value(first, index, at), module_.tables[first].type.element);
      return;
    }
    case Op::TableSet: {
      const Value v = pop();
      const Value at = table_element(first, address(pop(), is_64), TrapCode::TableOutOfBounds);
      store(v, at, Region::Table);
      return;
    }
    case Op::TableSize: {
      const Value size =
          load(ir_.getInt64Ty(), offset(table_record(first), offsetof(TableRecord, size)), Region::Store);
      if (is_64)
        push(size, wasm::kI64);
      else
        push(ir_.CreateTrunc(size, ir_.getInt32Ty()), wasm::kI32);
      return;
    }
    case Op::TableGrow: {
      const Value delta = address(pop(), is_64), init = pop();
      const Value old = builtin(Builtin::TableGrow, {i32(first), init, delta});
      if (is_64)
        push(old, wasm::kI64);
      else
        push(ir_.CreateTrunc(old, ir_.getInt32Ty()), wasm::kI32);
      return;
    }
    case Op::TableFill: {
      const Value size = address(pop(), is_64), v = pop(), at = address(pop(), is_64);
      builtin(Builtin::TableFill, {i32(first), at, v, size});
      return;
    }
    case Op::TableCopy: {
      const bool from_64 = module_.tables[second].type.is_64;
      const Value size = address(pop(), is_64 && from_64), from = address(pop(), from_64), to = address(pop(), is_64);
      builtin(Builtin::TableCopy, {i32(first), i32(second), to, from, size});
      return;
    }
    default: {
      CHECK(op == Op::TableInit);
      const Value size = pop(), from = pop(), to = address(pop(), module_.tables[second].type.is_64);
      builtin(Builtin::TableInit, {i32(second), i32(first), to, from, size});
      return;
    }
  }
}

// Globals.

Translator::Value Translator::global_cell(u32 index) {
  if (index < module_.imported_globals)
    return context_entry(offsetof(InstanceContext, globals), index, sizeof(abi::GlobalCell));
  const u32 defined = index - module_.imported_globals;
  const Value cells = invariant(offset(self_, offsetof(InstanceContext, defined_globals)),
                                (u64{defined} + 1) * sizeof(abi::GlobalCell));
  return offset(cells, u64{defined} * sizeof(abi::GlobalCell));
}

void Translator::global_get(u32 index) {
  const wasm::Global& global = module_.globals[index];
  auto* read = ir_.CreateLoad(type(global.type.type), global_cell(index));
  p_.set_region(read, Region::Global);
  if (!global.type.is_mutable) read->setMetadata(llvm::LLVMContext::MD_invariant_load, p_.empty_node());
  push(read, global.type.type);
}

void Translator::global_set(u32 index) { store(pop(), global_cell(index), Region::Global); }

}  // namespace berth::compiler
