// Functions as a whole, and the pieces that every kind of instruction uses.
#include "compiler/translate.h"

#include <cstddef>

#include <llvm/IR/CFG.h>
#include <llvm/IR/Intrinsics.h>

namespace berth::compiler {

using abi::InstanceContext;
using abi::TrapCode;
using wasm::ValKind;
using wasm::ValType;

Translator::Translator(Partition& partition, u32 function, std::optional<u32> loop)
    : p_(partition),
      module_(partition.wasm()),
      index_(function),
      type_(module_.func_type(wasm::FuncIdx(function))),
      f_(loop ? *partition.loop_entry({function, *loop}) : *partition.function(function)),
      ir_(partition.context()),
      entry_(partition.context()),
      reader_(module_.body(wasm::FuncIdx(function))),
      loop_(loop) {}

bool Translator::run() {
  scope_ = p_.subprogram(f_, index_);
  if (const auto hints = p_.plan().hints.find(index_); hints != p_.plan().hints.end()) hints_ = &hints->second;
  const Block start = new_block("entry");
  const Block body = new_block("body");
  entry_.SetInsertPoint(llvm::BranchInst::Create(body, start));
  ir_.SetInsertPoint(start->getTerminator());

  auto argument = f_.arg_begin();
  self_ = argument++;
  if (loop_)
    frame_ = argument++;
  else if (abi::returns_in_memory(type_))
    results_ = argument++;
  auto add_local = [&](ValType t, Value initial) {
    auto* local = entry_.CreateAlloca(type(t));
    entry_.CreateStore(initial, local);
    locals_.push_back(local);
    local_types_.push_back(t);
  };
  const auto places = abi::passing(type_);
  for (size_t i = 0; i < places.size(); ++i) {
    const ValType& t = type_.params[i];
    // A loop's entry sets all locals when it is known which block it goes to.
    if (loop_)
      add_local(t, zero(t));
    else
      add_local(t, places[i] == abi::kInRegister ? static_cast<Value>(argument++) : overflow_load(t, places[i]));
  }
  for (u32 groups = reader_.leb_u32(); groups > 0; --groups) {
    const u32 count = reader_.leb_u32();
    const ValType t = reader_.val_type();
    for (u32 i = 0; i < count; ++i) add_local(t, zero(t));
  }

  ir_.SetInsertPoint(body);
  Control outermost{.op = Op::Nop,
                    .height = 0,
                    .params = {},
                    .results = type_.results,
                    .target = new_block("return"),
                    .phis = {},
                    .arguments = {},
                    .catches = {}};
  for (const ValType& t : type_.results)
    outermost.phis.push_back(llvm::PHINode::Create(type(t), 2, "", outermost.target));
  control_.push_back(std::move(outermost));
  op_start_ = reader_.position();
  locate();
  place_fuel();
  while (!control_.empty() && reader_.ok()) {
    op_start_ = reader_.position();
    wasm::decode_op(reader_, *this);
  }
  CHECK(reader_.ok());
  if (fuel_step_ != nullptr) fuel_step_->setOperand(1, i64(fuel_cost_));
  if (loop_ && loop_header_ == nullptr) return false;
  if (loop_) finish_loop_entry();
  return true;
}

// Whatever is on the operand stack where the marked loop begins may come from the frame as well.
void Translator::mark_loop(Control& loop) {
  loop_header_ = loop.target;
  u32 slot = abi::kFrameHeaderSlots;
  for (const ValType& t : local_types_) slot += t.is_vector() ? 2 : 1;
  for (size_t i = 0; i < stack_.size(); ++i) {
    Operand& o = stack_[i];
    if (i >= loop.height) {
      frame_values_.emplace_back(loop.phis[i - loop.height], slot);
    } else if (!llvm::isa<llvm::Constant>(o.value)) {
      auto* phi = llvm::PHINode::Create(type(o.type), 2, "", loop.target);
      phi->addIncoming(o.value, ir_.GetInsertBlock());
      frame_values_.emplace_back(phi, slot);
      o.value = phi;
    }
    slot += o.type.is_vector() ? 2 : 1;
  }
}

// Lets the entry block read the frame and go to the loop. What only led up to the loop is left without a way to it.
void Translator::finish_loop_entry() {
  llvm::BasicBlock& start = f_.getEntryBlock();
  start.getTerminator()->eraseFromParent();
  ir_.SetInsertPoint(&start);
  ir_.SetCurrentDebugLocation(llvm::DebugLoc());
  const auto locals = load_slots(local_types_, frame_);
  for (size_t i = 0; i < locals.size(); ++i) ir_.CreateStore(locals[i], locals_[i]);
  for (const auto& [phi, slot] : frame_values_) {
    phi->addIncoming(ir_.CreateAlignedLoad(phi->getType(), offset(frame_, u64{slot} * 8), llvm::Align(8)), &start);
  }
  ir_.CreateBr(loop_header_);
  // Operands below the loop are the same each time round.
  for (const auto& [phi, slot] : frame_values_) {
    for (llvm::BasicBlock* const from : llvm::predecessors(loop_header_))
      if (phi->getBasicBlockIndex(from) < 0) phi->addIncoming(phi, from);
  }
}

Translator::Block Translator::new_block(const char* name) { return llvm::BasicBlock::Create(p_.context(), name, &f_); }

void Translator::locate() {
  const u64 line = module_.original_offset(wasm::FuncIdx(index_), static_cast<u32>(reader_.offset_of(op_start_)));
  ir_.SetCurrentDebugLocation(llvm::DILocation::get(p_.context(), static_cast<u32>(line), 0, scope_));
}

Translator::Value Translator::store_context() {
  return invariant(offset(self_, offsetof(InstanceContext, store)), sizeof(abi::StoreContext));
}

Translator::Value Translator::overflow_slot(u32 slot) {
  const Value area = invariant(offset(store_context(), offsetof(abi::StoreContext, overflow)), abi::kOverflowSlots * 8);
  return offset(area, u64{slot} * 8);
}

Translator::Value Translator::overflow_load(ValType t, u32 slot) {
  auto* read = ir_.CreateAlignedLoad(type(t), overflow_slot(slot), llvm::Align(8));
  p_.set_region(read, Region::Store);
  return read;
}

Translator::Value Translator::zero(ValType t) { return llvm::Constant::getNullValue(type(t)); }

Translator::Value Translator::invariant(Value address, u64 dereferenceable) {
  auto* read = ir_.CreateLoad(ir_.getPtrTy(), address);
  read->setMetadata(llvm::LLVMContext::MD_invariant_load, p_.empty_node());
  read->setMetadata(llvm::LLVMContext::MD_dereferenceable,
                    llvm::MDNode::get(p_.context(), llvm::ConstantAsMetadata::get(i64(dereferenceable))));
  p_.set_region(read, Region::Context);
  return read;
}

Translator::Value Translator::context_entry(u32 field, u32 index, u64 dereferenceable) {
  const Value array = invariant(offset(self_, field), (u64{index} + 1) * 8);
  return invariant(offset(array, u64{index} * 8), dereferenceable);
}

Translator::Value Translator::load(llvm::Type* t, Value address, Region region) {
  auto* read = ir_.CreateLoad(t, address);
  p_.set_region(read, region);
  return read;
}

void Translator::store(Value v, Value address, Region region) { p_.set_region(ir_.CreateStore(v, address), region); }

void Translator::trap(TrapCode code) {
  locate();
  auto* call = ir_.CreateIntrinsic(llvm::Intrinsic::ubsantrap, {}, {ir_.getInt8(static_cast<u8>(code))});
  call->setDoesNotReturn();
  call->addFnAttr(llvm::Attribute::NoMerge);  // each keeps its place in the module
  ir_.CreateUnreachable();
}

void Translator::trap_if(Value condition, TrapCode code) {
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition); known != nullptr && known->isZero()) return;
  const Block fail = new_block("trap"), good = new_block("");
  ir_.CreateCondBr(condition, fail, good, p_.unlikely());
  ir_.SetInsertPoint(fail);
  trap(code);
  ir_.SetInsertPoint(good);
}

