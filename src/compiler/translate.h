// Translates the body of one function into LLVM's intermediate representation. The body must have been validated.
//
// Locals are stack variables, which LLVM turns into values; operands are values on a stack of this class; where
// control flow joins, operands meet in phi nodes. Unreachable code is skipped.
#pragma once

#include "compiler/ir.h"
#include "wasm/code_reader.h"
#include "wasm/type_relations.h"

namespace berth::compiler {

// Where members of derived structs of abi/context.h lie; offsetof is for standard-layout types only.
inline constexpr u64 kArrayLengthOffset = sizeof(abi::Object);
inline constexpr u64 kExceptionTagOffset = sizeof(abi::Object);

class Translator {
 public:
  // With `loop`, the byte offset in the body of a `loop` instruction, makes the way into that loop instead of the
  // function.
  Translator(Partition& partition, u32 function, std::optional<u32> loop = std::nullopt);
  // False when there is no such loop that can be reached; the function is then of no use.
  bool run();

  // One instruction, from wasm::decode_op.
  template <wasm::Op op>
  bool on(const wasm::ImmOf<op>& imm);

 private:
  using Op = wasm::Op;
  using Value = llvm::Value*;
  using Block = llvm::BasicBlock*;
  using TrapCode = abi::TrapCode;

  // One operand: what it is and, for references, what is known of its type.
  struct Operand {
    Value value;
    wasm::ValType type;
  };
  struct Control {
    Op op;       // Block, Loop, If, Else, TryTable; Nop for the function itself
    u32 height;  // operands below the block's own
    std::vector<wasm::ValType> params, results;
    Block target;                      // where a branch to the label goes
    std::vector<llvm::PHINode*> phis;  // of target
    Block otherwise = nullptr;         // of an `if` whose `else` has not come yet
    std::vector<Value> arguments;      // of an `if`: the parameters, for its `else`
    struct Clause {
      wasm::CatchClause::Kind kind;
      u32 tag;
      size_t target;  // in control_
    };
    std::vector<Clause> catches;      // of try_table
    llvm::PHINode* caught = nullptr;  // of try_table: the exception, in the block that looks at the clauses
    Block landing = nullptr;          // of try_table: the landing pad
    bool reached = false;             // something branches to target
  };

  // Operand stack.
  void push(Value v, wasm::ValType type) { stack_.push_back({v, type}); }
  Operand pop_operand() {
    const Operand o = stack_.back();
    stack_.pop_back();
    return o;
  }
  Value pop() { return pop_operand().value; }

  // Pieces of IR.
  void locate();  // what is made next stems from this instruction
  Block new_block(const char* name);
  llvm::Type* type(wasm::ValType t) const { return p_.type(t); }
  llvm::ConstantInt* i32(u32 v) { return ir_.getInt32(v); }
  llvm::ConstantInt* i64(u64 v) { return ir_.getInt64(v); }
  Value zero(wasm::ValType t);
  Value invariant(Value address, u64 dereferenceable);             // a pointer that never changes, to so many bytes
  Value context_entry(u32 field, u32 index, u64 dereferenceable);  // context->field[index]
  Value store_context();
  Value overflow_slot(u32 slot);  // where arguments go that have no register
  Value overflow_load(wasm::ValType t, u32 slot);
  Value load(llvm::Type* t, Value address, Region region);
  void store(Value v, Value address, Region region);
  void store_in_object(Value v, wasm::ValType v_type, Value place, const wasm::FieldType& field);
  Value offset(Value base, u64 bytes) { return ir_.CreatePtrAdd(base, i64(bytes)); }
  void trap_if(Value condition, TrapCode code);
  void trap(TrapCode code);
  Value call(llvm::FunctionType* type, Value callee, std::vector<Value> arguments);
  Value builtin(abi::Builtin which, std::vector<Value> arguments);
  Value slots_of(std::span<const Value> values, std::span<const wasm::ValType> types);  // spilled to a frame area
  void store_slots(std::span<const Value> values, std::span<const wasm::ValType> types, Value area);
  std::vector<Value> load_slots(std::span<const wasm::ValType> types, Value area);
  llvm::AllocaInst* frame_area(u32 slots);
  Value address(Value index, bool is_64);  // zero-extended to 64 bits

  // Memory.
  bool guarded(u32 memory) const;
  Value memory_record(u32 memory);
  Value memory_base(u32 memory);
  // The address of `width` bytes at a popped index plus the offset, checked.
  Value effective_address(const wasm::MemArgImm& m, u32 width, Value index, bool aligned = false);
  llvm::LoadInst* memory_load(llvm::Type* t, const wasm::MemArgImm& m, Value index);
  void memory_store(Value v, const wasm::MemArgImm& m, Value index);
  void load_op(Op op, const wasm::MemArgImm& m);
  void store_op(Op op, const wasm::MemArgImm& m);
  void atomic(Op op, const wasm::MemArgImm& m);
  void memory_size(u32 memory);
  void bulk(Op op, u32 first, u32 second);
  Value table_record(u32 table);
  Value table_element(u32 table, Value index, TrapCode code);  // address of the element
  Value table_value(u32 table, Value index, Value place);      // what is there
  void table_op(Op op, u32 first, u32 second);
  void global_get(u32 index);
  void global_set(u32 index);
  Value global_cell(u32 index);

  // Numbers.
  void numeric(Op op);
  void integer_division(Op op, Value a, Value b);
  void truncate(Op op, Value v);
  Value minimum(Value a, Value b, bool is_max);
  Value smaller(Value a, Value b, bool is_max);
  Value quiet(Value v);
  Value fp(Value v);  // with deterministic NaNs: the canonical one when it is a NaN
  void wide(Op op);

