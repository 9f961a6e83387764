// What a broker needs of JOSE: the public key of whoever asks (JSON Web Key, RFC 7517), encryption to it (JSON Web
// Encryption, RFC 7516, flattened), and the form of JSON that digests are made of (RFC 8785). Values; functions are
// pure but for randomness.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "attest/crypto.h"
#include "json/json.h"

namespace berth::broker {

// A key that can be encrypted to.
class Recipient {
 public:
  // Elliptic curves P-256, P-384 and P-521 with "ECDH-ES+A256KW"; RSA of 2048 to 8192 bits with "RSA-OAEP-256", or
  // "RSA-OAEP" of older guests. Fails with System, saying what is wrong: another algorithm, a point off its curve.
  // RSA1_5 is refused, as it can be decrypted by whoever may ask what decrypts.
  static Result<Recipient> parse(const json::Value& jwk);

  // `plain` encrypted with A256GCM under a key that only the recipient can unwrap: members protected, encrypted_key,
  // iv, ciphertext, tag. Fails with System when OpenSSL does.
  Result<json::Value> encrypt(std::span<const u8> plain) const;

 private:
  enum class Algorithm : u8 { EcdhEs, RsaOaep, RsaOaep256 };
  Recipient(Algorithm algorithm, attest::Key key, std::string curve)
      : algorithm_(algorithm), key_(std::move(key)), curve_(std::move(curve)) {}

  Algorithm algorithm_;
  attest::Key key_;
  std::string curve_;  // "P-256"; empty for RSA
};

// Members sorted by name, no white space. What numbers look like is kept.
std::string canonical(const json::Value& value);

}  // namespace berth::broker
