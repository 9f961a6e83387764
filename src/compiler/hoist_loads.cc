#include "compiler/hoist_loads.h"

#include <algorithm>

#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/ScalarEvolutionExpressions.h>
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/DataLayout.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>

#include "base/types.h"

namespace berth::compiler {

namespace {

using llvm::BasicBlock;
using llvm::Instruction;
using llvm::LoadInst;
using llvm::StoreInst;

class Hoisting {
 public:
  Hoisting(BasicBlock& block, llvm::ScalarEvolution& evolution)
      : block_(block), evolution_(evolution), layout_(block.getModule()->getDataLayout()) {}

  bool run() {
    bool changed = false;
    for (llvm::PHINode& phi : block_.phis()) {
      auto* const load = llvm::dyn_cast<LoadInst>(phi.getIncomingValueForBlock(&block_));
      if (load == nullptr || load->getParent() != &block_ || !load->isSimple() || !is_used_before(phi, *load)) continue;
      changed |= hoist(*load);
    }
    return changed;
  }

 private:
  bool is_used_before(const llvm::PHINode& phi, const LoadInst& load) const {
    return std::ranges::any_of(phi.users(), [&](const llvm::User* user) {
      const auto* const by = llvm::cast<Instruction>(user);
      return by->getParent() == &block_ && !llvm::isa<llvm::PHINode>(by) && by->comesBefore(&load);
    });
  }

  // They lie a known distance apart.
  bool is_apart(LoadInst& load, StoreInst& store) {
    const auto* const distance = llvm::dyn_cast<llvm::SCEVConstant>(evolution_.getMinusSCEV(
        evolution_.getSCEV(load.getPointerOperand()), evolution_.getSCEV(store.getPointerOperand())));
    if (distance == nullptr) return false;
    const i64 bytes = distance->getAPInt().getSExtValue();
    const auto loaded = static_cast<i64>(layout_.getTypeStoreSize(load.getType()));
    const auto stored = static_cast<i64>(layout_.getTypeStoreSize(store.getValueOperand()->getType()));
    return bytes >= stored || -bytes >= loaded;
  }

  // What of the block the load depends on; false when some of that is no mere computation.
  bool collect(Instruction& instruction, llvm::SmallPtrSetImpl<Instruction*>& needed) {
    for (llvm::Value* const operand : instruction.operands()) {
      auto* const one = llvm::dyn_cast<Instruction>(operand);
      if (one == nullptr || one->getParent() != &block_ || llvm::isa<llvm::PHINode>(one)) continue;
      if (one->mayReadOrWriteMemory() || one->mayHaveSideEffects()) return false;
      if (needed.insert(one).second && !collect(*one, needed)) return false;
    }
    return true;
  }

  bool hoist(LoadInst& load) {
    llvm::SmallPtrSet<Instruction*, 8> needed{&load};
    if (!collect(load, needed)) return false;
    Instruction* first = nullptr;  // what it goes before
    for (Instruction& i : block_) {
      if (&i == &load) break;
      if (!i.mayWriteToMemory() && llvm::isGuaranteedToTransferExecutionToSuccessor(&i)) continue;
      auto* const store = llvm::dyn_cast<StoreInst>(&i);
      if (store == nullptr || !store->isSimple() || !is_apart(load, *store)) return false;
      if (first == nullptr) first = &i;
    }
    if (first == nullptr) return false;
    // A user of the phi may come earlier than any store.
    first = &*block_.getFirstNonPHIOrDbg()->getIterator();
    llvm::SmallVector<Instruction*> moved;
    for (Instruction& i : block_) {
      if (needed.contains(&i)) moved.push_back(&i);
      if (&i == &load) break;
    }
    for (Instruction* const i : moved) {
      if (i == first)
        first = first->getNextNode();
      else
        i->moveBefore(first);
    }
    return true;
  }

  BasicBlock& block_;
  llvm::ScalarEvolution& evolution_;
  const llvm::DataLayout& layout_;
};

}  // namespace

llvm::PreservedAnalyses HoistLoads::run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses) {
  const auto& loops = analyses.getResult<llvm::LoopAnalysis>(f);
  auto& evolution = analyses.getResult<llvm::ScalarEvolutionAnalysis>(f);
  bool changed = false;
  for (const llvm::Loop* const loop : loops.getLoopsInPreorder()) {
    if (loop->getNumBlocks() == 1 && loop->getLoopPreheader() != nullptr)
      changed |= Hoisting(*loop->getHeader(), evolution).run();
  }
  if (!changed) return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses preserved;
  preserved.preserveSet<llvm::CFGAnalyses>();
  return preserved;
}

}  // namespace berth::compiler
