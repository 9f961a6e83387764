// The monotonic clock. Any thread.
#pragma once

#include "base/types.h"

namespace berth::os {

// Nanoseconds since some fixed moment; never goes back.
i64 monotonic_ns();

// `now + delta`, at most the largest value; for deadlines from guest-given timeouts (`delta` not
// negative).
constexpr i64 saturating_add(i64 now, i64 delta) {
  i64 sum = 0;
  return __builtin_add_overflow(now, delta, &sum) ? INT64_MAX : sum;
}

}  // namespace berth::os
