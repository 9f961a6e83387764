// See native/processor_features.h.
#include <sys/auxv.h>

#include "native/processor_features.h"

namespace berth::native {

std::string_view this_target() { return "aarch64-linux"; }

std::span<const Feature> features() {
  static const u64 words[] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
  static const Feature table[] = {
#define BERTH_AARCH64_FEATURE(name, word, bit) {name, (words[(word) - 1] >> (bit) & 1) != 0},
#include "spec/cpu_features.def"
  };
  return table;
}

}  // namespace berth::native
