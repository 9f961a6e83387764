// The event loop of one thread: descriptors, moments, and what other threads ask for. Everything but `post` and `stop`
// is for the loop's own thread.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <vector>

#include "base/result.h"

namespace berth::http {

class Loop;

// Somebody who is told that a descriptor is ready. Removed from the loop before it goes.
class Watcher {
 public:
  virtual void on_ready(u32 events) = 0;  // EPOLLIN and its kin

 protected:
  ~Watcher() = default;
};

// A moment at which something is to be done. Moving it further away costs nothing.
class Timer {
 public:
  static constexpr u64 kNever = ~u64{0};
  Timer(Loop& loop, std::function<void()> action) : loop_(loop), action_(std::move(action)) {}
  ~Timer();
  Timer(const Timer&) = delete;
  // Of the monotonic clock, in nanoseconds.
  void set(u64 deadline);
  void cancel() { deadline_ = kNever; }
  u64 deadline() const { return deadline_; }

 private:
  friend class Loop;
  Loop& loop_;
  const std::function<void()> action_;
  u64 deadline_ = kNever;
  u64 queued_at_ = kNever;  // not later than the deadline
};

// Something to be done at the end of the loop's turn, once however often it is asked for.
class Task {
 public:
  explicit Task(Loop& loop) : loop_(loop) {}
  Task(const Task&) = delete;
  void schedule();

 protected:
  ~Task();

 private:
  friend class Loop;
  virtual void run() = 0;
  Loop& loop_;
  bool is_queued_ = false;
};

class Loop {
 public:
  // Fails with System.
  static Result<std::unique_ptr<Loop>> create();
  ~Loop();
  Loop(const Loop&) = delete;

  // `events` as of epoll_ctl; the watcher outlives them. False: errno says why.
  bool add(int fd, u32 events, Watcher& watcher);
  bool change(int fd, u32 events, Watcher& watcher);
  // Afterwards the watcher hears nothing of it any more.
  void remove(int fd, Watcher& watcher);

  // Until `stop`.
  void run();

  // When the turn began; nanoseconds of the monotonic clock.
  u64 now() const { return now_; }

  // Any thread: ends `run` after its turn.
  void stop();
  // Any thread: `action` is called in the loop's thread.
  void post(std::function<void()> action);

 private:
  friend class Timer;
  friend class Task;
  Loop() = default;
  void take_posted();
  void fire_timers();
  void run_tasks();
  int timeout() const;

  int epoll_ = -1;
  int wake_ = -1;
  u64 now_ = 0;
  std::span<epoll_event> batch_;  // that is being told of
  std::set<std::pair<u64, Timer*>> timers_;
  std::vector<Task*> tasks_, running_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> stops_ = false;
};

}  // namespace berth::http
