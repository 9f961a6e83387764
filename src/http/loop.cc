#include "http/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/clock.h"

namespace berth::http {

namespace {
constexpr size_t kBatch = 256;
u64 monotonic_now() { return static_cast<u64>(os::monotonic_ns()); }
}  // namespace

Timer::~Timer() {
  if (queued_at_ != kNever) loop_.timers_.erase({queued_at_, this});
}

void Timer::set(u64 deadline) {
  deadline_ = deadline;
  if (queued_at_ <= deadline) return;  // looked at again when that moment has come
  if (queued_at_ != kNever) loop_.timers_.erase({queued_at_, this});
  queued_at_ = deadline;
  loop_.timers_.insert({deadline, this});
}

Task::~Task() {
  if (!is_queued_) return;
  for (auto* const list : {&loop_.tasks_, &loop_.running_}) std::ranges::replace(*list, this, nullptr);
}

void Task::schedule() {
  if (is_queued_) return;
  is_queued_ = true;
  loop_.tasks_.push_back(this);
}

Result<std::unique_ptr<Loop>> Loop::create() {
  std::unique_ptr<Loop> loop(new Loop);
  loop->epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (loop->epoll_ < 0) return fail(os_error(errno, "cannot make an event loop"));
  loop->wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->wake_ < 0) return fail(os_error(errno, "cannot make an event loop"));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // what was posted
  if (::epoll_ctl(loop->epoll_, EPOLL_CTL_ADD, loop->wake_, &event) != 0)
    return fail(os_error(errno, "cannot make an event loop"));
  loop->now_ = monotonic_now();
  return loop;
}

Loop::~Loop() {
  if (wake_ >= 0) ::close(wake_);
  if (epoll_ >= 0) ::close(epoll_);
}

bool Loop::add(int fd, u32 events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Loop::change(int fd, u32 events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0;
}

void Loop::remove(int fd, Watcher& watcher) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  for (epoll_event& e : batch_) {
    if (e.data.ptr == &watcher) e.events = 0;
  }
}

void Loop::stop() {
  stops_.store(true);
  const u64 one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(wake_, &one, sizeof one);
}

void Loop::post(std::function<void()> action) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = posted_.empty();
    posted_.push_back(std::move(action));
  }
  if (!is_first) return;
  const u64 one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(wake_, &one, sizeof one);
}

void Loop::take_posted() {
  u64 count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(wake_, &count, sizeof count);
  std::vector<std::function<void()>> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(posted_);
  }
  for (const auto& action : taken) action();
}

void Loop::fire_timers() {
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    Timer& timer = *timers_.begin()->second;
    timers_.erase(timers_.begin());
    timer.queued_at_ = Timer::kNever;
    if (timer.deadline_ > now_) {
      if (timer.deadline_ != Timer::kNever) timer.set(timer.deadline_);
      continue;
    }
    timer.deadline_ = Timer::kNever;
    timer.action_();  // may end the timer
  }
}

void Loop::run_tasks() {
  // What they schedule is for the next turn, so that nobody is kept waiting by somebody who goes on and on.
  running_.swap(tasks_);
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i] == nullptr) continue;
    Task& task = *std::exchange(running_[i], nullptr);
    task.is_queued_ = false;
    task.run();
  }
  running_.clear();
}

int Loop::timeout() const {
  if (!tasks_.empty()) return 0;
  if (timers_.empty()) return -1;
  const u64 first = timers_.begin()->first, now = monotonic_now();
  if (first <= now) return 0;
  // Rounded up: a turn too early would come to nothing.
  return static_cast<int>(std::min<u64>((first - now + 999'999) / 1'000'000, 60'000));
}

void Loop::run() {
  std::array<epoll_event, kBatch> events;
  while (!stops_.load(std::memory_order_relaxed)) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout());
    now_ = monotonic_now();
    batch_ = std::span(events).first(count > 0 ? static_cast<size_t>(count) : 0);
    bool has_posted = false;
    for (const epoll_event& e : batch_) {
      if (e.data.ptr == nullptr) {
        has_posted = true;
      } else if (e.events != 0) {
        static_cast<Watcher*>(e.data.ptr)->on_ready(e.events);
      }
    }
    batch_ = {};
    if (has_posted) take_posted();
    fire_timers();
    // Twice: what guests have written goes out before anybody is waited for.
    run_tasks();
    run_tasks();
  }
}

}  // namespace berth::http
