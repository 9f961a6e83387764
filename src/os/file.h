// Reading and writing whole files that the host itself names (modules, artifacts, configuration). What a guest may
// open goes through `hostio` instead. Any thread.
#pragma once

#include <span>
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

// Makes `bytes` the contents of the file at `path`, all or nothing: whoever opens it sees what was there before or
// all of `bytes`, after a crash or a loss of power too, and nothing is left behind beside it when it fails. The file is
// a new one of mode `mode` (less the umask); where `path` is a symbolic link, it takes the place of what that leads to.
// Fails with System; the text names the path and the reason.
Result<> replace_file(const std::string& path, std::span<const u8> bytes, u32 mode = 0666);

}  // namespace berth::os
