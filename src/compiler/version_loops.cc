#include "compiler/version_loops.h"

#include <algorithm>
#include <map>
#include <optional>

#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/ScalarEvolutionExpressions.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/LoopUtils.h>
#include <llvm/Transforms/Utils/ScalarEvolutionExpander.h>

#include "compiler/checks.h"

namespace berth::compiler {

namespace {

using llvm::BasicBlock;
using llvm::ICmpInst;
using llvm::Instruction;
using llvm::Loop;
using llvm::SCEV;
using llvm::SCEVAddRecExpr;
using llvm::SCEVConstant;
using llvm::Value;

// Larger loops are not worth a second copy.
constexpr unsigned kMaxInstructions = 400;

// An exit test `X predicate limit` that leaves the loop, with X = start + step * k in iteration k.
struct ExitTest {
  llvm::BranchInst* branch;
  BasicBlock* block;
  const SCEV* start;
  const SCEV* limit;
  i64 step;
  ICmpInst::Predicate stay;  // the loop goes on while this holds
  unsigned bits;
};

// Indices of checks as the loop goes: start + distance + step * k, or the same all the time (step null), for the
// distances from 0 to some number. One comparison for all; and since it shows that none of them wraps, they can be
// written as one index plus a constant.
struct Pattern {
  const SCEV* start;  // of the lowest
  const SCEV* step;
  u32 memory;
  u64 end;  // the most bytes beyond the lowest index that a check asks for
};
// What is known of the index of one check.
struct Place {
  size_t pattern;
  const SCEV* start;
};

class Versioning {
 public:
  Versioning(llvm::Function& f, llvm::LoopInfo& loops, llvm::ScalarEvolution& evolution, llvm::DominatorTree& tree)
      : f_(f), loops_(loops), evolution_(evolution), tree_(tree) {}

  bool run(Loop& loop) {
    if (!loop.isInnermost() || !loop.isLoopSimplifyForm() || !loop.isLCSSAForm(tree_)) return false;
    // What goes round a few times at most does not repay the comparisons.
    const unsigned most = evolution_.getSmallConstantMaxTripCount(&loop);
    if (most != 0 && most <= 8) return false;
    if (!collect(loop)) return false;
    const auto test = find_exit(loop);
    if (!test) return false;
    make_two(loop, *test);
    return true;
  }

 private:
  // The checks of the loop and their patterns; false when there are none or one has no pattern.
  bool collect(Loop& loop) {
    checks_.clear();
    patterns_.clear();
    places_.clear();
    unsigned instructions = 0;
    for (BasicBlock* block : loop.blocks()) {
      for (Instruction& i : *block) {
        if (++instructions > kMaxInstructions) return false;
        if (const Check c = as_check(i); c.call != nullptr) {
          if (!add_pattern(loop, c)) return false;
          checks_.push_back(c);
        } else if (auto* call = llvm::dyn_cast<llvm::CallBase>(&i)) {
          if (!llvm::isa<llvm::IntrinsicInst>(call) || call->mayHaveSideEffects()) return false;
        } else if (i.isAtomic() || i.isVolatile()) {
          return false;
        }
      }
    }
    return !checks_.empty();
  }

  bool add_pattern(Loop& loop, const Check& c) {
    auto* extension = llvm::dyn_cast<llvm::ZExtInst>(c.index());
    const SCEV* index = evolution_.getSCEV(extension != nullptr ? extension->getOperand(0) : c.index());
    const SCEV* step = nullptr;
    const SCEV* start = index;
    if (!evolution_.isLoopInvariant(index, &loop)) {
      const auto* recurrence = llvm::dyn_cast<SCEVAddRecExpr>(index);
      if (recurrence == nullptr || !recurrence->isAffine() || recurrence->getLoop() != &loop) return false;
      start = recurrence->getStart();
      step = recurrence->getStepRecurrence(evolution_);
      if (const auto* constant = llvm::dyn_cast<SCEVConstant>(step)) {
        if (constant->getAPInt().abs().ugt(1 << 20)) return false;
      } else if (!step->getType()->isIntegerTy(32)) {
        return false;
      }
    }
    for (size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& p = patterns_[i];
      if (p.step != step || p.memory != c.memory() || p.start->getType() != start->getType()) continue;
      const auto distance = distance_between(p.start, start);
      if (!distance) continue;
      if (*distance >= 0) {
        p.end = std::max(p.end, c.end() + static_cast<u64>(*distance));
      } else {
        p.start = start;
        p.end = std::max(p.end + static_cast<u64>(-*distance), c.end());
      }
      places_.push_back({i, start});
      return true;
    }
    places_.push_back({patterns_.size(), start});
    patterns_.push_back({start, step, c.memory(), c.end()});
    return true;
  }

