// How this library's errors are made.
#pragma once

#include <string>

#include "base/result.h"

namespace berth::broker {

// What went wrong, in words that say what to do.
inline std::unexpected<Error> problem(std::string what) { return fail(ErrorCode::System, std::move(what)); }

}  // namespace berth::broker
