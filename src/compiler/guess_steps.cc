#include "compiler/guess_steps.h"

#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include "base/types.h"

namespace berth::compiler {

namespace {

using llvm::ConstantInt;
using llvm::Instruction;
using llvm::Loop;

// The condition of a step: of a zero extension, or of a choice between constants.
llvm::ICmpInst* condition_of(Instruction& step) {
  if (!step.getType()->isIntegerTy()) return nullptr;
  llvm::Value* condition = nullptr;
  if (auto* const extended = llvm::dyn_cast<llvm::ZExtInst>(&step)) {
    condition = extended->getOperand(0);
  } else if (auto* const choice = llvm::dyn_cast<llvm::SelectInst>(&step)) {
    if (!llvm::isa<ConstantInt>(choice->getTrueValue()) || !llvm::isa<ConstantInt>(choice->getFalseValue()))
      return nullptr;
    condition = choice->getCondition();
  }
  auto* const compares = llvm::dyn_cast_or_null<llvm::ICmpInst>(condition);
  const bool fits = compares != nullptr && compares->isEquality() && llvm::isa<ConstantInt>(compares->getOperand(1));
  return fits ? compares : nullptr;
}

bool passes_on(const Instruction& i) {
  return llvm::isa<llvm::PHINode, llvm::GetElementPtrInst, llvm::CastInst>(i) || i.getOpcode() == Instruction::Add ||
         i.getOpcode() == Instruction::And;
}

// Loads of the loop whose addresses come of `from` by additions, this turn or the next.
void collect_loads(Instruction& from, const Loop& loop, llvm::SmallPtrSetImpl<Instruction*>& seen,
                   llvm::SmallVectorImpl<Instruction*>& loads) {
  for (llvm::User* const user : from.users()) {
    auto* const by = llvm::cast<Instruction>(user);
    if (!loop.contains(by) || !seen.insert(by).second) continue;
    if (llvm::isa<llvm::LoadInst>(by))
      loads.push_back(by);
    else if (passes_on(*by))
      collect_loads(*by, loop, seen, loads);
  }
}

bool reaches(Instruction& from, const Instruction& to, const Loop& loop, llvm::SmallPtrSetImpl<Instruction*>& seen) {
  for (llvm::User* const user : from.users()) {
    auto* const by = llvm::cast<Instruction>(user);
    if (by == &to) return true;
    if (loop.contains(by) && passes_on(*by) && seen.insert(by).second && reaches(*by, to, loop, seen)) return true;
  }
  return false;
}

bool waits_for_itself(Instruction& step, const llvm::ICmpInst& condition, const Loop& loop) {
  llvm::SmallPtrSet<Instruction*, 16> seen;
  llvm::SmallVector<Instruction*, 4> loads;
  collect_loads(step, loop, seen, loads);
  for (Instruction* const load : loads) {
    llvm::SmallPtrSet<Instruction*, 16> passed;
    if (reaches(*load, condition, loop, passed)) return true;
  }
  return false;
}

void make_branch(Instruction& step, llvm::ICmpInst& condition) {
  llvm::Value *yes, *no;
  if (auto* const choice = llvm::dyn_cast<llvm::SelectInst>(&step)) {
    yes = choice->getTrueValue();
    no = choice->getFalseValue();
  } else {
    yes = ConstantInt::get(step.getType(), 1);
    no = ConstantInt::get(step.getType(), 0);
  }
  llvm::BasicBlock* const before = step.getParent();
  Instruction* const end = llvm::SplitBlockAndInsertIfThen(&condition, &step, false);
  auto* const phi = llvm::PHINode::Create(step.getType(), 2, "", &step);
  phi->addIncoming(yes, end->getParent());
  phi->addIncoming(no, before);
  step.replaceAllUsesWith(phi);
  step.eraseFromParent();
}

}  // namespace

llvm::PreservedAnalyses GuessSteps::run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses) {
  const auto& loops = analyses.getResult<llvm::LoopAnalysis>(f);
  llvm::SmallVector<std::pair<Instruction*, llvm::ICmpInst*>> found;
  for (const Loop* const loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost()) continue;
    for (llvm::BasicBlock* const block : loop->blocks()) {
      for (Instruction& i : *block) {
        llvm::ICmpInst* const condition = condition_of(i);
        if (condition != nullptr && waits_for_itself(i, *condition, *loop)) found.emplace_back(&i, condition);
      }
    }
  }
  for (const auto& [step, condition] : found) make_branch(*step, *condition);
  return found.empty() ? llvm::PreservedAnalyses::all() : llvm::PreservedAnalyses::none();
}

}  // namespace berth::compiler
