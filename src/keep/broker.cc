#include "keep/broker.h"

#include <algorithm>
#include <thread>

#include "attest/snp_json.h"
#include "json/json.h"
#include "keep/launch.h"
#include "keep/problem.h"

namespace berth::keep {
namespace {

constexpr std::string_view kPrefix = "/kbs/v0/";
constexpr std::chrono::seconds kPatience{60};
constexpr int kTries = 6;  // a quarter of a minute with the pauses between them

std::string_view tee_name(attest::Technology technology) {
  switch (technology) {
    case attest::Technology::SevSnp: return "snp";
    case attest::Technology::Tdx: return "tdx";
    case attest::Technology::Sgx: return "sgx";
    case attest::Technology::Simulated: return "sample";
  }
  return "";
}

Result<json::Value> primary_evidence(const collect::Collected& collected, std::span<const u8> digest) {
  const std::string evidence = attest::to_base64(collected.evidence);
  switch (collected.technology) {
    case attest::Technology::SevSnp: {
      attest::Evidence report = TRY(attest::read_raw_evidence(collected.evidence));
      if (!collected.auxiliary.empty()) TRY(attest::add_certificate_table(report, collected.auxiliary));
      return attest::to_snp_json(report);
    }
    case attest::Technology::Tdx: return json::Object{{"cc_eventlog", json::Value()}, {"quote", evidence}};
    case attest::Technology::Sgx: return json::Object{{"quote", evidence}};
    case attest::Technology::Simulated:
      return json::Object{
          {"report_data", attest::to_base64(digest)}, {"simulated", attest::text_of(collected.evidence)}, {"svn", "1"}};
  }
  return {};
}

// What a refusal says: {"type": …, "detail": …}, or the start of whatever it is.
std::string reason_of(const Response& response) {
  if (const auto value = json::parse(response.body)) {
    if (const auto detail = value->text_at({"detail"}); !detail.empty()) return std::string(detail);
  }
  std::string text = response.body.substr(0, 300);
  std::ranges::replace_if(text, [](char c) { return static_cast<u8>(c) < ' ' || c == '\x7f'; }, ' ');
  return text.empty() ? "it gives no reason" : text;
}

std::unexpected<Error> refused(std::string_view what, const Response& response) {
  return problem("the broker " + std::string(what) + " (HTTP " + std::to_string(response.status) +
                 "): " + reason_of(response));
}

}  // namespace

std::string runtime_data_text(std::string_view nonce, const json::Value& jwk) {
  return json::to_text(json::Object{{"additional-evidence", ""}, {"nonce", nonce}, {"tee-pubkey", jwk}});
}

// Waits longer before each further try.
Result<Response> Broker::ask(const std::string& path, const std::string* body) {
  std::chrono::milliseconds pause{500};
  for (int tries = 1;; ++tries) {
    auto response = request(server_, path, body, cookie_, kPatience);
    const bool is_well = response && response->status < 500 && response->status != 429;
    if (is_well || tries == kTries) return response;
    had_to_wait_ = true;
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

Result<Response> Broker::prove() {
  const std::string path(kPrefix);
  cookie_.clear();
  const json::Value hashes = json::Object{{"supported-hash-algorithms", json::Array{"sha384"}}};
  const std::string hello =
      json::to_text(json::Object{{"version", "0.4.0"}, {"tee", tee_name(technology_)}, {"extra-params", hashes}});
  const Response challenge = TRY(ask(path + "auth", &hello));
  if (challenge.status != 200) return refused("does not want to be proved anything", challenge);
  const json::Value asked = TRY(json::parse(challenge.body));
  const json::Value* const nonce = asked.find("nonce");
  if (!nonce || !nonce->string() || nonce->string()->empty()) return problem("the broker's challenge has no nonce");
  if (const auto chosen = asked.text_at({"extra-params", "selected-hash-algorithm"});
      !chosen.empty() && chosen != "sha384" && chosen != "SHA384")
    return problem("the broker wants digests by " + std::string(chosen) + "; only sha384 was offered");
  cookie_ = challenge.cookies;

  const json::Value jwk = key_.public_jwk();
  const attest::Sha384 digest = attest::sha384(attest::bytes_of(runtime_data_text(*nonce->string(), jwk)));
  collect::ReportData data = {};
  std::ranges::copy(digest, data.begin());
  const collect::Collected proof = TRY(prover_(data));
  const json::Value primary = TRY(primary_evidence(proof, digest));
  const std::string attestation = json::to_text(
      json::Object{{"runtime-data", json::Object{{"nonce", *nonce->string()}, {"tee-pubkey", jwk}}},
                   {"tee-evidence", json::Object{{"primary_evidence", primary}, {"additional_evidence", ""}}}});
  Response verdict = TRY(ask(path + "attest", &attestation));
  if (verdict.status != 200) return verdict;
  token_ = TRY(json::parse(verdict.body)).text_at({"token"});
  if (!verdict.cookies.empty()) cookie_ = verdict.cookies;
  return verdict;
}

Result<> Broker::prove_or_fail() {
  had_to_wait_ = false;
  Response verdict = TRY(prove());
  // A broker that was started anew meanwhile does not know its own challenge any more.
  if (verdict.status != 200 && had_to_wait_) verdict = TRY(prove());
  if (verdict.status != 200) return refused("does not accept this keep's proof", verdict);
  return {};
}

Result<Broker> Broker::connect(Server server, attest::Technology technology, Prover prover) {
  Broker broker(std::move(server), TRY(RecipientKey::generate()), technology, std::move(prover));
  TRY(broker.prove_or_fail());
  return broker;
}

Result<std::vector<u8>> Broker::resource(std::string_view name) {
  if (!is_resource_name(name)) return problem("\"" + std::string(name) + "\" is no name of a broker's resource");
  const std::string what(name), path = std::string(kPrefix) + "resource/" + what;
  Response response = TRY(ask(path, nullptr));
  if (response.status == 401) {
    TRY(prove_or_fail());
    response = TRY(ask(path, nullptr));
  }
  if (response.status != 200) return refused("does not release " + what, response);
  const json::Value jwe = TRY(json::parse(response.body));
  auto bytes = key_.decrypt(jwe);
  if (!bytes) return fail(std::move(bytes.error()).with_context("while decrypting " + what));
  return bytes;
}

}  // namespace berth::keep
