// Makes two of an innermost loop whose addresses can be told beforehand: one in which no access can be out of
// bounds, without checks, which LLVM may vectorize; and the loop as it was, for when the range of addresses does
// not fit the memory. A comparison at the entry decides, so traps stay precise.
#pragma once

#include <llvm/IR/PassManager.h>

namespace berth::compiler {

class VersionLoops : public llvm::PassInfoMixin<VersionLoops> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace berth::compiler