  // How far `b` is above `a`, when that is known and not far.
  std::optional<i64> distance_between(const SCEV* a, const SCEV* b) {
    if (a == b) return 0;
    const auto* difference = llvm::dyn_cast<SCEVConstant>(evolution_.getMinusSCEV(b, a));
    if (difference == nullptr) return std::nullopt;
    const i64 distance = difference->getAPInt().getSExtValue();
    if (distance > 1 << 20 || distance < -(1 << 20)) return std::nullopt;
    return distance;
  }

  std::optional<ExitTest> find_exit(Loop& loop) {
    llvm::SmallVector<BasicBlock*, 4> exiting;
    loop.getExitingBlocks(exiting);
    // What may be left elsewhere, too, is not vectorized, and checks that guard pages make cost nothing.
    if (exiting.size() > 1 && std::ranges::all_of(checks_, &Check::guarded)) return std::nullopt;
    for (BasicBlock* block : exiting) {
      if (!tree_.dominates(block, loop.getLoopLatch())) continue;
      auto* branch = llvm::dyn_cast<llvm::BranchInst>(block->getTerminator());
      if (branch == nullptr || !branch->isConditional()) continue;
      auto* compare = llvm::dyn_cast<ICmpInst>(branch->getCondition());
      if (compare == nullptr) continue;
      const SCEV* x = evolution_.getSCEV(compare->getOperand(0));
      const SCEV* limit = evolution_.getSCEV(compare->getOperand(1));
      ICmpInst::Predicate stay = compare->getPredicate();
      if (!llvm::isa<SCEVAddRecExpr>(x)) {
        std::swap(x, limit);
        stay = ICmpInst::getSwappedPredicate(stay);
      }
      if (!loop.contains(branch->getSuccessor(0))) stay = ICmpInst::getInversePredicate(stay);
      const auto* recurrence = llvm::dyn_cast<SCEVAddRecExpr>(x);
      if (recurrence == nullptr || recurrence->getLoop() != &loop || !recurrence->isAffine()) continue;
      if (!recurrence->getType()->isIntegerTy() || !evolution_.isLoopInvariant(limit, &loop)) continue;
      const auto* step = llvm::dyn_cast<SCEVConstant>(recurrence->getStepRecurrence(evolution_));
      const unsigned bits = recurrence->getType()->getIntegerBitWidth();
      if (step == nullptr || step->isZero() || (bits != 32 && bits != 64)) continue;
      const i64 by = step->getAPInt().getSExtValue();
      if (by > 1 << 20 || by < -(1 << 20)) continue;
      const bool up = by > 0;
      switch (stay) {
        case ICmpInst::ICMP_NE: break;
        case ICmpInst::ICMP_ULT:
        case ICmpInst::ICMP_SLT:
          if (!up) continue;
          break;
        case ICmpInst::ICMP_UGT:
        case ICmpInst::ICMP_SGT:
          if (up) continue;
          break;
        default: continue;
      }
      return ExitTest{branch, block, recurrence->getStart(), limit, by, stay, bits};
    }
    return std::nullopt;
  }

