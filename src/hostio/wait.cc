#include "hostio/wait.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/result.h"
#include "hostio/clock.h"

namespace berth::hostio {

Io<short> Waiter::wait_for(int fd, short events) {
  pollfd entry{fd, events, 0};
  while (entry.revents == 0) TRY(wait(std::span(&entry, 1), std::nullopt));
  return entry.revents;
}

PollWaiter::PollWaiter(Stop stop, void* argument, std::chrono::nanoseconds slice)
    : stop_(stop), argument_(argument), slice_(slice) {}

PollWaiter::~PollWaiter() {
  if (int fd = wake_fd_.load(); fd >= 0) ::close(fd);
}

bool PollWaiter::interrupted() const { return interrupted_.load() || (stop_ != nullptr && stop_(argument_)); }

void PollWaiter::interrupt() {
  interrupted_.store(true);
  // Either the waiting thread has published its descriptor, or it looks at the flag after it has.
  if (int fd = wake_fd_.load(); fd >= 0) {
    u64 one = 1;
    [[maybe_unused]] ssize_t ignored = ::write(fd, &one, sizeof one);
  }
}

void PollWaiter::reset() {
  interrupted_.store(false);
  if (int fd = wake_fd_.load(); fd >= 0) {
    u64 count;
    [[maybe_unused]] ssize_t ignored = ::read(fd, &count, sizeof count);
  }
}

// Made by the first wait that really blocks. With no descriptor left, slices still notice an
// interrupt.
int PollWaiter::wake_fd() {
  int fd = wake_fd_.load();
  if (fd < 0) {
    fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd >= 0) wake_fd_.store(fd);
  }
  return fd;
}

Io<size_t> PollWaiter::wait(std::span<pollfd> fds, std::optional<u64> deadline) {
  std::array<pollfd, 9> few;
  std::vector<pollfd> many;
  std::span<pollfd> all;
  if (fds.size() < few.size()) {
    all = std::span(few).first(fds.size() + 1);
  } else {
    many.resize(fds.size() + 1);
    all = many;
  }
  std::ranges::copy(fds, all.begin());
  pollfd& wake = all.back();
  wake = {-1, POLLIN, 0};

  for (bool first = true;; first = false) {
    std::chrono::nanoseconds timeout{-1};
    bool last = false;
    if (first) {
      timeout = std::chrono::nanoseconds(0);
      last = deadline && *deadline <= monotonic_now();
    } else {
      if (wake.fd < 0) wake.fd = wake_fd();
      if (interrupted()) return io_fail(Errno::Canceled);
      if (slice_.count() > 0) {
        timeout = slice_;
      } else if (wake.fd < 0) {
        timeout = std::chrono::milliseconds(50);
      }
      if (deadline) {
        u64 now = monotonic_now();
        u64 left = *deadline > now ? *deadline - now : 0;
        if (timeout.count() < 0 || left <= static_cast<u64>(timeout.count())) {
          last = true;
          timeout = std::chrono::nanoseconds(std::min<u64>(left, u64{1} << 62));
        }
      }
    }
    timespec spec{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
    int ready = ::ppoll(all.data(), all.size(), timeout.count() < 0 ? nullptr : &spec, nullptr);
    if (ready < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return io_fail_errno();
    }
    if (wake.revents != 0 || interrupted()) return io_fail(Errno::Canceled);
    if (ready > 0) {
      std::ranges::copy(all.first(fds.size()), fds.begin());
      return static_cast<size_t>(ready);
    }
    if (last && monotonic_now() >= *deadline) {
      std::ranges::copy(all.first(fds.size()), fds.begin());
      return size_t{0};
    }
  }
}

}  // namespace berth::hostio
