// Why a guest stopped. Constants only.
#pragma once

#include <string_view>

#include "base/types.h"

namespace berth::abi {

enum class TrapCode : u8 {
#define BERTH_TRAP(id, text) id,
#include "spec/traps.def"
#undef BERTH_TRAP
};

constexpr std::string_view trap_text(TrapCode code) {
  constexpr std::string_view kTexts[] = {
#define BERTH_TRAP(id, text) text,
#include "spec/traps.def"
#undef BERTH_TRAP
  };
  return kTexts[static_cast<u8>(code)];
}

}  // namespace berth::abi
