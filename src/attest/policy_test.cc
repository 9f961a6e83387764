#include "attest/policy.h"

#include <gtest/gtest.h>

#include "attest/request.h"
#include "attest/test_support.h"
#include "attest/token.h"
#include "json/json.h"

namespace berth::attest {
namespace {

using namespace testing;

std::string why_not(std::string_view toml) {
  const auto policy = Policy::parse(toml, "p.toml");
  return policy ? "" : policy.error().detail();
}

void expect(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << "got: " << text << "\nexpected: " << part;
}

std::string hex(char digit, size_t bytes) { return std::string(2 * bytes, digit); }

TEST(Policy, SaysWhatItDoesNotUnderstand) {
  expect(why_not("technologies = [\"snp\"]\n[snp]\nany_measurement = true\nmesurements = []\n"),
         "p.toml:4: snp.mesurements is not known; there are: any_measurement, measurements");
  expect(why_not("technologies = [\"snp\"]\n[snp]\n"), "snp.any_measurement is not true, and none of measurements");
  expect(why_not("technologies = [\"sgx\"]\n"), "there is no table [sgx]");
  expect(why_not(""), "technologies is missing");
  expect(why_not("technologies = [\"arm\"]\n"),
         "p.toml:1: technologies has an item that is none of: snp, sgx, tdx, simulated");
  expect(why_not("technologies = [\"snp\"]\n[snp]\nmeasurements = [\"00\"]\n"),
         "p.toml:3: snp.measurements has an item that is not hexadecimal of 48 bytes");
  expect(why_not("technologies = [\"snp\"]\n[snp]\nmeasurements = []\n"), "is an empty list");
  expect(why_not("technologies = [\"sgx\"]\n[sgx]\nany_measurement = true\naccepted_statuses = [\"Revoked\"]\n"),
         "Revoked, which is never accepted");
  expect(why_not("technologies = [\"simulated\"]\n[simulated]\nany_measurement = true\n"), "allow_simulated = true");
  expect(why_not("technologies = [\"snp\"]\n[snp]\nany_measurement = true\nminimum_tcb = { ucode = 3 }\n"),
         "snp.minimum_tcb.ucode is not known");
  expect(why_not("technologies = ["), "p.toml:1: ");
  expect(why_not("technologies = [\"snp\"]\nreport_data = \"xyz\"\n[snp]\nany_measurement = true\n"),
         "report_data is not hexadecimal");
  EXPECT_EQ(why_not("technologies = [\"snp\"]\n[snp]\nany_measurement = true\n"), "");
}

// At some of them toml++ 3.3 stops the process, where its assertions are on. Found by fuzzing.
TEST(Policy, SurvivesKeysThatAreNone) {
  expect(why_not("[*np]\n"), "p.toml:1: ");
  expect(why_not("name = { a = 3, * = \"x\" }\n"), "p.toml:1: ");
  expect(why_not("name = { a = 3, \x93 = \"x\" }\n"), "p.toml:1: ");
  using namespace std::string_view_literals;
}

TEST(Policy, HasOtherLettersInCommentsOnly) {
  EXPECT_EQ(why_not("# Pr\xc3\xbc"
                    "fung\n  # \xc6\x8a\ntechnologies = [\"snp\"]\n[snp]\nany_measurement = true\n"),
            "");
  expect(why_not("name = \"x\"\ntechnologies = [\"snp\", 1\xc6\x8a\n"),
         "p.toml:2: there is a character that is not ASCII");
  expect(why_not("name = \"\xc3\xbc\"\n"), "p.toml:1: there is a character that is not ASCII");
}

TEST(Policy, RefusesControlCharacters) {
  using namespace std::string_view_literals;
  expect(why_not("technologies = [\"snp\"]\n[snp]\nmin\0name = true\n"sv),
         "p.toml:3: there is a control character, of code 0");
  expect(why_not("name = { a = 3, b \0c = \"x\" }\n"sv), "p.toml:1: there is a control character");
  expect(why_not("name = \"\x7f\"\n"sv), "of code 127");
  EXPECT_EQ(why_not("technologies\t= [\"snp\"]\r\n[snp]\r\nany_measurement = true\r\n"), "");
}

struct SnpCase {
  Amd amd{SnpProduct::Genoa};
  SnpTcb tcb{std::nullopt, 9, 0, 21, 72};
  Blob chip = Blob(64, 0x42);
  Party signer = amd.vcek(tcb, chip);

