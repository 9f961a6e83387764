// SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). Values; nothing here is shared between threads.
#pragma once

#include <array>
#include <span>
#include <string>

#include "base/result.h"

namespace berth::digest {

using Digest = std::array<u8, 32>;

// A digest of bytes as they come.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const u8> bytes);
  // Once, after the last bytes.
  Digest finish();

 private:
  alignas(8) u8 state_[112];
};

Digest sha256(std::span<const u8> bytes);
Digest hmac_sha256(const Digest& key, std::span<const u8> message);
// Whether they are equal, in a time that says nothing about where they differ.
bool equal(const Digest& a, const Digest& b);
// 64 hexadecimal digits.
std::string to_hex(const Digest& digest);

}  // namespace berth::digest
