#include "attest/token.h"

#include <algorithm>

#include "json/json.h"

namespace berth::attest {
namespace {

constexpr size_t kMostToken = size_t{1} << 20;
// Clocks differ.
constexpr Time kLeeway = 60;

std::unexpected<Error> wrong(std::string what) { return fail(kBadEvidence, "token: " + std::move(what)); }

json::Value to_json(const SnpTcb& tcb) {
  json::Value out = json::Object{};
  if (tcb.fmc) out.set("fmc", u32{*tcb.fmc});
  out.set("boot_loader", u32{tcb.boot_loader});
  out.set("tee", u32{tcb.tee});
  out.set("snp", u32{tcb.snp});
  out.set("microcode", u32{tcb.microcode});
  return out;
}

void add_snp(json::Value& to, const Verdict& verdict) {
  const SnpReport& report = *verdict.evidence.snp();
  to.set("version", report.version);
  to.set("guest_svn", report.guest_svn);
  to.set("policy", report.policy);
  to.set("vmpl", report.vmpl);
  to.set("id_key_digest", to_hex(report.id_key_digest));
  to.set("author_key_digest", to_hex(report.author_key_digest));
  to.set("family_id", to_hex(report.family_id));
  to.set("image_id", to_hex(report.image_id));
  to.set("report_id", to_hex(report.report_id));
  to.set("chip_id", to_hex(report.chip_id));
  if (!verdict.snp) return;
  to.set("product", name_of(verdict.snp->product));
  to.set("signing_key", verdict.snp->signing_key == SnpSigningKey::Vlek ? "VLEK" : "VCEK");
  if (!verdict.snp->provider.empty()) to.set("provider", verdict.snp->provider);
  to.set("reported_tcb", to_json(verdict.snp->reported));
  to.set("committed_tcb", to_json(verdict.snp->committed));
}

void add_intel(json::Value& to, const Verdict& verdict) {
  if (const SgxReport* const report = verdict.evidence.sgx()) {
    to.set("mr_signer", to_hex(report->mr_signer));
    to.set("isv_prod_id", u32{report->isv_prod_id});
    to.set("isv_svn", u32{report->isv_svn});
    to.set("config_id", to_hex(report->config_id));
  }
  if (const TdReport* const report = verdict.evidence.tdx()) {
    to.set("mr_seam", to_hex(report->mr_seam));
    to.set("mr_owner", to_hex(report->mr_owner));
    to.set("mr_owner_config", to_hex(report->mr_owner_config));
    for (size_t i = 0; i < report->rtmr.size(); ++i) to.set("rtmr" + std::to_string(i), to_hex(report->rtmr[i]));
    to.set("td_attributes", to_hex(report->td_attributes));
    to.set("xfam", to_hex(report->xfam));
    to.set("tee_tcb_svn", to_hex(report->tee_tcb_svn));
  }
  if (!verdict.intel) return;
  to.set("tcb_status", name_of(verdict.intel->all.status));
  to.set("tcb_date", verdict.intel->all.date);
  json::Array advisories;
  for (const std::string& id : verdict.intel->all.advisories) advisories.emplace_back(id);
  to.set("advisory_ids", std::move(advisories));
  to.set("tcb_evaluation_data_number", verdict.intel->evaluation_number);
  to.set("fmspc", to_hex(verdict.intel->pck.fmspc));
}

json::Value claims_of(const Verdict& verdict) {
  const Evidence& evidence = verdict.evidence;
  json::Value out = json::Object{};
  out.set("measurement", to_hex(evidence.measurement()));
  out.set("report_data", to_hex(evidence.report_data()));
  if (!evidence.host_data().empty()) out.set("host_data", to_hex(evidence.host_data()));
  out.set("debug", evidence.is_debuggable());
  if (evidence.snp()) add_snp(out, verdict);
  if (evidence.quote()) add_intel(out, verdict);
  if (evidence.simulated()) out.set("warning", kSimulatedWarning);
  return out;
}

std::string status_of(const Appraisal& appraisal) {
  if (!appraisal.accepted) return "contraindicated";
  const i32 worst = std::max(std::max(appraisal.instance_identity, appraisal.configuration),
                             std::max(appraisal.executables, appraisal.hardware));
  return worst >= 32 ? "warning" : "affirming";
}

}  // namespace

std::string token_claims(const Verdict& verdict, const Appraisal& appraisal, const TokenOptions& options) {
  json::Value vector = json::Object{};
  // Zero is no claim.
  const std::pair<const char*, i32> parts[] = {{"instance-identity", appraisal.instance_identity},
                                               {"configuration", appraisal.configuration},
                                               {"executables", appraisal.executables},
                                               {"hardware", appraisal.hardware}};
  for (const auto& [name, value] : parts)
    if (value != 0) vector.set(name, value);
  json::Value part = json::Object{};
  part.set("ear.status", status_of(appraisal));
  part.set("ear.trustworthiness-vector", std::move(vector));
  part.set("ear.appraisal-policy-id", appraisal.policy);
  part.set("berth.evidence", claims_of(verdict));
  part.set("berth.verified-at", verdict.time);
  json::Array reasons;
  for (std::string& reason : appraisal.reasons()) reasons.emplace_back(std::move(reason));
  if (!reasons.empty()) part.set("berth.reasons", std::move(reasons));

  json::Value out = json::Object{};
  out.set("eat_profile", kEarProfile);
  out.set("iat", options.now);
  out.set("exp", options.now + options.lifetime);
  if (options.nonce) out.set("eat_nonce", to_base64url(*options.nonce));
  out.set("ear.verifier-id", json::Object{{"build", options.build}, {"developer", "Berth"}});
  out.set("submods", json::Object{{std::string(name_of(verdict.evidence.technology())), std::move(part)}});
  return json::to_text(out);
}

std::string thumbprint(const Key& key) {
  const Blob point = key.point();
  CHECK(point.size() == 64);
  const std::string canonical = R"({"crv":"P-256","kty":"EC","x":")" + to_base64url(std::span(point).first(32)) +
                                R"(","y":")" + to_base64url(std::span(point).subspan(32)) + "\"}";
  return to_base64url(sha256(bytes_of(canonical)));
}

