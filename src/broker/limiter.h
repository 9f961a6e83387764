// How often somebody may do something: a bucket of tokens for each name, refilled over time. May be used by several
// threads.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/types.h"

namespace berth::broker {

class Limiter {
 public:
  // `per_second` on average, `burst` at once; a rate of 0 limits nothing. No more than `names` are remembered: the
  // fullest buckets, which say least, are forgotten.
  Limiter(double per_second, double burst, size_t names = 65536)
      : per_second_(per_second), burst_(burst), names_(names) {}

  // Takes a token; false: there is none. `now` in nanoseconds of the monotonic clock.
  bool take(std::string_view name, u64 now);
  // Whether there is one, without taking it.
  bool has(std::string_view name, u64 now);

 private:
  struct Bucket {
    double tokens;
    u64 at;
  };
  Bucket& bucket(std::string_view name, u64 now);
  void forget(u64 now);

  const double per_second_, burst_;
  const size_t names_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace berth::broker
