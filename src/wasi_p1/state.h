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
  State(size_t max_descriptors, std::chrono::nanoseconds slice)
      : descriptors(max_descriptors), waiter(&State::stopped, this, slice) {}

  static bool stopped(void* self) {
    const std::atomic<u32>* flag = static_cast<State*>(self)->store_interrupt;
    return flag != nullptr && (flag->load(std::memory_order_relaxed) & abi::kStop) != 0;
  }

  std::vector<std::string> args, environment;
  Descriptors descriptors;
  hostio::PollWaiter waiter;
  const std::atomic<u32>* store_interrupt = nullptr;
};

}  // namespace berth::wasi_p1