  Appraisal judge(std::string_view toml, u64 policy = 0x30000) const {
    Blob report = amd.report(3, tcb, chip);
    put(report, 8, policy, 8);
    const Verdict verdict = verify(Amd::sign(report, signer.key), amd.collateral(signer), kNow, amd.roots());
    CHECK(verdict.is_genuine());
    const auto parsed = Policy::parse(toml, "p.toml");
    CHECK(parsed.has_value());
    return appraise(verdict, *parsed);
  }
  std::string why(std::string_view snp, u64 policy = 0x30000, std::string_view head = "") const {
    std::string out;
    const std::string toml =
        "technologies = [\"snp\"]\n" + std::string(head) + "[snp]\nany_measurement = true\n" + std::string(snp);
    for (const std::string& reason : judge(toml, policy).reasons()) out += reason + "\n";
    return out;
  }
};

TEST(Policy, JudgesSnp) {
  const SnpCase c;
  EXPECT_EQ(c.why(""), "");
  EXPECT_EQ(c.why("measurements = [\"" + hex('c', 48) + "\", \"" + "cd" + hex('c', 47) + "\"]").substr(0, 12),
            "measurement:");
  std::string right;
  for (int i = 0; i < 48; ++i) right += "cd";
  EXPECT_EQ(c.why("measurements = [\"" + right + "\"]"), "");
  expect(c.why("measurements = [\"" + hex('1', 48) + "\"]"), "measurement: it is cdcd");
  expect(c.why("minimum_tcb = { microcode = 73 }"), "minimum TCB: microcode: it is 72, at least 73 is expected");
  EXPECT_EQ(c.why("minimum_tcb = { boot_loader = 9, snp = 21, microcode = 72 }"), "");
  expect(c.why("minimum_tcb = { fmc = 1 }"), "minimum TCB: FMC");
  expect(c.why("minimum_guest_svn = 1"), "guest's security version");
  expect(c.why("products = [\"Milan\"]"), "processor: it is Genoa");
  expect(c.why("signing_keys = [\"VLEK\"]"), "signing key");
  expect(c.why("allow_smt = false"), "no simultaneous multithreading");
  expect(c.why("require_single_socket = true"), "single socket");
  expect(c.why("host_data = [\"" + hex('1', 32) + "\"]"), "host data: it is 0000");
  EXPECT_EQ(c.why("require_revocation_list = true"), "");
  expect(c.why("", 0x30000 | SnpReport::kPolicyMigration), "no migration agent");
}

TEST(Policy, RefusesDebuggingUnlessItIsAllowed) {
  const SnpCase c;
  const u64 debug = 0x30000 | SnpReport::kPolicyDebug;
  expect(c.why("", debug), "no debugging: whoever runs it can look into it");
  EXPECT_EQ(c.why("", debug, "allow_debug = true\n"), "");
  EXPECT_EQ(
      c.judge("technologies = [\"snp\"]\nallow_debug = true\n[snp]\nany_measurement = true\n", debug).configuration,
      32);
}

TEST(Policy, WantsFreshReportData) {
  const SnpCase c;
  std::string ab;
  for (int i = 0; i < 64; ++i) ab += "ab";
  EXPECT_EQ(c.why("", 0x30000, "report_data = \"" + ab + "\"\n"), "");
  expect(c.why("", 0x30000, "report_data = \"" + ab.substr(2) + "\"\n"), "report data: it is abab");
}

TEST(Policy, RefusesOtherTechnologies) {
  const SnpCase c;
  const Appraisal out = c.judge("technologies = [\"sgx\"]\n[sgx]\nany_measurement = true\n");
  EXPECT_FALSE(out.accepted);
  expect(out.reasons().front(), "technology: AMD SEV-SNP is none that the policy accepts");
}

TEST(Policy, RefusesSimulatedEvidenceUnlessItIsAllowed) {
  const Key key = *Key::generate(Curve::P256);
  const std::string text = *sign_simulated({}, key);
  const Verdict verdict = verify(*read_evidence(bytes_of(text)), {}, kNow);
  EXPECT_TRUE(verdict.is_genuine());
  const Appraisal refused = appraise(verdict, Policy::any_genuine());
  EXPECT_FALSE(refused.accepted);
  expect(refused.reasons().front(), "INSECURE");
  const std::string head =
      "technologies = [\"simulated\"]\nallow_simulated = true\n[simulated]\nany_measurement = true\n";
  const Appraisal accepted = appraise(verdict, *Policy::parse(head, "p"));
  EXPECT_TRUE(accepted.accepted);
  EXPECT_EQ(accepted.hardware, 32);
  EXPECT_TRUE(appraise(verdict, *Policy::parse(head + "keys = [\"" + to_hex(sha256(key.public_der())) + "\"]\n", "p"))
                  .accepted);
  EXPECT_FALSE(appraise(verdict, *Policy::parse(head + "keys = [\"" + hex('1', 32) + "\"]\n", "p")).accepted);
  // What its claims say after a change is worth as little, and refused.
  std::string changed = text;
  changed.replace(changed.find("\"measurement\": \"") + 16, 1, "1");
  EXPECT_FALSE(appraise(verify(*read_evidence(bytes_of(changed)), {}, kNow), *Policy::parse(head, "p")).accepted);
}

TEST(Policy, JudgesIntelsStatuses) {
  const Intel intel;
  Intel::Spec spec = {.version = 3, .is_tdx = false};
  spec.platform_status = "SWHardeningNeeded";
  spec.advisories = "INTEL-SA-00615";
  const Verdict verdict = verify(*read_evidence(intel.quote(spec)), intel.collateral(spec), kNow, intel.roots());
  ASSERT_TRUE(verdict.is_genuine());
  const auto why = [&](const std::string& keys) {
    const auto policy = Policy::parse("technologies = [\"sgx\"]\n[sgx]\nany_measurement = true\n" + keys, "p");
    CHECK(policy.has_value());
    std::string out;
    for (const std::string& reason : appraise(verdict, *policy).reasons()) out += reason + "\n";
    return out;
  };
  expect(why(""), "TCB status: it is SWHardeningNeeded (INTEL-SA-00615), accepted are: UpToDate");
  const std::string accepted = "accepted_statuses = [\"UpToDate\", \"SWHardeningNeeded\"]\n";
  EXPECT_EQ(why(accepted), "");
  EXPECT_EQ(why(accepted + "allowed_advisories = [\"INTEL-SA-00615\"]\n"), "");
  expect(why(accepted + "allowed_advisories = []\n"), "advisories: these are not allowed: INTEL-SA-00615");
  expect(why(accepted + "minimum_tcb_evaluation_data_number = 18\n"), "TCB evaluation data number: it is 17");
  expect(why(accepted + "mr_signers = [\"" + hex('1', 32) + "\"]\n"), "MRSIGNER: it is eeee");
  expect(why(accepted + "isv_prod_ids = [4]\n"), "product: it is 3");
  expect(why(accepted + "minimum_isv_svn = 5\n"), "enclave's security version: it is 4");
}

TEST(Token, SaysWhatWasJudgedAndIsSigned) {
  const SnpCase c;
  const Verdict verdict =
      verify(Amd::sign(c.amd.report(3, c.tcb, c.chip), c.signer.key), c.amd.collateral(c.signer), kNow, c.amd.roots());
  Policy policy = Policy::any_genuine();
  const Appraisal appraisal = appraise(verdict, policy);
  ASSERT_TRUE(appraisal.accepted);
  const std::string claims =
      token_claims(verdict, appraisal, {.build = "test", .now = kNow, .nonce = Blob{1, 2, 3, 4}});
  const Key key = *Key::generate(Curve::P256);
  const std::string token = *sign_token(claims, key);
  EXPECT_EQ(*verify_token(token, key, kNow), claims);
  const auto value = *json::parse(claims);
  EXPECT_EQ(value.text_at({"eat_profile"}), kEarProfile);
  EXPECT_EQ(value.text_at({"eat_nonce"}), "AQIDBA");
  EXPECT_EQ(value.text_at({"submods", "snp", "ear.status"}), "affirming");
  EXPECT_EQ(value.text_at({"submods", "snp", "berth.evidence", "product"}), "Genoa");

  EXPECT_FALSE(verify_token(token, *Key::generate(Curve::P256), kNow));
  EXPECT_FALSE(verify_token(token, key, kNow + 1000));
  EXPECT_FALSE(verify_token(token, key, kNow - 1000));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify_token(changed, key, kNow)) << i;
  }
  // Without an algorithm, nothing is signed.
  const std::string none = to_base64url(bytes_of(R"({"alg":"none"})")) + "." + to_base64url(bytes_of(claims)) + ".";
  EXPECT_FALSE(verify_token(none, key, kNow));

  policy.snp->minimum_tcb.microcode = 200;
  const Appraisal refused = appraise(verdict, policy);
  const auto other = *json::parse(token_claims(verdict, refused, {}));
  EXPECT_EQ(other.text_at({"submods", "snp", "ear.status"}), "contraindicated");
}

// RFC 7638 is of RSA; this was computed by hand from its rules for a key of all known coordinates (RFC 7515, A.3).
TEST(Token, HasAThumbprintOfItsKey) {
  Blob point = *from_base64url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  const Blob y = *from_base64url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  point.insert(point.end(), y.begin(), y.end());
  const std::string text =
      R"({"crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
  EXPECT_EQ(thumbprint(*Key::from_point(Curve::P256, point)), to_base64url(sha256(bytes_of(text))));
  point[3] ^= 1;
  EXPECT_FALSE(Key::from_point(Curve::P256, point));
}

}  // namespace
}  // namespace berth::attest
