// Atomic accesses to memory (proposal: threads).
#include "compiler/translate.h"

namespace berth::compiler {

using llvm::AtomicOrdering;
using llvm::AtomicRMWInst;

void Translator::atomic(Op op, const wasm::MemArgImm& m) {
  const wasm::OpInfo& about = wasm::info(op);
  const u32 width = about.width;

  if (op == Op::MemoryAtomicNotify || op == Op::MemoryAtomicWait32 || op == Op::MemoryAtomicWait64) {
    const Value timeout = op == Op::MemoryAtomicNotify ? nullptr : pop();
    const Value operand = pop(), index = pop();
    effective_address(m, width, index, true);
    const Value memory = i32(m.memory.value);
    const Value wide = address(index, module_.memories[m.memory.value].type.is_64);
    const Value at = ir_.CreateAdd(wide, i64(m.offset));
    switch (op) {
      case Op::MemoryAtomicNotify: return push(builtin(abi::Builtin::AtomicNotify, {memory, at, operand}), wasm::kI32);
      case Op::MemoryAtomicWait32:
        return push(builtin(abi::Builtin::AtomicWait32, {memory, at, operand, timeout}), wasm::kI32);
      default: return push(builtin(abi::Builtin::AtomicWait64, {memory, at, operand, timeout}), wasm::kI32);
    }
  }

  // The binary format has the operations one after the other, each in the same seven widths.
  enum Kind : u32 { Load, Store, Add, Sub, And, Or, Xor, Xchg, Cmpxchg };
  constexpr u32 kFirst = wasm::info(Op::I32AtomicLoad).code, kWidths = 7;
  static_assert(wasm::info(Op::I32AtomicStore).code == kFirst + Store * kWidths);
  static_assert(wasm::info(Op::I32AtomicRmwXchg).code == kFirst + Xchg * kWidths);
  static_assert(wasm::info(Op::I32AtomicRmwCmpxchg).code == kFirst + Cmpxchg * kWidths);
  const u32 kind = (about.code - kFirst) / kWidths;
  CHECK(about.code >= kFirst && kind <= Cmpxchg);

  llvm::IntegerType* const stored = ir_.getIntNTy(width * 8);
  const llvm::Align alignment(width);
  auto narrow = [&](Value v) { return ir_.CreateTrunc(v, stored); };
  auto push_extended = [&](Value v) {
    const wasm::ValType t = about.signature().back() == 'l' ? wasm::kI64 : wasm::kI32;
    push(ir_.CreateZExt(v, type(t)), t);
  };

  if (kind == Load) {
    auto* read = ir_.CreateAlignedLoad(stored, effective_address(m, width, pop(), true), alignment, true);
    read->setAtomic(AtomicOrdering::SequentiallyConsistent);
    p_.set_region(read, Region::Memory);
    return push_extended(read);
  }
  const Value operand = narrow(pop());
  if (kind == Store) {
    auto* write = ir_.CreateAlignedStore(operand, effective_address(m, width, pop(), true), alignment, true);
    write->setAtomic(AtomicOrdering::SequentiallyConsistent);
    return p_.set_region(write, Region::Memory);
  }
  if (kind == Cmpxchg) {
    const Value expected = narrow(pop());
    const Value at = effective_address(m, width, pop(), true);
    auto* exchange = ir_.CreateAtomicCmpXchg(at, expected, operand, alignment, AtomicOrdering::SequentiallyConsistent,
                                             AtomicOrdering::SequentiallyConsistent);
    exchange->setVolatile(true);
    p_.set_region(exchange, Region::Memory);
    return push_extended(ir_.CreateExtractValue(exchange, 0));
  }
  constexpr AtomicRMWInst::BinOp kOperations[] = {AtomicRMWInst::Add, AtomicRMWInst::Sub, AtomicRMWInst::And,
                                                  AtomicRMWInst::Or,  AtomicRMWInst::Xor, AtomicRMWInst::Xchg};
  auto* change = ir_.CreateAtomicRMW(kOperations[kind - Add], effective_address(m, width, pop(), true), operand,
                                     alignment, AtomicOrdering::SequentiallyConsistent);
  change->setVolatile(true);
  p_.set_region(change, Region::Memory);
  push_extended(change);
}

}  // namespace berth::compiler
