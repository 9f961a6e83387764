// Lowering of blocks, branches, calls and exceptions.
#include "interp/lower.h"

namespace berth::interp {

using wasm::Op;

void Lowering::block_types(const wasm::BlockType& type, std::vector<Kind>& params, std::vector<Kind>& results) {
  if (type.kind == wasm::BlockType::Value) {
    results.push_back(type.value.kind);
  } else if (type.kind == wasm::BlockType::Type) {
    for (const auto& t : module_.func_type(type.type).params) params.push_back(t.kind);
    for (const auto& t : module_.func_type(type.type).results) results.push_back(t.kind);
  }
}

void Lowering::enter_block(Op op, const wasm::BlockType& type) {
  Control c{};
  c.op = op;
  block_types(type, c.params, c.results);
  save_locals();
  settle(static_cast<u32>(c.params.size()));
  c.stack_size = static_cast<u32>(stack_.size() - c.params.size());
  c.base = c.params.empty() ? next_home() : stack_[c.stack_size].home;
  u32 end = c.base;
  for (Kind k : c.results) end += width(k);
  reserve(end);
  if (op == Op::Loop) {
    forget();
    c.loop_target = static_cast<u32>(code_.size());
    // Of loops that begin at the same word the outermost is as good as any.
    if (loops_.empty() || loops_.back().word != c.loop_target) loops_.push_back({c.loop_target, op_offset_});
    control_.push_back(std::move(c));
    place_fuel();
    return;
  }
  pin();
  control_.push_back(std::move(c));
}

void Lowering::begin_if(const wasm::BlockType& type) {
  const Operand condition = pop();
  // Moves that the block needs come before the branch; a comparison stays fused when there are none.
  bool needs_moves = false;
  for (const Operand& o : stack_) needs_moves |= o.where == Operand::Local;
  const u32 params =
      type.kind == wasm::BlockType::Type ? static_cast<u32>(module_.func_type(type.type).params.size()) : 0;
  for (u32 i = 0; i < params; ++i) needs_moves |= top(i).where != Operand::Home;
  Operand kept = condition;
  if (needs_moves) {
    pin();
    last_ = {};
    // The condition must survive the moves: a local could not change, a home is not moved to, so only constants move.
    if (condition.where == Operand::Const) {
      kept.slot = slot_of(condition);
      kept.where = Operand::Home;
    }
    save_locals();
    settle(params);
  }
  const Last fused = last_;
  const Accumulator int_acc = int_acc_, float_acc = float_acc_;
  enter_block(Op::If, type);
  if (!needs_moves) {
    last_ = fused;
    int_acc_ = int_acc;
    float_acc_ = float_acc;
  }
  const Pending p = condition_branch(kept, false, false);
  pin();
  frame(0).else_fixup = p.at;
}

void Lowering::begin_else() {
  Control& c = frame(0);
  if (!dead_) {
    settle(static_cast<u32>(c.results.size()));
    jump_to(0);
  }
  resolve_here({c.else_fixup});
  c.else_fixup = kNone;
  c.op = Op::Else;
  while (stack_.size() > c.stack_size) pop();
  dead_ = false;
  for (Kind k : c.params) push_home(k);
  forget();
  place_fuel();
}

void Lowering::begin_try(const wasm::TryTableImm& imm) {
  // Labels of the clauses are counted from outside the block.
  std::vector<ExceptionHandler> catches;
  wasm::CodeReader clauses(imm.clauses);
  std::vector<u32> depths;
  for (u32 i = 0; i < imm.count; ++i) {
    const wasm::CatchClause clause = clauses.catch_clause();
    const Control& target = frame(clause.label.value);
    catches.push_back({0, 0, clause.kind, clause.tag.value, target.loop_target, target.base});
    depths.push_back(clause.label.value);
    u32 end = target.base;
    for (Kind k : label_kinds(target)) end += width(k);
    reserve(end);
  }
  enter_block(Op::TryTable, imm.type);
  forget();
  Control& c = frame(0);
  c.try_begin = static_cast<u32>(code_.size());
  // Handlers get their places in handlers_ at the block's end, inner blocks first.
  c.catches = std::move(catches);
  for (u32 i = 0; i < c.catches.size(); ++i) c.catches[i].begin = depths[i];
}

void Lowering::bind(Control& c) {
  const u32 here = static_cast<u32>(code_.size());
  for (const Fixup& f : c.fixups) {
    switch (f.what) {
      case Fixup::Offset32: set_offset(f.where, here); break;
      case Fixup::TableWord:
        code_[f.where] = static_cast<Word>(static_cast<i64>(here) - static_cast<i64>(f.base));
        break;
      case Fixup::HandlerTarget: handlers_[f.where].target = here; break;
    }
  }
}

void Lowering::end() {
  if (control_.size() == 1) {
    if (!dead_) return_values();
    Control& c = frame(0);
    if (!c.fixups.empty()) {
      // Only exceptions come here: their values are at the label's base.
      bind(c);
      u32 slots = 0;
      for (Kind k : c.results) slots += width(k);
      if (slots == 1 && !is_float(c.results[0]))
        emit(op_return1, pack(c.base, out_.local_slots, 0, 0));
      else if (slots == 1)
        emit(op_return1_float, pack(c.base, out_.local_slots, 0, 0));
      else
        emit(op_return_many, pack(c.base, out_.local_slots, slots, 0));
    }
    control_.pop_back();
    return;
  }
  Control& c = frame(0);
  if (!dead_) {
    settle(static_cast<u32>(c.results.size()));
    c.reached_end = true;
  }
  if (c.op == Op::If) {
    // Without else the parameters are the results, and they are at home already.
    resolve_here({c.else_fixup});
    c.reached_end = true;
  }
  if (c.op == Op::TryTable) {
    const u32 end_word = static_cast<u32>(code_.size());
    for (ExceptionHandler& h : c.catches) {
      const u32 depth = h.begin + 1;
      h.begin = c.try_begin;
      h.end = end_word;
      const u32 index = static_cast<u32>(handlers_.size());
      Control& target = frame(depth);
      if (target.op != Op::Loop) {
        target.fixups.push_back({Fixup::HandlerTarget, index, 0});
        target.reached_end = true;
      }
      handlers_.push_back(h);
    }
  }
  const bool reachable = c.reached_end;
  bind(c);
  while (stack_.size() > c.stack_size) pop();
  const std::vector<Kind> results = std::move(c.results);
  control_.pop_back();
  dead_ = !reachable;
  for (Kind k : results) push_home(k);
  forget();
  if (reachable) place_fuel();
}

void Lowering::mark_dead() {
  Control& c = frame(0);
  while (stack_.size() > c.stack_size) pop();
  dead_ = true;
  skipped_ = 0;
  forget();
}

void Lowering::set_offset(u32 at, u32 target) {
  const i64 offset = static_cast<i64>(target) - static_cast<i64>(at);
  code_[at + 1] = (code_[at + 1] & 0xFFFFFFFF) | static_cast<Word>(static_cast<u32>(static_cast<i32>(offset))) << 32;
}

bool Lowering::in_place(const Control& target) {
  const auto kinds = label_kinds(target);
  u32 dst = target.base;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const Operand& o = stack_[stack_.size() - kinds.size() + i];
    if (o.where != Operand::Home || o.slot != dst) return false;
    dst += width(kinds[i]);
  }
  return true;
}

