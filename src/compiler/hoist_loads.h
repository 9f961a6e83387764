// Moves a load whose value the next turn of an innermost loop uses to the front of its block, where no store before it
// can write what it reads. Modules come with such loops unrolled, loads and stores by turns; LLVM's vectorizer takes a
// value from the turn before only if it is known before it is used.
#pragma once

#include <llvm/IR/PassManager.h>

namespace berth::compiler {

class HoistLoads : public llvm::PassInfoMixin<HoistLoads> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace berth::compiler
