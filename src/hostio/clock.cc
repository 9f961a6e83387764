#include "hostio/clock.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>

#include "base/result.h"

namespace berth::hostio {

namespace {

clockid_t clock_id(Clock clock) {
  switch (clock) {
    case Clock::Realtime: return CLOCK_REALTIME;
    case Clock::Monotonic: return CLOCK_MONOTONIC;
    case Clock::ProcessCpu: return CLOCK_PROCESS_CPUTIME_ID;
    case Clock::ThreadCpu: return CLOCK_THREAD_CPUTIME_ID;
  }
  return CLOCK_MONOTONIC;
}

Io<u64> to_nanoseconds(const timespec& t) {
  if (t.tv_sec < 0) return io_fail(Errno::Overflow);
  return static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}

}  // namespace

Io<u64> now(Clock clock) {
  timespec t;
  if (::clock_gettime(clock_id(clock), &t) != 0) return io_fail_errno();
  return to_nanoseconds(t);
}

Io<u64> resolution(Clock clock) {
  timespec t;
  if (::clock_getres(clock_id(clock), &t) != 0) return io_fail_errno();
  return to_nanoseconds(t);
}

u64 monotonic_now() {
  Io<u64> t = now(Clock::Monotonic);
  CHECK(t.has_value());
  return *t;
}

Io<> fill_random(std::span<u8> out) {
  while (!out.empty()) {
    ssize_t n = ::getrandom(out.data(), std::min<size_t>(out.size(), 1 << 20), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      return io_fail_errno();
    }
    out = out.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace berth::hostio
