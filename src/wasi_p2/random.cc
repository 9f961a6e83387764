// wasi:random: random, insecure, insecure-seed.

#include <algorithm>

#include "hostio/clock.h"
#include "wasi_p2/types.h"

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;

namespace {

// What is made between looks whether the guest is to stop.
constexpr size_t kPart = size_t{1} << 20;

using component::MadeBytes;

MadeBytes random_bytes(State& state, u64 length) {
  return {length, [&state](std::span<u8> out) -> Outcome<void> {
            for (size_t at = 0; at < out.size(); at += kPart) {
              if (state.waiter.interrupted()) return interrupted();
              if (auto filled = hostio::fill_random(out.subspan(at, std::min(kPart, out.size() - at))); !filled)
                return misuse(std::string("no random numbers: ") + hostio::describe(filled.error()));
            }
            return {};
          }};
}

// From a pool, since asking the system takes longer than the rest of a call. What was given out is forgotten.
Outcome<u64> random_u64(State& state) {
  if (state.random_used == state.random_pool.size()) {
    const std::span<u8> pool(reinterpret_cast<u8*>(state.random_pool.data()), sizeof state.random_pool);
    if (auto filled = hostio::fill_random(pool); !filled)
      return misuse(std::string("no random numbers: ") + hostio::describe(filled.error()));
    state.random_used = 0;
  }
  return std::exchange(state.random_pool[state.random_used++], 0);
}

// SplitMix64.
Outcome<u64> insecure_u64(State& state) {
  if (state.insecure_state == 0) state.insecure_state = TRY(random_u64(state)) | 1;
  u64 z = state.insecure_state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}
MadeBytes insecure_bytes(State& state, u64 length) {
  return {length, [&state](std::span<u8> out) -> Outcome<void> {
            for (size_t at = 0; at < out.size(); at += 8) {
              if (at % kPart == 0 && state.waiter.interrupted()) return interrupted();
              const u64 word = TRY(insecure_u64(state));
              std::memcpy(out.data() + at, &word, std::min<size_t>(8, out.size() - at));
            }
            return {};
          }};
}
Outcome<std::tuple<u64, u64>> insecure_seed(State& state) {
  const u64 first = TRY(random_u64(state));
  return std::tuple(first, TRY(random_u64(state)));
}

constexpr HostDefinition kRandom[] = {
    host_function<random_bytes>("get-random-bytes"),
    host_function<random_u64>("get-random-u64"),
};
constexpr HostDefinition kInsecure[] = {
    host_function<insecure_bytes>("get-insecure-random-bytes"),
    host_function<insecure_u64>("get-insecure-random-u64"),
};
constexpr HostDefinition kSeed[] = {host_function<insecure_seed>("insecure-seed")};
constexpr HostInterface kInterfaces[] = {
    {"wasi:random/random@0.2.12", {}, kRandom},
    {"wasi:random/insecure@0.2.12", {}, kInsecure},
    {"wasi:random/insecure-seed@0.2.12", {}, kSeed},
};

}  // namespace

std::span<const HostInterface> random_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
