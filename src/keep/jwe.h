// The key pair of a keep that asks a broker for something, and what is encrypted to it: JSON Web Encryption (RFC 7516)
// in its flattened form, with ECDH-ES+A256KW on P-256 (RFC 7518, 4.6) and A256GCM. One thread.
#pragma once

#include <string>
#include <vector>

#include "attest/crypto.h"
#include "json/json.h"

namespace berth::keep {

class RecipientKey {
 public:
  // A new one. Fails when there is no randomness.
  static Result<RecipientKey> generate();

  // As a JSON Web Key (RFC 7517), members in alphabetical order: alg, crv, kty, x, y.
  json::Value public_jwk() const;
  // Fails with System, saying what is wrong: another algorithm, not to this key, changed on its way.
  Result<std::vector<u8>> decrypt(const json::Value& jwe) const;

 private:
  explicit RecipientKey(attest::Key key) : key_(std::move(key)) {}

  attest::Key key_;
};

// AES-256-GCM with a key of 32 bytes and a nonce of 12; the tag of 16 bytes is apart. Fails with System when anything
// was changed.
Result<std::vector<u8>> decrypt_gcm(std::span<const u8> key, std::span<const u8> nonce, std::span<const u8> additional,
                                    std::span<const u8> text, std::span<const u8> tag);
// AES-256-CTR: a key of 32 bytes, a counter block of 16. Its own inverse; says nothing about changes.
Result<std::vector<u8>> crypt_ctr(std::span<const u8> key, std::span<const u8> counter, std::span<const u8> text);
// HMAC with SHA-256.
Result<std::vector<u8>> hmac_sha256(std::span<const u8> key, std::span<const u8> text);

}  // namespace berth::keep
