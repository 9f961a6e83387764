// poll_oneoff: waiting for descriptors and clocks together.
#include <algorithm>
#include <optional>
#include <vector>

#include "hostio/clock.h"
#include "wasi_p1/calls.h"

namespace berth::wasi_p1 {

namespace {

// More subscriptions than a program can mean; the host must not be made to keep so much about them.
constexpr u32 kMaxSubscriptions = 1 << 16;
// How often a clock is looked at that does not advance with the one that waits.
constexpr u64 kRealtimeCheck = 1'000'000'000;
constexpr u64 kCpuCheck = 5'000'000;

// A subscription, whichever snapshot it came from.
struct Wanted {
  u64 userdata = 0;
  Eventtype type = Eventtype::Clock;
  // Clock: it is `clock` that must reach `time`.
  hostio::Clock clock = hostio::Clock::Monotonic;
  u64 time = 0;
  // FdRead, FdWrite
  hostio::File* file = nullptr;
  std::optional<size_t> poll_index;
  // Why it is answered at once.
  std::optional<Errno> error;
};

u64 saturating_add(u64 a, u64 b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

template <typename GuestClock>
Expected<> set_clock(Wanted& w, const GuestClock& c) {
  switch (c.id) {
    case 0: w.clock = hostio::Clock::Realtime; break;
    case 1: w.clock = hostio::Clock::Monotonic; break;
    case 2: w.clock = hostio::Clock::ProcessCpu; break;
    // A thread that waits spends no time of its own.
    case 3: return std::unexpected(Errno::NotSupported);
    default: return std::unexpected(Errno::Invalid);
  }
  if ((c.flags & ~kSubclockAbstime) != 0) return std::unexpected(Errno::Invalid);
  if ((c.flags & kSubclockAbstime) != 0) {
    w.time = c.timeout;
    return {};
  }
  // An interval is the same on the clock that nobody sets.
  if (w.clock == hostio::Clock::Realtime) w.clock = hostio::Clock::Monotonic;
  w.time = saturating_add(TRY(hostio::now(w.clock)), c.timeout);
  return {};
}

// When to look at the clock again, as a time of the monotonic clock.
hostio::Io<u64> next_look(const Wanted& w) {
  if (w.clock == hostio::Clock::Monotonic) return w.time;
  u64 now = TRY(hostio::now(w.clock));
  u64 left = w.time > now ? w.time - now : 0;
  u64 most = w.clock == hostio::Clock::Realtime ? kRealtimeCheck : kCpuCheck;
  return saturating_add(hostio::monotonic_now(), std::min(left, most));
}

}  // namespace

template <typename GuestSubscription>
Expected<> Calls::poll(Pointer<GuestSubscription> in, Pointer<Event> out, u32 count, Pointer<u32> nevents) {
  if (count == 0 || count > kMaxSubscriptions) return std::unexpected(Errno::Invalid);
  TRY(memory_.check(in, count));
  TRY(memory_.check(out, count));
  TRY(memory_.check(nevents));

  std::vector<Wanted> wanted(count);
  std::vector<pollfd> fds;
  bool answered = false;
  for (Wanted& w : wanted) {
    GuestSubscription s = TRY(memory_.read(in));
    in.address += sizeof s;
    w.userdata = s.userdata;
    if (s.tag > static_cast<u8>(Eventtype::FdWrite)) return std::unexpected(Errno::Invalid);
    w.type = static_cast<Eventtype>(s.tag);
    if (w.type == Eventtype::Clock) {
      if (Expected<> set = set_clock(w, s.clock); !set) w.error = set.error().code();
    } else {
      Expected<Descriptor*> d = descriptor(s.fd, 0);
      u64 needed = w.type == Eventtype::FdRead ? rights::kFdRead : rights::kFdWrite;
      if (!d || (*d)->file() == nullptr) {
        w.error = Errno::BadDescriptor;
      } else if (((*d)->rights_base & (needed | rights::kPollFdReadwrite)) == 0) {
        w.error = Errno::NotCapable;
      } else {
        w.file = (*d)->file();
        if (w.file->may_wait()) {
          w.poll_index = fds.size();
          short events = w.type == Eventtype::FdRead ? POLLIN : POLLOUT;
          fds.push_back({w.file->fd(), events, 0});
        }
      }
    }
    answered |= w.error || (w.file != nullptr && !w.poll_index);
  }

  u32 made = 0;
  while (made == 0) {
    std::optional<u64> deadline;
    if (answered) deadline = 0;
    for (const Wanted& w : wanted) {
      if (w.type != Eventtype::Clock || w.error) continue;
      u64 look = TRY(next_look(w));
      deadline = std::min(deadline.value_or(UINT64_MAX), look);
    }
    TRY(state_.waiter.wait(fds, deadline));

    for (const Wanted& w : wanted) {
      Event e{};
      e.userdata = w.userdata;
      e.type = w.type;
      if (w.error) {
        e.error = *w.error;
      } else if (w.type == Eventtype::Clock) {
        if (TRY(hostio::now(w.clock)) < w.time) continue;
      } else {
        short revents = w.poll_index ? fds[*w.poll_index].revents : short{0};
        if (w.poll_index && revents == 0) continue;
        if ((revents & POLLNVAL) != 0) e.error = Errno::BadDescriptor;
        if ((revents & POLLHUP) != 0) e.flags = kEventHangup;
        // How much can be written is not known; that something can is.
        e.nbytes = w.type == Eventtype::FdRead ? w.file->available() : 1;
      }
      TRY(memory_.write(Pointer<Event>{out.address + made * static_cast<u32>(sizeof e)}, e));
      ++made;
    }
  }
  return memory_.write(nevents, made);
}

Expected<> Calls::poll_oneoff(Pointer<Subscription> in, Pointer<Event> out, u32 count, Pointer<u32> nevents) {
  return poll(in, out, count, nevents);
}

Expected<> Calls::poll_oneoff_unstable(Pointer<unstable::Subscription> in, Pointer<Event> out, u32 count,
                                       Pointer<u32> nevents) {
  return poll(in, out, count, nevents);
}

}  // namespace berth::wasi_p1
