// Which compiler's code this Berth runs. The same in both programs when they were built from the same sources.
#pragma once

#include <string_view>

namespace berth::abi {

// A digest, in hexadecimal, of the sources that decide what native code is made and what it is told: the compiler, the
// layouts of `abi`, the tables. LLVM is not among them, since Berth itself is built without it.
std::string_view compiler_identity();

// What abi::ArtifactHeader::compiler starts with in an artifact of that compiler.
inline constexpr std::string_view kCompilerName = "berth-compiler ";

}  // namespace berth::abi
