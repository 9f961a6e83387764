#include <gtest/gtest.h>

#include "attest/test_support.h"

namespace berth::attest {
namespace {

using namespace testing;

const Intel& intel() {
  static const Intel vendor;
  return vendor;
}

Verdict verdict_of(const Intel::Spec& spec, const Collateral* collateral = nullptr, Time time = kNow) {
  auto evidence = read_evidence(intel().quote(spec));
  CHECK(evidence.has_value());
  return verify(std::move(*evidence), collateral ? *collateral : intel().collateral(spec), time, intel().roots());
}

std::string why(const Intel::Spec& spec, const Collateral* collateral = nullptr, Time time = kNow) {
  return failures(verdict_of(spec, collateral, time).checks);
}

TcbStatus status_of(const Intel::Spec& spec) {
  const Verdict verdict = verdict_of(spec);
  EXPECT_TRUE(verdict.intel) << failures(verdict.checks);
  return verdict.intel ? verdict.intel->all.status : TcbStatus::Revoked;
}

void expect(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos)
      << "got: " << (text.empty() ? "no failure" : text) << "expected: " << part;
}

Intel::Spec sgx() { return {.version = 3, .is_tdx = false}; }
Intel::Spec td15() { return {.version = 5, .is_tdx = true, .is_15 = true}; }

std::string module(const std::string& id, const std::string& levels) {
  return R"({"id":")" + id + R"(","mrsigner":")" + std::string(96, '0') +
         R"(","attributes":"0000000000000000","attributesMask":"FFFFFFFFFFFFFFFF","tcbLevels":[)" + levels + "]}";
}
std::string module_level(int svn, const std::string& status) {
  return R"({"tcb":{"isvsvn":)" + std::to_string(svn) + R"(},"tcbDate":"2026-01-01T00:00:00Z","tcbStatus":")" + status +
         "\"}";
}

TEST(VerifyQuote, AcceptsEveryVersionAndBody) {
  for (const Intel::Spec& spec :
       {sgx(), Intel::Spec{.version = 4, .is_tdx = false}, Intel::Spec{.version = 5, .is_tdx = false},
        Intel::Spec{.version = 4}, Intel::Spec{.version = 5}, td15()}) {
    const Verdict verdict = verdict_of(spec);
    EXPECT_TRUE(verdict.is_genuine()) << spec.version << "\n" << failures(verdict.checks);
    ASSERT_TRUE(verdict.intel);
    EXPECT_EQ(verdict.intel->all.status, TcbStatus::UpToDate);
    EXPECT_EQ(verdict.intel->pck.pce_svn, 13u);
    EXPECT_EQ(to_hex(verdict.intel->pck.fmspc), "00906ea10000");
    EXPECT_EQ(verdict.evidence.report_data()[63], 0xAB);
    EXPECT_EQ(verdict.evidence.measurement()[0], 0xCD);
    EXPECT_EQ(verdict.good_until, kNow + 86400);
  }
}

TEST(VerifyQuote, MatchesLevels) {
  Intel::Spec spec = sgx();
  spec.platform_status = "SWHardeningNeeded";
  spec.advisories = "INTEL-SA-00615";
  EXPECT_EQ(status_of(spec), TcbStatus::SWHardeningNeeded);
  EXPECT_EQ(verdict_of(spec).intel->all.advisories, std::vector<std::string>{"INTEL-SA-00615"});
  spec.platform_status = "Revoked";
  expect(why(spec), "TCB level: it is Revoked, as of 2026-03-13, with advisories INTEL-SA-00615");
  spec = {};
  spec.tee_tcb_svn = {4, 0, 3};
  EXPECT_EQ(status_of(spec), TcbStatus::OutOfDate);
  spec.tee_tcb_svn = {2, 0, 1};
  expect(why(spec), "TCB level: the TCB of the trust domain (components 2.0.1.");
  spec = sgx();
  spec.levels = Intel::level({4}, {}, 13, "UpToDate");
  expect(why(spec), "TCB level: the platform's TCB (components 3.3.2.2.4.1.0.5.");
  spec.levels = Intel::level({3}, {}, 14, "UpToDate") + "," + Intel::level({3}, {}, 13, "ConfigurationNeeded");
  EXPECT_EQ(status_of(spec), TcbStatus::ConfigurationNeeded);
  // In whichever order they come.
  spec.levels = Intel::level({1}, {}, 5, "OutOfDate") + "," + Intel::level({3}, {}, 13, "UpToDate");
  EXPECT_EQ(status_of(spec), TcbStatus::UpToDate);
}

