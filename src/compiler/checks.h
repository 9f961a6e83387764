// What becomes of the calls to Partition::check, which stand before every access to linear memory: "may trap,
// reads everything". LLVM treats them with the care that precise traps need; these passes take away those that
// are not needed and turn the rest into code.
#pragma once

#include <llvm/IR/PassManager.h>

#include "wasm/module.h"

namespace berth::compiler {

// Takes away checks that another one makes superfluous: the same index, at least as many bytes, on every way here;
// or an index known to lie within the memory's smallest size. Memories never shrink.
class RemoveChecks : public llvm::PassInfoMixin<RemoveChecks> {
 public:
  explicit RemoveChecks(u64 memory0_min_bytes) : min_bytes_(memory0_min_bytes) {}
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);

 private:
  u64 min_bytes_;
};

// Last of all passes: turns checks of guarded memories into the faults of the accesses that follow them (or of a
// probe, where the access is gone), others into comparisons; and keeps stores that a trap would let be seen in
// their places.
class LowerChecks : public llvm::PassInfoMixin<LowerChecks> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);
};

// The operands of a check.
struct Check {
  llvm::CallInst* call;
  llvm::Value* address() const { return call->getArgOperand(0); }
  u64 end() const;
  llvm::Value* index() const { return call->getArgOperand(2); }
  llvm::Value* record() const { return call->getArgOperand(3); }
  bool guarded() const;
};
// The check that an instruction is, if it is one.
bool is_check(const llvm::Instruction& i);

}  // namespace berth::compiler
