// Clocks advance, resolve, and can be waited for.
#include <time.h>

#include "check.h"

static uint64_t now(__wasi_clockid_t id) {
  __wasi_timestamp_t t;
  CHECK_ERRNO(0, __wasi_clock_time_get(id, 1, &t));
  return t;
}

static void wait_for(__wasi_clockid_t id, uint64_t timeout, uint16_t flags) {
  __wasi_subscription_t s = {.userdata = 42, .u = {.tag = __WASI_EVENTTYPE_CLOCK}};
  s.u.u.clock.id = id;
  s.u.u.clock.timeout = timeout;
  s.u.u.clock.flags = flags;
  __wasi_event_t e;
  __wasi_size_t n = 0;
  CHECK_ERRNO(0, __wasi_poll_oneoff(&s, &e, 1, &n));
  CHECK(n == 1 && e.userdata == 42 && e.error == 0 && e.type == __WASI_EVENTTYPE_CLOCK);
}

int main(void) {
  const uint64_t ms = 1000000;
  for (__wasi_clockid_t id = 0; id < 4; ++id) {
    __wasi_timestamp_t resolution;
    CHECK_ERRNO(0, __wasi_clock_res_get(id, &resolution));
    CHECK(resolution >= 1 && resolution <= 10 * ms);
    uint64_t before = now(id);
    CHECK(now(id) >= before);
  }
  __wasi_timestamp_t t;
  CHECK_ERRNO(EINVAL, __wasi_clock_time_get(4, 0, &t));
  CHECK(now(__WASI_CLOCKID_REALTIME) > 1700000000ull * 1000 * ms);

  uint64_t start = now(__WASI_CLOCKID_MONOTONIC);
  wait_for(__WASI_CLOCKID_MONOTONIC, 20 * ms, 0);
  CHECK(now(__WASI_CLOCKID_MONOTONIC) >= start + 20 * ms);
  start = now(__WASI_CLOCKID_MONOTONIC);
  wait_for(__WASI_CLOCKID_MONOTONIC, start + 20 * ms, 1);
  CHECK(now(__WASI_CLOCKID_MONOTONIC) >= start + 20 * ms);
  start = now(__WASI_CLOCKID_REALTIME);
  wait_for(__WASI_CLOCKID_REALTIME, start + 20 * ms, 1);
  CHECK(now(__WASI_CLOCKID_REALTIME) >= start + 20 * ms);
  wait_for(__WASI_CLOCKID_REALTIME, 20 * ms, 0);
  wait_for(__WASI_CLOCKID_REALTIME, 5, 1);

  struct timespec pause = {0, 20000000};
  start = now(__WASI_CLOCKID_MONOTONIC);
  CHECK(nanosleep(&pause, NULL) == 0);
  CHECK(now(__WASI_CLOCKID_MONOTONIC) >= start + 20 * ms);
  // A guest that waits spends no processor time to speak of.
  uint64_t spent = now(__WASI_CLOCKID_THREAD_CPUTIME_ID);
  pause.tv_nsec = 300 * 1000000;
  CHECK(nanosleep(&pause, NULL) == 0);
  CHECK(now(__WASI_CLOCKID_THREAD_CPUTIME_ID) - spent < 50 * ms);
  return 0;
}
