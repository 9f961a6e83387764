#include "os/timer.h"

#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "os/clock.h"

namespace berth::os {

class TimerThread {
 public:
  // Lives to the end of the process: its thread may outlast static destruction.
  static TimerThread& instance() {
    static TimerThread* thread = new TimerThread;
    return *thread;
  }

  Result<> set(Alarm& alarm, i64 deadline_ns, i64 period_ns, std::function<bool()> callback) {
    const std::lock_guard lock(mutex_);
    if (!started_) TRY(start());
    alarm.callback_ = std::move(callback);
    alarm.period_ns_ = period_ns;
    alarm.deadline_ns_ = deadline_ns;
    alarm.is_set_ = true;
    queue_.emplace(deadline_ns, &alarm);
    if (deadline_ns < wakes_at_) wake_.notify_one();
    return {};
  }

  void cancel(Alarm& alarm) {
    std::unique_lock lock(mutex_);
    alarm.period_ns_ = kCancelled;
    idle_.wait(lock, [&] { return running_ != &alarm; });
    if (!alarm.is_set_) return;
    auto [first, last] = queue_.equal_range(alarm.deadline_ns_);
    for (; first != last; ++first) {
      if (first->second == &alarm) {
        queue_.erase(first);
        break;
      }
    }
    alarm.is_set_ = false;
    alarm.callback_ = nullptr;
  }

 private:
  static constexpr i64 kCancelled = -1;
  static bool cancelling(const Alarm& alarm) { return alarm.period_ns_ == kCancelled; }

  Result<> start() {
    // Signals are for threads that expect them: the new one inherits a mask that blocks all.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    try {
      std::thread([this] { run(); }).detach();
    } catch (const std::system_error& e) {
      failed = e.code().value();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (failed != 0) return fail(os_error(failed, "cannot start the timer thread"));
    started_ = true;
    return {};
  }

  void run() {
    using Clock = std::chrono::steady_clock;  // the monotonic clock
    std::unique_lock lock(mutex_);
    while (true) {
      if (queue_.empty()) {
        wakes_at_ = INT64_MAX;
        wake_.wait(lock);
        continue;
      }
      const auto first = queue_.begin();
      if (first->first > monotonic_ns()) {
        wakes_at_ = first->first;
        wake_.wait_until(lock, Clock::time_point(std::chrono::nanoseconds(wakes_at_)));
        continue;
      }
      Alarm& alarm = *first->second;
      queue_.erase(first);
      alarm.is_set_ = false;
      running_ = &alarm;
      wakes_at_ = 0;  // awake: it will look at the queue by itself
      lock.unlock();
      const bool again = alarm.callback_();
      lock.lock();
      running_ = nullptr;
      if (again && !cancelling(alarm)) {
        alarm.deadline_ns_ = saturating_add(monotonic_ns(), alarm.period_ns_);
        alarm.is_set_ = true;
        queue_.emplace(alarm.deadline_ns_, &alarm);
      }
      idle_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::multimap<i64, Alarm*> queue_;
  Alarm* running_ = nullptr;
  i64 wakes_at_ = 0;
  bool started_ = false;
};

Result<> Alarm::set(i64 deadline_ns, std::function<void()> callback) {
  cancel();
  return TimerThread::instance().set(*this, deadline_ns, 0, [callback = std::move(callback)] {
    callback();
    return false;
  });
}

Result<> Alarm::repeat(i64 first_deadline_ns, i64 period_ns, std::function<bool()> callback) {
  cancel();
  return TimerThread::instance().set(*this, first_deadline_ns, period_ns, std::move(callback));
}

void Alarm::cancel() {
  if (callback_ == nullptr) return;  // never set, or cancelled: callback_ changes only on this thread
  TimerThread::instance().cancel(*this);
}

}  // namespace berth::os
