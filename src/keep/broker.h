// A keep's way to its secrets: the key-broker protocol of Confidential Containers (version 0.4.0; POST auth and attest,
// GET resource under /kbs/v0), so that a keep works with their broker and with Berth's. One thread.
//
// What is proved: report data is SHA-384, and 16 zero bytes, of the canonical JSON (RFC 8785)
// {"additional-evidence":"","nonce":NONCE,"tee-pubkey":JWK}: fresh by the broker's nonce, and bound to the key that
// everything is then encrypted to, with the private part only in here.
//
// tee-evidence.primary_evidence is, in base64 where bytes:
//   snp    {"attestation_report": the report's fields, "cert_chain": certificates}, see attest/snp_json.h
//   tdx    {"cc_eventlog": null, "quote": the quote}
//   sgx    {"quote": the quote}
//   sample {"report_data": the digest, "simulated": the text of attest/simulated.h, "svn": "1"}
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attest/evidence.h"
#include "collect/collect.h"
#include "keep/http.h"
#include "keep/jwe.h"

namespace berth::keep {

// Proves what runs here: evidence with this report data in it.
using Prover = std::function<Result<collect::Collected>(const collect::ReportData&)>;

class Broker {
 public:
  // Proves itself to the broker at once. A broker that cannot be reached or is not well (HTTP 5xx) is asked again for a
  // quarter of a minute. Fails with System when it stays so, or does not accept the proof; the text has what it said.
  static Result<Broker> connect(Server server, attest::Technology technology, Prover prover);

  // A resource, decrypted; asked for as above. One that has forgotten the proof, since it was started anew or that is
  // long ago, gets another. Fails with System when the broker does not release it, or it is not to this keep's key.
  Result<std::vector<u8>> resource(std::string_view name);

  // The broker's signed word that the proof held: a JSON Web Token.
  const std::string& token() const { return token_; }

 private:
  Broker(Server server, RecipientKey key, attest::Technology technology, Prover prover)
      : server_(std::move(server)), key_(std::move(key)), technology_(technology), prover_(std::move(prover)) {}

  // From challenge to verdict. Whether the verdict is "no" is the caller's to see.
  Result<Response> prove();
  Result<> prove_or_fail();
  Result<Response> ask(const std::string& path, const std::string* body);

  Server server_;
  RecipientKey key_;
  attest::Technology technology_;
  Prover prover_;
  std::string cookie_, token_;
  bool had_to_wait_ = false;  // for the broker, since this was last reset
};

// What report data is made of, for a nonce and a key; the digest of its text is proved.
std::string runtime_data_text(std::string_view nonce, const json::Value& jwk);

}  // namespace berth::keep
