#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <numeric>

#include "hostio/clock.h"
#include "wasi_p1/calls.h"

namespace berth::wasi_p1 {

Expected<> Calls::string_list(std::span<const std::string> strings, Pointer<u32> pointers, Pointer<u8> buffer) {
  TRY(memory_.check(pointers, strings.size()));
  for (const std::string& s : strings) {
    std::span<u8> to = TRY(memory_.range(buffer.address, s.size() + 1));
    std::memcpy(to.data(), s.c_str(), to.size());
    TRY(memory_.write(pointers, buffer.address));
    pointers.address += sizeof(u32);
    buffer.address += static_cast<u32>(to.size());
  }
  return {};
}

Expected<> Calls::string_list_sizes(std::span<const std::string> strings, Pointer<u32> count, Pointer<u32> bytes) {
  size_t total = std::accumulate(strings.begin(), strings.end(), size_t{0},
                                 [](size_t sum, const std::string& s) { return sum + s.size() + 1; });
  if (total > UINT32_MAX) return std::unexpected(Errno::Overflow);
  TRY(memory_.write(count, static_cast<u32>(strings.size())));
  return memory_.write(bytes, static_cast<u32>(total));
}

Expected<> Calls::args_get(Pointer<u32> argv, Pointer<u8> buffer) { return string_list(state_.args, argv, buffer); }

Expected<> Calls::args_sizes_get(Pointer<u32> count, Pointer<u32> bytes) {
  return string_list_sizes(state_.args, count, bytes);
}

Expected<> Calls::environ_get(Pointer<u32> environ, Pointer<u8> buffer) {
  return string_list(state_.environment, environ, buffer);
}

Expected<> Calls::environ_sizes_get(Pointer<u32> count, Pointer<u32> bytes) {
  return string_list_sizes(state_.environment, count, bytes);
}

static Expected<hostio::Clock> to_clock(u32 id) {
  switch (id) {
    case 0: return hostio::Clock::Realtime;
    case 1: return hostio::Clock::Monotonic;
    case 2: return hostio::Clock::ProcessCpu;
    case 3: return hostio::Clock::ThreadCpu;
    default: return std::unexpected(Errno::Invalid);
  }
}

Expected<> Calls::clock_res_get(u32 id, Pointer<u64> out) {
  hostio::Clock clock = TRY(to_clock(id));
  return memory_.write(out, TRY(hostio::resolution(clock)));
}

Expected<> Calls::clock_time_get(u32 id, u64, Pointer<u64> out) {
  hostio::Clock clock = TRY(to_clock(id));
  return memory_.write(out, TRY(hostio::now(clock)));
}

constexpr size_t kRandomPart = 1 << 20;

Expected<> Calls::random_get(Pointer<u8> buffer, u32 length) {
  std::span<u8> out = TRY(memory_.range(buffer.address, length));
  // Gigabytes take seconds.
  while (!out.empty()) {
    if (state_.waiter.interrupted()) return std::unexpected(hostio::Errno::Canceled);
    std::span<u8> part = out.first(std::min<size_t>(out.size(), kRandomPart));
    TRY(hostio::fill_random(part));
    out = out.subspan(part.size());
  }
  return {};
}

Expected<> Calls::sched_yield() {
  ::sched_yield();
  return {};
}

Exit Calls::proc_exit(u32 code) { return {code}; }

Expected<std::optional<Exit>> Calls::proc_raise(u32 signal) {
  // In the order of the specification's `signal`.
  static constexpr int kSignals[] = {
      0,       SIGHUP,  SIGINT,  SIGQUIT,   SIGILL,  SIGTRAP,  SIGABRT, SIGBUS,  SIGFPE,  SIGKILL, SIGUSR1,
      SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM,   SIGTERM, SIGCHLD,  SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
      SIGURG,  SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGPOLL, SIGPWR,  SIGSYS,
  };
  if (signal >= std::size(kSignals)) return std::unexpected(Errno::Invalid);
  switch (kSignals[signal]) {
    // Ignored unless somebody listens, and a guest cannot.
    case 0:
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH: return std::nullopt;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: return std::unexpected(Errno::NotSupported);
    default: return Exit{128 + static_cast<u32>(kSignals[signal])};
  }
}

}  // namespace berth::wasi_p1
