// The ways in and out of native code, one pair for each function type (abi/native.h).
#include "compiler/ir.h"

#include <cstddef>

namespace berth::compiler {

namespace {

using llvm::Value;

// Bytes from the start of an area of slots at which each value lies.
std::vector<u64> slot_offsets(const std::vector<wasm::ValType>& types) {
  std::vector<u64> offsets;
  u64 at = 0;
  for (const auto& t : types) {
    offsets.push_back(at);
    at += t.is_vector() ? 16 : 8;
  }
  return offsets;
}

}  // namespace

void Partition::add_enter(u32 index) {
  const wasm::FuncType& type = wasm().func_type(wasm::TypeIdx(index));
  llvm::IRBuilder<> ir(context_);
  llvm::Type* const ptr = ir.getPtrTy();
  auto* f = llvm::Function::Create(llvm::FunctionType::get(ir.getVoidTy(), {ptr, ptr, ptr, ptr}, false),
                                   llvm::Function::ExternalLinkage, ".enter[" + std::to_string(index) + "]", *module_);
  set_attributes(*f);
  ir.SetInsertPoint(llvm::BasicBlock::Create(context_, "", f));
  Value* const target = f->getArg(0);
  Value* const code = f->getArg(1);
  Value* const slots = f->getArg(2);
  std::vector<Value*> arguments{target};
  if (abi::returns_in_memory(type)) arguments.push_back(slots);
  const auto offsets = slot_offsets(type.params);
  const auto places = abi::passing(type);
  for (size_t i = 0; i < type.params.size(); ++i) {
    Value* const v = ir.CreateAlignedLoad(this->type(type.params[i]), ir.CreatePtrAdd(slots, ir.getInt64(offsets[i])),
                                          llvm::Align(8));
    if (places[i] == abi::kInRegister)
      arguments.push_back(v);
    else
      ir.CreateAlignedStore(v, ir.CreatePtrAdd(f->getArg(3), ir.getInt64(u64{places[i]} * 8)), llvm::Align(8));
  }
  auto* call = ir.CreateCall(function_type(type), code, arguments);
  if (type.results.size() == 1) ir.CreateAlignedStore(call, slots, llvm::Align(8));
  ir.CreateRetVoid();
}

void Partition::add_exit(u32 index) {
  const wasm::FuncType& type = wasm().func_type(wasm::TypeIdx(index));
  llvm::IRBuilder<> ir(context_);
  auto* f = llvm::Function::Create(function_type(type), llvm::Function::ExternalLinkage,
                                   ".exit[" + std::to_string(index) + "]", *module_);
  set_attributes(*f);
  ir.SetInsertPoint(llvm::BasicBlock::Create(context_, "", f));
  Value* const instance = f->getArg(0);
  const bool in_memory = abi::returns_in_memory(type);
  const u32 count = std::max({abi::slot_count(type.params), abi::slot_count(type.results), 1u});
  auto* area = ir.CreateAlloca(llvm::ArrayType::get(ir.getInt64Ty(), count));
  area->setAlignment(llvm::Align(16));
  const auto offsets = slot_offsets(type.params);
  const auto places = abi::passing(type);
  auto read = [&](Value* base, u64 offset) {
    return ir.CreateLoad(ir.getPtrTy(), ir.CreatePtrAdd(base, ir.getInt64(offset)));
  };
  Value* const store = read(instance, offsetof(abi::FunctionInstance, store));
  Value* const overflow = read(store, offsetof(abi::StoreContext, overflow));
  auto argument = f->arg_begin() + (in_memory ? 2 : 1);
  for (u32 i = 0; i < type.params.size(); ++i) {
    Value* v;
    if (places[i] == abi::kInRegister)
      v = argument++;
    else
      v = ir.CreateAlignedLoad(this->type(type.params[i]), ir.CreatePtrAdd(overflow, ir.getInt64(u64{places[i]} * 8)),
                               llvm::Align(8));
    ir.CreateAlignedStore(v, ir.CreatePtrAdd(area, ir.getInt64(offsets[i])), llvm::Align(8));
  }
  Value* const context = read(instance, offsetof(abi::FunctionInstance, context));
  Value* const builtins = read(store, offsetof(abi::StoreContext, builtins));
  Value* const call_out = read(builtins, static_cast<u64>(abi::Builtin::CallOut) * 8);
  ir.CreateCall(builtin_type(abi::Builtin::CallOut), call_out, {context, instance, area});
  if (!in_memory && !type.results.empty()) {
    ir.CreateRet(ir.CreateAlignedLoad(this->type(type.results[0]), area, llvm::Align(8)));
    return;
  }
  const auto results = slot_offsets(type.results);
  for (size_t i = 0; i < type.results.size() && in_memory; ++i) {
    Value* const v = ir.CreateAlignedLoad(this->type(type.results[i]), ir.CreatePtrAdd(area, ir.getInt64(results[i])),
                                          llvm::Align(8));
    ir.CreateAlignedStore(v, ir.CreatePtrAdd(f->getArg(1), ir.getInt64(results[i])), llvm::Align(8));
  }
  ir.CreateRetVoid();
}

}  // namespace berth::compiler
