// SHA-256. Pure.
#pragma once

#include <array>
#include <span>

#include "base/types.h"

namespace berth::compiler {

std::array<u8, 32> sha256(std::span<const u8> bytes);

}  // namespace berth::compiler
