// What processes and their children take of the machine, by the kernel's own count. Any thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <vector>

#include "base/types.h"

namespace berth::play {

struct Usage {
  u64 cpu_us = 0;        // processor time, also of children that have ended and were waited for
  u64 memory_bytes = 0;  // resident, without what is shared with others
  u32 processes = 0;
};

// For each of these processes, it and all that descend from it.
std::map<pid_t, Usage> usage_of(const std::vector<pid_t>& roots);

}  // namespace berth::play
