// How this library reports what people can do something about. Pure functions.
#pragma once

#include <string>

#include "base/result.h"

namespace berth::oci {

// An error whose first line says what failed and where, and whose second, if there is a hint, what to do. Programs show
// them as such.
inline std::unexpected<Error> problem(std::string what, const std::string& hint = {}) {
  return fail(ErrorCode::System, hint.empty() ? std::move(what) : what + "\n" + hint);
}

}  // namespace berth::oci
