// A certificate authority of the broker's: keeps that send a request for a certificate with their evidence in it (as
// Enarx's do) get one that says nothing but that the broker accepted them. May be used by several threads.
#pragma once

#include <span>
#include <string>

#include "attest/crypto.h"

namespace berth::broker {

class Authority {
 public:
  // A new one, named `name`, whose certificate is good for ten years from `now`.
  static Result<Authority> generate(const std::string& name, attest::Time now);
  // As `to_pem` gives it. Fails with System.
  static Result<Authority> from_pem(std::string_view pem);
  std::string to_pem() const;
  std::string certificate_pem() const;

  // A certificate for the key and subject of a request (DER), for servers and clients, good for `lifetime` seconds and
  // for the DNS names `names`: a SEQUENCE OF Certificate, the authority's first. The request's own signature and its
  // evidence are the caller's business.
  Result<attest::Blob> issue(std::span<const u8> request, attest::Time now, attest::Time lifetime,
                             const std::vector<std::string>& names) const;

 private:
  Authority(attest::Key key, attest::Owned<X509> certificate)
      : key_(std::move(key)), certificate_(std::move(certificate)) {}

  attest::Key key_;
  attest::Owned<X509> certificate_;
};

}  // namespace berth::broker
