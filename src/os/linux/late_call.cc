#include "os/late_call.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "os/linux/late_call.h"

namespace berth::os {

namespace {

constexpr i64 kSecond = 1'000'000'000;

std::mutex g_mutex;  // of those who set and cancel
int g_timer;
void (*g_function)(void*);
void* g_data;
std::atomic<bool> g_is_set{false};  // what is above may be read
std::atomic<u32> g_handlers{0};     // handlers that may be reading it
const char g_mark = 0;              // its address tells our timer's signals from others

}  // namespace

bool call_late(i64 delay_ns, void (*function)(void*), void* data) {
  const std::lock_guard lock(g_mutex);
  if (g_is_set.load()) return false;
  struct sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = kNudgeSignal;
  event.sigev_value.sival_ptr = const_cast<char*>(&g_mark);
  if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &g_timer) != 0) return false;
  g_function = function;
  g_data = data;
  g_is_set.store(true);
  struct itimerspec when{};
  const i64 delay = std::max<i64>(delay_ns, 1);  // 0 would mean never
  when.it_value = {delay / kSecond, delay % kSecond};
  if (syscall(SYS_timer_settime, g_timer, 0, &when, nullptr) == 0) return true;
  g_is_set.store(false);
  syscall(SYS_timer_delete, g_timer);
  return false;
}

void cancel_late_call(void* data) {
  const std::lock_guard lock(g_mutex);
  if (!g_is_set.load() || g_data != data) return;
  syscall(SYS_timer_delete, g_timer);
  g_is_set.store(false);
  while (g_handlers.load() != 0) sched_yield();
}

bool run_late_call(const siginfo_t& info) {
  if (info.si_code != SI_TIMER || info.si_value.sival_ptr != &g_mark) return false;
  g_handlers.fetch_add(1);
  if (g_is_set.load()) g_function(g_data);
  g_handlers.fetch_sub(1);
  return true;
}

}  // namespace berth::os
