#include "broker/service.h"

#include <algorithm>
#include <chrono>

#include "attest/crypto.h"
#include "attest/request.h"
#include "attest/token.h"
#include "broker/evidence_forms.h"
#include "broker/jose.h"
#include "broker/problem.h"

namespace berth::broker {
namespace {

using attest::Blob;

constexpr std::string_view kPrefix = "/kbs/v0/";
constexpr std::string_view kCookie = "kbs-session-id";
// What rules call the certificates that are issued.
constexpr std::string_view kCertificate = "default/certificate/keep";
constexpr std::string_view kPolicies = "berth.policies", kRecipient = "tee-pubkey";

Reply error(u32 status, std::string_view type, std::string_view detail) {
  Reply out;
  out.status = status;
  out.content_type = "application/problem+json";
  // The names of errors are those of the protocol.
  out.body = json::to_text(json::Object{
      {"type", "https://github.com/confidential-containers/kbs/errors/" + std::string(type)}, {"detail", detail}});
  return out;
}

Reply too_often() {
  Reply out = error(429, "AttestationError", "too many requests from this address; try again later");
  out.retry_after = 2;
  return out;
}

// What cannot be recorded is not done.
Reply not_recorded() {
  return error(503, "PluginInternalError", "the broker cannot write its audit log, so it releases nothing");
}

std::string_view session_of(std::string_view cookies) {
  while (!cookies.empty()) {
    const size_t end = cookies.find(';');
    std::string_view one = cookies.substr(0, end);
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.starts_with(kCookie) && one.substr(kCookie.size()).starts_with('=')) {
      one.remove_prefix(kCookie.size() + 1);
      if (one.size() >= 2 && one.starts_with('"') && one.ends_with('"')) one = one.substr(1, one.size() - 2);
      return one;
    }
    if (end == std::string_view::npos) break;
    cookies.remove_prefix(end + 1);
  }
  return {};
}

std::string cookie_of(std::string_view session, u64 lifetime) {
  return std::string(kCookie) + "=" + std::string(session) +
         "; Path=/kbs; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(lifetime / 1'000'000'000);
}

bool is_known_version(std::string_view version) {
  return version.starts_with("0.2.") || version.starts_with("0.3.") || version.starts_with("0.4.");
}

// What the report data must begin with: SHA-384 of the runtime data. Guests since version 0.4 put what they have of
// further evidence into it.
Blob runtime_digest(const json::Value& nonce, const json::Value& key, const json::Value* additional) {
  json::Value data = json::Object{{"nonce", nonce}, {std::string(kRecipient), key}};
  if (additional) data.set("additional-evidence", *additional);
  const auto digest = attest::sha384(attest::bytes_of(canonical(data)));
  return {digest.begin(), digest.end()};
}

// Data that a host started the guest with, which the guest shows: its digest must be what the evidence has.
bool is_bound(std::string_view init_data, std::span<const u8> host_data) {
  u8 digest[EVP_MAX_MD_SIZE];
  for (const EVP_MD* algorithm : {EVP_sha256(), EVP_sha384(), EVP_sha512()}) {
    unsigned size = 0;
    if (EVP_Digest(init_data.data(), init_data.size(), digest, &size, algorithm, nullptr) != 1) continue;
    std::fill(digest + size, std::end(digest), u8{0});
    if (!host_data.empty() && host_data.size() <= sizeof digest &&
        std::equal(host_data.begin(), host_data.end(), digest))
      return true;
  }
  return false;
}

std::string digest_text(std::span<const u8> bytes) { return attest::to_hex(attest::sha256(bytes)); }

json::Array strings(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

}  // namespace

bool fits(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t at = star; at <= name.size(); ++at)
    if (fits(rest, name.substr(at))) return true;
  return false;
}

Result<Rule> Rule::make(std::string pattern, const std::string& toml, const std::string& source) {
  Rule out{std::move(pattern), TRY(attest::Policy::parse(toml, source)), {}};
  if (out.policy.report_data)
    return problem(source + ": report_data is what the protocol makes it, different for each client; leave it out");
  out.id = out.policy.name + "@" + digest_text(attest::bytes_of(toml)).substr(0, 32);
  return out;
}

// What came of evidence.
struct Service::Proof {
  attest::Verdict verdict;
  std::vector<std::string> policies;          // that accept it
  std::optional<attest::Appraisal> accepted;  // by the first of them
  std::vector<std::string> reasons;           // why none does
};

