// wasi:clocks: monotonic-clock, wall-clock.

#include "hostio/clock.h"
#include "wasi_p2/types.h"

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;

namespace {

u64 monotonic_now(State&) { return hostio::monotonic_now(); }
u64 monotonic_resolution(State&) { return hostio::resolution(hostio::Clock::Monotonic).value_or(1); }
Own<Pollable> subscribe_instant(State& state, u64 when) {
  return state.give(make<Pollable>(Ref<Waitable>(new Timer(when))));
}
Own<Pollable> subscribe_duration(State& state, u64 duration) {
  u64 when = 0;
  if (__builtin_add_overflow(hostio::monotonic_now(), duration, &when)) when = UINT64_MAX;
  return subscribe_instant(state, when);
}

Outcome<Datetime> wall_now(State&) {
  const auto now = hostio::now(hostio::Clock::Realtime);
  // Before 1970: there is no such datetime.
  if (!now) return misuse(std::string("wall-clock.now: ") + hostio::describe(now.error()));
  return to_datetime(*now);
}
Datetime wall_resolution(State&) { return to_datetime(hostio::resolution(hostio::Clock::Realtime).value_or(1)); }

constexpr HostDefinition kMonotonic[] = {
    host_function<monotonic_now>("now"),
    host_function<monotonic_resolution>("resolution"),
    host_function<subscribe_instant>("subscribe-instant"),
    host_function<subscribe_duration>("subscribe-duration"),
};
constexpr HostDefinition kWall[] = {
    host_function<wall_now>("now"),
    host_function<wall_resolution>("resolution"),
};
constexpr HostInterface kInterfaces[] = {
    {"wasi:clocks/monotonic-clock@0.2.12", {}, kMonotonic},
    {"wasi:clocks/wall-clock@0.2.12", {}, kWall},
};

}  // namespace

std::span<const HostInterface> clock_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
