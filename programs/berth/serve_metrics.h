// What `berth serve` counts, and how Prometheus reads it. Each thread adds to numbers of its own; whoever reads adds
// them up, at any time.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/types.h"

namespace berth::cli {

// A number that one thread adds to and any thread reads.
class Count {
 public:
  void add(u64 n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void subtract(u64 n) { add(~n + 1); }
  u64 get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<u64> value_ = 0;
};

// Upper bounds of a histogram's buckets; nanoseconds.
inline constexpr std::array<u64, 15> kLatencyBounds = {
    100'000,    250'000,     500'000,     1'000'000,   2'500'000,     5'000'000,     10'000'000,    25'000'000,
    50'000'000, 100'000'000, 250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 10'000'000'000};

// Of one route in one thread.
struct alignas(64) RouteCounts {
  static constexpr u16 kFirst = 100, kLast = 599;
  std::array<Count, kLast - kFirst + 1> by_status;
  std::array<Count, kLatencyBounds.size() + 1> by_latency;
  Count latency_ns, received, sent;
  Count instances, active;               // made in all; requests whose guest has not ended
  Count memory;                          // bytes of linear memory that running guests have
  Count traps, timeouts, refused, gone;  // refused: concurrency; gone: clients that left

  void note(u16 status, u64 duration_ns, u64 bytes_in, u64 bytes_out);
};

class Metrics {
 public:
  explicit Metrics(u32 threads) : threads_(threads) {}
  // Of a route by its name, for good; the same for each reload. One for each thread. Any thread.
  std::shared_ptr<std::vector<RouteCounts>> route(const std::string& name);
  // Reloads of the routes that worked, and those that did not.
  std::atomic<u64> reloads = 0, failed_reloads = 0;

  // In Prometheus' text format, 0.0.4. Any thread.
  std::string text(u64 connections, u64 accepted) const;

 private:
  const u32 threads_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<std::vector<RouteCounts>>> routes_;
};

}  // namespace berth::cli