Service::Clock Service::system_clock() {
  return {
      [] { return static_cast<attest::Time>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())); },
      [] {
        return static_cast<u64>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
      }};
}

Service::Service(const Store& store, AuditLog& audit, attest::Key key, Authority authority,
                 std::vector<std::string> names, std::string build, const Limits& limits, Clock clock)
    : store_(store),
      audit_(audit),
      key_(std::move(key)),
      authority_(std::move(authority)),
      names_(std::move(names)),
      build_(std::move(build)),
      limits_(limits),
      clock_(std::move(clock)),
      sessions_(limits.nonce_lifetime, limits.session_lifetime),
      requests_(limits.requests_per_second, limits.request_burst),
      failures_(limits.failures_per_second, limits.failure_burst),
      trust_(std::make_shared<const Trust>()) {}

void Service::set_trust(Trust trust) {
  auto next = std::make_shared<const Trust>(std::move(trust));
  const std::scoped_lock lock(mutex_);
  trust_ = std::move(next);
}

std::shared_ptr<const Trust> Service::trust() const {
  const std::scoped_lock lock(mutex_);
  return trust_;
}

Reply Service::handle(const Request& request) {
  if (request.path == "/healthz" && (request.method == "GET" || request.method == "HEAD"))
    return {200, "text/plain", "ok\n", {}, 0};
  const u64 now = clock_.monotonic();
  if (!requests_.take(request.peer, now) || !failures_.has(request.peer, now)) return too_often();
  const auto expect = [&](std::string_view method, auto&& action) {
    if (request.method != method)
      return error(405, "InvalidRequestPath", "this path takes " + std::string(method) + " only");
    return action();
  };
  if (request.path == "/") return expect("POST", [&] { return certificate(request); });
  if (!request.path.starts_with(kPrefix)) return error(404, "InvalidRequestPath", "there is nothing at this path");
  const std::string_view path = request.path.substr(kPrefix.size());
  if (path == "auth") return expect("POST", [&] { return auth(request); });
  if (path == "attest") return expect("POST", [&] { return attest(request); });
  constexpr std::string_view kResource = "resource/";
  if (path.starts_with(kResource))
    return expect("GET", [&] { return resource(request, std::string(path.substr(kResource.size()))); });
  return error(404, "PluginNotFound", "there is nothing at this path");
}

Reply Service::auth(const Request& request) {
  const auto hello = json::parse(request.body);
  if (!hello) return error(400, "SerdeError", "the request is no JSON: " + hello.error().to_string());
  if (!is_known_version(hello->text_at({"version"})))
    return error(
        401, "AttestationError",
        "version " + std::string(hello->text_at({"version"})) + " of the protocol is not known here; 0.2 to 0.4 are");
  const auto technology = technology_of(hello->text_at({"tee"}));
  if (!technology)
    return error(401, "AttestationError",
                 "\"" + std::string(hello->text_at({"tee"})) + "\" is none of snp, tdx, sgx and sample");
  const auto challenge = sessions_.begin(*technology, clock_.monotonic());
  if (!challenge) {
    Reply out = error(503, "AttestationError", challenge.error().to_string());
    out.retry_after = 5;
    return out;
  }
  Reply out;
  json::Value extra = "";
  // Who offers a choice of digests gets an answer.
  if (const json::Value* const offered = hello->find("extra-params");
      offered && offered->find("supported-hash-algorithms"))
    extra = json::Object{{"selected-hash-algorithm", "sha384"}};
  out.body = json::to_text(json::Object{{"nonce", challenge->nonce}, {"extra-params", std::move(extra)}});
  out.set_cookie = cookie_of(challenge->session, limits_.nonce_lifetime);
  return out;
}

Service::Proof Service::prove(attest::Evidence evidence, const Blob& report_data) const {
  const auto trusted = trust();
  Proof out{verify(std::move(evidence), trusted->collateral, clock_.wall(), trusted->roots), {}, {}, {}};
  std::vector<std::string> asked;
  for (const Rule& rule : trusted->rules) {
    if (has(asked, rule.id)) continue;
    asked.push_back(rule.id);
    attest::Policy policy = rule.policy;
    policy.report_data = report_data;
    attest::Appraisal appraisal = appraise(out.verdict, policy);
    if (appraisal.accepted) {
      out.policies.push_back(rule.id);
      if (!out.accepted) out.accepted = std::move(appraisal);
      continue;
    }
    for (const std::string& reason : appraisal.reasons())
      if (!has(out.reasons, reason)) out.reasons.push_back(reason);
  }
  if (asked.empty()) out.reasons.push_back("there is no policy that accepts anything");
  return out;
}

