// Validation of control instructions that are too rare to be inlined.
#include <algorithm>

#include "validate/function_control.h"

namespace berth::validate {

using wasm::CatchClause;
using wasm::HeapType;
using wasm::Op;
using wasm::ValKind;
using wasm::ValType;

namespace {
constexpr ValType kExn = ValType::ref(HeapType::kExn, false);
}  // namespace

const ValType* FunctionValidator::intern(ValType type) {
  static constexpr ValType kCommon[] = {wasm::kI32, wasm::kI64, wasm::kF32, wasm::kF64, wasm::kV128};
  if (!type.is_ref()) return &kCommon[static_cast<u8>(type.kind) - static_cast<u8>(ValKind::I32)];
  return &interned_.emplace_back(type);
}

bool FunctionValidator::block_signature(const wasm::BlockType& type, std::span<const ValType>& params,
                                        std::span<const ValType>& results) {
  switch (type.kind) {
    case wasm::BlockType::Empty: return true;
    case wasm::BlockType::Value:
      if (!check(type.value)) return false;
      results = std::span(intern(type.value), 1);
      return true;
    case wasm::BlockType::Type: {
      if (!features_.has(wasm::Feature::MultiValue))
        return error(feature_error("a block with a function type", wasm::Feature::MultiValue));
      const FuncSig* sig = type_sig(type.type);
      if (!sig) return false;
      params = {sig->params, sig->param_count};
      results = {sig->results, sig->result_count};
      return true;
    }
  }
  return true;
}

bool FunctionValidator::end_of_sequence_slow() {
  const auto results = top().result_types();
  ValType* const saved = sp_;
  for (size_t n = results.size(); n-- > 0;) {
    if (sp_ == base_) {
      if (unreachable_) continue;
    } else if (wasm::val_matches(module_, sp_[-1], results[n])) {
      --sp_;
      continue;
    }
    sp_ = saved;
    return mismatch(results);
  }
  if (sp_ != base_) {
    sp_ = saved;
    return block_mismatch(results);
  }
  return push_all(results);
}

// The block goes on with another part (else, catch): operands gone, locals as at its start.
void FunctionValidator::restart_sequence(FrameKind kind) {
  Frame& f = top();
  if (!set_locals_.empty()) reset_locals(f.init_height);
  f.kind = kind;
  sp_ = base_;
  unreachable_ = false;
}

bool FunctionValidator::op(OpTag<Op::Else>, const wasm::NoImm&) {
  if (top().kind != FrameKind::If) return error(ErrorCode::MisplacedElse);
  if (!end_of_sequence()) return false;
  restart_sequence(FrameKind::Else);
  return push_all({top().params, top().param_count});
}

bool FunctionValidator::op(OpTag<Op::BrTable>, const wasm::LabelTableImm& imm) {
  if (imm.count > facts_.limits.br_table_targets)
    return error(limit_error("targets of br_table", facts_.limits.br_table_targets, imm.count));
  if (!pop(wasm::kI32)) return false;
  wasm::CodeReader targets(imm.targets);
  ++stamp_;
  std::optional<size_t> arity;
  for (u32 i = 0; i <= imm.count; ++i) {
    const wasm::LabelIdx index(targets.leb_u32());
    Frame* target = label(index);
    if (!target) return false;
    if (target->checked == stamp_) continue;
    target->checked = stamp_;
    const auto types = target->label_types();
    if (!arity) arity = types.size();
    if (types.size() != *arity) {
      return error(ErrorCode::TypeMismatch, "br_table's labels differ in arity: label " + std::to_string(index.value) +
                                                " takes " + to_string(types) + ", an earlier one " +
                                                std::to_string(*arity) + " values");
    }
    if (!check_top(types)) return false;
  }
  unreachable();
  return true;
}

// --- calls

bool FunctionValidator::tail_call(const FuncSig& sig) {
  if (!pop_all({sig.params, sig.param_count})) return false;
  const auto wanted = frames_.front().result_types();
  bool fits = sig.result_count == wanted.size();
  for (u32 n = 0; n < sig.result_count && fits; ++n) fits = wasm::val_matches(module_, sig.results[n], wanted[n]);
  if (!fits) {
    return error(ErrorCode::TypeMismatch, "the function returns " + to_string(wanted) + " but the one called " +
                                              to_string({sig.results, sig.result_count}) + " (" + mnemonic() + ")");
  }
  unreachable();
  return true;
}

bool FunctionValidator::op(OpTag<Op::CallIndirect>, const wasm::TypeTableImm& imm) {
  const FuncSig* sig = indirect_sig(imm);
  return sig && call(*sig);
}
bool FunctionValidator::op(OpTag<Op::ReturnCall>, const wasm::FuncImm& imm) {
  const FuncSig* sig = function_sig(imm.func);
  return sig && tail_call(*sig);
}
bool FunctionValidator::op(OpTag<Op::ReturnCallIndirect>, const wasm::TypeTableImm& imm) {
  const FuncSig* sig = indirect_sig(imm);
  return sig && tail_call(*sig);
}
bool FunctionValidator::op(OpTag<Op::CallRef>, const wasm::TypeImm& imm) {
  const FuncSig* sig = type_sig(imm.type);
  return sig && pop(ValType::ref(HeapType(imm.type), true)) && call(*sig);
}
bool FunctionValidator::op(OpTag<Op::ReturnCallRef>, const wasm::TypeImm& imm) {
  const FuncSig* sig = type_sig(imm.type);
  return sig && pop(ValType::ref(HeapType(imm.type), true)) && tail_call(*sig);
}

// --- select

bool FunctionValidator::op(OpTag<Op::Select>, const wasm::NoImm&) {
  ValType a;
  ValType b;
  if (!pop(wasm::kI32) || !pop_any(b) || !pop_any(a)) return false;
  if (a.is_ref() || b.is_ref()) {
    return error(ErrorCode::TypeMismatch,
                 "select without a type takes numbers and vectors, found " + wasm::to_string(a.is_ref() ? a : b));
  }
  if (a.kind != b.kind && a.kind != ValKind::Bottom && b.kind != ValKind::Bottom) {
    const ValType both[] = {a, b};
    return error(ErrorCode::TypeMismatch, "select takes two values of one type, found " + to_string(both));
  }
  push(a.kind == ValKind::Bottom ? b : a);
  return true;
}

bool FunctionValidator::op(OpTag<Op::SelectTyped>, const wasm::SelectTypesImm& imm) {
  if (imm.count != 1) return error(ErrorCode::InvalidResultArity, std::to_string(imm.count) + ", select has 1");
  if (!check(imm.first) || !pop(wasm::kI32) || !pop(imm.first) || !pop(imm.first)) return false;
  push(imm.first);
  return true;
}

// --- exceptions

bool FunctionValidator::op(OpTag<Op::Throw>, const wasm::TagImm& imm) {
  const wasm::Tag* t = tag(imm.tag);
  if (!t) return false;
  const FuncSig& sig = facts_.sigs[t->type.value];
  if (!pop_all({sig.params, sig.param_count})) return false;
  unreachable();
  return true;
}

bool FunctionValidator::op(OpTag<Op::ThrowRef>, const wasm::NoImm&) {
  if (!pop(wasm::kExnRef)) return false;
  unreachable();
  return true;
}

bool FunctionValidator::op(OpTag<Op::TryTable>, const wasm::TryTableImm& imm) {
  wasm::CodeReader clauses(imm.clauses);
  for (u32 i = 0; i < imm.count; ++i) {
    const CatchClause clause = clauses.catch_clause();
    const FuncSig none;
    const FuncSig* sig = &none;
    if (clause.kind == CatchClause::Catch || clause.kind == CatchClause::CatchRef) {
      const wasm::Tag* t = tag(clause.tag);
      if (!t) return false;
      sig = &facts_.sigs[t->type.value];
    }
    const Frame* target = label(clause.label);
    if (!target) return false;
    const auto wanted = target->label_types();
    const bool with_ref = clause.kind == CatchClause::CatchRef || clause.kind == CatchClause::CatchAllRef;
    bool fits = wanted.size() == sig->param_count + (with_ref ? 1u : 0u);
    for (u32 n = 0; n < sig->param_count && fits; ++n) fits = wasm::val_matches(module_, sig->params[n], wanted[n]);
    if (fits && with_ref) fits = wasm::val_matches(module_, kExn, wanted.back());
    if (!fits) {
      std::vector<ValType> caught(sig->params, sig->params + sig->param_count);
      if (with_ref) caught.push_back(kExn);
      return error(ErrorCode::TypeMismatch, "catch clause " + std::to_string(i) + " passes " + to_string(caught) +
                                                " but label " + std::to_string(clause.label.value) + " takes " +
                                                to_string(wanted));
    }
  }
  return begin_block(FrameKind::TryTable, imm.type);
}

// --- legacy exceptions (specification: exception handling, legacy)

bool FunctionValidator::op(OpTag<Op::Try>, const wasm::BlockType& imm) {
  uses_legacy_ = true;
  return begin_block(FrameKind::Try, imm);
}

bool FunctionValidator::op(OpTag<Op::Catch>, const wasm::TagImm& imm) {
  if (top().kind != FrameKind::Try && top().kind != FrameKind::Catch) return error(ErrorCode::MisplacedCatch, "catch");
  const wasm::Tag* t = tag(imm.tag);
  if (!t || !end_of_sequence()) return false;
  restart_sequence(FrameKind::Catch);
  const FuncSig& sig = facts_.sigs[t->type.value];
  return push_all({sig.params, sig.param_count});
}

bool FunctionValidator::op(OpTag<Op::CatchAll>, const wasm::NoImm&) {
  if (top().kind != FrameKind::Try && top().kind != FrameKind::Catch)
    return error(ErrorCode::MisplacedCatch, "catch_all");
  if (!end_of_sequence()) return false;
  restart_sequence(FrameKind::CatchAll);
  return true;
}

bool FunctionValidator::op(OpTag<Op::Delegate>, const wasm::LabelImm& imm) {
  if (top().kind != FrameKind::Try) return error(ErrorCode::MisplacedCatch, "delegate");
  // The label counts from outside of the try.
  if (imm.label.value >= frames_.size() - 1)
    return unknown(ErrorCode::UnknownLabel, imm.label.value, frames_.size() - 1, "labels here");
  return op(OpTag<Op::End>{}, wasm::NoImm{});
}

bool FunctionValidator::op(OpTag<Op::Rethrow>, const wasm::LabelImm& imm) {
  const Frame* target = label(imm.label);
  if (!target) return false;
  if (target->kind != FrameKind::Catch && target->kind != FrameKind::CatchAll)
    return error(ErrorCode::InvalidRethrowLabel, std::to_string(imm.label.value) + " is not of a catch");
  unreachable();
  return true;
}

// --- branches on references

bool FunctionValidator::op(OpTag<Op::BrOnNull>, const wasm::LabelImm& imm) {
  ValType ref;
  if (!pop_ref(ref)) return false;
  Frame* target = label(imm.label);
  if (!target) return false;
  const auto types = target->label_types();
  if (!pop_all(types) || !push_all(types) || !ensure(1)) return false;
  push(ValType::ref(ref.heap, false));
  return true;
}

bool FunctionValidator::op(OpTag<Op::BrOnNonNull>, const wasm::LabelImm& imm) {
  Frame* target = label(imm.label);
  if (!target) return false;
  const auto types = target->label_types();
  if (types.empty() || !types.back().is_ref()) {
    return error(ErrorCode::TypeMismatch, "br_on_non_null passes a reference but label " +
                                              std::to_string(imm.label.value) + " takes " + to_string(types));
  }
  const auto rest = types.first(types.size() - 1);
  return pop(ValType::ref(types.back().heap, true)) && pop_all(rest) && push_all(rest);
}

namespace {
// What is left of a reference of type `from` that is not of type `to`.
ValType difference(ValType from, ValType to) { return ValType::ref(from.heap, from.nullable && !to.nullable); }
}  // namespace

bool FunctionValidator::branch_on_cast(const wasm::BrOnCastImm& imm, bool on_success) {
  if (!check(imm.from) || !check(imm.to)) return false;
  if (!wasm::val_matches(module_, imm.to, imm.from)) {
    return error(ErrorCode::TypeMismatch, mnemonic() + " casts to " + wasm::to_string(imm.to) +
                                              ", which is no subtype of " + wasm::to_string(imm.from));
  }
  Frame* target = label(imm.label);
  if (!target) return false;
  const auto types = target->label_types();
  const ValType rest = difference(imm.from, imm.to);
  const ValType taken = on_success ? imm.to : rest;
  if (types.empty() || !wasm::val_matches(module_, taken, types.back())) {
    return error(ErrorCode::TypeMismatch, mnemonic() + " passes " + wasm::to_string(taken) + " but label " +
                                              std::to_string(imm.label.value) + " takes " + to_string(types));
  }
  const auto others = types.first(types.size() - 1);
  if (!pop(imm.from) || !pop_all(others) || !push_all(others) || !ensure(1)) return false;
  push(on_success ? rest : imm.to);
  return true;
}

bool FunctionValidator::op(OpTag<Op::BrOnCast>, const wasm::BrOnCastImm& imm) { return branch_on_cast(imm, true); }
bool FunctionValidator::op(OpTag<Op::BrOnCastFail>, const wasm::BrOnCastImm& imm) { return branch_on_cast(imm, false); }

}  // namespace berth::validate
