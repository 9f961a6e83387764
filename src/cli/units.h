// Quantities as people write them on a command line. Pure functions; nullopt for what does not parse or
// does not fit.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace berth::cli {

// "1000", "1_000_000", "0x10"
std::optional<u64> parse_count(std::string_view text);
// "65536", "64KiB", "1.5GiB", "10MB"; KiB, MiB, GiB, TiB and KB, MB, GB, TB, with K, M, G, T short for the former.
std::optional<u64> parse_size(std::string_view text);
// "500ms", "1s", "1.5s", "2m", "1h", "250us", "10ns"; a bare number means seconds.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

// "64 KiB", "1.2 MiB", "312 bytes"
std::string format_size(u64 bytes);

}  // namespace berth::cli
