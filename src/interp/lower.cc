#include "interp/lower.h"

#include "base/result.h"
#include "interp/fusion.h"

namespace berth::interp {

using wasm::Op;

Lowering::Lowering(const wasm::Module& module, std::span<const abi::RuntimeType* const> types,
                   const LoweringOptions& options, FunctionCode& code)
    : module_(module),
      types_(types),
      options_(options),
      out_(code),
      type_(module.func_type(wasm::FuncIdx(code.index))),
      reader_(module.body(wasm::FuncIdx(code.index))) {
  u32 slot = 0;
  auto add_local = [&](Kind kind) {
    local_kinds_.push_back(kind);
    local_slots_.push_back(slot);
    slot += width(kind);
  };
  for (const auto& p : type_.params) add_local(p.kind);
  out_.param_slots = slot;
  for (u32 groups = reader_.leb_u32(); groups > 0; --groups) {
    const u32 count = reader_.leb_u32();
    const Kind kind = reader_.val_type().kind;
    for (u32 i = 0; i < count; ++i) add_local(kind);
  }
  out_.local_slots = slot;
  local_uses_.resize(slot);
  first_home_ = slot + kHeaderSlots;
  max_slots_ = first_home_;
  u32 results = 0;
  for (const auto& r : type_.results) results += width(r.kind);
  out_.result_slots = results;
  reserve(results);
  code_.reserve(reader_.remaining() * 2 + 16);
}

Lowering::Operand& Lowering::push(Operand::Where where, Kind kind, u32 slot, u64 bits) {
  const u32 home = next_home();
  reserve(home + width(kind));
  return stack_.emplace_back(Operand{where, kind, home, where == Operand::Home ? home : slot, bits});
}

u32 Lowering::push_home(Kind kind) { return push(Operand::Home, kind, 0, 0).home; }

u32 Lowering::emit(Handler handler, Word operands) {
  const u32 at = static_cast<u32>(code_.size());
  starts_.push_back(at);
  code_.push_back(reinterpret_cast<Word>(handler));
  code_.push_back(operands);
  last_ = {};
  return at;
}

void Lowering::wrote(u32 dst, u32 slots) {
  auto overlaps = [&](u32 slot) { return slot != kNone && slot - dst < slots; };
  if (overlaps(int_acc_.slot)) int_acc_ = {};
  if (overlaps(float_acc_.slot) || (float_acc_.slot != kNone && float_acc_.slot + 1 == dst)) float_acc_ = {};
}

void Lowering::produced(u32 at, u32 dst, Kind kind, Handler acc_only) {
  const Accumulator int_before = int_acc_, float_before = float_acc_;
  wrote(dst, width(kind));
  acc_of(kind) = {dst, acc_only != nullptr ? at : kNone, acc_only};
  last_ = {};
  last_.at = at;
  last_.dst = dst;
  last_.int_before = int_before;
  last_.float_before = float_before;
}

void Lowering::forget() {
  int_acc_ = {};
  float_acc_ = {};
  last_ = {};
}

void Lowering::use_acc(const Operand& o) {
  Accumulator& acc = acc_of(o.kind);
  if (o.where == Operand::Home && acc.producer != kNone) {
    code_[acc.producer] = reinterpret_cast<Word>(acc.acc_only);
    // The slot no longer holds the value; nobody reads it again.
  }
  acc.producer = kNone;
}

void Lowering::move_to(u32 dst, const Operand& o) {
  if (o.where == Operand::Const) {
    if (static_cast<i64>(o.bits) == static_cast<i32>(o.bits) || o.kind == Kind::I32 || o.kind == Kind::F32) {
      emit(op_const32, pack_imm(dst, 0, static_cast<i32>(o.bits)));
    } else {
      emit(op_const64, pack(dst, 0, 0, 0));
      word(o.bits);
    }
    wrote(dst, 1);
    return;
  }
  if (o.slot == dst) return;
  if (o.kind == Kind::V128) {
    const u32 at = emit(op_copy_v128, pack(dst, o.slot, 0, 0));
    produced(at, dst, o.kind);
    last_ = {};
    return;
  }
  if (!is_float(o.kind) && in_acc(o)) {
    const Accumulator kept = int_acc_;
    emit(op_acc_to_slot, pack(dst, 0, 0, 0));
    wrote(dst, 1);
    if (dst != kept.slot) int_acc_ = o.where == Operand::Home ? Accumulator{dst, kNone, nullptr} : kept;
    pin();
    return;
  }
  // A copy right before, whose result this one does not read, becomes a copy of two.
  if (last_.at != kNone && code_[last_.at] == reinterpret_cast<Word>(op_copy) && last_.at + 2 == code_.size() &&
      last_.dst != o.slot && last_.dst != dst) {
    const u32 at = last_.at, first = last_.dst;
    const u32 source = static_cast<u32>(code_[at + 1] >> 16 & 0xFFFF);
    code_[at] = reinterpret_cast<Word>(op_copy2);
    code_[at + 1] = pack(first, source, dst, o.slot);
    int_acc_ = last_.int_before;
    wrote(first, 1);
    wrote(dst, 1);
    last_ = {};
    return;
  }
  if (is_float(o.kind)) {
    const u32 at = emit(op_copy_float, pack(dst, o.slot, 0, 0));
    produced(at, dst, o.kind);
  } else {
    const u32 at = emit(op_copy, pack(dst, o.slot, 0, 0));
    produced(at, dst, o.kind);
  }
}

void Lowering::to_home(Operand& o) {
  if (o.where == Operand::Home) return;
  if (o.where == Operand::Local) --local_uses_[o.slot];
  move_to(o.home, o);
  o.where = Operand::Home;
  o.slot = o.home;
}

u32 Lowering::slot_of(const Operand& o) {
  if (o.where != Operand::Const) return o.slot;
  move_to(o.home, o);
  return o.home;
}

void Lowering::settle(u32 count) {
  for (size_t i = stack_.size() - count; i < stack_.size(); ++i) to_home(stack_[i]);
}

void Lowering::save_locals() {
  for (Operand& o : stack_)
    if (o.where == Operand::Local) to_home(o);
}

void Lowering::preserve(u32 local_slot) {
  if (local_uses_[local_slot] == 0) return;
  for (Operand& o : stack_)
    if (o.where == Operand::Local && o.slot == local_slot) to_home(o);
}

bool Lowering::guarded(u32 memory) const {
#ifdef BERTH_INSTRUMENTED
  // The fault handler counts on registers that a sanitizer's or a profiler's code between moves about.
  (void)memory;
  return false;
#else
  const wasm::MemoryType& t = module_.memories[memory].type;
  return memory == 0 && !t.is_64 && t.page_size_log2 == 16;
#endif
}

void Lowering::place_fuel() {
  if (!options_.fuel) return;
  if (fuel_at_ != kNone) code_[fuel_at_ + 1] = pack_imm(0, 0, static_cast<i32>(fuel_cost_));
  fuel_at_ = emit(op_fuel, 0);
  fuel_cost_ = 0;
}

// Puts fused handlers where sequences that have one begin. The words of each instruction stay, so branches
// into the middle of a sequence find what they expect.
void Lowering::fuse() {
  std::vector<Instruction> instructions;
  instructions.reserve(starts_.size());
  for (const u32 at : starts_) instructions.push_back({reinterpret_cast<Handler>(code_[at]), code_[at + 1]});
  interp::fuse(instructions, first_home_);
  for (size_t i = 0; i < starts_.size(); ++i) code_[starts_[i]] = reinterpret_cast<Word>(instructions[i].handler);
}

Lowered lower_function(const wasm::Module& module, std::span<const abi::RuntimeType* const> types,
                       const LoweringOptions& options, FunctionCode& code) {
  return Lowering(module, types, options, code).run();
}

}  // namespace berth::interp
