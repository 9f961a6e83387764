// Reading whole files that the host itself names (modules, configuration). What a guest may open
// goes through `hostio` instead. Any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace berth::os {

inline constexpr u64 kDefaultFileLimit = u64{1} << 30;

// All bytes of the file, pipe or device at `path`; "-" has no special meaning. Fails with System
// (the text names the path and the reason) or LimitExceeded when there are more than `limit` bytes.
Result<std::vector<u8>> read_file(const std::string& path, u64 limit = kDefaultFileLimit);
// The rest of an open descriptor, which stays open; `name` is for messages.
Result<std::vector<u8>> read_descriptor(int descriptor, const std::string& name, u64 limit = kDefaultFileLimit);

}  // namespace berth::os
