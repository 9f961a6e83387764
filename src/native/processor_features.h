// What differs between processors about native/processor.h. Any thread.
#pragma once

#include <span>

#include "native/processor.h"

namespace berth::native {

struct Feature {
  std::string_view name;
  bool here;
};

// The rows of spec/cpu_features.def for this kind of processor, in their order, and whether this one has them.
std::span<const Feature> features();

}  // namespace berth::native
