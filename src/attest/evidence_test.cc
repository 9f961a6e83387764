#include "attest/evidence.h"

#include <gtest/gtest.h>

namespace berth::attest {
namespace {

Blob snp_bytes(u8 version) {
  Blob out(kSnpReportSize);
  out[0] = version;
  out[0x34] = 1;
  out[0x0A] = 8;  // debug
  out[0x50] = 0xAB;
  out[0x90] = 0xCD;
  out[0x180] = 1, out[0x181] = 2, out[0x182] = 3, out[0x183] = 4, out[0x186] = 6, out[0x187] = 7;
  out[0x188] = 0x1A, out[0x189] = 0x02;
  out[0x2A0] = 5;       // the lowest byte of r
  out[0x2A0 + 72] = 9;  // of s
  out[0x1F8] = 0x77;
  return out;
}

TEST(SnpReport, ReadsFieldsOfEachVersion) {
  const auto two = parse_snp_report(snp_bytes(2));
  ASSERT_TRUE(two) << two.error().to_string();
  EXPECT_FALSE(two->family);
  EXPECT_EQ(two->product(), SnpProduct::Unknown);
  EXPECT_TRUE(two->is_debuggable());
  EXPECT_EQ(two->signature[47], 5);
  EXPECT_EQ(two->signature[95], 9);
  EXPECT_FALSE(two->current_mitigations);

  const auto five = parse_snp_report(snp_bytes(5));
  ASSERT_TRUE(five);
  EXPECT_EQ(five->product(), SnpProduct::Turin);
  EXPECT_EQ(five->launch_mitigations, 0x77u);
  EXPECT_EQ(snp_tcb_of(five->reported_tcb, SnpProduct::Turin), (SnpTcb{u8{1}, 2, 3, 4, 7}));
  EXPECT_EQ(snp_tcb_of(five->reported_tcb, SnpProduct::Genoa), (SnpTcb{std::nullopt, 1, 2, 6, 7}));
}

TEST(SnpReport, RefusesWhatIsNotOne) {
  EXPECT_FALSE(parse_snp_report(snp_bytes(1)));
  EXPECT_FALSE(parse_snp_report(snp_bytes(6)));
  Blob bytes = snp_bytes(3);
  bytes.pop_back();
  EXPECT_FALSE(parse_snp_report(bytes));
  for (const size_t at :
       {size_t{0x2A0 + 48}, size_t{0x2A0 + 71}, size_t{0x2A0 + 143}, size_t{0x330}, kSnpReportSize - 1}) {
    bytes = snp_bytes(3);
    bytes[at] = 1;
    EXPECT_FALSE(parse_snp_report(bytes)) << at;
  }
}

TEST(Evidence, IsFoundInEveryForm) {
  const Blob raw = snp_bytes(3);
  Blob answer(4000);
  answer[4] = 0xA0, answer[5] = 0x04;
  std::ranges::copy(raw, answer.begin() + 32);
  const std::string base64 = to_base64(raw);
  const std::string forms[] = {std::string(text_of(raw)),
                               to_hex(raw) + "\n",
                               "0x" + to_hex(raw),
                               base64,
                               to_base64url(raw),
                               base64.substr(0, 64) + "\r\n" + base64.substr(64),
                               "-----BEGIN REPORT-----\n" + base64 + "\n-----END REPORT-----\n",
                               std::string(text_of(answer)),
                               std::string(text_of(raw)) + std::string(512, '\0')};
  for (const std::string& form : forms) {
    const auto read = read_evidence(bytes_of(form));
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(read->technology(), Technology::SevSnp);
    EXPECT_EQ(read->report_data()[0], 0xAB);
    EXPECT_EQ(read->measurement()[0], 0xCD);
    EXPECT_FALSE(read->form.empty());
  }
  for (const std::string_view no : {"", "hello", "{}", "{", "-----BEGIN X-----", "00", "MAAA", "0000000000000000"})
    EXPECT_FALSE(read_evidence(bytes_of(no))) << no;
}

TEST(Evidence, ReadsTheTableOfCertificates) {
  Blob bytes = snp_bytes(3);
  const std::string guid = "63da758de6644564adc5f4b93be8accd", swapped = "8d75da6364e66445adc5f4b93be8accd";
  for (const std::string& spelled : {guid, swapped}) {
    Blob table = *from_hex(spelled);
    for (const u8 byte : {48, 0, 0, 0, 3, 0, 0, 0}) table.push_back(byte);
    table.resize(48);
    for (const u8 byte : {7, 8, 9}) table.push_back(byte);
    Evidence evidence{*parse_snp_report(bytes)};
    ASSERT_TRUE(add_certificate_table(evidence, table));
    ASSERT_EQ(evidence.certificates.size(), 1u);
    EXPECT_EQ(evidence.certificates[0], (Blob{7, 8, 9}));
    for (size_t n = 0; n < table.size(); ++n)
      EXPECT_FALSE(add_certificate_table(evidence, std::span(table).first(n))) << n;
  }
}

}  // namespace
}  // namespace berth::attest
