// Certificates and lists of revoked ones (X.509, RFC 5280), by OpenSSL: read, chained to roots that are known by their
// keys, and checked for a given time. Values that share what they hold; may be used by several threads.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/crypto.h"
#include "attest/problem.h"
#include "base/result.h"

namespace berth::attest {

class Certificate {
 public:
  // All of `der` is one certificate. Fails with kBadCollateral.
  static Result<Certificate> from_der(std::span<const u8> der);
  // Every certificate in a text of PEM; what is between them is of no meaning. Fails with kBadCollateral.
  static Result<std::vector<Certificate>> from_pem(std::string_view text);

  std::string subject() const { return subject_; }  // its common name, or the whole name when it has none
  std::string issuer() const { return issuer_; }
  std::string serial() const;  // hexadecimal
  Time not_before() const { return not_before_; }
  Time not_after() const { return not_after_; }
  const Sha256& key_digest() const { return key_digest_; }  // of the SubjectPublicKeyInfo
  Key key() const;
  Blob der() const;
  // The content of an extension, by its dotted number.
  std::optional<Blob> extension(const char* oid) const;
  X509* get() const { return x509_.get(); }

 private:
  std::shared_ptr<X509> x509_;
  std::string subject_, issuer_;
  Time not_before_ = 0, not_after_ = 0;
  Sha256 key_digest_{};
};

class RevocationList {
 public:
  // All of `der` is one list. Fails with kBadCollateral.
  static Result<RevocationList> from_der(std::span<const u8> der);
  std::string issuer() const { return issuer_; }
  Time this_update() const { return this_update_; }
  std::optional<Time> next_update() const { return next_update_; }
  X509_CRL* get() const { return crl_.get(); }

 private:
  std::shared_ptr<X509_CRL> crl_;
  std::string issuer_;
  Time this_update_ = 0;
  std::optional<Time> next_update_;
};

// From the certificate asked about to the root.
using Chain = std::vector<Certificate>;

// The chain of `leaf` through certificates of `pool` to one whose key has one of the digests `roots`, every link valid
// at `time`. The error's text is the reason why there is none.
Result<Chain> find_chain(const Certificate& leaf, std::span<const Certificate> pool, std::span<const Sha256> roots,
                         Time time);

// What lists of revoked certificates say of a chain.
struct Revocation {
  std::vector<std::string> uncovered;  // subjects of certificates that no list speaks of
  std::optional<Time> next_update;     // the first time that a list used becomes stale
};
// Fails when a certificate of the chain is revoked, or when the lists of its issuer are stale, from the future or not
// signed by it; the text is the reason.
Result<Revocation> check_revocation(const Chain& chain, std::span<const RevocationList> lists, Time time);

}  // namespace berth::attest
