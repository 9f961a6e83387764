// Validates function bodies and constant expressions (specification: validation, instructions, and the
// algorithm of the appendix). Internal to validate. One validator a thread; it keeps its buffers from
// one function to the next, so that validating allocates nothing per instruction.
//
// The hot path knows only types that are equal bit for bit; subtyping, unreachable code and the wording
// of errors are out of line.
#pragma once

#include <array>
#include <bit>
#include <deque>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "validate/module_facts.h"
#include "wasm/code_reader.h"
#include "wasm/type_relations.h"

namespace berth::validate {

template <wasm::Op op>
using OpTag = std::integral_constant<wasm::Op, op>;

// What validating a function finds out about it.
struct FunctionSummary {
  u32 local_slots = 0;  // of 8 bytes, for parameters and locals
  u32 stack_slots = 0;  // at most so many for operands
  bool uses_legacy_exceptions = false;
};

enum class FrameKind : u8 { Function, Block, Loop, If, Else, Try, Catch, CatchAll, TryTable };

// A control frame: a block that is open. The types are those of the module or of `FunctionValidator`.
struct Frame {
  const wasm::ValType* params = nullptr;
  const wasm::ValType* results = nullptr;
  u32 param_count = 0;
  u32 result_count = 0;
  u32 height = 0;       // operands below the block's own
  u32 init_height = 0;  // of the list of locals set since
  FrameKind kind = FrameKind::Block;
  bool unreachable = false;
  u32 checked = 0;  // stamp of the br_table that has checked this label

  std::span<const wasm::ValType> label_types() const {
    return kind == FrameKind::Loop ? std::span(params, param_count) : std::span(results, result_count);
  }
  std::span<const wasm::ValType> result_types() const { return {results, result_count}; }
};

// A signature of spec/opcodes.def taken apart at compile time.
struct Signature {
  std::array<char, 8> params{};
  std::array<char, 8> results{};
  u32 param_count = 0;
  u32 result_count = 0;
};
consteval Signature parse_signature(std::string_view text) {
  Signature s;
  bool in_results = false;
  for (char c : text) {
    if (c == ':') {
      in_results = true;
    } else if (in_results) {
      s.results[s.result_count++] = c;
    } else {
      s.params[s.param_count++] = c;
    }
  }
  return s;
}
constexpr wasm::ValType signature_type(char c, wasm::ValType address) {
  switch (c) {
    case 'i': return wasm::kI32;
    case 'l': return wasm::kI64;
    case 'f': return wasm::kF32;
    case 'd': return wasm::kF64;
    case 'v': return wasm::kV128;
    default: return address;
  }
}
consteval u32 lane_count(std::string_view mnemonic) {
  if (mnemonic.starts_with("i8x16")) return 16;
  if (mnemonic.starts_with("i16x8")) return 8;
  if (mnemonic.starts_with("i32x4") || mnemonic.starts_with("f32x4")) return 4;
  return 2;
}

class FunctionValidator {
 public:
  explicit FunctionValidator(const ModuleFacts& facts);

  // Validates the body of a function that is not imported. Errors: kind Invalid or Malformed with the
  // offset of the instruction (for malformed ones, of the byte), LimitExceeded, FeatureDisabled.
  Result<FunctionSummary> validate(wasm::FuncIdx func);

  // Validates a constant expression that yields `expected` and sees the globals below `visible_globals`.
  // Sets in `declared`, if given, the functions that it names.
  Result<> validate_constant(wasm::ConstExpr expr, wasm::ValType expected, u32 visible_globals,
                             std::vector<bool>* declared);

  // For wasm::decode_op. False after an error, which is then in `error_` or in the reader.
  template <wasm::Op O>
  bool on(const wasm::ImmOf<O>& imm) {
    constexpr const wasm::OpInfo& i = wasm::info(O);
    if constexpr (O == wasm::Op::Throw) {  // the same in both forms of exception handling
      if (!features_.has(wasm::Feature::Exceptions) && !features_.has(wasm::Feature::LegacyExceptions)) [[unlikely]]
        return missing_feature(O);
    } else if constexpr (i.feature != wasm::Feature::Mvp) {
      if (!features_.has(i.feature)) [[unlikely]]
        return missing_feature(O);
    }
    if constexpr (i.signature() == "*") {
      return op(OpTag<O>{}, imm);
    } else {
      return simple<O>(imm);
    }
  }

