// What lies behind a WasiContext.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "abi/context.h"
#include "hostio/wait.h"
#include "wasi_p1/descriptors.h"
#include "wasi_p1/wasi.h"

namespace berth::wasi_p1 {

struct State {
  // `other_waiter` null: it waits by itself.
  State(size_t max_descriptors, std::chrono::nanoseconds slice, hostio::Waiter* other_waiter)
      : descriptors(max_descriptors),
        own_waiter(&State::stopped, this, slice),
        waiter(other_waiter != nullptr ? *other_waiter : own_waiter) {}

  static bool stopped(void* self) {
    const std::atomic<u32>* flag = static_cast<State*>(self)->store_interrupt;
    return flag != nullptr && (flag->load(std::memory_order_relaxed) & abi::kStop) != 0;
  }

  std::vector<std::string> args, environment;
  Descriptors descriptors;
  hostio::PollWaiter own_waiter;
  hostio::Waiter& waiter;
  const std::atomic<u32>* store_interrupt = nullptr;
};

}  // namespace berth::wasi_p1