Translator::Value Translator::call(llvm::FunctionType* type, Value callee, std::vector<Value> arguments) {
  locate();
  llvm::CallBase* made;
  if (const Block unwind = landing()) {
    const Block next = new_block("");
    made = ir_.CreateInvoke(type, callee, next, unwind, arguments);
    ir_.SetInsertPoint(next);
  } else {
    made = ir_.CreateCall(type, callee, arguments);
  }
  return made;
}

Translator::Value Translator::builtin(abi::Builtin which, std::vector<Value> arguments) {
  locate();
  const Value callee = context_entry(offsetof(InstanceContext, builtins), static_cast<u32>(which), 1);
  arguments.insert(arguments.begin(), self_);
  return call(p_.builtin_type(which), callee, std::move(arguments));
}

llvm::AllocaInst* Translator::frame_area(u32 slots) {
  auto* area = entry_.CreateAlloca(llvm::ArrayType::get(entry_.getInt64Ty(), std::max(slots, 1u)));
  area->setAlignment(llvm::Align(16));
  return area;
}

void Translator::store_slots(std::span<const Value> values, std::span<const ValType> types, Value area) {
  u32 slot = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    auto* write = ir_.CreateAlignedStore(values[i], offset(area, u64{slot} * 8), llvm::Align(8));
    p_.set_region(write, Region::Frame);
    slot += types[i].is_vector() ? 2 : 1;
  }
}

Translator::Value Translator::slots_of(std::span<const Value> values, std::span<const ValType> types) {
  u32 slots = 0;
  for (const ValType& t : types) slots += t.is_vector() ? 2 : 1;
  const Value area = frame_area(slots);
  store_slots(values, types, area);
  return area;
}

std::vector<Translator::Value> Translator::load_slots(std::span<const ValType> types, Value area) {
  std::vector<Value> values;
  u32 slot = 0;
  for (const ValType& t : types) {
    auto* read = ir_.CreateAlignedLoad(type(t), offset(area, u64{slot} * 8), llvm::Align(8));
    p_.set_region(read, Region::Frame);
    values.push_back(read);
    slot += t.is_vector() ? 2 : 1;
  }
  return values;
}

Translator::Value Translator::address(Value index, bool is_64) {
  return is_64 ? index : ir_.CreateZExt(index, ir_.getInt64Ty());
}

void Translator::count_fuel() {
  if (p_.options().fuel) ++fuel_cost_;
}

// Fuel is counted a stretch at a time, at the places where the interpreter does.
void Translator::place_fuel() {
  if (!p_.options().fuel) return;
  if (fuel_step_ != nullptr) fuel_step_->setOperand(1, i64(fuel_cost_));
  const Value cell = offset(store_context(), offsetof(abi::StoreContext, fuel));
  const Value left = load(ir_.getInt64Ty(), cell, Region::Store);
  fuel_step_ = llvm::BinaryOperator::CreateSub(left, i64(0));
  ir_.Insert(fuel_step_);
  store(fuel_step_, cell, Region::Store);
  fuel_cost_ = 0;
  trap_if(ir_.CreateICmpSLT(fuel_step_, i64(0)), TrapCode::OutOfFuel);
}

}  // namespace berth::compiler