 private:
  using ValType = wasm::ValType;
  using HeapType = wasm::HeapType;
  using Op = wasm::Op;
  template <typename Imm>
  static constexpr bool has_memory = std::is_same_v<Imm, wasm::MemArgImm> || std::is_same_v<Imm, wasm::MemArgLaneImm> ||
                                     std::is_same_v<Imm, wasm::MemoryImm> || std::is_same_v<Imm, wasm::DataMemoryImm>;

  static bool same(ValType a, ValType b) { return std::bit_cast<u64>(a) == std::bit_cast<u64>(b); }

  // --- instructions whose signature stands in the table

  template <Op O>
  bool simple(const wasm::ImmOf<O>& imm) {
    using Imm = wasm::ImmOf<O>;
    constexpr const wasm::OpInfo& i = wasm::info(O);
    constexpr u32 natural = i.width == 0 ? 0 : static_cast<u32>(std::countr_zero(i.width));
    constexpr bool atomic = i.prefix == 0xFE;
    ValType address = wasm::kI32;
    if constexpr (std::is_same_v<Imm, wasm::MemArgImm>) {
      if (!check_memarg(imm, natural, atomic, address)) [[unlikely]]
        return false;
    } else if constexpr (std::is_same_v<Imm, wasm::MemArgLaneImm>) {
      if (!check_memarg(imm.mem, natural, false, address)) [[unlikely]]
        return false;
      if (imm.lane >= 16 / i.width) [[unlikely]]
        return bad_lane(imm.lane, 16 / i.width);
    } else if constexpr (std::is_same_v<Imm, wasm::MemoryImm>) {
      if (!memory_address(imm.memory, address)) [[unlikely]]
        return false;
    } else if constexpr (std::is_same_v<Imm, wasm::DataMemoryImm>) {
      if (!memory_address(imm.memory, address) || !check_data(imm.data)) [[unlikely]]
        return false;
    } else if constexpr (std::is_same_v<Imm, wasm::DataImm>) {
      if (!check_data(imm.data)) [[unlikely]]
        return false;
    } else if constexpr (std::is_same_v<Imm, wasm::ElemImm>) {
      if (!check_elem(imm.elem)) [[unlikely]]
        return false;
    } else if constexpr (std::is_same_v<Imm, wasm::LaneImm>) {
      constexpr u32 lanes = lane_count(i.mnemonic());
      if (imm.lane >= lanes) [[unlikely]]
        return bad_lane(imm.lane, lanes);
    } else if constexpr (std::is_same_v<Imm, wasm::ShuffleImm>) {
      for (u8 lane : imm.lanes.bytes)
        if (lane >= 32) [[unlikely]]
          return bad_lane(lane, 32);
    }

    constexpr Signature sig = parse_signature(i.signature());
    ValType* args = sp_ - sig.param_count;
    bool fits = sp_ - base_ >= static_cast<ptrdiff_t>(sig.param_count);
    for (u32 n = 0; n < sig.param_count; ++n) fits = fits && same(args[n], signature_type(sig.params[n], address));
    if (fits) [[likely]] {
      sp_ = args;
    } else {
      std::array<ValType, sig.param_count == 0 ? 1 : sig.param_count> wanted{};
      for (u32 n = 0; n < sig.param_count; ++n) wanted[n] = signature_type(sig.params[n], address);
      if (!pop_all_slow(std::span(wanted.data(), sig.param_count))) return false;
    }
    for (u32 n = 0; n < sig.result_count; ++n) *sp_++ = signature_type(sig.results[n], address);
    if constexpr (sig.result_count != 0 && sig.results[0] == 'v') uses_v128_ = true;
    return true;
  }

  bool check_memarg(const wasm::MemArgImm& m, u32 natural, bool atomic, ValType& address) {
    if (m.memory.value >= memory_count_) [[unlikely]]
      return unknown_memory(m.memory);
    if (m.align_log2 > natural || (atomic && m.align_log2 != natural)) [[unlikely]]
      return bad_alignment(m, natural, atomic);
    if (memories_[m.memory.value].type.is_64) [[unlikely]] {
      address = wasm::kI64;
    } else if (m.offset > 0xFFFFFFFF) [[unlikely]] {
      return bad_offset(m);
    }
    return true;
  }
  bool memory_address(wasm::MemoryIdx memory, ValType& address) {
    if (memory.value >= memory_count_) [[unlikely]]
      return unknown_memory(memory);
    address = memories_[memory.value].type.address_type();
    return true;
  }