  // Vectors.
  void vector(Op op, u32 lane);
  bool vector_integer(Op op);  // these three: false when the instruction is of another kind
  bool vector_float(Op op);
  bool vector_relaxed(Op op);
  Value compare_lanes(llvm::CmpInst::Predicate p, Value a, Value b);  // all ones where it holds
  Value half(Value v, bool high);
  Value widen(Value v, bool is_signed);  // lanes of twice the width
  Value narrow_lanes(Value a, Value b, bool is_signed);
  Value add_pairs(Value v, bool is_signed);
  Value multiply_q15(Value a, Value b, bool saturate);
  Value swizzle(Value v, Value lanes);
  Value truncate_lanes(Value v, bool is_signed);  // saturating, to lanes of 32 bits
  llvm::FixedVectorType* lanes_type(u32 lane_bits, bool is_float = false) const;
  bool is_x86() const { return p_.plan().target.name.starts_with("x86_64"); }
  bool is_aarch64() const { return p_.plan().target.name.starts_with("aarch64"); }
  void shuffle(const V128& lanes);
  void vector_load(Op op, const wasm::MemArgImm& m);
  void lane_access(Op op, const wasm::MemArgLaneImm& m);
  Value as(Value v, u32 lane_bits, bool is_float = false);
  Value pop_as(u32 lane_bits, bool is_float = false) { return as(pop(), lane_bits, is_float); }
  void push_vector(Value v);

  // References and objects.
  void reference(Op op);
  void ref_func(u32 index);
  void struct_op(Op op, u32 type_index, u32 field);
  void array_op(Op op, u32 type_index, u32 second);
  void test_type(Op op, wasm::HeapType heap, bool nullable);
  Value is_subtype(Value actual, u32 type_index);  // of two different runtime types
  Value is_of_type(Value ref, wasm::ValType from, wasm::HeapType heap, bool nullable);
  Value runtime_type(u32 index);
  Value new_struct(u32 type_index);
  Value array_length(Value array);
  llvm::Type* field_type(const wasm::FieldType& field) const;
  Value field_value(Value stored, const wasm::FieldType& field, bool is_signed);
  Value field_store(Value v, const wasm::FieldType& field);

  // The way into a loop.
  void mark_loop(Control& loop);
  void finish_loop_entry();

  // Control.
  void block_types(const wasm::BlockType& t, std::vector<wasm::ValType>& params, std::vector<wasm::ValType>& results);
  Control& frame(u32 depth) { return control_[control_.size() - 1 - depth]; }
  std::span<const wasm::ValType> label_types(const Control& c) const { return c.op == Op::Loop ? c.params : c.results; }
  void enter(Op op, const wasm::BlockType& t);
  void begin_if(const wasm::BlockType& t);
  void begin_else();
  void begin_try(const wasm::TryTableImm& imm);
  void end();
  void branch(u32 depth);  // the operands of the label are on top and stay
  void branch_when(Value condition, u32 depth);
  void branch_table(const wasm::LabelTableImm& imm);
  void branch_null(u32 depth, bool if_null);
  void branch_cast(const wasm::BrOnCastImm& imm, bool if_match);
  void return_values();
  void mark_dead();
  void jump(Control& target, std::span<const Value> values);
  std::vector<Value> top_values(size_t count) const;
  Control* innermost_try(size_t below);
  Block landing();                   // where calls made here unwind to; null when nothing catches
  Block dispatch(size_t try_index);  // looks for the clause that catches
  llvm::MDNode* weights();           // what a hint says of the branch being translated
  void select();
  void count_fuel();
  void place_fuel();

  // Calls.
  void call_function(u32 index, bool is_tail);
  void call_indirect(u32 type_index, u32 table, bool is_tail);
  void call_ref(u32 type_index, bool is_tail);
  void call_instance(Value instance, const wasm::FuncType& type, bool is_tail);
  void finish_call(const wasm::FuncType& type, Value callee, Value target, bool is_tail);
  void throw_tag(u32 tag);
  void check_type(Value instance, u32 type_index, u32 table);

  Partition& p_;
  const wasm::Module& module_;
  const u32 index_;
  const wasm::FuncType& type_;
  llvm::Function& f_;
  llvm::IRBuilder<> ir_;
  llvm::IRBuilder<> entry_;  // before the entry block's end: allocas and values that never change
  wasm::CodeReader reader_;
  llvm::DISubprogram* scope_ = nullptr;
  const u8* op_start_ = nullptr;

  std::vector<Operand> stack_;
  std::vector<Control> control_;
  std::vector<llvm::AllocaInst*> locals_;
  std::vector<wasm::ValType> local_types_;
  std::unordered_map<u32, Value> bases_;  // of memories that never move
  // Of the way into a loop: where the loop instruction is, the interpreter's frame, the values to read from it.
  const std::optional<u32> loop_;
  Value frame_ = nullptr;
  Block loop_header_ = nullptr;
  std::vector<std::pair<llvm::PHINode*, u32>> frame_values_;  // with their slots
  Value self_ = nullptr;                                      // the InstanceContext
  Value results_ = nullptr;                                   // where results go that are returned in memory
  const std::vector<wasm::BranchHint>* hints_ = nullptr;
  u32 skipped_ = 0;  // blocks opened in unreachable code
  bool dead_ = false;
  u32 fuel_cost_ = 0;
  llvm::BinaryOperator* fuel_step_ = nullptr;
};

}  // namespace berth::compiler
