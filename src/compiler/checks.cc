#include "compiler/checks.h"

#include <cstddef>
#include <map>

#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/TargetParser/Triple.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include "abi/context.h"
#include "base/result.h"

namespace berth::compiler {

using llvm::Instruction;
using llvm::Value;

namespace {

u64 constant_operand(const llvm::CallInst& call, unsigned index) {
  const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(call.getArgOperand(index));
  CHECK(constant != nullptr);
  return constant->getZExtValue();
}

}  // namespace

u64 Check::end() const { return constant_operand(*call, 1); }
u32 Check::memory() const { return static_cast<u32>(constant_operand(*call, 3)); }
bool Check::guarded() const { return constant_operand(*call, 4) != 0; }

Check as_check(Instruction& i) {
  auto* call = llvm::dyn_cast<llvm::CallInst>(&i);
  if (call == nullptr) return {nullptr};
  const llvm::Function* callee = call->getCalledFunction();
  return {callee != nullptr && callee->getName() == kCheckName ? call : nullptr};
}

u64 least_bytes(const wasm::Module& module, u32 memory) {
  const wasm::MemoryType& t = module.memories[memory].type;
  return t.limits.min >> (63 - t.page_size_log2) != 0 ? ~u64{0} : t.limits.min << t.page_size_log2;
}

Value* memory_bytes(llvm::IRBuilderBase& ir, llvm::Function& f, u32 memory) {
  auto* const invariant = llvm::MDNode::get(f.getContext(), {});
  auto field = [&](Value* base, u64 offset) {
    auto* read = ir.CreateLoad(ir.getPtrTy(), ir.CreatePtrAdd(base, ir.getInt64(offset)));
    read->setMetadata(llvm::LLVMContext::MD_invariant_load, invariant);
    return read;
  };
  Value* const records = field(f.getArg(0), offsetof(abi::InstanceContext, memories));
  Value* const record = field(records, u64{memory} * 8);
  return ir.CreateLoad(ir.getInt64Ty(), ir.CreatePtrAdd(record, ir.getInt64(offsetof(abi::MemoryRecord, bytes))));
}

namespace {

using Key = std::pair<u32, Value*>;
Key key_of(const Check& c) { return {c.memory(), c.index()}; }

// Whether more than reading memory happens here, so that no trap may be moved before it.
bool is_barrier(Instruction& i) {
  if (as_check(i).call != nullptr) return false;
  return i.mayHaveSideEffects();
}

// Within a block, the first of several checks of the same index with nothing but reads between takes over what
// the later ones need.
bool widen(llvm::BasicBlock& block) {
  std::map<Key, Check> first;
  bool changed = false;
  for (Instruction& i : llvm::make_early_inc_range(block)) {
    const Check c = as_check(i);
    if (c.call == nullptr) {
      if (is_barrier(i)) first.clear();
      continue;
    }
    const auto [at, is_new] = first.try_emplace(key_of(c), c);
    if (is_new) continue;
    if (at->second.end() < c.end()) {
      // The guard behind a memory is wide enough for the smaller one's access too.
      at->second.call->setArgOperand(1, c.call->getArgOperand(1));
      at->second.call->setArgOperand(4, c.call->getArgOperand(4));
    }
    c.call->eraseFromParent();
    changed = true;
  }
  return changed;
}

}  // namespace

llvm::PreservedAnalyses RemoveChecks::run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses) {
  auto& tree = analyses.getResult<llvm::DominatorTreeAnalysis>(f);
  const llvm::DataLayout& layout = f.getParent()->getDataLayout();
  bool changed = false;
  for (auto& block : f) changed |= widen(block);

  // What has been checked on the way to a block, in a walk down the dominator tree.
  struct Undo {
    Key key;
    u64 end;
  };
  std::map<Key, u64> checked;
  struct Visit {
    llvm::DomTreeNode* node;
    size_t next_child;
    std::vector<Undo> undo;
  };
  std::vector<Visit> path;
  auto enter = [&](llvm::DomTreeNode* node) {
    std::vector<Undo> undo;
    for (Instruction& i : llvm::make_early_inc_range(*node->getBlock())) {
      const Check c = as_check(i);
      if (c.call == nullptr) continue;
      const llvm::KnownBits bits = llvm::computeKnownBits(c.index(), layout);
      const u64 highest = bits.getMaxValue().getZExtValue();
      const u64 least = least_bytes(module_, c.memory());
      u64& end = checked[key_of(c)];
      if (end >= c.end() || (c.end() <= least && highest <= least - c.end())) {
        c.call->eraseFromParent();
        changed = true;
        continue;
      }
      undo.push_back({key_of(c), end});
      end = c.end();
    }
    path.push_back({node, 0, std::move(undo)});
  };
  enter(tree.getRootNode());
  while (!path.empty()) {
    Visit& top = path.back();
    if (top.next_child < top.node->getNumChildren()) {
      enter(*(top.node->begin() + static_cast<std::ptrdiff_t>(top.next_child++)));
      continue;
    }
    for (auto u = top.undo.rbegin(); u != top.undo.rend(); ++u) checked[u->key] = u->end;
    path.pop_back();
  }
  if (!changed) return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses kept;
  kept.preserveSet<llvm::CFGAnalyses>();
  return kept;
}

