// How this library's errors are made.
#pragma once

#include <string>

#include "base/result.h"

namespace berth::keep {

// What went wrong, in words that say what to do; further lines are hints.
inline std::unexpected<Error> problem(std::string what) { return fail(ErrorCode::System, std::move(what)); }

}  // namespace berth::keep