void Lowering::move_values(const Control& target) {
  const auto kinds = label_kinds(target);
  u32 dst = target.base;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const Operand& o = stack_[stack_.size() - kinds.size() + i];
    move_to(dst, o);
    dst += width(kinds[i]);
  }
}

void Lowering::jump_to(u32 depth) {
  Control& target = frame(depth);
  if (target.op == Op::Loop) {
    const u32 at = emit(op_jump_back, 0);
    set_offset(at, target.loop_target);
    return;
  }
  const u32 at = emit(op_jump, 0);
  target.fixups.push_back({Fixup::Offset32, at, 0});
  target.reached_end = true;
}

void Lowering::branch(u32 depth) {
  if (depth + 1 == control_.size()) {
    return_values();
  } else {
    move_values(frame(depth));
    jump_to(depth);
  }
}

void Lowering::return_values() {
  const auto& results = type_.results;
  const u32 header = out_.local_slots;
  if (results.empty()) {
    emit(op_return, pack(0, header, 0, 0));
    return;
  }
  if (results.size() == 1 && results[0].kind != Kind::V128) {
    const Operand o = top();
    const u32 slot = slot_of(o);
    emit(is_float(o.kind) ? op_return1_float : op_return1, pack(slot, header, 0, 0));
    return;
  }
  // The operands stay on the stack as they are: this may be one arm of a conditional return.
  const size_t first = stack_.size() - results.size();
  u32 slots = 0;
  for (size_t i = first; i < stack_.size(); ++i) {
    move_to(stack_[i].home, stack_[i]);
    slots += width(stack_[i].kind);
  }
  emit(op_return_many, pack(stack_[first].home, header, slots, 0));
}

