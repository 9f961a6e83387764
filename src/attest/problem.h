// The codes of this library's errors. As everywhere outside of the engine, the text says it all.
#pragma once

#include "base/result.h"

namespace berth::attest {

inline constexpr ErrorCode kBadEvidence = ErrorCode::System;    // malformed, or of no known kind
inline constexpr ErrorCode kBadCollateral = ErrorCode::System;  // malformed certificates, lists or documents
inline constexpr ErrorCode kBadPolicy = ErrorCode::System;      // a policy that cannot be understood

}  // namespace berth::attest
