// `berth` comes twice: small, as it is started a thousand times, and as `berth-serve` with TLS and the HTTP server. Both
// are linked from the same parts; what only the larger one has, the small one defines as handing over to it
// (small/small.cc, which the linker takes instead of the parts).
#pragma once

#include <string_view>

namespace berth::cli {

// The program that has more than this one; empty when this is it.
std::string_view fuller_program();

}  // namespace berth::cli
