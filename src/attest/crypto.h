// The few operations of cryptography that attestation needs, by OpenSSL. Keys may be shared between threads for
// verifying and signing; functions are pure but for randomness.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "attest/encoding.h"
#include "attest/problem.h"
#include "base/result.h"

namespace berth::attest {

struct OpensslFree {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_CRL* p) const { X509_CRL_free(p); }
  void operator()(X509_REQ* p) const { X509_REQ_free(p); }
  void operator()(BIO* p) const { BIO_free_all(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, OpensslFree>;

using Sha256 = std::array<u8, 32>;
using Sha384 = std::array<u8, 48>;

Sha256 sha256(std::span<const u8> bytes);
Sha384 sha384(std::span<const u8> bytes);

enum class Curve : u8 { P256, P384 };

// A public key, or a private one with its public part.
class Key {
 public:
  // Takes ownership.
  explicit Key(EVP_PKEY* key) : key_(key, OpensslFree()) {}

  // SubjectPublicKeyInfo in DER. Fails with kBadEvidence.
  static Result<Key> from_public_der(std::span<const u8> der);
  // The coordinates of a point one after the other, as big-endian numbers. Fails with kBadEvidence when it is not on
  // the curve.
  static Result<Key> from_point(Curve curve, std::span<const u8> coordinates);
  // A private key in PEM (PKCS#8 or the older form of elliptic curves), not encrypted. Fails with BadArgument.
  static Result<Key> from_private_pem(std::string_view pem);
  static Result<Key> generate(Curve curve);

  std::string to_private_pem() const;
  Blob public_der() const;
  // Whether it is on that curve.
  bool is(Curve curve) const;
  // Both coordinates as big-endian numbers, one after the other; empty for keys of another kind.
  Blob point() const;

  // r and s as big-endian numbers, one after the other, over the curve's own hash: SHA-256 for P-256, SHA-384 for
  // P-384.
  bool verify(std::span<const u8> message, std::span<const u8> signature) const;
  Result<Blob> sign(std::span<const u8> message) const;

  EVP_PKEY* get() const { return key_.get(); }

 private:
  std::shared_ptr<EVP_PKEY> key_;
};

// The newest of OpenSSL's reasons, for messages; empty when there is none. Empties its queue.
std::string openssl_reason();

}  // namespace berth::attest
