// The result of an appraisal as a signed token: a JSON Web Token (RFC 7519) that is an Entity Attestation Token (RFC
// 9711) with the profile of EAT Attestation Results (draft-ietf-rats-ear), signed with ES256. Pure functions but for
// randomness.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attest/policy.h"

namespace berth::attest {

inline constexpr std::string_view kEarProfile = "tag:github.com,2023:veraison/ear";

struct TokenOptions {
  std::string build;               // of the verifier: "berth 0.1.0"
  Time now = 0;                    // "iat"
  Time lifetime = 300;             // seconds until "exp"
  std::optional<Blob> nonce = {};  // "eat_nonce"
};

// The claims as JSON, in one line.
std::string token_claims(const Verdict& verdict, const Appraisal& appraisal, const TokenOptions& options);
// Claims signed with a private key on P-256; the header has the public key as a JWK.
Result<std::string> sign_token(std::string_view claims, const Key& key);
// The claims of a token signed by `key`, at `now`. Fails with kBadEvidence: malformed, another algorithm, another key,
// ended or not begun.
Result<std::string> verify_token(std::string_view token, const Key& key, Time now);
// RFC 7638's thumbprint of a key on P-256.
std::string thumbprint(const Key& key);

}  // namespace berth::attest