  // How often the test lets the loop go on, as a 64-bit number, and under which conditions that is right.
  Value* count(llvm::IRBuilderBase& ir, llvm::SCEVExpander& expander, const ExitTest& test,
               std::vector<Value*>& conditions) {
    llvm::Type* const t = ir.getIntNTy(test.bits);
    Instruction* const at = &*ir.GetInsertPoint();
    Value* const start = expander.expandCodeFor(test.start, t, at);
    Value* const limit = expander.expandCodeFor(test.limit, t, at);
    const bool up = test.step > 0;
    const u64 step = static_cast<u64>(up ? test.step : -test.step);
    Value* const by = llvm::ConstantInt::get(t, step);
    Value* const distance = up ? ir.CreateSub(limit, start) : ir.CreateSub(start, limit);
    Value* steps;
    if (test.stay == ICmpInst::ICMP_NE) {
      steps = step == 1 ? distance : ir.CreateUDiv(distance, by);
      if (step != 1) conditions.push_back(ir.CreateICmpEQ(ir.CreateMul(steps, by), distance));
    } else {
      const bool is_signed = ICmpInst::isSigned(test.stay);
      // Rounded up; 0 when the test fails at once. The value after the last one must not wrap.
      Value* const rounded =
          step == 1 ? distance : ir.CreateUDiv(ir.CreateAdd(distance, llvm::ConstantInt::get(t, step - 1)), by);
      Value* const enters = ir.CreateICmp(test.stay, start, limit);
      steps = ir.CreateSelect(enters, rounded, llvm::ConstantInt::get(t, 0));
      if (step != 1) {
        const llvm::APInt most =
            is_signed ? llvm::APInt::getSignedMaxValue(test.bits) : llvm::APInt::getMaxValue(test.bits);
        const llvm::APInt least =
            is_signed ? llvm::APInt::getSignedMinValue(test.bits) : llvm::APInt::getMinValue(test.bits);
        Value* const edge = llvm::ConstantInt::get(t, up ? most - (step - 1) : least + (step - 1));
        const auto within = up ? (is_signed ? ICmpInst::ICMP_SLE : ICmpInst::ICMP_ULE)
                               : (is_signed ? ICmpInst::ICMP_SGE : ICmpInst::ICMP_UGE);
        conditions.push_back(ir.CreateICmp(within, limit, edge));
      }
    }
    if (test.bits == 64) {
      conditions.push_back(ir.CreateICmpULT(steps, ir.getInt64(u64{1} << 31)));
      return steps;
    }
    return ir.CreateZExt(steps, ir.getInt64Ty());
  }

  // Whether every index of the pattern is in bounds and does not wrap in `steps` steps.
  void bound(llvm::IRBuilderBase& ir, llvm::SCEVExpander& expander, const Pattern& p, Value* steps, Value* bytes,
             std::vector<Value*>& conditions, std::map<const SCEV*, Value*>& starts) {
    Instruction* const at = &*ir.GetInsertPoint();
    Value* start = expander.expandCodeFor(p.start, p.start->getType(), at);
    if (start->getType()->isIntegerTy(32)) start = ir.CreateZExt(start, ir.getInt64Ty());
    starts[p.start] = start;
    Value* const end = ir.getInt64(p.end);
    auto fits = [&](Value* index) { conditions.push_back(ir.CreateICmpULE(ir.CreateAdd(index, end), bytes)); };
    if (p.start->getType()->isIntegerTy(64) && evolution_.getUnsignedRangeMax(p.start).ugt(~0u)) {
      // Keeps the sums below from overflowing.
      conditions.push_back(ir.CreateICmpULE(start, bytes));
      conditions.push_back(ir.CreateICmpULT(steps, ir.getInt64(u64{1} << 31)));
    }
    if (p.step == nullptr) return fits(start);
    if (const auto* constant = llvm::dyn_cast<SCEVConstant>(p.step)) {
      const i64 step = constant->getAPInt().getSExtValue();
      Value* const way = ir.CreateMul(steps, ir.getInt64(static_cast<u64>(step > 0 ? step : -step)));
      if (step > 0) return fits(ir.CreateAdd(start, way));
      conditions.push_back(ir.CreateICmpUGE(start, way));
      return fits(start);
    }
    // The step may go either way. With fewer than 2^31 steps the product cannot overflow.
    conditions.push_back(ir.CreateICmpULT(steps, ir.getInt64(u64{1} << 31)));
    Value* const step = ir.CreateSExt(expander.expandCodeFor(p.step, ir.getInt32Ty(), at), ir.getInt64Ty());
    Value* const last = ir.CreateAdd(start, ir.CreateMul(steps, step));
    conditions.push_back(ir.CreateICmpSGE(last, ir.getInt64(0)));
    fits(start);
    fits(last);
  }

