// The processors that LLVM makes code for. Any thread.
#pragma once

namespace berth::compiler {

// Makes them known to LLVM. Called before LLVM is asked for a target, any number of times.
void initialize_llvm();

}  // namespace berth::compiler
