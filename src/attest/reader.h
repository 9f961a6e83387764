// Reads little-endian fields one after the other, never past the end: what is missing reads as zero, and `ok` says so
// once at the end. A value; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "base/types.h"

namespace berth::attest {

class Reader {
 public:
  explicit Reader(std::span<const u8> bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  std::span<const u8> rest() const { return rest_; }

  std::span<const u8> take(size_t bytes) {
    if (bytes > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto out = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return out;
  }
  void skip(size_t bytes) { take(bytes); }

  template <typename T>
  T number() {
    T out = 0;
    const auto bytes = take(sizeof(T));
    for (size_t i = 0; i < bytes.size(); ++i) out = static_cast<T>(out | static_cast<T>(bytes[i]) << (8 * i));
    return out;
  }
  template <size_t N>
  void read(std::array<u8, N>& to) {
    std::ranges::copy(take(N), to.begin());
  }

 private:
  std::span<const u8> rest_;
  bool ok_ = true;
};

}  // namespace berth::attest
