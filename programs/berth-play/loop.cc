#include "berth-play/loop.h"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace berth::play {

void Loop::watch(int fd, short events, Ready ready) {
  watches_[fd] = {events, std::make_shared<Ready>(std::move(ready))};
}

void Loop::change(int fd, short events) {
  if (const auto it = watches_.find(fd); it != watches_.end()) it->second.events = events;
}

void Loop::forget(int fd) { watches_.erase(fd); }

u64 Loop::after(Clock::duration delay, std::function<void()> call) {
  timers_.emplace(Clock::now() + delay, Timer{++last_timer_, std::move(call)});
  return last_timer_;
}

void Loop::cancel(u64 timer) {
  std::erase_if(timers_, [&](const auto& entry) { return entry.second.id == timer; });
}

void Loop::await(pid_t child, std::function<void(int)> ended) { children_[child] = std::move(ended); }

void Loop::reap() {
  while (true) {
    int status = 0;
    const pid_t child = waitpid(-1, &status, WNOHANG);
    if (child <= 0) return;
    const auto it = children_.find(child);
    if (it == children_.end()) continue;
    const auto ended = std::move(it->second);
    children_.erase(it);
    ended(status);
  }
}

void Loop::run() {
  while (!stops_) {
    std::vector<pollfd> waits;
    for (const auto& [fd, watch] : watches_) waits.push_back({fd, watch.events, 0});
    int timeout = -1;
    if (!timers_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now()).count();
      timeout = static_cast<int>(std::clamp<i64>(left, 0, 3'600'000));
    }
    const int count = poll(waits.data(), waits.size(), timeout);
    if (count < 0 && errno != EINTR) return;
    for (size_t i = 0; count > 0 && i < waits.size() && !stops_; ++i) {
      if (waits[i].revents == 0) continue;
      const auto it = watches_.find(waits[i].fd);
      if (it == watches_.end()) continue;
      // Kept while it runs, which may remove it.
      const auto ready = it->second.ready;
      (*ready)(waits[i].revents);
    }
    while (!stops_ && !timers_.empty() && timers_.begin()->first <= Clock::now()) {
      const auto call = std::move(timers_.begin()->second.call);
      timers_.erase(timers_.begin());
      call();
    }
  }
}

}  // namespace berth::play
