// What becomes of the calls to Partition::check, which stand before every access to linear memory: "may trap,
// reads everything". LLVM treats them with the care that precise traps need; these passes take away those that
// are not needed and turn the rest into code.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/PassManager.h>

#include "wasm/module.h"

namespace berth::compiler {

inline constexpr const char* kCheckName = "berth.check";

// Takes away checks that another one makes superfluous: the same index, at least as many bytes, on every way here;
// or an index known to lie within the memory's smallest size. Memories never shrink.
class RemoveChecks : public llvm::PassInfoMixin<RemoveChecks> {
 public:
  explicit RemoveChecks(const wasm::Module& module) : module_(module) {}
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);

 private:
  const wasm::Module& module_;
};

// The same for indices whose range the analysis of loops knows: walks over arrays that lie at fixed addresses.
class ProveChecks : public llvm::PassInfoMixin<ProveChecks> {
 public:
  explicit ProveChecks(const wasm::Module& module) : module_(module) {}
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);

 private:
  const wasm::Module& module_;
};

// Last of all passes: turns checks of guarded memories into the faults of the accesses that follow them (or of a
// probe, where the access is gone), others into comparisons; and keeps stores that a trap would let be seen in
// their places.
class LowerChecks : public llvm::PassInfoMixin<LowerChecks> {
 public:
  explicit LowerChecks(const wasm::Module& module) : module_(module) {}
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);

 private:
  const wasm::Module& module_;
};

// The operands of a check.
struct Check {
  llvm::CallInst* call;
  llvm::Value* address() const { return call->getArgOperand(0); }
  u64 end() const;
  llvm::Value* index() const { return call->getArgOperand(2); }
  u32 memory() const;
  bool guarded() const;
};
// The check that an instruction is, if it is one; else with a null `call`.
Check as_check(llvm::Instruction& i);
// Bytes of a memory that never go away.
u64 least_bytes(const wasm::Module& module, u32 memory);
// The current size in bytes of a memory, read where `ir` stands.
llvm::Value* memory_bytes(llvm::IRBuilderBase& ir, llvm::Function& f, u32 memory);

}  // namespace berth::compiler
