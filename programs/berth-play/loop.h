// One thread that waits for everything: descriptors, times, children. What it calls may add and remove what is waited
// for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "base/types.h"

namespace berth::play {

using Clock = std::chrono::steady_clock;

class Loop {
 public:
  using Ready = std::function<void(short)>;  // is told poll's events

  // Calls `ready` whenever one of the events of poll(2) is there, or an error. One for each descriptor.
  void watch(int fd, short events, Ready ready);
  void change(int fd, short events);
  void forget(int fd);

  // Calls once; the number is for `cancel`, and never 0.
  u64 after(Clock::duration delay, std::function<void()> call);
  void cancel(u64 timer);

  // Calls with the status (waitpid) when the child has ended.
  void await(pid_t child, std::function<void(int)> ended);
  // Collects the children that have ended; called when SIGCHLD came.
  void reap();

  // Until `stop`.
  void run();
  void stop() { stops_ = true; }

 private:
  struct Watch {
    short events;
    std::shared_ptr<Ready> ready;
  };
  struct Timer {
    u64 id;
    std::function<void()> call;
  };
  std::map<int, Watch> watches_;
  std::multimap<Clock::time_point, Timer> timers_;
  std::map<pid_t, std::function<void(int)>> children_;
  u64 last_timer_ = 0;
  bool stops_ = false;
};

}  // namespace berth::play
