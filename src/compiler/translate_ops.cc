// The instructions one by one: which part of the translator each needs.
#include "compiler/translate.h"

namespace berth::compiler {

using wasm::ImmOf;

namespace {

constexpr bool opens_block(wasm::Op op) {
  using wasm::Op;
  return op == Op::Block || op == Op::Loop || op == Op::If || op == Op::TryTable;
}
constexpr bool is_legacy(wasm::Op op) { return wasm::info(op).feature == wasm::Feature::LegacyExceptions; }
constexpr bool is_numeric(wasm::Op op) {
  const auto& i = wasm::info(op);
  return (i.prefix == 0 && i.imm == wasm::Imm::None && i.signature() != "*") || (i.prefix == 0xFC && i.code < 8);
}
constexpr bool has_result(wasm::Op op) { return !wasm::info(op).signature().ends_with(':'); }

}  // namespace

template <wasm::Op op>
bool Translator::on(const ImmOf<op>& imm) {
  if (dead_) {
    if constexpr (opens_block(op)) ++skipped_;
    if constexpr (op == Op::End) {
      if (skipped_ > 0)
        --skipped_;
      else
        end();
    }
    if constexpr (op == Op::Else) {
      if (skipped_ == 0) begin_else();
    }
    return true;
  }
  count_fuel();
  constexpr auto& about = wasm::info(op);

  if constexpr (op == Op::Nop) {
  } else if constexpr (op == Op::Unreachable) {
    trap(TrapCode::Unreachable);
    mark_dead();
  } else if constexpr (op == Op::Block || op == Op::Loop) {
    enter(op, imm);
  } else if constexpr (op == Op::If) {
    begin_if(imm);
  } else if constexpr (op == Op::Else) {
    begin_else();
  } else if constexpr (op == Op::TryTable) {
    begin_try(imm);
  } else if constexpr (op == Op::End) {
    end();
  } else if constexpr (op == Op::Br) {
    branch(imm.label.value);
    mark_dead();
  } else if constexpr (op == Op::BrIf) {
    branch_when(ir_.CreateICmpNE(pop(), i32(0)), imm.label.value);
  } else if constexpr (op == Op::BrTable) {
    branch_table(imm);
    mark_dead();
  } else if constexpr (op == Op::Return) {
    return_values();
    mark_dead();
  } else if constexpr (op == Op::BrOnNull) {
    branch_null(imm.label.value, true);
  } else if constexpr (op == Op::BrOnNonNull) {
    branch_null(imm.label.value, false);
  } else if constexpr (op == Op::BrOnCast) {
    branch_cast(imm, true);
  } else if constexpr (op == Op::BrOnCastFail) {
    branch_cast(imm, false);
  } else if constexpr (op == Op::Call || op == Op::ReturnCall) {
    call_function(imm.func.value, op == Op::ReturnCall);
  } else if constexpr (op == Op::CallIndirect || op == Op::ReturnCallIndirect) {
    call_indirect(imm.type.value, imm.table.value, op == Op::ReturnCallIndirect);
  } else if constexpr (op == Op::CallRef || op == Op::ReturnCallRef) {
    call_ref(imm.type.value, op == Op::ReturnCallRef);
  } else if constexpr (op == Op::Throw) {
    throw_tag(imm.tag.value);
    mark_dead();
  } else if constexpr (op == Op::ThrowRef) {
    const Value exception = pop();
    trap_if(ir_.CreateIsNull(exception), TrapCode::NullExceptionReference);
    builtin(abi::Builtin::Throw, {exception});
    ir_.CreateUnreachable();
    mark_dead();
  } else if constexpr (is_legacy(op)) {
    CHECK(!"legacy exception handling is translated before it gets here");
  } else if constexpr (op == Op::Drop) {
    pop();
  } else if constexpr (op == Op::Select || op == Op::SelectTyped) {
    select();
  } else if constexpr (op == Op::LocalGet) {
    const u32 i = imm.local.value;
    push(ir_.CreateLoad(locals_[i]->getAllocatedType(), locals_[i]), local_types_[i]);
  } else if constexpr (op == Op::LocalSet) {
    ir_.CreateStore(pop(), locals_[imm.local.value]);
  } else if constexpr (op == Op::LocalTee) {
    ir_.CreateStore(stack_.back().value, locals_[imm.local.value]);
  } else if constexpr (op == Op::GlobalGet) {
    global_get(imm.global.value);
  } else if constexpr (op == Op::GlobalSet) {
    global_set(imm.global.value);
  } else if constexpr (op == Op::I32Const) {
    push(i32(static_cast<u32>(imm.value)), wasm::kI32);
  } else if constexpr (op == Op::I64Const) {
    push(i64(static_cast<u64>(imm.value)), wasm::kI64);
  } else if constexpr (op == Op::F32Const) {
    push(llvm::ConstantFP::get(p_.context(), llvm::APFloat(llvm::APFloat::IEEEsingle(), llvm::APInt(32, imm.bits))),
         wasm::kF32);
  } else if constexpr (op == Op::F64Const) {
    push(llvm::ConstantFP::get(p_.context(), llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, imm.bits))),
         wasm::kF64);
  } else if constexpr (op == Op::V128Const) {
    u64 halves[2];
    std::memcpy(halves, &imm.value, sizeof halves);
    push(llvm::ConstantVector::get({i64(halves[0]), i64(halves[1])}), wasm::kV128);
  } else if constexpr (is_numeric(op)) {
    numeric(op);
  } else if constexpr (about.imm == wasm::Imm::MemArg && about.prefix == 0xFE) {
    atomic(op, imm);
  } else if constexpr (about.imm == wasm::Imm::MemArg && about.prefix == 0xFD && op != Op::V128Load &&
                       op != Op::V128Store) {
    vector_load(op, imm);
  } else if constexpr (about.imm == wasm::Imm::MemArg && has_result(op)) {
    load_op(op, imm);
  } else if constexpr (about.imm == wasm::Imm::MemArg) {
    store_op(op, imm);
  } else if constexpr (about.imm == wasm::Imm::MemArgLane) {
    lane_access(op, imm);
  } else if constexpr (op == Op::I8x16Shuffle) {
    shuffle(imm.lanes);
  } else if constexpr (about.imm == wasm::Imm::Lane) {
    vector(op, imm.lane);
  } else if constexpr (about.prefix == 0xFD) {
    static_assert(about.imm == wasm::Imm::None);
    vector(op, 0);
  } else if constexpr (about.feature == wasm::Feature::WideArithmetic) {
    wide(op);
  } else if constexpr (op == Op::AtomicFence) {
    ir_.CreateFence(llvm::AtomicOrdering::SequentiallyConsistent);
  } else if constexpr (op == Op::MemorySize) {
    memory_size(imm.memory.value);
  } else if constexpr (op == Op::MemoryGrow || op == Op::MemoryFill) {
    bulk(op, imm.memory.value, 0);
  } else if constexpr (op == Op::MemoryCopy) {
    bulk(op, imm.dst.value, imm.src.value);
  } else if constexpr (op == Op::MemoryInit) {
    bulk(op, imm.data.value, imm.memory.value);
  } else if constexpr (op == Op::DataDrop) {
    bulk(op, imm.data.value, 0);
  } else if constexpr (op == Op::ElemDrop) {
    bulk(op, imm.elem.value, 0);
  } else if constexpr (about.imm == wasm::Imm::Table) {
    table_op(op, imm.table.value, 0);
  } else if constexpr (op == Op::TableCopy) {
    table_op(op, imm.dst.value, imm.src.value);
  } else if constexpr (op == Op::TableInit) {
    table_op(op, imm.elem.value, imm.table.value);
  } else if constexpr (op == Op::RefNull) {
    push(llvm::ConstantPointerNull::get(ir_.getPtrTy()), wasm::ValType::ref(imm.type, true));
  } else if constexpr (op == Op::RefFunc) {
    ref_func(imm.func.value);
  } else if constexpr (op == Op::RefTest || op == Op::RefTestNull) {
    test_type(op, imm.type, op == Op::RefTestNull);
  } else if constexpr (op == Op::RefCast || op == Op::RefCastNull) {
    test_type(op, imm.type, op == Op::RefCastNull);
  } else if constexpr (about.imm == wasm::Imm::TypeField) {
    struct_op(op, imm.type.value, imm.field);
  } else if constexpr (op == Op::StructNew || op == Op::StructNewDefault) {
    struct_op(op, imm.type.value, 0);
  } else if constexpr (about.imm == wasm::Imm::Type) {
    array_op(op, imm.type.value, 0);
  } else if constexpr (about.imm == wasm::Imm::TypeCount) {
    array_op(op, imm.type.value, imm.count);
  } else if constexpr (about.imm == wasm::Imm::TypeData) {
    array_op(op, imm.type.value, imm.data.value);
  } else if constexpr (about.imm == wasm::Imm::TypeElem) {
    array_op(op, imm.type.value, imm.elem.value);
  } else if constexpr (about.imm == wasm::Imm::TypeType) {
    array_op(op, imm.dst.value, imm.src.value);
  } else {
    static_assert(about.imm == wasm::Imm::None && (about.prefix == 0xFB || about.prefix == 0));
    reference(op);
  }
  return true;
}

// Every row of the table, so that one without a translation does not compile.
#define BERTH_OP(id, prefix, code, mnemonic, shape, sig, feature, width, constant) \
  template bool Translator::on<wasm::Op::id>(const ImmOf<wasm::Op::id>&);
#include "spec/opcodes.def"
#undef BERTH_OP

}  // namespace berth::compiler
