#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "attest/describe.h"
#include "attest/service.h"
#include "attest/token.h"
#include "berth-attest/commands.h"
#include "berth-attest/fetch.h"
#include "cli/units.h"
#include "os/file.h"

namespace berth::attest {
namespace {

constexpr u64 kMostPolicy = u64{1} << 20, kMostKey = 65536;

struct Options {
  Policy policy;
  Collateral collateral;
  Time time = 0;
  std::optional<Blob> nonce;
  std::optional<Key> signing_key;
};

int wrong_usage(std::string message, std::string hint) {
  return cli::usage_error({std::move(message), std::move(hint)});
}

Time now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<std::string> read_text(std::string_view path, u64 most) {
  const auto bytes = TRY(os::read_file(std::string(path), most));
  return std::string(bytes.begin(), bytes.end());
}

std::optional<Time> read_time(std::string_view text) {
  if (const auto time = parse_time(text)) return time;
  const auto seconds = cli::parse_count(text);
  if (!seconds || *seconds > u64{1} << 40) return std::nullopt;
  return static_cast<Time>(*seconds);
}

Result<> fetch_collateral(const cli::Arguments& arguments, const Evidence& evidence, Collateral& to) {
  const auto pccs = arguments.value("--pccs"), kds = arguments.value("--kds");
  if (!pccs && !kds) return {};
  // Whatever comes is signed itself, so that a cache need not be trusted.
  const Fetch fetch = fetch_by_program(arguments);
  if (evidence.quote() && pccs) TRY(fetch_for_quote(to, evidence, std::string(*pccs), fetch));
  if (evidence.snp() && kds) TRY(fetch_for_snp(to, evidence, std::string(*kds), fetch));
  return {};
}

std::string_view word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::Passed: return "ok";
    case Outcome::Warned: return "note";
    case Outcome::Failed: break;
  }
  return "FAIL";
}

void print_table(cli::Output& out, const Verdict& verdict, const Appraisal& appraisal) {
  const Evidence& evidence = verdict.evidence;
  if (evidence.simulated()) out << "*** " << kSimulatedWarning << " ***\n";
  out << title_of(evidence.technology()) << ", verified as of " << format_time(verdict.time) << "\n\n";
  size_t width = 0;
  for (const Check& check : appraisal.checks) width = std::max(width, check.name.size());
  for (const Check& check : appraisal.checks) {
    const std::string_view word = word_of(check.outcome);
    out << "  " << word << std::string(6 - word.size(), ' ') << check.name;
    if (!check.reason.empty()) out << std::string(width - check.name.size() + 2, ' ') << printable(check.reason);
    out << "\n";
  }
  out << "\n  measurement  " << to_hex(evidence.measurement()) << "\n  report data  " << to_hex(evidence.report_data())
      << "\n";
  if (verdict.good_until) out << "  holds until  " << format_time(*verdict.good_until) << "\n";
  out << "\n"
      << (appraisal.accepted ? "accepted" : "REFUSED") << " by the policy: " << printable(appraisal.policy) << "\n";
}

json::Value to_json(const Verdict& verdict, const Appraisal& appraisal) {
  json::Array checks;
  for (const Check& check : appraisal.checks) {
    json::Value row = json::Object{{"name", check.name}, {"outcome", word_of(check.outcome)}};
    if (!check.reason.empty()) row.set("reason", check.reason);
    checks.push_back(std::move(row));
  }
  json::Value out = json::Object{{"accepted", appraisal.accepted},
                                 {"genuine", verdict.is_genuine()},
                                 {"technology", name_of(verdict.evidence.technology())},
                                 {"time", format_time(verdict.time)},
                                 {"policy", appraisal.policy}};
  if (verdict.intel) {
    out.set("tcb_status", name_of(verdict.intel->all.status));
    json::Array advisories;
    for (const std::string& id : verdict.intel->all.advisories) advisories.emplace_back(id);
    out.set("advisory_ids", std::move(advisories));
  }
  if (verdict.good_until) out.set("good_until", format_time(*verdict.good_until));
  if (verdict.evidence.simulated()) out.set("warning", kSimulatedWarning);
  out.set("checks", std::move(checks));
  out.set("evidence", attest::to_json(verdict.evidence));
  return out;
}

