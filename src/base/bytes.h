// Bytes that belong to whoever holds this, or that are lent with what keeps them alive, such as a mapping of a file.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/types.h"

namespace berth {

// Reading is safe from any thread while nobody appends. Copying own bytes copies them.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::vector<u8>&& own) : own_(std::move(own)) {}  // NOLINT: a vector is bytes
  // `keeper` keeps `lent` readable and unchanged.
  Bytes(std::span<const u8> lent, std::shared_ptr<const void> keeper) : lent_(lent), keeper_(std::move(keeper)) {}

  const u8* data() const { return keeper_ ? lent_.data() : own_.data(); }
  size_t size() const { return keeper_ ? lent_.size() : own_.size(); }
  const u8* begin() const { return data(); }
  const u8* end() const { return data() + size(); }
  u8 operator[](size_t i) const { return data()[i]; }

  // For own bytes only.
  void reserve(size_t bytes) { own_.reserve(bytes); }
  void append(std::span<const u8> more) { own_.insert(own_.end(), more.begin(), more.end()); }

  // Drops all but the first `bytes`.
  void truncate(size_t bytes) {
    if (keeper_)
      lent_ = lent_.first(bytes);
    else
      own_.resize(bytes);
  }

 private:
  std::vector<u8> own_;
  std::span<const u8> lent_;
  std::shared_ptr<const void> keeper_;
};

}  // namespace berth