TEST(VerifyQuote, JoinsTheStatusOfTheQuotingEnclave) {
  Intel::Spec spec = sgx();
  spec.qe_svn = 7;
  EXPECT_EQ(status_of(spec), TcbStatus::OutOfDate);
  spec.platform_status = "ConfigurationAndSWHardeningNeeded";
  EXPECT_EQ(status_of(spec), TcbStatus::OutOfDateConfigurationNeeded);
  spec = sgx();
  spec.qe_status = "Revoked";
  expect(why(spec), "TCB level: it is Revoked");
  spec = sgx();
  spec.qe_svn = 5;
  expect(why(spec), "its security version is 5, below every level that is known");
  spec = sgx();
  spec.qe_product = 9;
  expect(why(spec), "quoting enclave is the one that Intel names: its product is 9, expected 1");
  spec = sgx();
  spec.qe_attributes = 0x13;
  expect(why(spec), "quoting enclave is no debug one");
}

TEST(VerifyQuote, MatchesTheTdxModule) {
  Intel::Spec spec = td15();
  spec.tee_tcb_svn = {4, 3, 3};
  expect(why(spec), "the TDX module is of version 3, of which the TCB information does not know");
  spec.modules = module("TDX_03", module_level(4, "UpToDate") + "," + module_level(2, "OutOfDate"));
  EXPECT_EQ(status_of(spec), TcbStatus::UpToDate);
  spec.tee_tcb_svn = spec.tee_tcb_svn2 = {3, 3, 3};
  EXPECT_EQ(status_of(spec), TcbStatus::OutOfDate);
  // The module was updated since the trust domain started.
  spec.tee_tcb_svn2 = {4, 3, 3};
  EXPECT_EQ(status_of(spec), TcbStatus::TDRelaunchAdvised);
  spec.platform_status = "ConfigurationNeeded";
  EXPECT_EQ(status_of(spec), TcbStatus::TDRelaunchAdvisedConfigurationNeeded);
  spec.tee_tcb_svn = {1, 3, 3};
  expect(why(spec), "the TDX module has version 3.1, which is below every level");
  spec.tee_tcb_svn = {4, 3, 3};
  spec.modules = module("TDX_03", module_level(4, "Revoked"));
  expect(why(spec), "TCB level: it is Revoked");
}

// As services answered before version 4 of their interface.
TEST(TcbInfo, IsReadInItsOlderForm) {
  const auto text = [](std::string_view version) {
    std::string out =
        "{\"version\":" + std::string(version) +
        R"(,"issueDate":"2026-06-14T00:00:00Z","nextUpdate":"2026-07-14T00:00:00Z","fmspc":"00906EA10000",)"
        R"("pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":5,"tcbLevels":[{"tcb":{)";
    for (int i = 1; i <= 16; ++i)
      out += std::string("\"sgxtcbcomp") + (i < 10 ? "0" : "") + std::to_string(i) + "svn\":" + std::to_string(i) + ",";
    return out + R"("pcesvn":7},"tcbDate":"2026-01-01T00:00:00Z","tcbStatus":"ConfigurationNeeded"}]})";
  };
  const auto info = parse_tcb_info(text("2"));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_FALSE(info->is_tdx);
  ASSERT_EQ(info->levels.size(), 1u);
  EXPECT_EQ(info->levels[0].sgx[15], 16);
  EXPECT_EQ(info->levels[0].pce_svn, 7u);
  PckExtension pck;
  pck.components.fill(16);
  pck.pce_svn = 7;
  EXPECT_EQ(match_platform(*info, pck, nullptr, {})->status, TcbStatus::ConfigurationNeeded);
  pck.components[15] = 15;
  EXPECT_FALSE(match_platform(*info, pck, nullptr, {}));
  expect(parse_tcb_info(text("3")).error().detail(), "tcbInfo.id is not a string");
  expect(parse_tcb_info(text("4")).error().detail(), "version 4, known are 2 and 3");
}

TEST(VerifyQuote, RefusesCollateralThatIsNotForIt) {
  Intel::Spec other = {};
  other.fmspc = "00A067110000";
  const Collateral another_family = intel().collateral(other);
  expect(why({}, &another_family),
         "TCB information: there is none for this processor: it is of the family 00906ea10000, "
         "the information of 00a067110000");
  const Collateral of_sgx = intel().collateral(sgx());
  expect(why({}, &of_sgx), "TCB information: there is none for TDX");
  expect(why({}, &of_sgx), "identity of the quoting enclave: there is none for TD_QE, but for QE");
  const Collateral none;
  expect(why({}, &none), "PCK certificate not revoked: there is no revocation list for");
}