  void make_two(Loop& loop, const ExitTest& test) {
    // The decision needs a block of its own before the loop's preheader, which becomes the slow loop's.
    BasicBlock* const decision = loop.getLoopPreheader();
    BasicBlock* const slow_entry = llvm::SplitEdge(decision, loop.getHeader(), &tree_, &loops_);
    slow_entry->setName("precise");

    const llvm::DataLayout& layout = f_.getParent()->getDataLayout();
    llvm::SCEVExpander expander(evolution_, layout, "range");
    llvm::IRBuilder<> ir(decision->getTerminator());
    std::vector<Value*> conditions;
    std::map<const SCEV*, Value*> starts;
    std::map<u32, Value*> sizes;
    Value* const steps = count(ir, expander, test, conditions);
    for (const Pattern& p : patterns_) {
      Value*& bytes = sizes[p.memory];
      if (bytes == nullptr) bytes = memory_bytes(ir, f_, p.memory);
      bound(ir, expander, p, steps, bytes, conditions, starts);
    }
    Value* const all = ir.CreateAnd(conditions);

    llvm::ValueToValueMapTy map;
    llvm::SmallVector<BasicBlock*, 8> blocks;
    Loop* const fast = llvm::cloneLoopWithPreheader(slow_entry, decision, &loop, map, ".fast", &loops_, &tree_, blocks);
    llvm::remapInstructionsInBlocks(blocks, map);
    auto* const fast_entry = llvm::cast<BasicBlock>(map[slow_entry]);
    Instruction* const old = decision->getTerminator();
    ir.SetInsertPoint(old);
    ir.CreateCondBr(all, fast_entry, slow_entry);
    old->eraseFromParent();

    llvm::SmallVector<BasicBlock*, 4> exits;
    loop.getUniqueExitBlocks(exits);
    for (BasicBlock* exit : exits) {
      for (llvm::PHINode& phi : exit->phis()) {
        const unsigned incoming = phi.getNumIncomingValues();
        for (unsigned i = 0; i < incoming; ++i) {
          BasicBlock* const from = phi.getIncomingBlock(i);
          if (!loop.contains(from)) continue;
          Value* v = phi.getIncomingValue(i);
          if (const auto mapped = map.find(v); mapped != map.end()) v = mapped->second;
          phi.addIncoming(v, llvm::cast<BasicBlock>(map[from]));
        }
      }
    }
    for (BasicBlock* exit : exits) {
      BasicBlock* common = nullptr;
      for (BasicBlock* before : llvm::predecessors(exit))
        common = common == nullptr ? before : tree_.findNearestCommonDominator(common, before);
      tree_.changeImmediateDominator(exit, common);
    }
    evolution_.forgetLoop(&loop);
    simplify_fast(*fast, test, steps, starts, map);
    llvm::formDedicatedExitBlocks(&loop, &tree_, &loops_, nullptr, true);
    llvm::formDedicatedExitBlocks(fast, &tree_, &loops_, nullptr, true);
  }

