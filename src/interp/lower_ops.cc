// The instructions one by one: which of the lowering's parts each needs.
#include "interp/lower.h"
#include "interp/module.h"

namespace berth::interp {

using wasm::ImmOf;
using wasm::Op;

namespace {

constexpr wasm::ValKind kind_of(char code) {
  switch (code) {
    case 'i': return wasm::ValKind::I32;
    case 'l': return wasm::ValKind::I64;
    case 'f': return wasm::ValKind::F32;
    case 'd': return wasm::ValKind::F64;
    case 'v': return wasm::ValKind::V128;
    default: return wasm::ValKind::Ref;
  }
}

constexpr bool opens_block(Op op) { return op == Op::Block || op == Op::Loop || op == Op::If || op == Op::TryTable; }

constexpr bool is_legacy(Op op) { return wasm::info(op).feature == wasm::Feature::LegacyExceptions; }

}  // namespace

template <Op op>
bool Lowering::on(const ImmOf<op>& imm) {
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
  if (options_.fuel) ++fuel_cost_;
  constexpr auto& about = wasm::info(op);

  if constexpr (op == Op::Nop) {
  } else if constexpr (op == Op::Unreachable) {
    emit(op_unreachable, 0);
    mark_dead();
  } else if constexpr (op == Op::Block || op == Op::Loop) {
    enter_block(op, imm);
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
    branch_if(imm.label.value);
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
  } else if constexpr (op == Op::Call) {
    call_function(imm.func.value);
  } else if constexpr (op == Op::CallIndirect) {
    const Operand index = pop();
    call(module_.func_type(imm.type), op_call_indirect, reinterpret_cast<Word>(types_[imm.type.value]), &index,
         imm.table.value, module_.tables[imm.table.value].type.is_64);
  } else if constexpr (op == Op::CallRef) {
    const Operand ref = pop();
    call(module_.func_type(imm.type), op_call_ref, 0, &ref, 0, false);
  } else if constexpr (op == Op::ReturnCall) {
    const wasm::FuncType& type = module_.func_type(imm.func);
    if (module_.is_imported(imm.func)) {
      return_call(type, op_return_call_function, imm.func.value, nullptr, false, 0);
    } else {
      return_call(type, op_return_call, reinterpret_cast<Word>(out_.module->function(imm.func.value)), nullptr, false,
                  0);
    }
    mark_dead();
  } else if constexpr (op == Op::ReturnCallIndirect) {
    const Operand index = pop();
    return_call(module_.func_type(imm.type), op_return_call_indirect, reinterpret_cast<Word>(types_[imm.type.value]),
                &index, true, imm.table.value);
    mark_dead();
  } else if constexpr (op == Op::ReturnCallRef) {
    const Operand ref = pop();
    return_call(module_.func_type(imm.type), op_return_call_ref, 0, &ref, false, 0);
    mark_dead();
  } else if constexpr (op == Op::Throw) {
    const wasm::FuncType& type = module_.func_type(module_.tags[imm.tag.value].type);
    const u32 frame_top = next_home();
    const u32 first = settle_arguments(type);
    emit(op_throw, pack_imm(first, frame_top, static_cast<i32>(imm.tag.value)));
    word(reinterpret_cast<Word>(&out_));
    mark_dead();
  } else if constexpr (op == Op::ThrowRef) {
    const u32 slot = slot_of(pop());
    emit(op_throw_ref, pack(slot, 0, 0, 0));
    word(reinterpret_cast<Word>(&out_));
    mark_dead();
  } else if constexpr (is_legacy(op)) {
    CHECK(!"legacy exception handling is translated before it gets here");
  } else if constexpr (op == Op::Drop) {
    pop();
  } else if constexpr (op == Op::Select || op == Op::SelectTyped) {
    select();
  } else if constexpr (op == Op::LocalGet) {
    const u32 slot = local_slots_[imm.local.value];
    push(Operand::Local, local_kinds_[imm.local.value], slot, 0);
    ++local_uses_[slot];
  } else if constexpr (op == Op::LocalSet) {
    local_set(imm.local.value, false);
  } else if constexpr (op == Op::LocalTee) {
    local_set(imm.local.value, true);
  } else if constexpr (op == Op::GlobalGet) {
    global_get(imm.global.value);
  } else if constexpr (op == Op::GlobalSet) {
    global_set(imm.global.value);
  } else if constexpr (op == Op::I32Const) {
    push_const(Kind::I32, static_cast<u32>(imm.value));
  } else if constexpr (op == Op::I64Const) {
    push_const(Kind::I64, static_cast<u64>(imm.value));
  } else if constexpr (op == Op::F32Const) {
    push_const(Kind::F32, imm.bits);
  } else if constexpr (op == Op::F64Const) {
    push_const(Kind::F64, imm.bits);
  } else if constexpr (op == Op::V128Const) {
    const u32 dst = push_home(Kind::V128);
    const u32 at = emit(op_const128, pack(dst, 0, 0, 0));
    u64 halves[2];
    std::memcpy(halves, &imm.value, sizeof halves);
    word(halves[0]);
    word(halves[1]);
    produced(at, dst, Kind::V128);
  } else if constexpr (is_binary(op)) {
    binary(op, kind_of(operand_code(op, 0)), kind_of(result_code(op)));
  } else if constexpr (is_unary(op)) {
    unary(op, kind_of(result_code(op)));
  } else if constexpr (about.imm == wasm::Imm::MemArg && about.prefix == 0xFE) {
    atomic(op, imm);
  } else if constexpr (about.imm == wasm::Imm::MemArg && result_count(op) == 1) {
    load(op, imm, kind_of(result_code(op)));
  } else if constexpr (about.imm == wasm::Imm::MemArg) {
    store(op, imm);
  } else if constexpr (about.imm == wasm::Imm::MemArgLane) {
    lane_access(op, imm);
  } else if constexpr (op == Op::I8x16Shuffle) {
    const Operand b = pop(), a = pop();
    const u32 sa = slot_of(a), sb = slot_of(b);
    const u32 dst = push_home(Kind::V128);
    const u32 at = emit(simd_handler(op), pack(dst, sa, sb, 0));
    u64 halves[2];
    std::memcpy(halves, &imm.lanes, sizeof halves);
    word(halves[0]);
    word(halves[1]);
    produced(at, dst, Kind::V128);
  } else if constexpr (about.imm == wasm::Imm::Lane) {
    vector(op, operand_count(op), kind_of(result_code(op)), imm.lane);
  } else if constexpr (about.prefix == 0xFD) {
    static_assert(about.imm == wasm::Imm::None);
    vector(op, operand_count(op), kind_of(result_code(op)), 0);
  } else if constexpr (op == Op::I64Add128) {
    wide(op_add128, 4);
  } else if constexpr (op == Op::I64Sub128) {
    wide(op_sub128, 4);
  } else if constexpr (op == Op::I64MulWideS) {
    wide(op_mul_wide_s, 2);
  } else if constexpr (op == Op::I64MulWideU) {
    wide(op_mul_wide_u, 2);
  } else if constexpr (op == Op::AtomicFence) {
    emit(op_atomic_fence, 0);
  } else if constexpr (op == Op::MemorySize) {
    const u32 dst = push_home(module_.memories[imm.memory.value].type.is_64 ? Kind::I64 : Kind::I32);
    const u32 at = emit(op_memory_size, pack(dst, imm.memory.value, 0, 0));
    produced(at, dst, Kind::I32);
  } else if constexpr (op == Op::MemoryGrow) {
    const bool is_64 = module_.memories[imm.memory.value].type.is_64;
    const u32 delta = slot_of(pop());
    const u32 dst = push_home(is_64 ? Kind::I64 : Kind::I32);
    emit(op_memory_grow, pack(dst, delta, imm.memory.value, is_64));
    wrote(dst, 1);
  } else if constexpr (op == Op::MemoryFill) {
    simple(op_memory_fill, 3, false, Kind::I32);
    code_.back() |= Word{imm.memory.value} << 48;
    word(module_.memories[imm.memory.value].type.is_64);
  } else if constexpr (op == Op::MemoryCopy) {
    simple(op_memory_copy, 3, false, Kind::I32);
    word(imm.dst.value | u64{imm.src.value} << 32);
    word(u64{module_.memories[imm.dst.value].type.is_64} | u64{module_.memories[imm.src.value].type.is_64} << 1);
  } else if constexpr (op == Op::MemoryInit) {
    simple(op_memory_init, 3, false, Kind::I32);
    code_.back() |= Word{module_.memories[imm.memory.value].type.is_64} << 48;
    word(imm.memory.value | u64{imm.data.value} << 32);
  } else if constexpr (op == Op::DataDrop) {
    emit(op_data_drop, pack_imm(0, 0, static_cast<i32>(imm.data.value)));
  } else if constexpr (op == Op::ElemDrop) {
    emit(op_elem_drop, pack_imm(0, 0, static_cast<i32>(imm.elem.value)));
  } else if constexpr (op == Op::TableGet) {
    const u32 index = slot_of(pop());
    const u32 dst = push_home(Kind::Ref);
    emit(op_table_get, pack(dst, index, imm.table.value, module_.tables[imm.table.value].type.is_64));
    wrote(dst, 1);
  } else if constexpr (op == Op::TableSet) {
    const Operand value = pop(), index = pop();
    const u32 i = slot_of(index), v = slot_of(value);
    emit(op_table_set, pack(v, i, imm.table.value, module_.tables[imm.table.value].type.is_64));
  } else if constexpr (op == Op::TableSize) {
    const u32 dst = push_home(module_.tables[imm.table.value].type.is_64 ? Kind::I64 : Kind::I32);
    emit(op_table_size, pack(dst, imm.table.value, 0, 0));
    wrote(dst, 1);
  } else if constexpr (op == Op::TableGrow) {
    const bool is_64 = module_.tables[imm.table.value].type.is_64;
    simple(op_table_grow, 2, true, is_64 ? Kind::I64 : Kind::I32);
    code_.back() |= Word{imm.table.value} << 48;
    word(is_64);
  } else if constexpr (op == Op::TableFill) {
    simple(op_table_fill, 3, false, Kind::I32);
    code_.back() |= Word{imm.table.value} << 48;
    word(module_.tables[imm.table.value].type.is_64);
  } else if constexpr (op == Op::TableCopy) {
    simple(op_table_copy, 3, false, Kind::I32);
    word(imm.dst.value | u64{imm.src.value} << 32);
    word(u64{module_.tables[imm.dst.value].type.is_64} | u64{module_.tables[imm.src.value].type.is_64} << 1);
  } else if constexpr (op == Op::TableInit) {
    simple(op_table_init, 3, false, Kind::I32);
    code_.back() |= Word{module_.tables[imm.table.value].type.is_64} << 48;
    word(imm.table.value | u64{imm.elem.value} << 32);
  } else if constexpr (op == Op::RefNull) {
    push_const(Kind::Ref, 0);
  } else if constexpr (op == Op::RefFunc) {
    const u32 dst = push_home(Kind::Ref);
    emit(op_ref_func, pack_imm(dst, 0, static_cast<i32>(imm.func.value)));
    wrote(dst, 1);
  } else if constexpr (op == Op::RefIsNull) {
    simple(op_ref_is_null, 1, true, Kind::I32);
  } else if constexpr (op == Op::RefEq) {
    simple(op_ref_eq, 2, true, Kind::I32);
  } else if constexpr (op == Op::RefAsNonNull) {
    if (top().where == Operand::Const) to_home(top());
    emit(op_ref_as_non_null, pack(top().slot, 0, 0, 0));
  } else if constexpr (op == Op::AnyConvertExtern || op == Op::ExternConvertAny) {
  } else if constexpr (op == Op::RefI31) {
    simple(op_ref_i31, 1, true, Kind::Ref);
  } else if constexpr (op == Op::I31GetS) {
    simple(op_i31_get_s, 1, true, Kind::I32);
  } else if constexpr (op == Op::I31GetU) {
    simple(op_i31_get_u, 1, true, Kind::I32);
  } else if constexpr (op == Op::RefTest || op == Op::RefTestNull) {
    ref_test(imm.type, op == Op::RefTestNull);
  } else if constexpr (op == Op::RefCast || op == Op::RefCastNull) {
    ref_cast(imm.type, op == Op::RefCastNull);
  } else if constexpr (op == Op::StructNew) {
    const u32 fields = static_cast<u32>(module_.types[imm.type.value].strct.fields.size());
    const u32 frame_top = next_home();
    settle(fields);
    pin();
    u32 first = frame_top;
    for (u32 i = 0; i < fields; ++i) first = pop().home;
    const u32 dst = push_home(Kind::Ref);
    emit(op_struct_init, pack(dst, first, frame_top, 0));
    word(reinterpret_cast<Word>(types_[imm.type.value]));
    forget();
  } else if constexpr (op == Op::StructNewDefault) {
    const u32 dst = push_home(Kind::Ref);
    emit(op_struct_new, pack(dst, dst, 0, 0));
    word(reinterpret_cast<Word>(types_[imm.type.value]));
    forget();
  } else if constexpr (op == Op::StructGet || op == Op::StructGetS || op == Op::StructGetU || op == Op::StructSet) {
    struct_access(op, imm);
  } else if constexpr (op == Op::ArrayNew) {
    new_array(op_array_new, imm.type.value, 2, 0, false);
  } else if constexpr (op == Op::ArrayNewDefault) {
    new_array(op_array_new_default, imm.type.value, 1, 0, false);
  } else if constexpr (op == Op::ArrayNewData) {
    new_array(op_array_new_data, imm.type.value, 2, imm.data.value, true);
  } else if constexpr (op == Op::ArrayNewElem) {
    new_array(op_array_new_elem, imm.type.value, 2, imm.elem.value, true);
  } else if constexpr (op == Op::ArrayNewFixed) {
    const u32 frame_top = next_home();
    settle(imm.count);
    pin();
    u32 first = frame_top;
    for (u32 i = 0; i < imm.count; ++i) first = pop().home;
    const u32 dst = push_home(Kind::Ref);
    emit(op_array_new_fixed, pack(dst, first, imm.count, frame_top));
    word(reinterpret_cast<Word>(types_[imm.type.value]));
    forget();
  } else if constexpr (op == Op::ArrayGet || op == Op::ArrayGetS || op == Op::ArrayGetU) {
    array_get(op, imm.type.value);
  } else if constexpr (op == Op::ArraySet) {
    array_set(imm.type.value);
  } else if constexpr (op == Op::ArrayLen) {
    simple(op_array_len, 1, true, Kind::I32);
  } else if constexpr (op == Op::ArrayFill) {
    simple(op_array_fill, 4, false, Kind::I32);
  } else if constexpr (op == Op::ArrayCopy) {
    const u32 count = slot_of(pop());
    simple(op_array_copy, 4, false, Kind::I32);
    word(count);
  } else if constexpr (op == Op::ArrayInitData) {
    simple(op_array_init_data, 4, false, Kind::I32);
    word(imm.data.value);
  } else {
    static_assert(op == Op::ArrayInitElem, "an instruction without lowering");
    simple(op_array_init_elem, 4, false, Kind::I32);
    word(imm.elem.value);
  }
  if constexpr (makes_nan(op)) {
    if (options_.deterministic_nan) {
      const bool is_vector = result_code(op) == 'v';
      const bool is_32 = about.mnemonic().starts_with("f32");
      canonicalize(is_vector ? (is_32 ? op_canonical_f32x4 : op_canonical_f64x2)
                   : is_32   ? op_canonical_f32
                             : op_canonical_f64);
    }
  }
  return true;
}

void Lowering::call_function(u32 function) {
  const wasm::FuncIdx index(function);
  const wasm::FuncType& type = module_.func_type(index);
  if (module_.is_imported(index)) {
    call(type, op_call_function, function, nullptr, 0, false);
  } else {
    call(type, op_call, reinterpret_cast<Word>(out_.module->function(function)), nullptr, 0, false);
  }
}

Lowered Lowering::run() {
  Control c{};
  c.op = Op::Nop;
  for (const auto& r : type_.results) c.results.push_back(r.kind);
  c.base = first_home_;
  u32 end_slot = c.base;
  for (Kind k : c.results) end_slot += width(k);
  reserve(end_slot);
  control_.push_back(std::move(c));
  place_fuel();
  while (!control_.empty()) {
    op_offset_ = reader_.local_offset();
    const u32 here = static_cast<u32>(code_.size());
    while (!offsets_.empty() && offsets_.back().word >= here) offsets_.pop_back();
    offsets_.push_back({here, op_offset_});
    wasm::decode_op(reader_, *this);
    CHECK(reader_.ok());
  }
  if (fuel_at_ != kNone) code_[fuel_at_ + 1] = pack_imm(0, 0, static_cast<i32>(fuel_cost_));
  CHECK(max_slots_ <= 0xFFFF);
  fuse();
  out_.frame_slots = max_slots_;
  out_.code_words = static_cast<u32>(code_.size());
  Lowered lowered{std::make_unique<Word[]>(code_.size()), std::make_unique<FunctionDetails>()};
  std::memcpy(lowered.code.get(), code_.data(), code_.size() * sizeof(Word));
  offsets_.shrink_to_fit();
  lowered.details->offsets = std::move(offsets_);
  loops_.shrink_to_fit();
  lowered.details->loops = std::move(loops_);
  lowered.details->handlers = std::move(handlers_);
  out_.code = lowered.code.get();
  out_.details = lowered.details.get();
  return lowered;
}

}  // namespace berth::interp
