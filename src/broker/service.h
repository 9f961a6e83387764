// A broker: releases resources to whoever proves, by attestation, to be what a policy accepts, and only encrypted to
// the key that the proof is bound to. It speaks the key-broker protocol of Confidential Containers (versions 0.2 to
// 0.4; POST /kbs/v0/auth and /kbs/v0/attest, GET /kbs/v0/resource/REPOSITORY/TYPE/TAG) and answers requests for
// certificates with evidence in them (POST / with application/pkcs10, as Enarx's keeps send them).
//
// Nothing here knows how requests arrive: TLS and HTTP are the caller's. May be used by several threads; everything it
// is given outlives it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "attest/collateral.h"
#include "attest/policy.h"
#include "broker/audit.h"
#include "broker/authority.h"
#include "broker/limiter.h"
#include "broker/sessions.h"
#include "broker/store.h"

namespace berth::broker {

// Whose proof is good for which resources.
struct Rule {
  std::string pattern;  // a resource's name, in which "*" stands for any text: "default/*/key"
  attest::Policy policy;
  std::string id;  // tells this text of the policy from any other

  // Fails as attest::Policy::parse does, or when the policy sets what the protocol sets (report_data).
  static Result<Rule> make(std::string pattern, const std::string& toml, const std::string& source);
};

// What can be exchanged while the broker runs.
struct Trust {
  std::vector<Rule> rules;  // the first whose pattern fits decides
  attest::Collateral collateral;
  attest::Roots roots = attest::vendor_roots();
};

struct Limits {
  u64 nonce_lifetime = u64{300} * 1'000'000'000;
  u64 session_lifetime = u64{3600} * 1'000'000'000;
  attest::Time token_lifetime = 300, certificate_lifetime = attest::Time{28} * 86400;
  // Of one address: requests, and proofs that were refused.
  double requests_per_second = 200, request_burst = 4000;
  double failures_per_second = 0.5, failure_burst = 60;
};

struct Request {
  std::string_view method, path;  // without the query
  std::string_view peer;          // the client's address, without its port
  std::string_view cookie, authorization, content_type;
  std::string_view body;
};

struct Reply {
  u32 status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string set_cookie;  // empty: none
  u32 retry_after = 0;     // seconds; 0: none
};

inline constexpr size_t kMostRequestBody = size_t{6} << 20;

class Service {
 public:
  struct Clock {
    std::function<attest::Time()> wall;  // seconds since 1970
    std::function<u64()> monotonic;      // nanoseconds
  };
  static Clock system_clock();

  // `key` signs tokens (P-256). `names` are what certificates are issued for; `build` names the program in tokens.
  Service(const Store& store, AuditLog& audit, attest::Key key, Authority authority, std::vector<std::string> names,
          std::string build, const Limits& limits, Clock clock = system_clock());

  // What counts from now on. Proofs that were accepted under policies which are no longer there count no more.
  void set_trust(Trust trust);
  Reply handle(const Request& request);
  size_t sessions() { return sessions_.size(); }

 private:
  struct Proof;
  std::shared_ptr<const Trust> trust() const;
  Reply auth(const Request& request);
  Reply attest(const Request& request);
  Reply resource(const Request& request, std::string name);
  Reply certificate(const Request& request);
  // Verifies evidence that must hold `report_data`, and judges it by every rule.
  Proof prove(attest::Evidence evidence, const attest::Blob& report_data) const;
  Reply refuse_proof(const Request& request, const std::string& reason, json::Object details);
  std::optional<Attested> authenticated(const Request& request);

  const Store& store_;
  AuditLog& audit_;
  const attest::Key key_;
  const Authority authority_;
  const std::vector<std::string> names_;
  const std::string build_;
  const Limits limits_;
  const Clock clock_;
  Sessions sessions_;
  Limiter requests_, failures_;
  mutable std::mutex mutex_;  // of trust_
  std::shared_ptr<const Trust> trust_;
};

// Whether `pattern`, in which "*" stands for any text, fits all of `name`.
bool fits(std::string_view pattern, std::string_view name);

}  // namespace berth::broker
