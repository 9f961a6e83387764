#include "broker/limiter.h"

#include <algorithm>

namespace berth::broker {

bool Limiter::take(std::string_view name, u64 now) {
  if (per_second_ <= 0) return true;
  const std::scoped_lock lock(mutex_);
  Bucket& its = bucket(name, now);
  if (its.tokens < 1) return false;
  its.tokens -= 1;
  return true;
}

bool Limiter::has(std::string_view name, u64 now) {
  if (per_second_ <= 0) return true;
  const std::scoped_lock lock(mutex_);
  return bucket(name, now).tokens >= 1;
}

Limiter::Bucket& Limiter::bucket(std::string_view name, u64 now) {
  const auto found = buckets_.find(std::string(name));
  if (found == buckets_.end()) {
    if (buckets_.size() >= names_) forget(now);
    return buckets_.emplace(name, Bucket{burst_, now}).first->second;
  }
  Bucket& its = found->second;
  if (now > its.at) its.tokens = std::min(burst_, its.tokens + static_cast<double>(now - its.at) / 1e9 * per_second_);
  its.at = std::max(its.at, now);
  return its;
}

void Limiter::forget(u64 now) {
  const auto fill = [&](const Bucket& its) {
    return its.tokens + static_cast<double>(now > its.at ? now - its.at : 0) / 1e9 * per_second_;
  };
  std::erase_if(buckets_, [&](const auto& entry) { return fill(entry.second) >= burst_; });
  // All of them are in use: those go that have most left.
  while (buckets_.size() >= names_)
    buckets_.erase(std::ranges::max_element(buckets_, {}, [&](const auto& entry) { return fill(entry.second); }));
}

}  // namespace berth::broker
