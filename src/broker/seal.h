// AES-256-GCM, and randomness. Pure functions but for that.
#pragma once

#include <array>
#include <span>

#include "attest/encoding.h"
#include "base/result.h"

namespace berth::broker {

struct Sealed {
  std::array<u8, 12> nonce{};
  attest::Blob text;
  std::array<u8, 16> tag{};
};

// Encrypts with a key of 32 bytes and a nonce of its own; `additional` is bound to it. Fails with System.
Result<Sealed> seal(std::span<const u8> key, std::span<const u8> additional, std::span<const u8> plain);
// Fails with System when the key is another, or anything was changed.
Result<attest::Blob> unseal(std::span<const u8> key, std::span<const u8> additional, const Sealed& sealed);

// Fails with System.
Result<attest::Blob> random_bytes(size_t count);

}  // namespace berth::broker
