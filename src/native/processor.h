// What the machine is that native code would run on. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/types.h"

namespace berth::native {

// The target whose code this process runs, and whether `target` is that one.
std::string_view this_target();
bool is_target(std::string_view target);

// Whether this processor, and the operating system where it has to keep registers, has a feature by the name that
// spec/cpu_features.def gives it. A name that is not there is a feature that it has not.
bool has_feature(std::string_view feature);
// All that it has, each as "+name", with spaces between: the same on machines that run the same code.
std::string processor_features();
// The first "+name" of abi::ArtifactHeader::cpu that it has not, without the sign; empty: none, the code can run.
std::string_view missing_feature(std::string_view cpu);

}  // namespace berth::native
