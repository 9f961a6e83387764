#include <algorithm>

#include "attest/der.h"
#include "attest/verify_parts.h"

namespace berth::attest {
namespace {

// Extensions of AMD's certificates ("Versioned Chip Endorsement Key Certificate and KDS Interface Specification",
// 57230).
constexpr const char* kProductName = "1.3.6.1.4.1.3704.1.2";
constexpr const char* kBootLoader = "1.3.6.1.4.1.3704.1.3.1";
constexpr const char* kTee = "1.3.6.1.4.1.3704.1.3.2";
constexpr const char* kSnp = "1.3.6.1.4.1.3704.1.3.3";
constexpr const char* kMicrocode = "1.3.6.1.4.1.3704.1.3.8";
constexpr const char* kFmc = "1.3.6.1.4.1.3704.1.3.9";
constexpr const char* kHardwareId = "1.3.6.1.4.1.3704.1.4";
constexpr const char* kProvider = "1.3.6.1.4.1.3704.1.5";
constexpr size_t kTurinIdSize = 8;

constexpr const char* kChainCheck = "chain of certificates to AMD's root";

std::optional<u32> number_of(const Certificate& certificate, const char* oid) {
  const auto value = certificate.extension(oid);
  if (!value) return std::nullopt;
  const auto number = DerReader(*value).next(kDerInteger);
  return number ? der_number(number->content) : std::nullopt;
}

// The text of a string, whichever kind it is.
std::string text_of_extension(const Certificate& certificate, const char* oid) {
  const auto value = certificate.extension(oid);
  if (!value) return {};
  const auto string = DerReader(*value).next();
  std::string out(text_of(string ? string->content : std::span<const u8>(*value)));
  std::ranges::replace_if(out, [](char c) { return c < 0x20 || c == 0x7F; }, '?');
  return out;
}

std::string describe(const SnpTcb& tcb) {
  return (tcb.fmc ? "FMC " + std::to_string(*tcb.fmc) + ", " : std::string()) + "boot loader " +
         std::to_string(tcb.boot_loader) + ", TEE " + std::to_string(tcb.tee) + ", SNP " + std::to_string(tcb.snp) +
         ", microcode " + std::to_string(tcb.microcode);
}

void check_tcb(Recorder& out, const Certificate& certificate, const SnpTcb& reported) {
  constexpr const char* kName = "certificate is of the reported TCB";
  const auto boot_loader = number_of(certificate, kBootLoader), tee = number_of(certificate, kTee),
             snp = number_of(certificate, kSnp), microcode = number_of(certificate, kMicrocode),
             fmc = number_of(certificate, kFmc);
  for (const auto& number : {boot_loader, tee, snp, microcode}) {
    if (!number || *number > 255) return out.failed(kName, "the certificate does not say of which TCB it is");
  }
  if (reported.fmc && (!fmc || *fmc > 255)) return out.failed(kName, "the certificate does not say of which FMC it is");
  const auto byte = [](u32 value) { return static_cast<u8>(value); };
  SnpTcb of{std::nullopt, byte(*boot_loader), byte(*tee), byte(*snp), byte(*microcode)};
  if (reported.fmc) of.fmc = byte(*fmc);
  out.check(kName, of == reported,
            "the report says " + describe(reported) + ", the certificate is for " + describe(of));
}

void check_chip(Recorder& out, const Certificate& certificate, const SnpReport& report, SnpProduct product) {
  constexpr const char* kName = "certificate is of the reporting chip";
  auto id = certificate.extension(kHardwareId);
  if (!id) return out.failed(kName, "the certificate does not say of which chip it is");
  if (id->size() > 2 && (*id)[0] == kDerOctets && (*id)[1] == id->size() - 2) id->erase(id->begin(), id->begin() + 2);
  const bool is_masked = std::ranges::all_of(report.chip_id, [](u8 byte) { return byte == 0; });
  if (is_masked) {
    return out.warned(kName,
                      "the host keeps the chip's number out of its reports; the certificate is of " + to_hex(*id));
  }
  Blob expected(report.chip_id.begin(), report.chip_id.end());
  if (product == SnpProduct::Turin && id->size() == kTurinIdSize &&
      std::ranges::all_of(std::span(expected).subspan(kTurinIdSize), [](u8 byte) { return byte == 0; })) {
    expected.resize(kTurinIdSize);
  }
  out.check(kName, *id == expected,
            "the report is of " + to_hex(report.chip_id) + ", the certificate of " + to_hex(*id));
}

// Of all certificates for keys that sign reports, the one whose key signed this.
const Certificate* find_signer(const std::vector<Certificate>& pool, const SnpReport& report, size_t& candidates) {
  const std::span signed_bytes = std::span(report.raw).first(kSnpSignedSize);
  candidates = 0;
  for (const Certificate& certificate : pool) {
    if (!certificate.extension(kBootLoader)) continue;
    ++candidates;
    const Key key = certificate.key();
    if (key.is(Curve::P384) && key.verify(signed_bytes, report.signature)) return &certificate;
  }
  return nullptr;
}

void check_revoked(Recorder& out, const Chain& chain, const std::vector<RevocationList>& lists, SnpVerdict& verdict) {
  constexpr const char* kName = "not revoked";
  const auto revocation = check_revocation(chain, lists, out.time());
  if (!revocation) return out.failed(kName, revocation.error().detail());
  if (revocation->next_update) out.ends(*revocation->next_update);
  // AMD lists the certificates that the root issued; what those sign in turn is replaced when the TCB is.
  const std::string& intermediate = chain[chain.size() - 2].subject();
  if (std::ranges::find(revocation->uncovered, intermediate) != revocation->uncovered.end()) {
    return out.warned(kName, "there is no revocation list of " + chain.back().subject() + "; whether " + intermediate +
                                 " was revoked is not known");
  }
  verdict.has_revocation_list = true;
  out.passed(kName);
}

}  // namespace

void verify_snp(Recorder& out, const Collateral& collateral, const Roots& roots) {
  const Evidence& evidence = out.verdict().evidence;
  const SnpReport& report = *evidence.snp();
  SnpVerdict verdict;
  verdict.signing_key = report.signing_key();
  const bool is_vlek = verdict.signing_key == SnpSigningKey::Vlek;
  const std::string kind = is_vlek ? "VLEK" : "VCEK";

  constexpr const char* kSignature = "signature of the report";
  if (!is_vlek && verdict.signing_key != SnpSigningKey::Vcek) {
    return out.failed(kSignature, "it is signed with no key: the report's signing key is " +
                                      std::to_string(static_cast<int>(verdict.signing_key)));
  }
  std::vector<Certificate> pool = collateral.certificates;
  std::vector<RevocationList> lists = collateral.revocation_lists;
  for (const Blob& der : evidence.certificates) {
    if (auto certificate = Certificate::from_der(der))
      pool.push_back(std::move(*certificate));
    else if (auto chain = Certificate::from_pem(text_of(der)))
      pool.insert(pool.end(), chain->begin(), chain->end());
  }
  for (const Blob& der : evidence.revocation_lists)
    if (auto list = RevocationList::from_der(der)) lists.push_back(std::move(*list));

  size_t candidates = 0;
  const Certificate* const signer = find_signer(pool, report, candidates);
  if (candidates == 0)
    return out.failed(kSignature, "there is no certificate of the " + kind + " that should have signed it");
  if (!signer)
    return out.failed(kSignature, "it fits none of the " + std::to_string(candidates) +
                                      " certificates of signing keys that are there");
  out.passed(kSignature);
  out.check("kind of the signing key", signer->subject() == "SEV-" + kind,
            "the report says " + kind + ", the certificate is of " + signer->subject());

  std::vector<Sha256> keys;
  for (const AmdRoot& root : roots.amd) keys.push_back(root.key);
  const auto chain = find_chain(*signer, pool, keys, out.time());
  if (!chain) return out.failed(kChainCheck, chain.error().detail());
  const std::string issuer_kind = is_vlek ? "SEV-VLEK-" : "SEV-";
  for (const AmdRoot& root : roots.amd)
    if (root.key == chain->back().key_digest()) verdict.product = root.product;
  const std::string issuer = issuer_kind + std::string(name_of(verdict.product));
  if (chain->size() != 3 || (*chain)[1].subject() != issuer)
    return out.failed(kChainCheck, "the certificate is issued by " + signer->issuer() + ", expected " + issuer);
  out.passed(kChainCheck);
  out.ends(*chain);
  check_revoked(out, *chain, lists, verdict);

  constexpr const char* kProcessor = "processor is of the root's generation";
  const SnpProduct said = report.product();
  if (said != SnpProduct::Unknown) {
    out.check(
        kProcessor, said == verdict.product,
        "the report is of " + std::string(name_of(said)) + ", its root of " + std::string(name_of(verdict.product)));
  } else if (report.family) {
    out.failed(kProcessor, "the report is of a processor that is not known: family " + std::to_string(*report.family) +
                               ", model " + std::to_string(*report.model));
  } else if (const std::string name = text_of_extension(*signer, kProductName);
             !name.starts_with(name_of(verdict.product))) {
    out.failed(kProcessor, "the certificate is of " + name + ", its root of " + std::string(name_of(verdict.product)));
  } else {
    out.passed(kProcessor);
  }

  verdict.reported = snp_tcb_of(report.reported_tcb, verdict.product);
  verdict.current = snp_tcb_of(report.current_tcb, verdict.product);
  verdict.committed = snp_tcb_of(report.committed_tcb, verdict.product);
  verdict.launch = snp_tcb_of(report.launch_tcb, verdict.product);
  check_tcb(out, *signer, verdict.reported);
  if (is_vlek)
    verdict.provider = text_of_extension(*signer, kProvider);
  else
    check_chip(out, *signer, report, verdict.product);
  if (verdict.committed != verdict.current) {
    out.warned("firmware is committed", "what runs is " + describe(verdict.current) + ", but the host can go back to " +
                                            describe(verdict.committed));
  }
  out.verdict().snp = std::move(verdict);
}

}  // namespace berth::attest
