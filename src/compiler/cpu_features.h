// What a processor must have to run code that was compiled for a target. Pure.
#pragma once

#include <string>

#include "base/result.h"
#include "compiler/compiler.h"

namespace berth::compiler {

// The target's CPU, and then every feature that code for it may use as "+name", with spaces between: the contents of
// abi::ArtifactHeader::cpu. The features are those of spec/cpu_features.def. Fails with UnknownTarget when
// there is no such CPU.
Result<std::string> needed_cpu(const Target& target);

}  // namespace berth::compiler
