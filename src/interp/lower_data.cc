// Lowering of instructions that compute, access memory, or touch objects.
#include "interp/lower.h"

namespace berth::interp {

using wasm::Op;

namespace {

// The comparison with its operands exchanged.
Op mirrored(Op op) {
  using enum Op;
  switch (op) {
#define BERTH_MIRROR(a, b) \
  case a: return b;        \
  case b: return a;
    BERTH_MIRROR(I32LtS, I32GtS)
    BERTH_MIRROR(I32LtU, I32GtU) BERTH_MIRROR(I32LeS, I32GeS) BERTH_MIRROR(I32LeU, I32GeU) BERTH_MIRROR(I64LtS, I64GtS)
        BERTH_MIRROR(I64LtU, I64GtU) BERTH_MIRROR(I64LeS, I64GeS) BERTH_MIRROR(I64LeU, I64GeU)
            BERTH_MIRROR(F32Lt, F32Gt) BERTH_MIRROR(F32Le, F32Ge) BERTH_MIRROR(F64Lt, F64Gt) BERTH_MIRROR(F64Le, F64Ge)
#undef BERTH_MIRROR
                default : return op;
  }
}

// Integer instructions whose operands may be exchanged.
bool is_commutative(Op op) {
  using enum Op;
  switch (op) {
    case I32Add:
    case I32Mul:
    case I32And:
    case I32Or:
    case I32Xor:
    case I64Add:
    case I64Mul:
    case I64And:
    case I64Or:
    case I64Xor: return true;
    default: return false;
  }
}

bool fits_imm(u64 bits, bool is_32) { return is_32 || static_cast<i64>(bits) == static_cast<i32>(bits); }

}  // namespace

void Lowering::binary(Op op, Kind operand, Kind result) {
  Operand rhs = pop(), lhs = pop();
  if (lhs.where == Operand::Const && rhs.where == Operand::Const) {
    move_to(lhs.home, lhs);
    lhs.where = Operand::Home;
    lhs.slot = lhs.home;
  }
  if (lhs.where == Operand::Const && (is_compare(op) || is_commutative(op))) {
    std::swap(lhs, rhs);
    op = mirrored(op);
  }
  const bool is_int = operand == Kind::I32 || operand == Kind::I64;
  BinForm form;
  Word operands;
  u64 constant = 0;
  const u32 dst = push_home(result);
  if (rhs.where == Operand::Const) {
    const bool in = in_acc(lhs);
    if (in) use_acc(lhs);
    constant = rhs.bits;
    if (is_int && fits_imm(rhs.bits, operand == Kind::I32)) {
      form = in ? BinForm::AI : BinForm::SI;
      operands = pack_imm(dst, lhs.slot, static_cast<i32>(rhs.bits));
    } else {
      form = in ? BinForm::AK : BinForm::SK;
      operands = pack(dst, lhs.slot, 0, 0);
    }
  } else if (lhs.where == Operand::Const) {
    const bool in = in_acc(rhs);
    if (in) use_acc(rhs);
    constant = lhs.bits;
    form = in ? BinForm::KA : BinForm::KS;
    operands = pack(dst, 0, rhs.slot, 0);
  } else {
    if (in_acc(lhs)) {
      use_acc(lhs);
      form = BinForm::AS;
    } else if (in_acc(rhs)) {
      use_acc(rhs);
      form = BinForm::SA;
    } else {
      form = BinForm::SS;
    }
    operands = pack(dst, lhs.slot, rhs.slot, 0);
  }
  const u32 at = emit(binary_handler(op, form, Dst::Slot), operands);
  if (form >= BinForm::SK) word(constant);
  produced(at, dst, result, binary_handler(op, form, Dst::Acc));
  if (is_compare(op) && form != BinForm::KS && form != BinForm::KA) {
    last_.op = op;
    last_.fusable = true;
    last_.form = form;
    last_.lhs = lhs.slot;
    last_.rhs = rhs.slot;
    last_.constant = constant;
  }
}

void Lowering::canonicalize(Handler handler) {
  const Operand& o = top();
  pin();
  emit(handler, pack(o.slot, 0, 0, 0));
  wrote(o.slot, width(o.kind));
}

void Lowering::unary(Op op, Kind result) {
  const Operand o = pop();
  const bool negates = op == Op::I32Eqz && o.where == Operand::Home && last_.fusable && !last_.negates &&
                       last_.dst == o.slot && last_.op != Op::I64Eqz;
  if (negates) negated_ = last_;
  u32 slot = 0;
  Src src = Src::Slot;
  if (in_acc(o)) {
    use_acc(o);
    src = Src::Acc;
    slot = o.slot;
  } else {
    slot = slot_of(o);
    if (in_acc({Operand::Home, o.kind, slot, slot, 0})) src = Src::Acc;
  }
  const u32 dst = push_home(result);
  const u32 at = emit(unary_handler(op, src, Dst::Slot), pack(dst, slot, 0, 0));
  produced(at, dst, result, unary_handler(op, src, Dst::Acc));
  if (op == Op::I32Eqz || op == Op::I64Eqz) {
    last_.negates = negates;
    last_.op = op;
    last_.fusable = true;
    last_.src = src;
    last_.lhs = slot;
  }
}

void Lowering::load(Op op, const wasm::MemArgImm& m, Kind result) {
  const Operand address = pop();
  if (!guarded(m.memory.value) || !is_load(op)) {
    const u32 slot = slot_of(address);
    const u32 dst = push_home(result);
    const u32 at = emit(is_load(op) ? checked_memory_handler(op) : simd_handler(op),
                        pack(dst, slot, m.memory.value, module_.memories[m.memory.value].type.is_64));
    word(m.offset);
    produced(at, dst, result);
    return;
  }
  Src src;
  Word operands;
  if (address.where == Operand::Const) {
    src = Src::Const;
  } else if (in_acc(address)) {
    use_acc(address);
    src = Src::Acc;
  } else {
    src = Src::Slot;
  }
  const u32 dst = push_home(result);
  operands = src == Src::Const ? pack(dst, 0, 0, 0) : pack_imm(dst, address.slot, static_cast<i32>(m.offset));
  const u32 at = emit(load_handler(op, src, Dst::Slot), operands);
  if (src == Src::Const) word(u64{static_cast<u32>(address.bits)} + m.offset);
  produced(at, dst, result, load_handler(op, src, Dst::Acc));
}

void Lowering::store(Op op, const wasm::MemArgImm& m) {
  const Operand value = pop(), address = pop();
  if (!guarded(m.memory.value)) {
    const u32 a = slot_of(address), v = slot_of(value);
    emit(checked_memory_handler(op), pack(v, a, m.memory.value, module_.memories[m.memory.value].type.is_64));
    word(m.offset);
    return;
  }
  Src value_src, address_src;
  if (value.where == Operand::Const)
    value_src = Src::Const;
  else if (in_acc(value))
    value_src = Src::Acc;
  else
    value_src = Src::Slot;
  if (address.where == Operand::Const)
    address_src = Src::Const;
  else if (in_acc(address))
    address_src = Src::Acc;
  else
    address_src = Src::Slot;
  if (value_src == Src::Acc) use_acc(value);
  // Both in the integer accumulator only when they are the same slot, which then still holds the value.
  if (address_src == Src::Acc) use_acc(address);
  const u32 a = address_src == Src::Const ? 0 : address.slot, v = value_src == Src::Const ? 0 : value.slot;
  emit(store_handler(op, address_src, value_src), pack_imm(a, v, static_cast<i32>(m.offset)));
  if (address_src == Src::Const) word(u64{static_cast<u32>(address.bits)} + m.offset);
  if (value_src == Src::Const) word(value.bits);
}

void Lowering::vector(Op op, u32 operands, Kind result, u32 immediate) {
  u32 slots[3] = {};
  Operand popped[3];
  for (u32 i = operands; i > 0; --i) popped[i - 1] = pop();
  for (u32 i = 0; i < operands; ++i) slots[i] = slot_of(popped[i]);
  const u32 dst = push_home(result);
  const u32 at =
      emit(options_.deterministic_relaxed ? simd_handler(op) : relaxed_handler(op),
           operands == 3 ? pack(dst, slots[0], slots[1], slots[2]) : pack(dst, slots[0], slots[1], immediate));
  clobbered_int();
  clobbered_float();
  produced(at, dst, result);
}

void Lowering::lane_access(Op op, const wasm::MemArgLaneImm& m) {
  const Operand vector = pop(), address = pop();
  const u32 a = slot_of(address), v = slot_of(vector);
  const bool loads = result_count(op) == 1;
  const u32 dst = loads ? push_home(Kind::V128) : 0;
  const u32 at = emit(lane_memory_handler(op), pack(dst, a, m.mem.memory.value, v));
  word(m.mem.offset);
  word(m.lane | u64{module_.memories[m.mem.memory.value].type.is_64} << 8);
  clobbered_float();
  if (loads) produced(at, dst, Kind::V128);
}

void Lowering::atomic(Op op, const wasm::MemArgImm& m) {
  const u32 operands = operand_count(op) - 1;
  Operand popped[2];
  for (u32 i = operands; i > 0; --i) popped[i - 1] = pop();
  const Operand address = pop();
  const u32 a = slot_of(address);
  u32 slots[2] = {};
  for (u32 i = 0; i < operands; ++i) slots[i] = slot_of(popped[i]);
  const bool has_result = result_count(op) == 1;
  const Kind kind = has_result && result_code(op) == 'l' ? Kind::I64 : Kind::I32;
  const u32 dst = has_result ? push_home(kind) : 0;
  const u32 at = emit(atomic_handler(op), pack(dst, a, m.memory.value, module_.memories[m.memory.value].type.is_64));
  word(m.offset);
  word(slots[0] | slots[1] << 16);
  clobbered_int();
  if (has_result) produced(at, dst, kind);
}

void Lowering::wide(Handler handler, u32 operands) {
  settle(operands);
  const u32 first = top(operands - 1).home;
  for (u32 i = 0; i < operands; ++i) pop();
  emit(handler, pack(first, 0, 0, 0));
  push_home(Kind::I64);
  push_home(Kind::I64);
  wrote(first, 2);
}

void Lowering::local_set(u32 local, bool tee) {
  const u32 slot = local_slots_[local];
  const Kind kind = local_kinds_[local];
  if (tee && top().where == Operand::Local && top().slot == slot) return;
  const Operand o = pop();
  if (o.where == Operand::Local && o.slot == slot) return;
  preserve(slot);
  if (o.where == Operand::Home && last_.at != kNone && last_.dst == o.slot) {
    // The instruction that made the value writes the local instead.
    Word& operands = code_[last_.at + 1];
    operands = (operands & ~Word{0xFFFF}) | slot;
    Accumulator& acc = acc_of(o.kind);
    const bool held = acc.slot == o.slot;
    if (held) acc = {};
    wrote(slot, width(kind));
    if (held) acc = {slot, kNone, nullptr};
    last_.fusable = false;
    last_.dst = slot;
    last_.at = kNone;
  } else {
    move_to(slot, o);
    last_ = {};
  }
  if (tee) {
    push(Operand::Local, kind, slot, 0);
    ++local_uses_[slot];
  }
}

void Lowering::select() {
  const Operand condition = pop(), if_false = pop(), if_true = pop();
  if (if_true.kind == Kind::V128) {
    const u32 a = slot_of(if_true), b = slot_of(if_false), c = slot_of(condition);
    const u32 dst = push_home(Kind::V128);
    const u32 at = emit(op_select_v128, pack(dst, a, b, c));
    produced(at, dst, Kind::V128);
    return;
  }
  const u32 a = slot_of(if_true), b = slot_of(if_false);
  const bool in = in_acc(condition);
  const u32 c = in ? condition.slot : slot_of(condition);
  if (in) use_acc(condition);
  const u32 dst = push_home(if_true.kind);
  const u32 at = emit(in ? op_select_acc : op_select, pack(dst, a, b, in ? 0 : c));
  clobbered_int();
  if (is_float(if_true.kind)) {
    wrote(dst, 1);
    last_.at = at;
    last_.dst = dst;
  } else {
    produced(at, dst, if_true.kind);
  }
}

void Lowering::global_get(u32 index) {
  const Kind kind = module_.globals[index].type.type.kind;
  const u32 dst = push_home(kind);
  if (index < module_.imported_globals || kind == Kind::V128) {
    const u32 at = emit(op_global_get_any, pack_imm(dst, kind == Kind::V128, static_cast<i32>(index)));
    wrote(dst, width(kind));
    last_.at = at;
    last_.dst = dst;
    return;
  }
  const u32 at = emit(is_float(kind) ? op_global_get_float : op_global_get,
                      pack_imm(dst, 0, static_cast<i32>(index - module_.imported_globals)));
  produced(at, dst, kind);
}

void Lowering::global_set(u32 index) {
  const Kind kind = module_.globals[index].type.type.kind;
  const u32 slot = slot_of(pop());
  if (index < module_.imported_globals || kind == Kind::V128) {
    emit(op_global_set_any, pack_imm(slot, kind == Kind::V128, static_cast<i32>(index)));
  } else {
    emit(op_global_set, pack_imm(slot, 0, static_cast<i32>(index - module_.imported_globals)));
  }
}

void Lowering::simple(Handler handler, u32 pops, bool pushes, Kind result) {
  u32 slots[4] = {};
  Operand popped[4];
  for (u32 i = pops; i > 0; --i) popped[i - 1] = pop();
  for (u32 i = 0; i < pops; ++i) slots[i] = slot_of(popped[i]);
  clobbered_int();
  if (!pushes) {
    emit(handler, pack(slots[0], slots[1], slots[2], slots[3]));
    return;
  }
  const u32 dst = push_home(result);
  const u32 at = emit(handler, pack(dst, slots[0], slots[1], slots[2]));
  wrote(dst, width(result));
  last_.at = at;
  last_.dst = dst;
}

namespace {

// Which of the size-specific handlers a field or element wants.
template <typename T>
T by_size(const wasm::FieldType& field, T bytes1, T bytes2, T bytes4, T bytes8, T bytes16) {
  switch (field.size()) {
    case 1: return bytes1;
    case 2: return bytes2;
    case 4: return bytes4;
    case 8: return bytes8;
    default: return bytes16;
  }
}

}  // namespace

void Lowering::struct_access(Op op, const wasm::TypeFieldImm& f) {
  const wasm::FieldType& field = module_.types[f.type.value].strct.fields[f.field];
  const i32 offset = static_cast<i32>(types_[f.type.value]->field_offsets[f.field]);
  clobbered_int();
  if (op == Op::StructSet) {
    const Operand value = pop(), object = pop();
    const u32 a = slot_of(object), b = slot_of(value);
    emit(by_size<Handler>(field, op_struct_set8, op_struct_set16, op_struct_set32, op_struct_set64, op_struct_set128),
         pack_imm(a, b, offset));
    return;
  }
  const u32 object = slot_of(pop());
  const u32 dst = push_home(field.type.kind);
  const bool is_signed = op == Op::StructGetS;
  const u32 at = emit(by_size<Handler>(field, is_signed ? op_struct_get8_s : op_struct_get8_u,
                                       is_signed ? op_struct_get16_s : op_struct_get16_u, op_struct_get32,
                                       op_struct_get64, op_struct_get128),
                      pack_imm(dst, object, offset));
  wrote(dst, width(field.type.kind));
  last_.at = at;
  last_.dst = dst;
}

void Lowering::array_get(Op op, u32 type) {
  const wasm::FieldType& field = module_.types[type].array.element;
  const bool is_signed = op == Op::ArrayGetS;
  simple(by_size<Handler>(field, is_signed ? op_array_get8_s : op_array_get8_u,
                          is_signed ? op_array_get16_s : op_array_get16_u, op_array_get32, op_array_get64,
                          op_array_get128),
         2, true, field.type.kind);
}

void Lowering::array_set(u32 type) {
  simple(by_size<Handler>(module_.types[type].array.element, op_array_set8, op_array_set16, op_array_set32,
                          op_array_set64, op_array_set128),
         3, false, Kind::I32);
}

void Lowering::new_array(Handler handler, u32 type, u32 pops, u32 segment, bool has_segment) {
  // Everything that the collector must see has to be in the frame.
  pin();
  clobbered_int();
  clobbered_float();
  const Operand last = pop();
  const Operand first = pops == 2 ? pop() : last;
  const u32 c = slot_of(last);
  const u32 b = pops == 2 ? slot_of(first) : 0;
  const u32 frame_top = last.home + width(last.kind);
  const u32 dst = push_home(Kind::Ref);
  emit(handler, pack(dst, b, c, frame_top));
  word(reinterpret_cast<Word>(types_[type]));
  if (has_segment) word(segment);
  wrote(dst, 1);
}

void Lowering::ref_test(wasm::HeapType type, bool nullable) {
  const u32 slot = slot_of(pop());
  const u32 dst = push_home(Kind::I32);
  u32 at;
  if (type.is_index()) {
    at = emit(op_ref_test_concrete, pack(dst, slot, nullable, 0));
    word(reinterpret_cast<Word>(types_[type.index().value]));
  } else {
    at = emit(op_ref_test, pack(dst, slot, nullable, 0));
    word(type.bits());
  }
  produced(at, dst, Kind::I32);
}

void Lowering::ref_cast(wasm::HeapType type, bool nullable) {
  Operand& o = top();
  if (o.where == Operand::Const) to_home(o);
  if (type.is_index()) {
    emit(op_ref_cast_concrete, pack(o.slot, nullable, 0, 0));
    word(reinterpret_cast<Word>(types_[type.index().value]));
  } else {
    emit(op_ref_cast, pack(o.slot, nullable, 0, 0));
    word(type.bits());
  }
}

}  // namespace berth::interp