  // A counter that runs from 0 to `steps` takes the place of the test, and indices become sums of it: numbers that
  // cannot wrap, which is what LLVM needs to know.
  void simplify_fast(Loop& fast, const ExitTest& test, Value* steps, const std::map<const SCEV*, Value*>& starts,
                     llvm::ValueToValueMapTy& map) {
    BasicBlock* const header = fast.getHeader();
    BasicBlock* const latch = fast.getLoopLatch();
    const llvm::DataLayout& layout = f_.getParent()->getDataLayout();
    llvm::IRBuilder<> ir(&header->front());
    llvm::Type* const t = ir.getInt64Ty();
    auto* const counter = ir.CreatePHI(t, 2, "k");
    ir.SetInsertPoint(latch->getTerminator());
    auto* const next = ir.CreateAdd(counter, ir.getInt64(1), "", true, true);
    counter->addIncoming(ir.getInt64(0), fast.getLoopPreheader());
    counter->addIncoming(next, latch);

    auto* const branch = llvm::cast<llvm::BranchInst>(llvm::cast<BasicBlock>(map[test.block])->getTerminator());
    ir.SetInsertPoint(branch);
    const bool stays_when_true = fast.contains(branch->getSuccessor(0));
    branch->setCondition(ir.CreateICmp(stays_when_true ? ICmpInst::ICMP_NE : ICmpInst::ICMP_EQ, counter, steps));

    // What follows is put before this mark, which stays while instructions around it are replaced.
    auto* const mark = llvm::BinaryOperator::CreateAdd(counter, counter);
    mark->insertInto(header, header->getFirstInsertionPt());
    ir.SetInsertPoint(mark);
    std::map<size_t, Value*> distances;  // by pattern: how far the lowest index is from where it started
    std::map<std::pair<size_t, Value*>, Value*> places;
    for (size_t i = 0; i < checks_.size(); ++i) {
      auto* const call = llvm::cast<llvm::CallInst>(map[checks_[i].call]);
      const size_t group = places_[i].pattern;
      const Pattern& pattern = patterns_[group];
      Value* const old = call->getArgOperand(2);
      call->eraseFromParent();
      if (llvm::isa<llvm::ConstantInt>(old)) continue;
      Value*& way = distances[group];
      if (way == nullptr) {
        // Signed arithmetic: indices are below 2^33, and so is every distance.
        way = pattern.step == nullptr ? static_cast<Value*>(ir.getInt64(0))
                                      : ir.CreateMul(counter, step_of(pattern, fast), "", false, true);
      }
      Value* const start = starts.at(pattern.start);
      const i64 distance = *distance_between(pattern.start, places_[i].start);
      for (llvm::Use& use : llvm::make_early_inc_range(old->uses())) {
        auto* const address = llvm::dyn_cast<llvm::GetElementPtrInst>(use.getUser());
        if (address == nullptr || !fast.contains(address) || use.getOperandNo() != 1 ||
            !address->getSourceElementType()->isIntegerTy(8))
          continue;
        llvm::APInt constant(64, 0);
        Value* const root = address->getPointerOperand()->stripAndAccumulateConstantOffsets(layout, constant, true);
        if (!fast.isLoopInvariant(root)) continue;
        Value*& place = places[{group, root}];
        if (place == nullptr) {
          // Through an integer: each array looks like an object of its own, which may overlap others. Else LLVM would
          // take all of linear memory for one, and compare neighbours in an array with each other.
          llvm::IRBuilder<> before(fast.getLoopPreheader()->getTerminator());
          Value* const first =
              before.CreateIntToPtr(before.CreateAdd(before.CreatePtrToInt(root, t), start), before.getPtrTy());
          place = ir.CreateInBoundsPtrAdd(first, way);
        }
        llvm::IRBuilder<> here(address);
        Value* const moved =
            here.CreateInBoundsPtrAdd(place, here.getInt64(static_cast<u64>(distance + constant.getSExtValue())));
        address->replaceAllUsesWith(moved);
        address->eraseFromParent();
      }
      Value* index = nullptr;
      for (llvm::Use& use : llvm::make_early_inc_range(old->uses())) {
        auto* const user = llvm::dyn_cast<Instruction>(use.getUser());
        if (user == nullptr || !fast.contains(user)) continue;
        if (index == nullptr) {
          index = ir.CreateAdd(ir.CreateAdd(start, way, "", false, true), ir.getInt64(static_cast<u64>(distance)), "",
                               false, true);
        }
        use.set(index);
      }
    }
    mark->eraseFromParent();
  }

  Value* step_of(const Pattern& pattern, Loop& fast) {
    llvm::IRBuilder<> before(fast.getLoopPreheader()->getTerminator());
    if (const auto* constant = llvm::dyn_cast<SCEVConstant>(pattern.step)) {
      return before.getInt64(static_cast<u64>(constant->getAPInt().getSExtValue()));
    }
    llvm::SCEVExpander expander(evolution_, f_.getParent()->getDataLayout(), "step");
    return before.CreateSExt(expander.expandCodeFor(pattern.step, before.getInt32Ty(), &*before.GetInsertPoint()),
                             before.getInt64Ty());
  }

  llvm::Function& f_;
  llvm::LoopInfo& loops_;
  llvm::ScalarEvolution& evolution_;
  llvm::DominatorTree& tree_;
  std::vector<Check> checks_;
  std::vector<Pattern> patterns_;
  std::vector<Place> places_;  // one for each of checks_
};

}  // namespace

llvm::PreservedAnalyses VersionLoops::run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses) {
  auto& loops = analyses.getResult<llvm::LoopAnalysis>(f);
  auto& tree = analyses.getResult<llvm::DominatorTreeAnalysis>(f);
  auto& evolution = analyses.getResult<llvm::ScalarEvolutionAnalysis>(f);
  std::vector<Loop*> innermost;
  for (Loop* loop : loops.getLoopsInPreorder())
    if (loop->isInnermost()) innermost.push_back(loop);
  Versioning versioning(f, loops, evolution, tree);
  bool changed = false;
  for (Loop* loop : innermost) changed |= versioning.run(*loop);
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

}  // namespace berth::compiler