  // --- the operand stack. Each instruction finds room for kMargin operands; more need `ensure`.

  static constexpr u32 kMargin = 8;

  void push(ValType t) {
    uses_v128_ |= t.kind == wasm::ValKind::V128;
    *sp_++ = t;
  }
  bool pop(ValType wanted) {
    if (sp_ > base_ && same(sp_[-1], wanted)) [[likely]] {
      --sp_;
      return true;
    }
    return pop_slow(wanted);
  }
  // Pops a value of whatever type; Bottom in unreachable code.
  bool pop_any(ValType& type) {
    if (sp_ > base_) [[likely]] {
      type = *--sp_;
      return true;
    }
    return pop_any_slow(type);
  }
  bool pop_all(std::span<const ValType> wanted) {
    ValType* args = sp_ - wanted.size();
    if (sp_ - base_ >= static_cast<ptrdiff_t>(wanted.size())) [[likely]] {
      bool fits = true;
      for (size_t n = 0; n < wanted.size(); ++n) fits = fits && same(args[n], wanted[n]);
      if (fits) [[likely]] {
        sp_ = args;
        return true;
      }
    }
    return pop_all_slow(wanted);
  }
  bool push_all(std::span<const ValType> types) {
    if (types.size() > kMargin && !ensure(types.size())) return false;
    for (const ValType& t : types) push(t);
    return true;
  }
  bool pop_slow(ValType wanted);
  bool pop_any_slow(ValType& type);
  bool pop_all_slow(std::span<const ValType> wanted);
  // Whether operands are taken to be whatever is asked for.
  bool anything_goes() const { return unreachable_ && sp_ == base_; }
  // A reference of any type; `type` is Bottom in unreachable code.
  bool pop_ref(ValType& type);
  // The operands stay, which must match `wanted`.
  bool check_top(std::span<const ValType> wanted);
  bool ensure(size_t count);
  bool grow(size_t count);

  // --- control

  Frame& top() { return frames_.back(); }
  void push_frame(FrameKind kind, std::span<const ValType> params, std::span<const ValType> results);
  // Checks the results of the innermost block, and leaves them alone on its part of the stack.
  bool end_of_sequence();
  bool end_of_sequence_slow();
  void restart_sequence(FrameKind kind);
  void reset_locals(u32 init_height);
  void unreachable() {
    sp_ = base_;
    unreachable_ = true;
  }
  bool block_signature(const wasm::BlockType& type, std::span<const ValType>& params,
                       std::span<const ValType>& results);
  const ValType* intern(ValType type);
  bool begin_block(FrameKind kind, const wasm::BlockType& type);
  Frame* label(wasm::LabelIdx index) {
    if (index.value >= frames_.size()) [[unlikely]] {
      unknown_label(index);
      return nullptr;
    }
    return &frames_[frames_.size() - 1 - index.value];
  }
  bool branch(wasm::LabelIdx index) {
    Frame* target = label(index);
    if (!target || !pop_all(target->label_types())) return false;
    unreachable();
    return true;
  }
  bool call(const FuncSig& sig) {
    return pop_all({sig.params, sig.param_count}) && push_all({sig.results, sig.result_count});
  }
  bool tail_call(const FuncSig& sig);
  const FuncSig* function_sig(wasm::FuncIdx func);
  const FuncSig* indirect_sig(const wasm::TypeTableImm& imm);
  const FuncSig* type_sig(wasm::TypeIdx type);

  // --- locals

  bool read_locals(const FuncSig& sig);
  bool local_type(wasm::LocalIdx local, ValType& type) {
    if (local.value < flat_locals_.size()) [[likely]] {
      type = flat_locals_[local.value];
      return true;
    }
    return local_type_slow(local, type);
  }
  bool local_type_slow(wasm::LocalIdx local, ValType& type);
  bool check_initialized(wasm::LocalIdx local);
  void set_initialized(wasm::LocalIdx local);