Result<std::string> sign_token(std::string_view claims, const Key& key) {
  if (!key.is(Curve::P256)) return fail(ErrorCode::BadArgument, "a token is signed with a key on P-256");
  const Blob point = key.point();
  const json::Value header = json::Object{{"alg", "ES256"},
                                          {"typ", "JWT"},
                                          {"kid", thumbprint(key)},
                                          {"jwk", json::Object{{"kty", "EC"},
                                                               {"crv", "P-256"},
                                                               {"x", to_base64url(std::span(point).first(32))},
                                                               {"y", to_base64url(std::span(point).subspan(32))}}}};
  std::string out = to_base64url(bytes_of(json::to_text(header))) + "." + to_base64url(bytes_of(claims));
  const Blob signature = TRY(key.sign(bytes_of(out)));
  return out + "." + to_base64url(signature);
}

Result<std::string> verify_token(std::string_view token, const Key& key, Time now) {
  if (token.size() > kMostToken) return wrong("it has more than 1 MiB");
  const size_t first = token.find('.'), last = token.rfind('.');
  if (first == std::string_view::npos || last == first) return wrong("it has not three parts");
  const auto header = from_base64url(token.substr(0, first));
  const auto claims = from_base64url(token.substr(first + 1, last - first - 1));
  const auto signature = from_base64url(token.substr(last + 1));
  if (!header || !claims || !signature) return wrong("a part of it is not base64url");
  const auto about = json::parse(text_of(*header));
  if (!about || about->text_at({"alg"}) != "ES256") return wrong("it is not signed with ES256");
  if (!key.is(Curve::P256) || !key.verify(bytes_of(token.substr(0, last)), *signature))
    return wrong("its signature is not by the key that is trusted");
  const auto value = json::parse(text_of(*claims));
  if (!value) return wrong("its claims are no JSON");
  const json::Value* const end = value->find("exp");
  const json::Value* const begin = value->find("iat");
  if (!end || !end->integer() || !begin || !begin->integer()) return wrong("it does not say how long it holds");
  if (now > *end->integer() + kLeeway) return wrong("it held until " + format_time(*end->integer()));
  if (now + kLeeway < *begin->integer()) return wrong("it is of " + format_time(*begin->integer()));
  return std::string(text_of(*claims));
}

}  // namespace berth::attest
