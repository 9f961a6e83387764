// What was looked at, what came out, and why. Plain values.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace berth::attest {

enum class Outcome : u8 {
  Passed,
  Warned,  // holds, but who reads it should know something
  Failed,
};

struct Check {
  std::string name;  // "signature of the report", fixed words: users grep for them
  Outcome outcome = Outcome::Failed;
  std::string reason;  // of a failure: what is wrong, what was expected, what was there
};

using Checks = std::vector<Check>;

inline bool has_failed(const Checks& checks) {
  for (const Check& check : checks)
    if (check.outcome == Outcome::Failed) return true;
  return false;
}

}  // namespace berth::attest
