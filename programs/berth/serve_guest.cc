#include "berth/serve_guest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "hostio/clock.h"
#include "os/clock.h"

namespace berth::cli {

namespace {
// The guest's own code has a stack of its own; this is for the host's.
constexpr u64 kStackBytes = u64{256} << 10;
constexpr size_t kMaxIdleFibers = 256;
// Without any guest for so many slices the clock stops.
constexpr int kIdleTicks = 20;
}  // namespace

// --- turns

void Turns::Clock::add(Turns& turns) {
  const std::lock_guard lock(mutex_);
  all_.push_back(&turns);
}

void Turns::Clock::remove(Turns& turns) {
  const std::lock_guard lock(mutex_);
  std::erase(all_, &turns);
}

void Turns::Clock::start() {
  const std::lock_guard lock(start_mutex_);
  const i64 slice = static_cast<i64>(slice_ns_);
  if (!alarm_.repeat(os::monotonic_ns() + slice, slice, [this] { return tick(); })) ticks_ = false;
}

bool Turns::Clock::tick() {
  const std::lock_guard lock(mutex_);
  const u64 now = hostio::monotonic_now();
  bool any = false;
  for (Turns* const turns : all_) any |= turns->look(now);
  idle_ticks_ = any ? 0 : idle_ticks_ + 1;
  if (idle_ticks_ < kIdleTicks) return true;
  idle_ticks_ = 0;
  ticks_.store(false);
  // A guest that began in between has seen that the clock ticks.
  for (Turns* const turns : all_) any |= turns->look(now);
  return any && !ticks_.exchange(true);
}

std::unique_ptr<os::Fiber> Turns::take_fiber() {
  if (!idle_.empty()) {
    auto fiber = std::move(idle_.back());
    idle_.pop_back();
    return fiber;
  }
  auto made = os::Fiber::create(kStackBytes, [](os::Fiber&) {});
  return made ? std::move(*made) : nullptr;
}

void Turns::give_back(std::unique_ptr<os::Fiber> fiber) {
  if (idle_.size() < kMaxIdleFibers) idle_.push_back(std::move(fiber));
}

void Turns::begin(runtime::Store* store, u64 deadline) {
  {
    const std::lock_guard lock(mutex_);
    store_ = store;
    deadline_ = deadline;
    is_running_ = true;
    ++run_;
  }
  if (!clock_.ticks_.load(std::memory_order_relaxed) && !clock_.ticks_.exchange(true)) clock_.start();
}

void Turns::end() {
  const std::lock_guard lock(mutex_);
  store_ = nullptr;
  is_running_ = false;
}

bool Turns::look(u64 now) {
  const std::lock_guard lock(mutex_);
  if (!is_running_) return false;
  if (store_ != nullptr) {
    if (now >= deadline_) {
      store_->interrupt();
      deadline_ = ~u64{0};
    } else if (seen_run_ == run_) {
      store_->ask_to_yield();
    }
  }
  seen_run_ = run_;
  return true;
}

// --- guests

Guest::Guest(http::Loop& loop, Turns& turns, std::function<void()> body, std::function<void()> ended)
    : Task(loop),
      loop_(loop),
      turns_(turns),
      body_(std::move(body)),
      ended_(std::move(ended)),
      deadline_(loop, [this] { stop(); }),
      alarm_(loop, [this] { wake(); }) {}

Guest::~Guest() { CHECK(fiber_ == nullptr || !fiber_->started() || fiber_->done()); }

void Guest::start() { schedule(); }

void Guest::wake() {
  was_woken_ = true;
  if (is_waiting_) schedule();
}

void Guest::stop() {
  if (is_stopped_ || has_ended_) return;
  is_stopped_ = true;
  if (store_ != nullptr) store_->interrupt();
  wake();
}

void Guest::set_store(runtime::Store* store) {
  if (store != nullptr) {
    store->set_yield([this] {
      schedule();
      os::Fiber::current()->suspend();
    });
    if (is_stopped_) store->interrupt();
  } else if (store_ != nullptr) {
    store_->set_yield(nullptr);
  }
  store_ = store;
  const std::lock_guard lock(turns_.mutex_);
  turns_.store_ = store;
}

void Guest::run() {
  if (has_ended_) return;
  if (fiber_ == nullptr) {
    fiber_ = turns_.take_fiber();
    if (fiber_ == nullptr) {
      // No memory for a stack: the body finds out that it was stopped.
      has_ended_ = true;
      const auto ended = std::move(ended_);
      return ended();
    }
    fiber_->restart([this](os::Fiber&) { body_(); });
  }
  is_waiting_ = false;
  turns_.begin(store_, deadline_.deadline());
  fiber_->resume();
  turns_.end();
  if (!fiber_->done()) return;
  has_ended_ = true;
  deadline_.cancel();
  alarm_.cancel();
  turns_.give_back(std::move(fiber_));
  const auto ended = std::move(ended_);
  ended();
}

void Guest::pause() {
  is_waiting_ = true;
  os::Fiber::current()->suspend();
}

// One descriptor that is waited for.
struct Guest::Watch final : http::Watcher {
  explicit Watch(Guest& g) : guest(g) {}
  ~Watch() {
    if (fd < 0) return;
    guest.loop_.remove(fd, *this);
    if (is_copy) ::close(fd);
  }
  void on_ready(u32) override { guest.wake(); }
  bool start(const pollfd& entry) {
    const u32 events =
        (entry.events & POLLIN ? u32{EPOLLIN} : 0) | (entry.events & POLLOUT ? u32{EPOLLOUT} : 0) | u32{EPOLLONESHOT};
    if (guest.loop_.add(entry.fd, events, *this)) {
      fd = entry.fd;
      return true;
    }
    if (errno != EEXIST) return false;
    // Another guest waits for the same.
    const int copy = ::fcntl(entry.fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return false;
    if (!guest.loop_.add(copy, events, *this)) {
      ::close(copy);
      return false;
    }
    fd = copy;
    is_copy = true;
    return true;
  }
  Guest& guest;
  int fd = -1;
  bool is_copy = false;
};

hostio::Io<size_t> Guest::wait(std::span<pollfd> fds, std::optional<u64> deadline) {
  const auto ask = [&]() -> size_t {
    if (fds.empty()) return 0;
    const int ready = ::poll(fds.data(), fds.size(), 0);
    return ready > 0 ? static_cast<size_t>(ready) : 0;
  };
  if (is_stopped_) return hostio::io_fail(hostio::Errno::Canceled);
  if (const size_t ready = ask(); ready > 0) return ready;
  if (deadline && *deadline <= hostio::monotonic_now()) return size_t{0};
  if (!was_woken_) {
    std::vector<std::unique_ptr<Watch>> watches;
    for (const pollfd& entry : fds) {
      if (entry.fd < 0) continue;
      watches.push_back(std::make_unique<Watch>(*this));
      // What cannot be watched (a file) is always ready, as poll would have said; else look again soon.
      if (!watches.back()->start(entry)) alarm_.set(hostio::monotonic_now() + 10'000'000);
    }
    if (deadline) alarm_.set(std::min(*deadline, alarm_.deadline()));
    pause();
    alarm_.cancel();
  }
  was_woken_ = false;
  if (is_stopped_) return hostio::io_fail(hostio::Errno::Canceled);
  return ask();
}

}  // namespace berth::cli
