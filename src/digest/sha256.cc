#include "digest/sha256.h"

// The functions for SHA-256 alone, on purpose: those that replaced them bring all of OpenSSL (RATIONALE.md).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <new>

namespace berth::digest {

Sha256::Sha256() {
  static_assert(sizeof(SHA256_CTX) <= sizeof state_ && alignof(SHA256_CTX) <= 8);
  SHA256_Init(new (state_) SHA256_CTX);
}

void Sha256::update(std::span<const u8> bytes) {
  SHA256_Update(std::launder(reinterpret_cast<SHA256_CTX*>(state_)), bytes.data(), bytes.size());
}

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), std::launder(reinterpret_cast<SHA256_CTX*>(state_)));
  return digest;
}

Digest sha256(std::span<const u8> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Digest hmac_sha256(const Digest& key, std::span<const u8> message) {
  constexpr size_t kBlock = 64;
  std::array<u8, kBlock> inner, outer;
  inner.fill(0x36);
  outer.fill(0x5C);
  for (size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  Sha256 first;
  first.update(inner);
  first.update(message);
  Sha256 second;
  second.update(outer);
  second.update(first.finish());
  return second.finish();
}

bool equal(const Digest& a, const Digest& b) {
  u8 different = 0;
  for (size_t i = 0; i < a.size(); ++i) different |= static_cast<u8>(a[i] ^ b[i]);
  return different == 0;
}

std::string to_hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const u8 byte : digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace berth::digest