  // --- index spaces

  const wasm::Table* table(wasm::TableIdx index);
  const wasm::Global* global(wasm::GlobalIdx index) {
    if (index.value >= module_.globals.size()) [[unlikely]] {
      unknown(ErrorCode::UnknownGlobal, index.value, module_.globals.size(), "globals");
      return nullptr;
    }
    return &module_.globals[index.value];
  }
  const wasm::Tag* tag(wasm::TagIdx index);
  const wasm::SubType* type(wasm::TypeIdx index, wasm::CompositeKind kind);
  const wasm::FieldType* field(wasm::TypeIdx type, u32 index);
  const wasm::FieldType* element(wasm::TypeIdx type);
  const wasm::FieldType* mutable_element(wasm::TypeIdx type);
  bool check_data(wasm::DataIdx index);
  bool check_elem(wasm::ElemIdx index);
  bool check(ValType type);

  // --- errors, out of line; all return false

  [[gnu::cold]] bool error(ErrorCode code, std::string detail = {});
  [[gnu::cold]] bool error(Error e);
  [[gnu::cold]] bool missing_feature(Op op);
  [[gnu::cold]] bool unknown(ErrorCode code, u64 index, u64 count, const char* what);
  [[gnu::cold]] bool unknown_memory(wasm::MemoryIdx index);
  [[gnu::cold]] bool unknown_label(wasm::LabelIdx index);
  [[gnu::cold]] bool bad_alignment(const wasm::MemArgImm& m, u32 natural, bool atomic);
  [[gnu::cold]] bool bad_offset(const wasm::MemArgImm& m);
  [[gnu::cold]] bool bad_lane(u32 lane, u32 count);
  [[gnu::cold]] bool mismatch(std::span<const ValType> wanted);
  [[gnu::cold]] bool block_mismatch(std::span<const ValType> wanted);
  // The instruction being validated, as its text.
  std::string mnemonic() const;
  u64 op_offset() const { return reader_.offset_of(op_start_); }
  Error reader_error();

  // --- instructions with a signature of their own, "*" in the table: declared for every row, defined
  // for these (function_control.cc, function_references.cc). A new one that is forgotten does not link.

#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) \
  bool op(OpTag<Op::id>, const wasm::ImmOf<Op::id>&);
#include "spec/opcodes.def"
#undef BERTH_OP

  bool branch_on_cast(const wasm::BrOnCastImm& imm, bool on_success);
  bool typed_get(const wasm::TypeFieldImm& imm, bool packed);
  bool array_get(wasm::TypeIdx type, bool packed);
  bool segment_fits(wasm::ElemIdx elem, ValType wanted, const char* where);
  bool ref_test(HeapType type, bool nullable, bool cast);
  bool convert(HeapType from, HeapType to);

  friend struct ConstantVisitor;

  void start(std::span<const u8> bytes, u64 offset);

  const ModuleFacts& facts_;
  const wasm::Module& module_;
  const wasm::FeatureSet features_;
  const wasm::Memory* memories_ = nullptr;
  u32 memory_count_ = 0;

  wasm::CodeReader reader_{{}};
  const u8* op_start_ = nullptr;

  ValType* sp_ = nullptr;
  ValType* base_ = nullptr;   // of the innermost block's operands
  ValType* limit_ = nullptr;  // the instruction loop grows the stack beyond it
  ValType* max_sp_ = nullptr;
  bool unreachable_ = false;  // rest of the innermost block; Frame::unreachable is for the outer ones
  bool uses_v128_ = false;
  bool uses_legacy_ = false;
  u32 stamp_ = 0;
  std::vector<Frame> frames_;
  std::unique_ptr<ValType[]> stack_;
  size_t capacity_ = 0;

  // The first locals one by one, so that most are found at once, and all as runs of a type.
  struct Run {
    u32 end;  // index after the run
    ValType type;
  };
  std::vector<ValType> flat_locals_;
  std::vector<Run> runs_;
  u32 local_count_ = 0;
  std::vector<bool> initialized_;  // by local; filled only where one has no default value
  std::vector<u32> set_locals_;    // in order, to undo at the end of a block
  std::deque<ValType> interned_;

  std::optional<Error> error_;
};

}  // namespace berth::validate