// Writes the token; an exit code when that failed.
std::optional<int> write_token(const cli::Arguments& arguments, const Verdict& verdict, const Appraisal& appraisal,
                               const Options& options) {
  const auto path = arguments.value("--token");
  if (!path) return std::nullopt;
  std::optional<Key> key = options.signing_key;
  if (!key) {
    auto made = Key::generate(Curve::P256);
    if (!made) return report(made.error());
    key = std::move(*made);
    cli::print_error("the token is signed with a key that was made up now, so that nobody can know whose it is",
                     "--signing-key FILE signs it with yours; make one with: openssl genpkey -algorithm EC -pkeyopt "
                     "ec_paramgen_curve:P-256");
  }
  TokenOptions about;
  about.build = "berth-attest " BERTH_VERSION;
  about.now = now();
  about.nonce = options.nonce;
  auto token = sign_token(token_claims(verdict, appraisal, about), *key);
  if (!token) return report(token.error(), "--signing-key takes a private key on P-256");
  *token += "\n";
  if (*path == "-") {
    cli::Output out;
    out << *token;
    if (const int code = out.finish(0)) return code;
    return std::nullopt;
  }
  if (auto written = os::replace_file(std::string(*path), bytes_of(*token)); !written) return report(written.error());
  return std::nullopt;
}

}  // namespace

int verify_command(const cli::Arguments& arguments) {
  Options options;
  options.policy = Policy::any_genuine();
  options.time = now();
  if (const auto text = arguments.value("--time")) {
    const auto time = read_time(*text);
    if (!time) return wrong_usage("--time " + std::string(*text) + " is no time", "such as 2025-07-01T00:00:00Z");
    options.time = *time;
  }
  if (const auto text = arguments.value("--tls-verify"); text && *text != "true" && *text != "false")
    return wrong_usage("--tls-verify takes true or false", "");
  if (const auto text = arguments.value("--nonce")) {
    options.nonce = from_hex(*text);
    if (!options.nonce || options.nonce->empty() || options.nonce->size() > 64)
      return wrong_usage("--nonce is not hexadecimal of 1 to 64 bytes", "it is what the report data must be");
  }
  if (arguments.has("--signing-key") && !arguments.has("--token"))
    return wrong_usage("--signing-key signs a token, but there is no --token FILE", "");
  if (const auto path = arguments.value("--policy")) {
    const auto text = read_text(*path, kMostPolicy);
    if (!text) return report(text.error());
    auto policy = Policy::parse(*text, std::string(*path));
    if (!policy) return wrong_usage(policy.error().detail(), "docs/keeps.md has all keys of a policy");
    options.policy = std::move(*policy);
  }
  if (options.nonce) options.policy.report_data = options.nonce;
  if (const auto path = arguments.value("--signing-key")) {
    const auto text = read_text(*path, kMostKey);
    if (!text) return report(text.error());
    auto key = Key::from_private_pem(*text);
    if (!key || !key->is(Curve::P256))
      return wrong_usage(std::string(*path) + " is no private key on P-256 in PEM",
                         "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    options.signing_key = std::move(*key);
  }
  for (const std::string_view path : arguments.values("--collateral")) {
    auto more = Collateral::load(std::string(path));
    if (!more) return report(more.error(), "docs/keeps.md says what --collateral takes");
    Collateral& to = options.collateral;
    for (auto& certificate : more->certificates) to.certificates.push_back(std::move(certificate));
    for (auto& list : more->revocation_lists) to.revocation_lists.push_back(std::move(list));
    for (auto& document : more->tcb_infos) to.tcb_infos.push_back(std::move(document));
    for (auto& document : more->identities) to.identities.push_back(std::move(document));
  }
  auto evidence = read_evidence_file(arguments.operands().front());
  if (!evidence) return report(evidence.error());
  if (auto fetched = fetch_collateral(arguments, *evidence, options.collateral); !fetched)
    return report(fetched.error(), "the collateral can also be given as files: --collateral PATH");

  const Verdict verdict = verify(std::move(*evidence), options.collateral, options.time);
  const Appraisal appraisal = appraise(verdict, options.policy);
  if (const auto code = write_token(arguments, verdict, appraisal, options)) return *code;
  const int code = appraisal.accepted ? kExitAccepted : kExitRefused;
  cli::Output out;
  if (arguments.value("--token") == "-") {
    // Standard output is the token's.
  } else if (arguments.has("--json")) {
    out << json::to_text(to_json(verdict, appraisal), 2) << "\n";
  } else if (!arguments.has("--quiet")) {
    print_table(out, verdict, appraisal);
  }
  if (!appraisal.accepted && (arguments.has("--quiet") || arguments.value("--token") == "-")) {
    for (const std::string& reason : appraisal.reasons()) cli::print_error("refused: " + printable(reason));
  }
  return out.finish(code);
}

}  // namespace berth::attest
