// Lowers the body of one function to internal code (interp/code.h). The body must have been validated.
//
// An abstract operand stack follows the body: local.get and constants produce no code, they become operands of
// the instructions that use them. Every other value has its home, the slot that its place on the operand stack
// owns; where control flow joins, values are in their homes. Unreachable code is skipped.
#pragma once

#include <span>
#include <vector>

#include "interp/code.h"
#include "interp/handlers.h"
#include "interp/op_traits.h"
#include "wasm/code_reader.h"

namespace berth::interp {

struct LoweringOptions {
  bool fuel = false;
  bool deterministic_relaxed = true;  // relaxed SIMD as the deterministic profile says
  bool deterministic_nan = false;     // NaNs of arithmetic are canonical
};

// A lowered function; `code.code` and `code.details` point into the rest.
struct Lowered {
  std::unique_ptr<Word[]> code;
  std::unique_ptr<FunctionDetails> details;
};

// Fills everything of `code` but `entry`; its index and module are set already. `types` are the module's
// runtime types, by type index.
Lowered lower_function(const wasm::Module& module, std::span<const abi::RuntimeType* const> types,
                       const LoweringOptions& options, FunctionCode& code);

class Lowering {
 public:
  Lowering(const wasm::Module& module, std::span<const abi::RuntimeType* const> types, const LoweringOptions& options,
           FunctionCode& code);
  Lowered run();

  // One instruction, from wasm::decode_op.
  template <wasm::Op op>
  bool on(const wasm::ImmOf<op>& imm);

 private:
  using Kind = wasm::ValKind;
  static constexpr u32 kNone = 0xFFFFFFFF;

  struct Operand {
    enum Where : u8 { Home, Local, Const } where;
    Kind kind;
    u32 home;  // the slot that this place on the stack owns
    u32 slot;  // where the value is; for Const unused
    u64 bits;  // of a Const
  };
  // Which slot's value an accumulator holds, and who put it there.
  struct Accumulator {
    u32 slot = kNone;
    u32 producer = kNone;        // word of the instruction, while its store to the slot may still be left out
    Handler acc_only = nullptr;  // the producer's handler that leaves it out
  };
  // The instruction emitted last, when it may still be changed.
  struct Last {
    u32 at = kNone;
    u32 dst = kNone;
    wasm::Op op = wasm::Op::Nop;  // of comparisons and tests, for fusing with a branch
    bool fusable = false;
    BinForm form = BinForm::SS;
    Src src = Src::Slot;   // of tests
    u32 lhs = 0, rhs = 0;  // slots
    u64 constant = 0;
    Accumulator int_before, float_before;
    bool negates = false;  // an i32.eqz of the comparison in negated_
  };
  struct Fixup {
    enum What : u8 { Offset32, TableWord, HandlerTarget } what;
    u32 where;
    u32 base;
  };
  struct Control {
    wasm::Op op;     // Block, Loop, If, Else, TryTable; Nop for the function itself
    u32 stack_size;  // entries below the block's own
    u32 base;        // home of the first parameter or result
    std::vector<Kind> params, results;
    u32 loop_target = kNone;
    u32 else_fixup = kNone;
    bool reached_end = false;
    std::vector<Fixup> fixups;
    u32 try_begin = 0;
    std::vector<ExceptionHandler> catches;  // of try_table; `begin` is the label's depth until the block ends
  };
  static constexpr u32 width(Kind k) { return k == Kind::V128 ? 2 : 1; }
  static constexpr bool is_float(Kind k) { return k == Kind::F32 || k == Kind::F64; }

  // Operand stack.
  u32 next_home() const { return stack_.empty() ? first_home_ : stack_.back().home + width(stack_.back().kind); }
  Operand& push(Operand::Where where, Kind kind, u32 slot, u64 bits);
  u32 push_home(Kind kind);  // returns the slot to write
  void push_const(Kind kind, u64 bits) { push(Operand::Const, kind, 0, bits); }
  Operand pop() {
    Operand o = stack_.back();
    stack_.pop_back();
    if (o.where == Operand::Local) --local_uses_[o.slot];
    return o;
  }
  Operand& top(u32 depth = 0) { return stack_[stack_.size() - 1 - depth]; }
  void reserve(u32 slots_end) { max_slots_ = std::max(max_slots_, slots_end); }

