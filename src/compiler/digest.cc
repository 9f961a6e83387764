#include "compiler/digest.h"

#include <llvm/ADT/ArrayRef.h>
#include <llvm/Support/SHA256.h>

namespace berth::compiler {

std::array<u8, 32> sha256(std::span<const u8> bytes) {
  return llvm::SHA256::hash(llvm::ArrayRef<uint8_t>(bytes.data(), bytes.size()));
}

}  // namespace berth::compiler