Lowering::Pending Lowering::condition_branch(const Operand& condition, bool if_true, bool backward) {
  // Fuse with the comparison that has just been emitted.
  if (condition.where == Operand::Home && last_.fusable && last_.dst == condition.slot && last_.at != kNone) {
    if (last_.negates) {
      last_ = negated_;
      if_true = !if_true;
    }
    const Last cmp = last_;
    code_.resize(cmp.at);
    while (!starts_.empty() && starts_.back() >= cmp.at) starts_.pop_back();
    int_acc_ = cmp.int_before;
    float_acc_ = cmp.float_before;
    if (cmp.op == Op::I32Eqz) {
      const u32 at = emit(test_branch_handler(cmp.src, !if_true, backward), pack(cmp.lhs, 0, 0, 0));
      return {at};
    }
    if (cmp.op == Op::I64Eqz) {
      const BinForm form = cmp.src == Src::Acc ? BinForm::AK : BinForm::SK;
      const u32 at = emit(compare_branch_handler(Op::I64Eq, form, if_true, backward), pack(cmp.lhs, 0, 0, 0));
      word(0);
      return {at};
    }
    BinForm form = cmp.form;
    if (form == BinForm::SI) form = BinForm::SK;
    if (form == BinForm::AI) form = BinForm::AK;
    const bool has_constant = form >= BinForm::SK;
    const u32 at =
        emit(compare_branch_handler(cmp.op, form, if_true, backward), pack(cmp.lhs, has_constant ? 0 : cmp.rhs, 0, 0));
    if (has_constant) word(cmp.constant);
    return {at};
  }
  if (in_acc(condition)) {
    use_acc(condition);
    return {emit(test_branch_handler(Src::Acc, if_true, backward), pack(condition.slot, 0, 0, 0))};
  }
  const u32 slot = slot_of(condition);
  return {emit(test_branch_handler(Src::Slot, if_true, backward), pack(slot, 0, 0, 0))};
}

void Lowering::resolve(Pending p, u32 depth) {
  Control& target = frame(depth);
  if (target.op == Op::Loop) {
    set_offset(p.at, target.loop_target);
  } else {
    target.fixups.push_back({Fixup::Offset32, p.at, 0});
    target.reached_end = true;
  }
}

void Lowering::resolve_here(Pending p) { set_offset(p.at, static_cast<u32>(code_.size())); }

void Lowering::branch_if(u32 depth) {
  const Operand condition = pop();
  const bool returns = depth + 1 == control_.size();
  if (!returns && in_place(frame(depth))) {
    const Pending p = condition_branch(condition, true, frame(depth).op == Op::Loop);
    pin();
    resolve(p, depth);
    return;
  }
  const Pending skip = condition_branch(condition, false, false);
  pin();
  branch(depth);
  resolve_here(skip);
  forget();
}

void Lowering::branch_null(u32 depth, bool if_null) {
  // br_on_null does not carry the reference, br_on_non_null does.
  const Operand ref = if_null ? pop() : top();
  const u32 slot = slot_of(ref);
  pin();
  const bool returns = depth + 1 == control_.size();
  if (!returns && in_place(frame(depth))) {
    resolve({emit(null_branch_handler(Src::Slot, if_null, frame(depth).op == Op::Loop), pack(slot, 0, 0, 0))}, depth);
  } else {
    const Pending skip{emit(null_branch_handler(Src::Slot, !if_null, false), pack(slot, 0, 0, 0))};
    branch(depth);
    resolve_here(skip);
    forget();
  }
  if (if_null) {
    if (ref.where == Operand::Local) {
      push(Operand::Local, ref.kind, ref.slot, 0);
      ++local_uses_[ref.slot];
    } else {
      push_home(Kind::Ref);
    }
  } else {
    pop();
  }
}