Reply Service::refuse_proof(const Request& request, const std::string& reason, json::Object details) {
  failures_.take(request.peer, clock_.monotonic());
  details.insert(details.begin(), {{"peer", request.peer}, {"reason", reason}});
  if (!audit_.record("proof refused", std::move(details))) return not_recorded();
  return error(401, "AttestationError", reason);
}

Reply Service::attest(const Request& request) {
  const std::string session(session_of(request.cookie));
  const auto pending = sessions_.take(session, clock_.monotonic());
  if (!pending) {
    // The answer to an accepted proof may have been lost.
    if (const auto before = sessions_.find(session, clock_.monotonic()))
      return {200, "application/json", json::to_text(json::Object{{"token", before->token}}), {}, 0};
    return refuse_proof(
        request,
        "there is no session whose challenge this could answer: it is over, was answered before, or the "
        "broker was restarted; begin again with /kbs/v0/auth",
        {});
  }
  const auto body = json::parse(request.body);
  if (!body) return refuse_proof(request, "the request is no JSON: " + body.error().to_string(), {});
  const json::Value* const runtime = body->find("runtime-data");
  const json::Value* const nonce = runtime ? runtime->find("nonce") : nullptr;
  const json::Value* const key = runtime ? runtime->find(kRecipient) : nullptr;
  if (!nonce || !key) return refuse_proof(request, "runtime-data has no nonce, or no tee-pubkey", {});
  if (nonce->string() != std::string_view(pending->nonce))
    return refuse_proof(request, "the nonce is not that of this session's challenge", {});
  if (const auto recipient = Recipient::parse(*key); !recipient)
    return refuse_proof(request, "tee-pubkey cannot be used: " + recipient.error().to_string(), {});
  const json::Value* const form = body->find("tee-evidence");
  const json::Value* const primary = form ? form->find("primary_evidence") : nullptr;
  const json::Value* const additional = primary ? form->find("additional_evidence") : nullptr;
  if (additional && additional->string() != "" && additional->string() != "{}")
    return refuse_proof(request, "evidence of further devices is not understood here", {});
  if (!form) return refuse_proof(request, "there is no tee-evidence", {});
  auto evidence = read_evidence_form(pending->technology, primary ? *primary : *form);
  if (!evidence) return refuse_proof(request, evidence.error().to_string(), {});
  if (const json::Value* const init = body->find("init-data");
      init && !init->is(json::Kind::Null) && !is_bound(init->text_at({"body"}), evidence->host_data()))
    return refuse_proof(request, "init-data is not what the guest was started with", {});

  const std::string digest = digest_text(attest::bytes_of(json::to_text(primary ? *primary : *form)));
  json::Object about = {{"technology", name_of(evidence->technology())},
                        {"measurement", attest::to_hex(evidence->measurement())},
                        {"evidence", digest}};
  const Proof proof = prove(std::move(*evidence), runtime_digest(*nonce, *key, additional));
  if (!proof.accepted) {
    std::string reason = "the proof is not accepted";
    for (const std::string& one : proof.reasons) reason += (&one == proof.reasons.data() ? ": " : "; ") + one;
    return refuse_proof(request, reason, std::move(about));
  }
  attest::TokenOptions options{build_, clock_.wall(), limits_.token_lifetime, {}};
  options.nonce = attest::from_base64(pending->nonce);
  auto claims = json::parse(token_claims(proof.verdict, *proof.accepted, options));
  if (!claims) return error(500, "AttestationError", "no token was made");
  claims->set(kRecipient, *key);
  claims->set(kPolicies, strings(proof.policies));
  const auto token = sign_token(json::to_text(*claims), key_);
  if (!token) return error(500, "AttestationError", "no token was made");
  about.insert(about.begin(), {{"peer", request.peer}});
  about.push_back({"policies", strings(proof.policies)});
  if (!audit_.record("proof accepted", std::move(about))) return not_recorded();
  sessions_.finish(session, {*key, proof.policies, digest, *token}, clock_.monotonic());
  Reply out;
  out.body = json::to_text(json::Object{{"token", *token}});
  out.set_cookie = cookie_of(session, limits_.session_lifetime);
  return out;
}

