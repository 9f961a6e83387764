// The instructions that are so frequent that validation wants them inlined: blocks, branches, calls,
// locals and globals. Internal to the function validator.
#pragma once

#include "validate/function_validator.h"

namespace berth::validate {

inline void FunctionValidator::push_frame(FrameKind kind, std::span<const ValType> params,
                                          std::span<const ValType> results) {
  if (!frames_.empty()) frames_.back().unreachable = unreachable_;
  frames_.push_back({params.data(), results.data(), static_cast<u32>(params.size()), static_cast<u32>(results.size()),
                     static_cast<u32>(sp_ - stack_.get()), static_cast<u32>(set_locals_.size()), kind, false, 0});
  base_ = sp_;
  unreachable_ = false;
}

inline bool FunctionValidator::end_of_sequence() {
  const Frame& f = top();
  if (sp_ - base_ == static_cast<ptrdiff_t>(f.result_count)) [[likely]] {
    bool fits = true;
    for (u32 n = 0; n < f.result_count; ++n) fits = fits && same(base_[n], f.results[n]);
    if (fits) [[likely]]
      return true;
  }
  return end_of_sequence_slow();
}

inline bool FunctionValidator::begin_block(FrameKind kind, const wasm::BlockType& type) {
  if (type.kind == wasm::BlockType::Empty) [[likely]] {
    if (kind == FrameKind::If && !pop(wasm::kI32)) return false;
    if (frames_.size() >= facts_.limits.nesting_depth) [[unlikely]]
      return error(limit_error("nested blocks", facts_.limits.nesting_depth, frames_.size() + 1));
    push_frame(kind, {}, {});
    return true;
  }
  std::span<const ValType> params;
  std::span<const ValType> results;
  if (!block_signature(type, params, results)) return false;
  if (frames_.size() >= facts_.limits.nesting_depth) [[unlikely]]
    return error(limit_error("nested blocks", facts_.limits.nesting_depth, frames_.size() + 1));
  if (kind == FrameKind::If && !pop(wasm::kI32)) return false;
  if (!pop_all(params)) return false;
  push_frame(kind, params, results);
  return push_all(params);
}

inline bool FunctionValidator::op(OpTag<Op::Nop>, const wasm::NoImm&) { return true; }
inline bool FunctionValidator::op(OpTag<Op::Unreachable>, const wasm::NoImm&) {
  unreachable();
  return true;
}
inline bool FunctionValidator::op(OpTag<Op::Block>, const wasm::BlockType& imm) {
  return begin_block(FrameKind::Block, imm);
}
inline bool FunctionValidator::op(OpTag<Op::Loop>, const wasm::BlockType& imm) {
  return begin_block(FrameKind::Loop, imm);
}
inline bool FunctionValidator::op(OpTag<Op::If>, const wasm::BlockType& imm) { return begin_block(FrameKind::If, imm); }

inline bool FunctionValidator::op(OpTag<Op::End>, const wasm::NoImm&) {
  if (!end_of_sequence()) return false;
  const Frame& f = top();
  if (f.kind == FrameKind::If) {
    // The missing else passes the parameters on as results.
    const std::span params(f.params, f.param_count);
    bool fits = f.param_count == f.result_count;
    for (u32 n = 0; n < f.param_count && fits; ++n) fits = wasm::val_matches(module_, f.params[n], f.results[n]);
    if (!fits) [[unlikely]] {
      sp_ = base_;
      push_all(params);
      return block_mismatch(f.result_types());
    }
  }
  if (!set_locals_.empty()) [[unlikely]]
    reset_locals(f.init_height);
  frames_.pop_back();
  if (!frames_.empty()) [[likely]] {
    base_ = stack_.get() + frames_.back().height;
    unreachable_ = frames_.back().unreachable;
  }
  return true;
}

inline bool FunctionValidator::op(OpTag<Op::Br>, const wasm::LabelImm& imm) { return branch(imm.label); }

inline bool FunctionValidator::op(OpTag<Op::BrIf>, const wasm::LabelImm& imm) {
  if (!pop(wasm::kI32)) return false;
  Frame* target = label(imm.label);
  if (!target) return false;
  const auto types = target->label_types();
  if (types.empty()) [[likely]]
    return true;
  return pop_all(types) && push_all(types);
}

inline bool FunctionValidator::op(OpTag<Op::Return>, const wasm::NoImm&) {
  if (!pop_all(frames_.front().result_types())) return false;
  unreachable();
  return true;
}

inline bool FunctionValidator::op(OpTag<Op::Call>, const wasm::FuncImm& imm) {
  const FuncSig* sig = function_sig(imm.func);
  return sig && call(*sig);
}

inline bool FunctionValidator::op(OpTag<Op::Drop>, const wasm::NoImm&) {
  ValType type;
  return pop_any(type);
}

inline bool FunctionValidator::op(OpTag<Op::LocalGet>, const wasm::LocalImm& imm) {
  ValType type;
  if (!local_type(imm.local, type)) return false;
  if (!type.is_defaultable() && !check_initialized(imm.local)) [[unlikely]]
    return false;
  push(type);
  return true;
}

inline bool FunctionValidator::op(OpTag<Op::LocalSet>, const wasm::LocalImm& imm) {
  ValType type;
  if (!local_type(imm.local, type)) return false;
  if (!type.is_defaultable()) [[unlikely]] {
    if (!pop(type)) return false;
    set_initialized(imm.local);
    return true;
  }
  return pop(type);
}

inline bool FunctionValidator::op(OpTag<Op::LocalTee>, const wasm::LocalImm& imm) {
  ValType type;
  if (!local_type(imm.local, type) || !pop(type)) return false;
  if (!type.is_defaultable()) [[unlikely]]
    set_initialized(imm.local);
  push(type);
  return true;
}

inline bool FunctionValidator::op(OpTag<Op::GlobalGet>, const wasm::GlobalImm& imm) {
  const wasm::Global* g = global(imm.global);
  if (!g) return false;
  push(g->type.type);
  return true;
}

inline bool FunctionValidator::op(OpTag<Op::GlobalSet>, const wasm::GlobalImm& imm) {
  const wasm::Global* g = global(imm.global);
  if (!g) return false;
  if (!g->type.is_mutable) [[unlikely]]
    return error(ErrorCode::ImmutableGlobal, std::to_string(imm.global.value));
  return pop(g->type.type);
}

}  // namespace berth::validate
