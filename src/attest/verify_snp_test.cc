#include <gtest/gtest.h>

#include "attest/snp_json.h"
#include "attest/test_support.h"

namespace berth::attest {
namespace {

using namespace testing;

const Blob kChip64(64, 0x42);
Blob turin_chip() { return {1, 2, 3, 4, 5, 6, 7, 8}; }

// A report and all that it takes to verify it.
struct Case {
  Amd amd;
  SnpTcb tcb;
  Blob chip;
  Party signer;
  Collateral collateral;

  explicit Case(SnpProduct product)
      : amd(product),
        tcb(product == SnpProduct::Turin ? SnpTcb{u8{1}, 2, 3, 4, 70} : SnpTcb{std::nullopt, 3, 0, 20, 209}),
        chip(product == SnpProduct::Turin ? turin_chip() : kChip64),
        signer(amd.vcek(tcb, chip)),
        collateral(amd.collateral(signer)) {}

  Verdict verify_report(Blob report) const {
    return verify(Amd::sign(std::move(report), signer.key), collateral, kNow, amd.roots());
  }
  std::string why(Blob report) const { return failures(verify_report(std::move(report)).checks); }
  std::string why_with(const Collateral& other, Time time = kNow) const {
    return failures(verify(Amd::sign(amd.report(3, tcb, chip), signer.key), other, time, amd.roots()).checks);
  }
};

void expect(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos)
      << "got: " << (text.empty() ? "no failure" : text) << "expected: " << part;
}

TEST(VerifySnp, AcceptsEveryGenerationAndVersion) {
  for (const SnpProduct product : {SnpProduct::Milan, SnpProduct::Genoa, SnpProduct::Turin}) {
    const Case c(product);
    for (u32 version = product == SnpProduct::Turin ? 3 : 2; version <= 5; ++version) {
      const Verdict verdict = c.verify_report(c.amd.report(version, c.tcb, c.chip));
      EXPECT_TRUE(verdict.is_genuine()) << name_of(product) << " " << version << "\n" << failures(verdict.checks);
      ASSERT_TRUE(verdict.snp);
      EXPECT_EQ(verdict.snp->reported, c.tcb);
      EXPECT_EQ(verdict.snp->product, product);
      EXPECT_TRUE(verdict.snp->has_revocation_list);
      EXPECT_EQ(verdict.good_until, kNow + 86400);
    }
  }
}

TEST(VerifySnp, AcceptsKeysOfProviders) {
  Case c(SnpProduct::Genoa);
  c.signer = c.amd.vlek(c.tcb);
  c.collateral = c.amd.collateral(c.signer);
  Blob report = c.amd.report(3, c.tcb, {});
  expect(c.why(report), "kind of the signing key: the report says VCEK, the certificate is of SEV-VLEK");
  put(report, 0x48, 1 << 2, 4);
  const Verdict verdict = c.verify_report(report);
  EXPECT_TRUE(verdict.is_genuine()) << failures(verdict.checks);
  EXPECT_EQ(verdict.snp->provider, "CN=cloud.example");
  put(report, 0x48, 7 << 2, 4);
  expect(c.why(report), "it is signed with no key");
}

TEST(VerifySnp, RefusesCertificatesOfAnotherTcbOrChip) {
  const Case c(SnpProduct::Milan);
  SnpTcb lower = c.tcb;
  lower.microcode -= 1;
  expect(c.why(c.amd.report(3, lower, c.chip)),
         "certificate is of the reported TCB: the report says boot loader 3, TEE "
         "0, SNP 20, microcode 208, the certificate is for");
  Blob other(64, 0x43);
  expect(c.why(c.amd.report(3, c.tcb, other)), "certificate is of the reporting chip: the report is of 4343");
  // A host may keep it out.
  EXPECT_EQ(c.why(c.amd.report(3, c.tcb, {})), "");

  const Case turin(SnpProduct::Turin);
  SnpTcb fmc = turin.tcb;
  fmc.fmc = u8{9};
  expect(turin.why(turin.amd.report(3, fmc, turin.chip)), "the report says FMC 9");
  Blob longer = turin.chip;
  longer.resize(64);
  longer[40] = 1;
  expect(turin.why(turin.amd.report(3, turin.tcb, longer)), "certificate is of the reporting chip");
}

TEST(VerifySnp, RefusesAnotherGenerationsRoot) {
  const Case c(SnpProduct::Milan);
  Blob report = c.amd.report(3, c.tcb, c.chip);
  report[0x189] = 0x11;
  expect(c.why(report), "processor is of the root's generation: the report is of Genoa, its root of Milan");
  report[0x188] = 0x1B;
  expect(c.why(report), "a processor that is not known");
}

TEST(VerifySnp, RefusesWrongChains) {
  const Case c(SnpProduct::Milan), other(SnpProduct::Milan);
  Collateral collateral = c.collateral;
  collateral.certificates = other.collateral.certificates;
  expect(c.why_with(collateral), "signature of the report: it fits none of the 1 certificates");
  collateral.certificates = {};
  expect(c.why_with(collateral), "there is no certificate of the VCEK");
  // The same names, other keys.
  collateral.certificates = {c.signer.certificate, other.amd.ask.certificate, other.amd.ark.certificate};
  expect(c.why_with(collateral), "chain of certificates to AMD's root: the root ARK-Milan is none of the vendor's");
  collateral.certificates = {c.signer.certificate, c.amd.ask.certificate, other.amd.ark.certificate};
  expect(c.why_with(collateral), "chain of certificates to AMD's root");
  collateral.certificates = {c.signer.certificate, c.amd.ask.certificate};
  expect(c.why_with(collateral), "leads to no known root: the one of its issuer, ARK-Milan, is not there");
  // A whole chain of somebody else's.
  const Verdict verdict =
      verify(Amd::sign(other.amd.report(3, c.tcb, c.chip), other.signer.key), other.collateral, kNow, c.amd.roots());
  expect(failures(verdict.checks), "the root ARK-Milan is none of the vendor's");
  // What the VCEK signs is no VCEK.
  const Party child = c.amd.vcek(c.tcb, c.chip, &c.signer);
  collateral = c.collateral;
  collateral.certificates.push_back(child.certificate);
  expect(failures(verify(Amd::sign(c.amd.report(3, c.tcb, c.chip), child.key), collateral, kNow, c.amd.roots()).checks),
         "chain of certificates to AMD's root: the certificate SEV-VCEK leads to no known root");
  // The ARK's own certificates are no intermediate's.
  const Party direct = c.amd.vcek(c.tcb, c.chip, &c.amd.ark);
  collateral.certificates.push_back(direct.certificate);
  expect(
      failures(verify(Amd::sign(c.amd.report(3, c.tcb, c.chip), direct.key), collateral, kNow, c.amd.roots()).checks),
      "the certificate is issued by ARK-Milan, expected SEV-Milan");
}

TEST(VerifySnp, RefusesAtTheWrongTime) {
  const Case c(SnpProduct::Genoa);
  expect(c.why_with(c.collateral, kNow + 2 * kYear), "was valid until");
  expect(c.why_with(c.collateral, kNow - 2 * kYear), "is valid from");
  expect(c.why_with(c.collateral, kNow + 2 * 86400),
         "not revoked: the revocation list of ARK-Genoa is stale: it held until");
  expect(c.why_with(c.collateral, kNow - 2 * 86400), "the revocation list of ARK-Genoa is of");
}

TEST(VerifySnp, RefusesWhatWasRevoked) {
  const Case c(SnpProduct::Turin);
  Collateral collateral = c.collateral;
  collateral.revocation_lists = {make_list(c.amd.ark, {0x30001})};
  expect(c.why_with(collateral),
         "not revoked: the certificate SEV-Turin (serial number 030001) is revoked by ARK-Turin since");
  // The other intermediate.
  collateral.revocation_lists = {make_list(c.amd.ark, {0x30002})};
  EXPECT_EQ(c.why_with(collateral), "");
  // A VCEK, by a list of its issuer's.
  collateral.revocation_lists = {make_list(c.amd.ark, {}), make_list(c.amd.ask, {0})};
  expect(c.why_with(collateral), "the certificate SEV-VCEK (serial number 00) is revoked by SEV-Turin");
  // A list that somebody else signed.
  const Amd other(SnpProduct::Turin);
  collateral.revocation_lists = {make_list(other.ark, {})};
  expect(c.why_with(collateral), "is not signed by it");
  // One that is stale does not hide one that is not.
  collateral.revocation_lists = {make_list(c.amd.ark, {}, kNow - 2 * 86400, kNow - 86400), make_list(c.amd.ark, {})};
  EXPECT_EQ(c.why_with(collateral), "");
  collateral.revocation_lists = {};
  const Verdict verdict =
      verify(Amd::sign(c.amd.report(3, c.tcb, c.chip), c.signer.key), collateral, kNow, c.amd.roots());
  EXPECT_TRUE(verdict.is_genuine());
  EXPECT_FALSE(verdict.snp->has_revocation_list);
}

TEST(VerifySnp, RefusesEveryBitThatWasChanged) {
  const Case c(SnpProduct::Turin);
  const Evidence evidence = Amd::sign(c.amd.report(5, c.tcb, c.chip), c.signer.key);
  const Blob& report = evidence.snp()->raw;
  for (size_t bit = 0; bit < 8 * kSnpReportSize; bit += 7) {
    Blob changed = report;
    changed[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    auto read = read_evidence(changed);
    if (!read) continue;
    EXPECT_FALSE(verify(std::move(*read), c.collateral, kNow, c.amd.roots()).is_genuine()) << bit;
  }
}

TEST(VerifySnp, TakesCertificatesThatCameWithIt) {
  const Case c(SnpProduct::Milan);
  const Evidence evidence = Amd::sign(c.amd.report(3, c.tcb, c.chip), c.signer.key);
  Blob bytes = evidence.snp()->raw;
  const Blob blobs[] = {c.signer.certificate.der(), c.amd.ask.certificate.der(), c.amd.ark.certificate.der()};
  const char* const guids[] = {"63da758de6644564adc5f4b93be8accd", "4ab7b379bbac4fe4a02f05aef327c782",
                               "c0b406a4a803495297433fb6014cd0ae"};
  Blob table, contents;
  for (size_t i = 0; i < 3; ++i) {
    Blob entry = *from_hex(guids[i]);
    entry.resize(24);
    put(entry, 16, 96 + contents.size(), 4);
    put(entry, 20, blobs[i].size(), 4);
    table = join({table, entry});
    contents = join({contents, blobs[i]});
  }
  bytes = join({bytes, table, Blob(24), contents});
  auto read = read_evidence(bytes);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->certificates.size(), 3u);
  EXPECT_EQ(failures(verify(std::move(*read), {}, kNow, c.amd.roots()).checks), "");
}

TEST(SnpJson, GivesTheSameReport) {
  for (const SnpProduct product : {SnpProduct::Genoa, SnpProduct::Turin}) {
    const Case c(product);
    for (u32 version = 3; version <= 5; ++version) {
      Evidence evidence = Amd::sign(c.amd.report(version, c.tcb, c.chip), c.signer.key);
      evidence.certificates = {c.signer.certificate.der(), c.amd.ask.certificate.der(), c.amd.ark.certificate.der()};
      json::Value value = to_snp_json(evidence);
      auto read = read_evidence(bytes_of(json::to_text(value)));
      ASSERT_TRUE(read) << read.error().to_string();
      EXPECT_EQ(read->snp()->raw, evidence.snp()->raw);
      EXPECT_EQ(read->certificates, evidence.certificates);
      EXPECT_EQ(failures(verify(std::move(*read), {}, kNow, c.amd.roots()).checks), "");
      // Every field is needed, and of its size.
      for (const json::Member& member : value.find("attestation_report")->members()) {
        if (member.value.is(json::Kind::Null) || member.name.find("cpuid") == 0 ||
            member.name.find("_mit_") != std::string::npos)
          continue;
        json::Value less = value;
        less.find("attestation_report")->erase(member.name);
        const auto refused = read_snp_json(less);
        ASSERT_FALSE(refused) << member.name;
        expect(refused.error().detail(), member.name);
        less = value;
        less.find("attestation_report")->set(member.name, json::Array{256});
        EXPECT_FALSE(read_snp_json(less)) << member.name;
      }
    }
  }
}

}  // namespace
}  // namespace berth::attest
