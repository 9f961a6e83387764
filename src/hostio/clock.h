// Clocks and randomness: the two capabilities that everyone has. No state; usable from any thread.
#pragma once

#include <span>

#include "hostio/error.h"

namespace berth::hostio {

enum class Clock : u8 { Realtime, Monotonic, ProcessCpu, ThreadCpu };

// Nanoseconds: since 1970 for Realtime, since some point in the past for Monotonic, of processor
// time spent for the other two. Fails with Overflow for a real time before 1970.
Io<u64> now(Clock clock);
// Smallest difference that the clock shows, in nanoseconds.
Io<u64> resolution(Clock clock);
// now(Monotonic), which cannot fail.
u64 monotonic_now();

// Fills `out` from the system's generator, in the quality that keys need. Blocks only in the first
// moments after the machine has started.
Io<> fill_random(std::span<u8> out);

}  // namespace berth::hostio
