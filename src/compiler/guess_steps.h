// Makes branches of conditions that decide how far a pointer moves: in a loop that steps by 1, or by 2 after what it
// has just loaded equals some constant, each load waits for the one before it unless the processor may guess, and
// guessing is what it does at branches. Equality with a constant is easy to guess.
#pragma once

#include <llvm/IR/PassManager.h>

namespace berth::compiler {

class GuessSteps : public llvm::PassInfoMixin<GuessSteps> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& f, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace berth::compiler
