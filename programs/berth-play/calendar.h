// When a schedule comes next, by the clock of a place. One thread: it changes $TZ while it looks.
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/schedule.h"

namespace berth::play {

// The first moment after `after`, in seconds since 1970; nothing where there is none within eight years, as for 31
// April. `zone` is a name such as "Europe/Berlin"; empty: this machine's. A time that a clock leaves out in spring is
// left out.
std::optional<time_t> next_time(const kube::Schedule& schedule, time_t after, const std::string& zone);

// Fails with BadArgument when this machine does not know the zone.
Result<> check_zone(const std::string& zone);

}  // namespace berth::play