  // Emission.
  u32 emit(Handler handler, Word operands);
  void word(Word w) { code_.push_back(w); }
  void produced(u32 at, u32 dst, Kind kind, Handler acc_only = nullptr);  // the result is in dst and in an accumulator
  void wrote(u32 dst, u32 slots);                                         // dst was written past the accumulators
  void clobbered_int() { int_acc_ = {}; }
  void clobbered_float() { float_acc_ = {}; }
  void forget();  // a join: nothing is known of accumulators, nothing may be changed
  void pin() { int_acc_.producer = float_acc_.producer = kNone; }
  Accumulator& acc_of(Kind k) { return is_float(k) || k == Kind::V128 ? float_acc_ : int_acc_; }
  bool in_acc(const Operand& o) { return o.where != Operand::Const && acc_of(o.kind).slot == o.slot; }
  void use_acc(const Operand& o);  // the operand is consumed from its accumulator
  u32 slot_of(const Operand& o);   // a slot that holds it, materialising constants in its home
  void move_to(u32 dst, const Operand& o);
  void to_home(Operand& o);
  void settle(u32 count);  // the top `count` operands to their homes
  void save_locals();      // operands that stand for locals to their homes
  void preserve(u32 local_slot);

  // Instructions.
  void binary(wasm::Op op, Kind operand, Kind result);
  void unary(wasm::Op op, Kind result);
  void load(wasm::Op op, const wasm::MemArgImm& m, Kind result);
  void store(wasm::Op op, const wasm::MemArgImm& m);
  void vector(wasm::Op op, u32 operands, Kind result, u32 immediate);
  void lane_access(wasm::Op op, const wasm::MemArgLaneImm& m);
  void atomic(wasm::Op op, const wasm::MemArgImm& m);
  void wide(Handler handler, u32 operands);
  void canonicalize(Handler handler);  // the value on top, when it is a NaN
  void local_set(u32 local, bool tee);
  void select();
  void global_get(u32 index);
  void global_set(u32 index);
  void struct_access(wasm::Op op, const wasm::TypeFieldImm& f);
  void array_get(wasm::Op op, u32 type);
  void array_set(u32 type);
  void new_array(Handler handler, u32 type, u32 pops, u32 segment, bool has_segment);
  void simple(Handler handler, u32 pops, bool pushes, Kind result);  // [a=dst b c d] or [a b c d] without a result
  void ref_test(wasm::HeapType type, bool nullable);
  void ref_cast(wasm::HeapType type, bool nullable);

  // Control.
  void block_types(const wasm::BlockType& type, std::vector<Kind>& params, std::vector<Kind>& results);
  void enter_block(wasm::Op op, const wasm::BlockType& type);
  void begin_if(const wasm::BlockType& type);
  void begin_else();
  void begin_try(const wasm::TryTableImm& imm);
  void end();
  void bind(Control& c);
  void branch(u32 depth);
  void branch_if(u32 depth);
  void branch_table(const wasm::LabelTableImm& imm);
  void branch_null(u32 depth, bool if_null);
  void branch_cast(const wasm::BrOnCastImm& imm, bool if_match);
  void return_values();
  void jump_to(u32 depth);
  // A conditional branch on the popped `condition`; returns where its offset is to be fixed.
  struct Pending {
    u32 at;
  };
  Pending condition_branch(const Operand& condition, bool if_true, bool backward);
  void resolve(Pending p, u32 depth);
  void resolve_here(Pending p);
  bool in_place(const Control& target);
  void move_values(const Control& target);
  std::span<const Kind> label_kinds(const Control& c) const { return c.op == wasm::Op::Loop ? c.params : c.results; }
  void set_offset(u32 at, u32 target);
  void mark_dead();
  void place_fuel();
  void fuse();

  // Calls.
  void call(const wasm::FuncType& type, Handler handler, Word target, const Operand* index, u32 table, bool is_64);
  void finish_call(const wasm::FuncType& type, u32 frame);
  void call_function(u32 function);
  void return_call(const wasm::FuncType& type, Handler handler, Word target, const Operand* index, bool has_table,
                   u32 table);
  u32 settle_arguments(const wasm::FuncType& type);

  Control& frame(u32 depth) { return control_[control_.size() - 1 - depth]; }
  bool guarded(u32 memory) const;
  Kind local_kind(u32 local) const { return local_kinds_[local]; }

  const wasm::Module& module_;
  std::span<const abi::RuntimeType* const> types_;
  const LoweringOptions& options_;
  FunctionCode& out_;
  const wasm::FuncType& type_;
  wasm::CodeReader reader_;

  std::vector<Word> code_;
  std::vector<u32> starts_;  // of the instructions in code_
  std::vector<CodeOffset> offsets_, loops_;
  std::vector<ExceptionHandler> handlers_;
  std::vector<Operand> stack_;
  std::vector<Control> control_;
  std::vector<Kind> local_kinds_;
  std::vector<u32> local_slots_;
  std::vector<u32> local_uses_;  // operands on the stack that stand for the local, by slot
  u32 op_offset_ = 0;            // of the instruction under way, in the body
  u32 first_home_ = 0;
  u32 max_slots_ = 0;
  Accumulator int_acc_, float_acc_;
  Last last_, negated_;
  u32 skipped_ = 0;  // blocks opened in unreachable code
  bool dead_ = false;
  u32 fuel_at_ = kNone;
  u32 fuel_cost_ = 0;
};

}  // namespace berth::interp
