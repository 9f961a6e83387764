// Blocks, branches, exceptions and calls.
#include "compiler/translate.h"

#include <cstddef>

#include <llvm/IR/MDBuilder.h>

namespace berth::compiler {

using abi::FunctionInstance;
using abi::InstanceContext;
using wasm::ValType;

void Translator::block_types(const wasm::BlockType& t, std::vector<ValType>& params, std::vector<ValType>& results) {
  if (t.kind == wasm::BlockType::Value) {
    results.push_back(t.value);
  } else if (t.kind == wasm::BlockType::Type) {
    params = module_.func_type(t.type).params;
    results = module_.func_type(t.type).results;
  }
}

std::vector<Translator::Value> Translator::top_values(size_t count) const {
  std::vector<Value> values;
  for (size_t i = stack_.size() - count; i < stack_.size(); ++i) values.push_back(stack_[i].value);
  return values;
}

void Translator::jump(Control& target, std::span<const Value> values) {
  for (size_t i = 0; i < values.size(); ++i) target.phis[i]->addIncoming(values[i], ir_.GetInsertBlock());
  target.reached = true;
  ir_.CreateBr(target.target);
}

void Translator::enter(Op op, const wasm::BlockType& t) {
  Control c{};
  c.op = op;
  block_types(t, c.params, c.results);
  c.height = static_cast<u32>(stack_.size() - c.params.size());
  c.target = new_block(op == Op::Loop ? "loop" : "end");
  for (const ValType& l : label_types(c)) c.phis.push_back(llvm::PHINode::Create(type(l), 2, "", c.target));
  if (op == Op::Loop) {
    const auto values = top_values(c.params.size());
    if (loop_ && reader_.offset_of(op_start_) == *loop_) mark_loop(c);
    jump(c, values);
    ir_.SetInsertPoint(c.target);
    locate();
    stack_.resize(c.height);
    for (size_t i = 0; i < c.params.size(); ++i) push(c.phis[i], c.params[i]);
  }
  control_.push_back(std::move(c));
  if (op == Op::Loop) place_fuel();
}

llvm::MDNode* Translator::weights() {
  if (hints_ == nullptr) return nullptr;
  const u32 at = static_cast<u32>(reader_.offset_of(op_start_));
  for (const wasm::BranchHint& h : *hints_) {
    if (h.offset != at) continue;
    return llvm::MDBuilder(p_.context()).createBranchWeights(h.likely ? 2000 : 1, h.likely ? 1 : 2000);
  }
  return nullptr;
}

void Translator::begin_if(const wasm::BlockType& t) {
  const Value condition = ir_.CreateICmpNE(pop(), i32(0));
  llvm::MDNode* const likely = weights();
  enter(Op::If, t);
  Control& c = frame(0);
  c.arguments = top_values(c.params.size());
  c.otherwise = new_block("else");
  const Block then = new_block("then");
  ir_.CreateCondBr(condition, then, c.otherwise, likely);
  ir_.SetInsertPoint(then);
}

void Translator::begin_else() {
  Control& c = frame(0);
  if (!dead_) jump(c, top_values(c.results.size()));
  ir_.SetInsertPoint(c.otherwise);
  c.otherwise = nullptr;
  c.op = Op::Else;
  stack_.resize(c.height);
  for (size_t i = 0; i < c.params.size(); ++i) push(c.arguments[i], c.params[i]);
  dead_ = false;
  place_fuel();
}

void Translator::end() {
  Control& c = frame(0);
  if (c.op != Op::Loop && !dead_) jump(c, top_values(c.results.size()));
  if (c.op == Op::If) {
    ir_.SetInsertPoint(c.otherwise);
    jump(c, c.arguments);
  }
  if (c.op == Op::Loop) {
    if (dead_) return void(control_.pop_back());  // what follows stays unreachable
    const auto results = std::vector(stack_.end() - static_cast<std::ptrdiff_t>(c.results.size()), stack_.end());
    stack_.resize(c.height);
    stack_.insert(stack_.end(), results.begin(), results.end());
    for (size_t i = 0; i < c.results.size(); ++i) stack_[c.height + i].type = c.results[i];
    control_.pop_back();
    place_fuel();
    return;
  }
  stack_.resize(c.height);
  const bool reached = c.reached;
  const bool outermost = control_.size() == 1;
  if (reached) ir_.SetInsertPoint(c.target);
  for (size_t i = 0; i < c.results.size(); ++i) push(c.phis[i], c.results[i]);
  if (outermost) {
    if (reached) {
      dead_ = false;
      return_values();
    } else {
      stack_.clear();
      c.target->eraseFromParent();
    }
    control_.pop_back();
    return;
  }
  if (!reached) {
    stack_.resize(c.height);
    c.target->eraseFromParent();
  }
  control_.pop_back();
  dead_ = !reached;
  if (reached) place_fuel();
}

void Translator::mark_dead() {
  stack_.resize(frame(0).height);
  dead_ = true;
  skipped_ = 0;
}

void Translator::return_values() {
  const auto values = top_values(type_.results.size());
  if (loop_) {
    store_slots(values, type_.results, frame_);
    ir_.CreateRetVoid();
  } else if (abi::returns_in_memory(type_)) {
    store_slots(values, type_.results, results_);
    ir_.CreateRetVoid();
  } else if (values.empty()) {
    ir_.CreateRetVoid();
  } else {
    ir_.CreateRet(values[0]);
  }
}

void Translator::branch(u32 depth) {
  Control& target = frame(depth);
  jump(target, top_values(label_types(target).size()));
}

void Translator::branch_when(Value condition, u32 depth) {
  llvm::MDNode* const likely = weights();
  const Block taken = new_block("taken"), next = new_block("");
  ir_.CreateCondBr(condition, taken, next, likely);
  ir_.SetInsertPoint(taken);
  branch(depth);
  ir_.SetInsertPoint(next);
}

void Translator::branch_table(const wasm::LabelTableImm& imm) {
  const Value index = pop();
  wasm::CodeReader labels(imm.targets);
  // One block a depth: it carries the values of the label.
  std::unordered_map<u32, Block> blocks;
  const Block here = ir_.GetInsertBlock();
  auto block_for = [&](u32 depth) {
    Block& block = blocks[depth];
    if (block == nullptr) {
      block = new_block("case");
      ir_.SetInsertPoint(block);
      branch(depth);
    }
    return block;
  };
  std::vector<Block> targets;
  for (u32 i = 0; i <= imm.count; ++i) targets.push_back(block_for(labels.leb_u32()));
  ir_.SetInsertPoint(here);
  auto* table = ir_.CreateSwitch(index, targets.back(), imm.count);
  for (u32 i = 0; i < imm.count; ++i)
    if (targets[i] != targets.back()) table->addCase(i32(i), targets[i]);
}

void Translator::branch_null(u32 depth, bool if_null) {
  const Operand ref = pop_operand();
  const Value is_null = ir_.CreateIsNull(ref.value);
  const ValType known = ValType::ref(ref.type.heap, false);
  if (if_null) {
    branch_when(is_null, depth);
    push(ref.value, known);
  } else {
    push(ref.value, known);
    branch_when(ir_.CreateNot(is_null), depth);
    pop();
  }
}

void Translator::branch_cast(const wasm::BrOnCastImm& imm, bool if_match) {
  const Operand ref = stack_.back();
  const ValType from = ref.type.is_ref() ? ref.type : imm.from;
  Value matches = is_of_type(ref.value, from, imm.to.heap, imm.to.nullable);
  branch_when(if_match ? matches : ir_.CreateNot(matches), imm.label.value);
  const bool null_goes = if_match && imm.to.nullable;
  stack_.back().type = if_match ? ValType::ref(imm.from.heap, imm.from.nullable && !null_goes) : imm.to;
}

void Translator::select() {
  const Value condition = ir_.CreateICmpNE(pop(), i32(0));
  const Operand b = pop_operand(), a = pop_operand();
  ValType t = a.type;
  if (t.is_ref() && t != b.type) {
    t = ValType::ref(t.heap == b.type.heap ? t.heap : wasm::HeapType(wasm::top_of(module_, t.heap)),
                     t.nullable || b.type.nullable);
  }
  push(ir_.CreateSelect(condition, a.value, b.value), t);
}

// Exceptions.

void Translator::begin_try(const wasm::TryTableImm& imm) {
  std::vector<Control::Clause> catches;
  wasm::CodeReader clauses(imm.clauses);
  for (u32 i = 0; i < imm.count; ++i) {
    const wasm::CatchClause clause = clauses.catch_clause();
    catches.push_back({clause.kind, clause.tag.value, control_.size() - 1 - clause.label.value});
  }
  enter(Op::TryTable, imm.type);
  frame(0).catches = std::move(catches);
}

// The innermost try_table with clauses among the first `below` entries of control_.
Translator::Control* Translator::innermost_try(size_t below) {
  for (size_t i = below; i-- > 0;)
    if (!control_[i].catches.empty()) return &control_[i];
  return nullptr;
}

Translator::Block Translator::landing() {
  Control* const c = innermost_try(control_.size());
  if (c == nullptr) return nullptr;
  if (c->landing == nullptr) {
    const llvm::IRBuilderBase::InsertPointGuard guard(ir_);
    if (!f_.hasPersonalityFn()) f_.setPersonalityFn(p_.personality());
    c->landing = new_block("landing");
    const Block target = dispatch(static_cast<size_t>(c - control_.data()));
    ir_.SetInsertPoint(c->landing);
    auto* pad = ir_.CreateLandingPad(llvm::StructType::get(ir_.getPtrTy(), ir_.getInt32Ty()), 1);
    pad->addClause(llvm::ConstantPointerNull::get(ir_.getPtrTy()));
    c->caught->addIncoming(ir_.CreateExtractValue(pad, 0), c->landing);
    ir_.CreateBr(target);
  }
  return c->landing;
}

Translator::Block Translator::dispatch(size_t try_index) {
  Control& c = control_[try_index];
  if (c.caught != nullptr) return c.caught->getParent();
  const llvm::IRBuilderBase::InsertPointGuard guard(ir_);
  const Block block = new_block("catch");
  ir_.SetInsertPoint(block);
  c.caught = ir_.CreatePHI(ir_.getPtrTy(), 1);
  const Value exception = c.caught;
  for (const Control::Clause& clause : c.catches) {
    const bool by_tag = clause.kind == wasm::CatchClause::Catch || clause.kind == wasm::CatchClause::CatchRef;
    Block next = nullptr;
    std::vector<Value> values;
    if (by_tag) {
      const Value tag = load(ir_.getPtrTy(), offset(exception, kExceptionTagOffset), Region::Object);
      const Value wanted = context_entry(offsetof(InstanceContext, tags), clause.tag, sizeof(abi::TagInstance));
      const Block match = new_block("");
      next = new_block("");
      ir_.CreateCondBr(ir_.CreateICmpEQ(tag, wanted), match, next);
      ir_.SetInsertPoint(match);
      const auto& params = module_.func_type(module_.tags[clause.tag].type).params;
      values = load_slots(params, offset(exception, sizeof(abi::ExceptionObject)));
    }
    if (clause.kind == wasm::CatchClause::CatchRef || clause.kind == wasm::CatchClause::CatchAllRef)
      values.push_back(exception);
    jump(control_[clause.target], values);
    if (next == nullptr) return block;
    ir_.SetInsertPoint(next);
  }
  // Nobody here: on to what surrounds it.
  if (Control* outer = innermost_try(try_index)) {
    const Block target = dispatch(static_cast<size_t>(outer - control_.data()));
    outer->caught->addIncoming(exception, ir_.GetInsertBlock());
    ir_.CreateBr(target);
  } else {
    locate();
    const Value callee = context_entry(offsetof(InstanceContext, builtins), static_cast<u32>(abi::Builtin::Throw), 1);
    ir_.CreateCall(p_.builtin_type(abi::Builtin::Throw), callee, {self_, exception})->setDoesNotReturn();
    ir_.CreateUnreachable();
  }
  return block;
}

void Translator::throw_tag(u32 tag) {
  const auto& params = module_.func_type(module_.tags[tag].type).params;
  const auto values = top_values(params.size());
  stack_.resize(stack_.size() - params.size());
  const Value exception = builtin(abi::Builtin::ExceptionNew, {i32(tag), slots_of(values, params)});
  builtin(abi::Builtin::Throw, {exception});
  ir_.CreateUnreachable();
}

// Calls.

// The arguments are on the operand stack.
void Translator::finish_call(const wasm::FuncType& type, Value callee, Value target, bool is_tail) {
  if (is_tail && loop_) {
    // The interpreter's frame takes the results, so this one has to stay.
    finish_call(type, callee, target, false);
    return_values();
    mark_dead();
    return;
  }
  std::vector<Value> arguments{target};
  Value area = nullptr;
  if (abi::returns_in_memory(type)) {
    area = is_tail ? results_ : frame_area(abi::slot_count(type.results));
    arguments.push_back(area);
  }
  const auto values = top_values(type.params.size());
  const auto places = abi::passing(type);
  for (size_t i = 0; i < values.size(); ++i) {
    if (places[i] == abi::kInRegister) {
      arguments.push_back(values[i]);
    } else {
      p_.set_region(ir_.CreateAlignedStore(values[i], overflow_slot(places[i]), llvm::Align(8)), Region::Store);
    }
  }
  stack_.resize(stack_.size() - type.params.size());
  llvm::FunctionType* const ft = p_.function_type(type);
  if (is_tail) {
    locate();
    auto* made = ir_.CreateCall(ft, callee, arguments);
    // With all arguments in registers this is a jump on every target; `musttail` would ask for equal prototypes.
    made->setTailCallKind(llvm::CallInst::TCK_Tail);
    if (ft->getReturnType()->isVoidTy())
      ir_.CreateRetVoid();
    else
      ir_.CreateRet(made);
    mark_dead();
    return;
  }
  const Value result = call(ft, callee, std::move(arguments));
  if (area != nullptr) {
    const auto results = load_slots(type.results, area);
    for (size_t i = 0; i < results.size(); ++i) push(results[i], type.results[i]);
  } else if (!type.results.empty()) {
    push(result, type.results[0]);
  }
}

void Translator::call_function(u32 index, bool is_tail) {
  const wasm::FuncType& type = module_.func_type(wasm::FuncIdx(index));
  if (p_.plan().selected[index]) return finish_call(type, p_.function(index), self_, is_tail);
  call_instance(context_entry(offsetof(InstanceContext, functions), index, sizeof(FunctionInstance)), type, is_tail);
}

void Translator::call_instance(Value instance, const wasm::FuncType& type, bool is_tail) {
  const Value code = load(ir_.getPtrTy(), offset(instance, offsetof(FunctionInstance, native_code)), Region::Store);
  const Value target = load(ir_.getPtrTy(), offset(instance, offsetof(FunctionInstance, native_target)), Region::Store);
  store(self_, offset(store_context(), offsetof(abi::StoreContext, caller)), Region::Store);
  finish_call(type, code, target, is_tail);
}

// Traps unless the function has the type. A table's own type may say so already.
void Translator::check_type(Value instance, u32 type_index, u32 table) {
  const wasm::HeapType wanted{wasm::TypeIdx(type_index)};
  if (wasm::heap_matches(module_, module_.tables[table].type.element.heap, wanted)) return;
  const Value expected = runtime_type(type_index);
  const Value actual = invariant(offset(instance, offsetof(FunctionInstance, type)), sizeof(abi::RuntimeType));
  const Value same = ir_.CreateICmpEQ(actual, expected);
  if (module_.types[type_index].is_final) return trap_if(ir_.CreateNot(same), TrapCode::IndirectCallTypeMismatch);
  const Block slow = new_block("subtype"), good = new_block("");
  ir_.CreateCondBr(same, good, slow);
  ir_.SetInsertPoint(slow);
  trap_if(ir_.CreateNot(is_subtype(actual, type_index)), TrapCode::IndirectCallTypeMismatch);
  ir_.CreateBr(good);
  ir_.SetInsertPoint(good);
}

void Translator::call_indirect(u32 type_index, u32 table, bool is_tail) {
  locate();
  const Value index = address(pop(), module_.tables[table].type.is_64);
  const Value place = table_element(table, index, TrapCode::UndefinedElement);
  const Value instance = table_value(table, index, place);
  if (module_.tables[table].type.element.nullable) trap_if(ir_.CreateIsNull(instance), TrapCode::UninitializedElement);
  check_type(instance, type_index, table);
  call_instance(instance, module_.func_type(wasm::TypeIdx(type_index)), is_tail);
}

void Translator::call_ref(u32 type_index, bool is_tail) {
  const Operand ref = pop_operand();
  if (ref.type.nullable || !ref.type.is_ref()) trap_if(ir_.CreateIsNull(ref.value), TrapCode::NullFunctionReference);
  call_instance(ref.value, module_.func_type(wasm::TypeIdx(type_index)), is_tail);
}

}  // namespace berth::compiler
