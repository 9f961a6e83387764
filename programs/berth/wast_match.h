// Whether a result is what a script expects, and both in the words of scripts. Pure functions.
#pragma once

#include <string>

#include "runtime/store.h"
#include "text/script.h"

namespace berth::cli {

bool matches(const runtime::Value& value, const text::Pattern& pattern);

// "(i32.const 5)", "(f32.const nan:canonical)", "(either …)"
std::string show(const text::Pattern& pattern);
// The same for a value; of a vector in lanes as `like` has them.
std::string show(const runtime::Value& value, const text::Pattern* like = nullptr);

}  // namespace berth::cli
