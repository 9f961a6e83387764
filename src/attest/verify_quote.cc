#include <algorithm>
#include <functional>

#include "attest/verify_parts.h"

namespace berth::attest {
namespace {

constexpr std::array<u8, 16> kIntelQe = {0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9,
                                         0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07};
constexpr u16 kPckChain = 5;
constexpr std::string_view kPckName = "Intel SGX PCK Certificate", kSigningName = "Intel SGX TCB Signing";
constexpr const char* kPckCheck = "chain of the PCK certificate to Intel's root";

// All that is there to verify one quote.
struct Sources {
  const Quote& quote;
  const Roots& roots;
  std::vector<Certificate> pool;  // from everywhere
  std::vector<RevocationList> lists;
  std::vector<SignedDocument> tcb_infos, identities;
};

Sources gather(const Evidence& evidence, const Collateral& collateral, const Roots& roots) {
  Sources out{*evidence.quote(),    roots, collateral.certificates, collateral.revocation_lists, collateral.tcb_infos,
              collateral.identities};
  for (const Blob& der : evidence.certificates)
    if (auto certificate = Certificate::from_der(der)) out.pool.push_back(std::move(*certificate));
  for (const Blob& der : evidence.revocation_lists)
    if (auto list = RevocationList::from_der(der)) out.lists.push_back(std::move(*list));
  // Documents in evidence are as Intel's service answers them.
  Collateral documents;
  for (const std::string& text : evidence.documents)
    if (!documents.add(bytes_of(text), "the evidence")) continue;
  for (auto& document : documents.tcb_infos) out.tcb_infos.push_back(std::move(document));
  for (auto& document : documents.identities) out.identities.push_back(std::move(document));
  return out;
}

// Every certificate must have a list that speaks of it.
bool check_covered(Recorder& out, const char* name, const Chain& chain, const std::vector<RevocationList>& lists) {
  const auto revocation = check_revocation(chain, lists, out.time());
  if (!revocation) {
    out.failed(name, revocation.error().detail());
    return false;
  }
  if (!revocation->uncovered.empty()) {
    out.failed(name, "there is no revocation list for " + revocation->uncovered.front());
    return false;
  }
  if (revocation->next_update) out.ends(*revocation->next_update);
  out.passed(name);
  return true;
}

// Whether there is nothing but certificates: a byte between them that was changed would go unnoticed else.
bool is_only_certificates(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";
  constexpr std::string_view kSpace{" \t\r\n\0", 5};
  while (true) {
    const size_t at = text.find_first_not_of(kSpace);
    if (at == std::string_view::npos) return true;
    text.remove_prefix(at);
    const size_t end = text.find(kEnd);
    if (!text.starts_with(kBegin) || end == std::string_view::npos) return false;
    text.remove_prefix(end + kEnd.size());
  }
}

// The certificate of the key that signed the quoting enclave's report, with its chain.
std::optional<Certificate> check_pck(Recorder& out, const Sources& sources) {
  const Quote& quote = sources.quote;
  std::vector<Certificate> pool;
  if (quote.certification_type == kPckChain) {
    auto chain = Certificate::from_pem(text_of(quote.certification_data));
    if (!chain) {
      out.failed(kPckCheck, chain.error().detail());
      return std::nullopt;
    }
    if (!is_only_certificates(text_of(quote.certification_data))) {
      out.failed(kPckCheck, "there is something between the certificates of the quote");
      return std::nullopt;
    }
    pool = std::move(*chain);
  } else {
    pool = sources.pool;
  }
  const Certificate* pck = nullptr;
  constexpr const char* kQeSignature = "signature of the quoting enclave's report";
  size_t candidates = 0;
  for (const Certificate& certificate : pool) {
    if (certificate.subject() != kPckName) continue;
    ++candidates;
    const Key key = certificate.key();
    if (key.is(Curve::P256) && key.verify(quote.qe_report_bytes, quote.qe_report_signature)) pck = &certificate;
  }
  if (candidates == 0) {
    out.failed(kPckCheck, quote.certification_type == kPckChain
                              ? "there is no PCK certificate in the quote"
                              : "certification data of type " + std::to_string(quote.certification_type) +
                                    " has no PCK certificate, and there is none in the collateral");
    return std::nullopt;
  }
  if (!out.check(kQeSignature, pck, "it is not by the key of the PCK certificate")) return std::nullopt;
  const auto chain = find_chain(*pck, pool, sources.roots.intel, out.time());
  if (!chain) {
    out.failed(kPckCheck, chain.error().detail());
    return std::nullopt;
  }
  out.passed(kPckCheck);
  out.ends(*chain);
  if (!check_covered(out, "PCK certificate not revoked", *chain, sources.lists)) return std::nullopt;
  return *pck;
}

// Whether Intel signed the document, and a reason when not.
Result<> check_document(const SignedDocument& document, const Sources& sources, Time time, Recorder& out) {
  std::span<const Certificate> pool = document.chain.empty() ? sources.pool : document.chain;
  std::optional<Error> last;
  for (const Certificate& certificate : pool) {
    if (certificate.subject() != kSigningName) continue;
    const Key key = certificate.key();
    if (!key.is(Curve::P256) || !key.verify(bytes_of(document.text), document.signature)) {
      last = Error(kBadCollateral, "it is not signed by " + certificate.subject() + ": its signature does not fit");
      continue;
    }
    const Chain chain = TRY(find_chain(certificate, pool, sources.roots.intel, time));
    const Revocation revocation = TRY(check_revocation(chain, sources.lists, time));
    if (!revocation.uncovered.empty())
      return fail(kBadCollateral, "there is no revocation list for " + revocation.uncovered.front());
    out.ends(chain);
    if (revocation.next_update) out.ends(*revocation.next_update);
    return {};
  }
  if (last) return fail(std::move(*last));
  return fail(kBadCollateral, "there is no certificate of " + std::string(kSigningName) + " for it");
}

Result<> check_dates(Time issued, Time next_update, Time time) {
  if (time < issued)
    return fail(kBadCollateral, "it is of " + format_time(issued) + ", and it is " + format_time(time));
  if (time > next_update)
    return fail(kBadCollateral,
                "it is out of date: it held until " + format_time(next_update) + ", and it is " + format_time(time));
  return {};
}

// Of the documents that are meant for this quote, one that holds; the reason why there is none is in the checks.
template <typename Document>
std::optional<Document> choose(Recorder& out, const char* name, const std::vector<SignedDocument>& documents,
                               const Sources& sources, Result<Document> (*parse)(std::string_view),
                               const std::function<std::string(const Document&)>& why_not) {
  std::string reason = "there is none in the collateral";
  for (const SignedDocument& document : documents) {
    auto parsed = parse(document.text);
    if (!parsed) {
      reason = parsed.error().detail();
      continue;
    }
    if (std::string why = why_not(*parsed); !why.empty()) {
      reason = why;
      continue;
    }
    auto good = check_document(document, sources, out.time(), out);
    if (good) good = check_dates(parsed->issued, parsed->next_update, out.time());
    if (!good) {
      reason = good.error().detail();
      continue;
    }
    out.passed(name);
    out.ends(parsed->next_update);
    return std::move(*parsed);
  }
  out.failed(name, reason);
  return std::nullopt;
}

void check_quoting_enclave(Recorder& out, const Quote& quote) {
  Blob vouched(quote.attestation_key.begin(), quote.attestation_key.end());
  vouched.insert(vouched.end(), quote.qe_authentication_data.begin(), quote.qe_authentication_data.end());
  const Sha256 digest = sha256(vouched);
  std::array<u8, 64> expected{};
  std::ranges::copy(digest, expected.begin());
  out.check("quoting enclave vouches for the key", quote.qe_report.report_data == expected,
            "its report data is " + to_hex(quote.qe_report.report_data) +
                ", expected the digest of the attestation key, " + to_hex(expected));
  out.check("quoting enclave is no debug one", !quote.qe_report.is_debuggable(), "its attributes say debug");
}

std::string describe(const TcbVerdict& verdict) {
  std::string out(name_of(verdict.status));
  if (!verdict.date.empty()) out += ", as of " + verdict.date.substr(0, 10);
  for (size_t i = 0; i < verdict.advisories.size(); ++i)
    out += (i == 0 ? ", with advisories " : ", ") + verdict.advisories[i];
  return out;
}

}  // namespace

void verify_quote(Recorder& out, const Collateral& collateral, const Roots& roots) {
  const Evidence& evidence = out.verdict().evidence;
  const Quote& quote = *evidence.quote();
  const Sources sources = gather(evidence, collateral, roots);

  if (!out.check("quoting enclave is Intel's", quote.qe_vendor_id == kIntelQe,
                 "its vendor is " + to_hex(quote.qe_vendor_id) + ", expected " + to_hex(kIntelQe))) {
    return;
  }
  const auto key = Key::from_point(Curve::P256, quote.attestation_key);
  out.check("signature of the quote", key && key->verify(quote.signed_bytes, quote.signature),
            key ? "it is not by the attestation key" : "the attestation key is no point of its curve");
  check_quoting_enclave(out, quote);
  const auto pck = check_pck(out, sources);
  if (!pck) return;

  IntelVerdict verdict;
  auto extension = parse_pck_extension(*pck);
  if (!extension) return out.failed(kPckCheck, extension.error().detail());
  verdict.pck = *extension;

  const std::string technology = quote.is_tdx ? "TDX" : "SGX";
  const auto info = choose<TcbInfo>(
      out, "TCB information", sources.tcb_infos, sources, &parse_tcb_info, [&](const TcbInfo& i) -> std::string {
        if (i.is_tdx != quote.is_tdx) return "there is none for " + technology;
        if (i.fmspc != verdict.pck.fmspc)
          return "there is none for this processor: it is of the family " + to_hex(verdict.pck.fmspc) +
                 ", the information of " + to_hex(i.fmspc);
        if (i.pce_id != verdict.pck.pce_id)
          return "there is none for the PCE " + to_hex(verdict.pck.pce_id) + ", but for " + to_hex(i.pce_id);
        return {};
      });
  const std::string wanted = quote.is_tdx ? "TD_QE" : "QE";
  const auto identity = choose<EnclaveIdentity>(
      out, "identity of the quoting enclave", sources.identities, sources, &parse_enclave_identity,
      [&](const EnclaveIdentity& i) -> std::string {
        return i.id == wanted ? std::string() : "there is none for " + wanted + ", but for " + i.id;
      });
  if (!info || !identity) return;
  verdict.evaluation_number = std::min(info->evaluation_number, identity->evaluation_number);

  auto enclave = match_enclave(*identity, quote.qe_report);
  if (!enclave) return out.failed("quoting enclave is the one that Intel names", enclave.error().detail());
  out.passed("quoting enclave is the one that Intel names");
  verdict.enclave = std::move(*enclave);

  constexpr const char* kLevel = "TCB level";
  auto platform = match_platform(*info, verdict.pck, quote.tdx(), verdict.enclave);
  if (!platform) return out.failed(kLevel, platform.error().detail());
  verdict.platform = std::move(*platform);
  verdict.all = merge(verdict.platform, verdict.enclave);
  if (verdict.all.status == TcbStatus::Revoked)
    out.failed(kLevel, "it is " + describe(verdict.all));
  else if (verdict.all.status == TcbStatus::UpToDate && verdict.all.advisories.empty())
    out.passed(kLevel);
  else
    out.warned(kLevel, describe(verdict.all));
  out.verdict().intel = std::move(verdict);
}

}  // namespace berth::attest