llvm::PreservedAnalyses ProveChecks::run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses) {
  auto& evolution = analyses.getResult<llvm::ScalarEvolutionAnalysis>(f);
  bool changed = false;
  for (auto& block : f) {
    for (Instruction& i : llvm::make_early_inc_range(block)) {
      const Check c = as_check(i);
      if (c.call == nullptr) continue;
      const u64 least = least_bytes(module_, c.memory());
      const u64 highest = evolution.getUnsignedRangeMax(evolution.getSCEV(c.index())).getZExtValue();
      if (c.end() > least || highest > least - c.end()) continue;
      c.call->eraseFromParent();
      changed = true;
    }
  }
  if (!changed) return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses kept;
  kept.preserveSet<llvm::CFGAnalyses>();
  kept.preserve<llvm::ScalarEvolutionAnalysis>();
  return kept;
}

namespace {

// Where an access ends, as a base and a distance from it.
struct End {
  const Value* base;
  i64 offset;
  friend bool operator==(const End&, const End&) = default;
};
End end_of(const Value* pointer, u64 bytes, const llvm::DataLayout& layout) {
  llvm::APInt offset(64, 0);
  const Value* base = pointer->stripAndAccumulateConstantOffsets(layout, offset, true);
  return {base, offset.getSExtValue() + static_cast<i64>(bytes)};
}

// Whether machine code may come to make the load only when a condition holds, volatile or not: x86 folds loads into
// masked instructions, where lanes that are masked out do not fault, and turns cmov with a load into a branch.
bool may_become_conditional(const Instruction& load, unsigned depth = 0) {
  const bool is_masked_type = load.getType()->isVectorTy() || load.getType()->isFloatingPointTy();
  for (const llvm::User* user : load.users()) {
    if (llvm::isa<llvm::SelectInst>(user)) return true;
    const auto* next = llvm::dyn_cast<Instruction>(user);
    if (is_masked_type && depth < 3 && next != nullptr && may_become_conditional(*next, depth + 1)) return true;
  }
  return false;
}

// Whether a store that faults may have written some of its bytes: on AArch64 those that lie before a page's end.
bool may_be_partial(const Instruction& access, const llvm::DataLayout& layout) {
  const auto* write = llvm::dyn_cast<llvm::StoreInst>(&access);
  return write != nullptr && llvm::Triple(write->getModule()->getTargetTriple()).isAArch64() &&
         write->getAlign().value() < layout.getTypeStoreSize(write->getValueOperand()->getType());
}

// The access after the check, before anything else can happen, that does nothing but fault exactly when the check
// fails.
Instruction* find_access(const Check& check, const llvm::DataLayout& layout) {
  const End wanted = end_of(check.address(), check.end(), layout);
  for (Instruction* i = check.call->getNextNode(); i != nullptr; i = i->getNextNode()) {
    if (const Value* pointer = llvm::getLoadStorePointerOperand(i)) {
      const u64 bytes = layout.getTypeStoreSize(llvm::getLoadStoreType(i));
      const bool conditional = llvm::isa<llvm::LoadInst>(i) && may_become_conditional(*i);
      if (end_of(pointer, bytes, layout) == wanted && !conditional && !may_be_partial(*i, layout)) return i;
    }
    if (is_barrier(*i)) return nullptr;
  }
  return nullptr;
}

void make_volatile(Instruction& i) {
  if (auto* read = llvm::dyn_cast<llvm::LoadInst>(&i))
    read->setVolatile(true);
  else if (auto* write = llvm::dyn_cast<llvm::StoreInst>(&i))
    write->setVolatile(true);
}

bool is_stack_access(const llvm::StoreInst& write) {
  return llvm::isa<llvm::AllocaInst>(write.getPointerOperand()->stripInBoundsOffsets());
}

// Stores beside an access that may fault stay where they are.
void pin_stores(llvm::BasicBlock& block) {
  for (Instruction& i : block) {
    auto* write = llvm::dyn_cast<llvm::StoreInst>(&i);
    if (write != nullptr && !is_stack_access(*write)) write->setVolatile(true);
  }
}

void lower_guarded(const Check& check, const llvm::DataLayout& layout) {
  if (Instruction* access = find_access(check, layout)) {
    make_volatile(*access);
  } else {
    llvm::IRBuilder<> ir(check.call);
    auto* last = ir.CreatePtrAdd(check.address(), ir.getInt64(check.end() - 1));
    ir.CreateLoad(ir.getInt8Ty(), last, true);
  }
  pin_stores(*check.call->getParent());
  check.call->eraseFromParent();
}

void lower_compared(const Check& check, llvm::Function& f, u64 least) {
  llvm::IRBuilder<> ir(check.call);
  Value* const bytes = memory_bytes(ir, f, check.memory());
  Value* const end = ir.getInt64(check.end());
  Value* beyond = ir.CreateICmpUGT(check.index(), ir.CreateSub(bytes, end));
  if (least < check.end()) beyond = ir.CreateOr(ir.CreateICmpULT(bytes, end), beyond);
  Instruction* const stop = llvm::SplitBlockAndInsertIfThen(
      beyond, check.call, true, llvm::MDBuilder(f.getContext()).createBranchWeights(1, 1 << 20));
  llvm::IRBuilder<> fail(stop);
  fail.SetCurrentDebugLocation(check.call->getDebugLoc());
  auto* trap = fail.CreateIntrinsic(llvm::Intrinsic::ubsantrap, {},
                                    {fail.getInt8(static_cast<u8>(abi::TrapCode::MemoryOutOfBounds))});
  trap->setDoesNotReturn();
  trap->addFnAttr(llvm::Attribute::NoMerge);
  check.call->eraseFromParent();
}

}  // namespace

llvm::PreservedAnalyses LowerChecks::run(llvm::Function& f, llvm::FunctionAnalysisManager&) {
  std::vector<Check> checks;
  for (auto& block : f)
    for (Instruction& i : block)
      if (const Check c = as_check(i); c.call != nullptr) checks.push_back(c);
  if (checks.empty()) return llvm::PreservedAnalyses::all();
  const llvm::DataLayout& layout = f.getParent()->getDataLayout();
  for (const Check& c : checks) {
    if (c.guarded())
      lower_guarded(c, layout);
    else
      lower_compared(c, f, least_bytes(module_, c.memory()));
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace berth::compiler
