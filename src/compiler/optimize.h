// The passes that a partition goes through.
#pragma once

#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include "compiler/compiler.h"

namespace berth::compiler {

void optimize(llvm::Module& module, llvm::TargetMachine& machine, const wasm::Module& wasm, u32 level);

}  // namespace berth::compiler
