#include "compiler/cpu_features.h"

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>

#include "compiler/llvm_targets.h"

namespace berth::compiler {
namespace {

// What the processor may be asked about, by target.
constexpr std::string_view kX86Features[] = {
#define BERTH_X86_FEATURE(name, leaf, subleaf, reg, bit, state) name,
#include "spec/cpu_features.def"
};
constexpr std::string_view kAArch64Features[] = {
#define BERTH_AARCH64_FEATURE(name, word, bit) name,
#include "spec/cpu_features.def"
};

}  // namespace

Result<std::string> needed_cpu(const Target& target) {
  const bool is_x86 = target.name == "x86_64-linux";
  const std::string triple = is_x86 ? "x86_64-unknown-linux-gnu" : "aarch64-unknown-linux-gnu";
  initialize_llvm();
  std::string why;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, why);
  if (!found) return fail(ErrorCode::UnknownTarget, why);
  // LLVM prints a message about a CPU that it does not know.
  const std::unique_ptr<llvm::MCSubtargetInfo> any(found->createMCSubtargetInfo(triple, "", ""));
  const bool known = any && any->isCPUStringValid(target.cpu);
  const std::unique_ptr<llvm::MCSubtargetInfo> info(
      known ? found->createMCSubtargetInfo(triple, target.cpu, target.features) : nullptr);
  if (!info) return fail(ErrorCode::UnknownTarget, target.cpu + " is no CPU of " + target.name);
  std::span<const std::string_view> listed = kX86Features;
  if (!is_x86) listed = kAArch64Features;
  std::string out = target.cpu;
  for (const llvm::SubtargetFeatureKV& feature : info->getAllProcessorFeatures()) {
    if (!info->hasFeature(feature.Value)) continue;
    if (std::ranges::find(listed, std::string_view(feature.Key)) == listed.end()) continue;
    out += " +";
    out += feature.Key;
  }
  return out;
}

}  // namespace berth::compiler