void Lowering::branch_cast(const wasm::BrOnCastImm& imm, bool if_match) {
  // The reference stays where it is; the verdict goes to a slot above it.
  Operand& o = top();
  if (o.where == Operand::Const) to_home(o);
  const u32 slot = o.slot, verdict = next_home();
  reserve(verdict + 1);
  const wasm::HeapType type = imm.to.heap;
  if (type.is_index()) {
    emit(op_ref_test_concrete, pack(verdict, slot, imm.to.nullable, 0));
    word(reinterpret_cast<Word>(types_[type.index().value]));
  } else {
    emit(op_ref_test, pack(verdict, slot, imm.to.nullable, 0));
    word(type.bits());
  }
  clobbered_int();
  pin();
  const u32 depth = imm.label.value;
  const bool returns = depth + 1 == control_.size();
  if (!returns && in_place(frame(depth))) {
    resolve({emit(test_branch_handler(Src::Slot, if_match, frame(depth).op == Op::Loop), pack(verdict, 0, 0, 0))},
            depth);
    return;
  }
  const Pending skip{emit(test_branch_handler(Src::Slot, !if_match, false), pack(verdict, 0, 0, 0))};
  branch(depth);
  resolve_here(skip);
  forget();
}

void Lowering::branch_table(const wasm::LabelTableImm& imm) {
  const Operand index = pop();
  const u32 slot = slot_of(index);
  pin();
  const u32 at = emit(op_br_table, pack_imm(slot, 0, static_cast<i32>(imm.count)));
  const u32 table = static_cast<u32>(code_.size());
  code_.resize(table + imm.count + 1);
  struct Stub {
    u32 depth, target;
  };
  std::vector<Stub> stubs;
  wasm::CodeReader labels(imm.targets);
  std::vector<u32> deferred;  // depth for each word that needs a stub
  deferred.assign(imm.count + 1, kNone);
  for (u32 i = 0; i <= imm.count; ++i) {
    const u32 depth = labels.leb_u32();
    Control& target = frame(depth);
    if (depth + 1 == control_.size() || !in_place(target)) {
      deferred[i] = depth;
    } else if (target.op == Op::Loop) {
      code_[table + i] = static_cast<Word>(static_cast<i64>(target.loop_target) - static_cast<i64>(at));
    } else {
      target.fixups.push_back({Fixup::TableWord, table + i, at});
      target.reached_end = true;
    }
  }
  for (u32 i = 0; i <= imm.count; ++i) {
    if (deferred[i] == kNone) continue;
    u32 target = kNone;
    for (const Stub& s : stubs)
      if (s.depth == deferred[i]) target = s.target;
    if (target == kNone) {
      target = static_cast<u32>(code_.size());
      stubs.push_back({deferred[i], target});
      forget();
      branch(deferred[i]);
    }
    code_[table + i] = static_cast<Word>(static_cast<i64>(target) - static_cast<i64>(at));
  }
}

// Brings the arguments to their homes, in a row, and takes them off the stack. Returns the first one's slot.
u32 Lowering::settle_arguments(const wasm::FuncType& type) {
  const u32 count = static_cast<u32>(type.params.size());
  settle(count);
  pin();
  u32 first = next_home();
  for (u32 i = 0; i < count; ++i) first = pop().home;
  return first;
}

void Lowering::finish_call(const wasm::FuncType& type, u32 frame) {
  word(reinterpret_cast<Word>(&out_));
  forget();
  for (const auto& r : type.results) push_home(r.kind);
  if (type.results.size() == 1 && type.results[0].kind != Kind::V128)
    acc_of(type.results[0].kind) = {frame, kNone, nullptr};
}

void Lowering::call(const wasm::FuncType& type, Handler handler, Word target, const Operand* index, u32 table,
                    bool is_64) {
  const u32 slot = index != nullptr ? slot_of(*index) : 0;
  const u32 frame = settle_arguments(type);
  emit(handler, pack(frame, slot, table, is_64));
  word(target);
  finish_call(type, frame);
}

void Lowering::return_call(const wasm::FuncType& type, Handler handler, Word target, const Operand* index,
                           bool has_table, u32 table) {
  const u32 slot = index != nullptr ? slot_of(*index) : 0;
  u32 slots = 0;
  for (const auto& p : type.params) slots += width(p.kind);
  const u32 frame = settle_arguments(type);
  // A host function as the target has its results written from here on.
  u32 results = 0;
  for (const auto& r : type.results) results += width(r.kind);
  reserve(frame + results);
  emit(handler, pack(frame, slots, out_.local_slots, slot));
  word(target);
  if (has_table) word(table | u64{module_.tables[table].type.is_64} << 32);
}

}  // namespace berth::interp
