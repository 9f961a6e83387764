// One entry from the host, or from another tier, into guest code: what each tier's own record begins with. Lives on
// the native stack of whoever entered; linked from StoreContext::activation, innermost first. The store's thread only.
#pragma once

#include "runtime/outcome.h"

namespace berth::runtime {

// Backtraces are cut off after so many frames.
inline constexpr size_t kMaxBacktrace = 100;

struct Activation {
  Activation* previous = nullptr;
  // Appends its frames, innermost first, while it waits for a host function or another activation to return; up to
  // kMaxBacktrace in `out`.
  void (*walk)(const Activation& self, std::vector<Frame>& out) = nullptr;
};

// The frames of `innermost` and all that it interrupted.
inline void walk_activations(const Activation* innermost, std::vector<Frame>& out) {
  for (const Activation* a = innermost; a != nullptr && out.size() < kMaxBacktrace; a = a->previous) a->walk(*a, out);
}

}  // namespace berth::runtime
