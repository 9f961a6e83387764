// A keep's way to its secrets: the key-broker protocol of Confidential Containers (version 0.4.0; POST auth and attest,
// GET resource under /kbs/v0), so that a keep works with their broker and with Berth's. One thread.
//
// What is proved: report data is SHA-384, and 16 zero bytes, of the canonical JSON (RFC 8785)
// {"additional-evidence":"","nonce":NONCE,"tee-pubkey":JWK}: fresh by the broker's nonce, and bound to the key that
// everything is then encrypted to, with the private part only in here.
//
// tee-evidence.primary_evidence is, in base64 where bytes:
//   snp    {"auxblob": table of certificates, "report": the report}
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
  // Proves itself to the broker at once. Fails with System when the broker cannot be reached, or does not accept the
  // proof; the text has what it said.
  static Result<Broker> connect(Server server, attest::Technology technology, const Prover& prover);

  // A resource, decrypted. Fails with System when the broker does not release it, or it is not to this keep's key.
  Result<std::vector<u8>> resource(std::string_view name) const;

  // The broker's signed word that the proof held: a JSON Web Token.
  const std::string& token() const { return token_; }

 private:
  Broker(Server server, RecipientKey key) : server_(std::move(server)), key_(std::move(key)) {}

  Server server_;
  RecipientKey key_;
  std::string cookie_, token_;
};

// What report data is made of, for a nonce and a key; the digest of its text is proved.
std::string runtime_data_text(std::string_view nonce, const json::Value& jwk);

}  // namespace berth::keep