TEST(VerifyQuote, RefusesAtTheWrongTime) {
  expect(why({}, nullptr, kNow + 2 * kYear), "chain of the PCK certificate to Intel's root: the certificate");
  Intel::Spec spec = sgx();
  spec.next_update = kNow - 10;
  expect(why(spec), "TCB information: it is out of date: it held until");
  Collateral collateral = intel().collateral({});
  collateral.revocation_lists = {make_list(intel().root, {}), make_list(intel().ca, {}, kNow - 200, kNow - 100)};
  expect(why({}, &collateral), "the revocation list of Intel SGX PCK Platform CA is stale");
}

TEST(VerifyQuote, RefusesWhatWasRevoked) {
  Collateral collateral = intel().collateral({});
  collateral.revocation_lists = {make_list(intel().root, {}), make_list(intel().ca, {77})};
  expect(why({}, &collateral),
         "PCK certificate not revoked: the certificate Intel SGX PCK Certificate (serial number 4d)");
  collateral.revocation_lists = {make_list(intel().root, {2}), make_list(intel().ca, {})};
  expect(why({}, &collateral), "the certificate Intel SGX PCK Platform CA (serial number 02) is revoked");
  collateral.revocation_lists = {make_list(intel().root, {3}), make_list(intel().ca, {})};
  expect(why({}, &collateral), "TCB information: the certificate Intel SGX TCB Signing (serial number 03) is revoked");
}

TEST(VerifyQuote, RefusesDocumentsThatIntelDidNotSign) {
  const std::string text = intel().tcb_info({});
  Collateral collateral = intel().collateral({});
  for (const size_t at : {size_t{10}, text.size() / 2}) {
    collateral.tcb_infos[0].text = text;
    collateral.tcb_infos[0].text[at] ^= 1;
    EXPECT_NE(why({}, &collateral), "");
  }
  // A PCK's key signs reports, no documents.
  collateral = intel().collateral({});
  const Blob signature = *intel().pck.key.sign(bytes_of(text));
  std::ranges::copy(signature, collateral.tcb_infos[0].signature.begin());
  collateral.certificates.push_back(intel().pck.certificate);
  expect(why({}, &collateral), "TCB information: it is not signed by Intel SGX TCB Signing");
  // Another root's.
  const Intel other;
  collateral = other.collateral({});
  expect(why({}, &collateral), "is not signed by it");
  EXPECT_FALSE(verify(*read_evidence(intel().quote({})), intel().collateral({}), kNow, other.roots()).is_genuine());
}

TEST(VerifyQuote, RefusesEveryBitAndEveryEnd) {
  const Blob quote = intel().quote(td15());
  const Collateral collateral = intel().collateral(td15());
  // The suite in tests/attest changes every bit of real evidence; here, all but certificates, and a part of those.
  for (size_t i = 0; i < quote.size(); i += i < 1500 ? 1 : 7) {
    Blob changed = quote;
    changed[i] ^= static_cast<u8>(1 << i % 8);
    auto read = read_evidence(changed);
    if (read && i + 1 < quote.size()) {  // the last is a line end, of no meaning
      EXPECT_FALSE(verify(std::move(*read), collateral, kNow, intel().roots()).is_genuine()) << i;
    }
    if (i % 7 == 0) {
      EXPECT_FALSE(read_evidence(std::span(quote).first(i))) << i;
    }
  }
}

TEST(VerifyQuote, RefusesTextBetweenCertificates) {
  const Intel::Spec spec = sgx();
  Blob quote = intel().quote(spec);
  const std::string_view text = text_of(quote);
  const size_t at = text.find("-----END CERTIFICATE-----\n") + 25;
  quote[at] = 'J';
  expect(failures(verify(*read_evidence(quote), intel().collateral(spec), kNow, intel().roots()).checks),
         "there is something between the certificates of the quote");
}

TEST(VerifyQuote, SaysWhatDoesNotFitInAQuote) {
  const auto reason = [](size_t at, u64 value, size_t bytes) {
    Blob quote = intel().quote(td15());
    put(quote, at, value, bytes);
    const auto read = read_evidence(quote);
    return read ? std::string() : read.error().detail();
  };
  expect(reason(0, 6, 2), "it is of version 6, known are 3, 4 and 5");
  expect(reason(2, 3, 2), "its attestation key is of type 3");
  expect(reason(4, 7, 4), "its technology is 0x00000007");
  expect(reason(48, 4, 2), "a body of type 4 is not known");
  expect(reason(50, 584, 4), "a body of type 3 has 648 bytes, this says 584");
}

}  // namespace
}  // namespace berth::attest
