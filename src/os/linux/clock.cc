#include "os/clock.h"

#include <time.h>

namespace berth::os {

i64 monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return i64{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace berth::os