std::optional<Attested> Service::authenticated(const Request& request) {
  constexpr std::string_view kBearer = "Bearer ";
  if (request.authorization.starts_with(kBearer)) {
    const std::string_view token = request.authorization.substr(kBearer.size());
    const auto text = verify_token(token, key_, clock_.wall());
    const auto claims = text ? json::parse(*text) : std::unexpected(Error(ErrorCode::System));
    const json::Value* const key = claims ? claims->find(kRecipient) : nullptr;
    const json::Value* const policies = claims ? claims->find(kPolicies) : nullptr;
    if (!key || !policies) return std::nullopt;
    Attested out{*key, {}, digest_text(attest::bytes_of(token)), {}};
    for (const json::Value& policy : policies->items()) out.policies.emplace_back(policy.string().value_or(""));
    return out;
  }
  return sessions_.find(session_of(request.cookie), clock_.monotonic());
}

Reply Service::resource(const Request& request, std::string name) {
  if (std::ranges::count(name, '/') == 1) name = "default/" + name;
  if (name.starts_with('/')) name = "default" + name;
  if (!Store::is_name(name))
    return error(404, "InvalidRequestPath",
                 "a resource is REPOSITORY/TYPE/TAG, of letters, digits, \"-\", \"_\", \".\"");
  const auto attested = authenticated(request);
  if (!attested)
    return error(401, "TokenNotFound",
                 "nothing was proved, or it was too long ago: begin with /kbs/v0/auth and /kbs/v0/attest");
  json::Object about = {{"peer", request.peer}, {"resource", name}, {"evidence", attested->evidence}};
  const auto trusted = trust();
  const auto rule = std::ranges::find_if(trusted->rules, [&](const Rule& one) { return fits(one.pattern, name); });
  if (rule == trusted->rules.end() || !has(attested->policies, rule->id)) {
    if (!audit_.record("resource refused", std::move(about))) return not_recorded();
    return error(403, "PolicyDeny", "what was proved does not suffice for " + name);
  }
  if (!store_.has(name)) return error(404, "PluginInternalError", "there is no resource " + name);
  const auto content = store_.get(name);
  if (!content) {
    about.push_back({"error", content.error().to_string()});
    if (!audit_.record("resource unreadable", std::move(about))) return not_recorded();
    return error(500, "PluginInternalError", "the resource " + name + " cannot be read; the audit log says why");
  }
  const auto recipient = Recipient::parse(attested->recipient);
  const auto encrypted =
      recipient ? recipient->encrypt(*content) : std::unexpected(Error(ErrorCode::System, "the key cannot be used"));
  if (!encrypted) return error(500, "JweError", encrypted.error().to_string());
  about.push_back({"policy", rule->id});
  if (!audit_.record("resource released", std::move(about))) return not_recorded();
  Reply out;
  out.body = json::to_text(*encrypted);
  return out;
}

Reply Service::certificate(const Request& request) {
  if (!request.content_type.starts_with("application/pkcs10"))
    return error(415, "InvalidRequestPath", "this path takes application/pkcs10");
  auto evidence = attest::read_certificate_request(attest::bytes_of(request.body));
  if (!evidence) return refuse_proof(request, evidence.error().to_string(), {});
  if (!evidence->request || !evidence->request->is_signed)
    return refuse_proof(request, "the request is not signed by its own key", {});
  const Blob expected = report_data_of_key(evidence->technology(), evidence->request->public_key);
  json::Object about = {{"technology", name_of(evidence->technology())},
                        {"measurement", attest::to_hex(evidence->measurement())},
                        {"evidence", digest_text(attest::bytes_of(request.body))}};
  const Proof proof = prove(std::move(*evidence), expected);
  const auto trusted = trust();
  const auto rule =
      std::ranges::find_if(trusted->rules, [&](const Rule& one) { return fits(one.pattern, kCertificate); });
  if (rule == trusted->rules.end() || !has(proof.policies, rule->id)) {
    std::string reason = "the proof is not accepted";
    for (const std::string& one : proof.reasons) reason += (&one == proof.reasons.data() ? ": " : "; ") + one;
    return refuse_proof(request, reason, std::move(about));
  }
  const auto chain =
      authority_.issue(attest::bytes_of(request.body), clock_.wall(), limits_.certificate_lifetime, names_);
  if (!chain) return error(500, "AttestationError", chain.error().to_string());
  about.insert(about.begin(), {{"peer", request.peer}});
  about.push_back({"policy", rule->id});
  if (!audit_.record("certificate issued", std::move(about))) return not_recorded();
  return {200, "application/pkix-pkipath", std::string(attest::text_of(*chain)), {}, 0};
}

}  // namespace berth::broker
