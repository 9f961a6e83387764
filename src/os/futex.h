// Sleeping until a word in memory changes. Any thread; the word orders memory only through its own
// atomic accesses.
#pragma once

#include <atomic>

#include "base/types.h"

namespace berth::os {

inline constexpr i64 kNoDeadline = INT64_MAX;

// Sleeps while `word` holds `expected`, until woken or until the monotonic clock reads
// `deadline_ns`. May return early for no reason: look at the word again. False when the deadline
// has passed.
bool futex_wait(const std::atomic<u32>& word, u32 expected, i64 deadline_ns = kNoDeadline);

// Wakes up to `count` sleepers.
void futex_wake(std::atomic<u32>& word, u32 count = INT32_MAX);

}  // namespace berth::os
