#include "attest/simulated.h"

#include <gtest/gtest.h>

namespace berth::attest {
namespace {

SimulatedClaims claims() {
  SimulatedClaims out;
  out.measurement.fill(0x11);
  out.report_data.fill(0x22);
  out.host_data.fill(0x33);
  return out;
}

TEST(Simulated, IsReadAsItWasSigned) {
  const Key key = *Key::generate(Curve::P256);
  const auto text = sign_simulated(claims(), key);
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("INSECURE"), std::string::npos);
  const auto read = parse_simulated(*text);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_TRUE(is_signed(*read));
  EXPECT_EQ(read->measurement, claims().measurement);
  EXPECT_EQ(read->report_data, claims().report_data);
  EXPECT_EQ(read->host_data, claims().host_data);
  EXPECT_EQ(read->public_key, key.public_der());
}

TEST(Simulated, RefusesClaimsThatWereChanged) {
  const Key key = *Key::generate(Curve::P256);
  auto read = *parse_simulated(*sign_simulated(claims(), key));
  read.report_data[5] ^= 1;
  EXPECT_FALSE(is_signed(read));
  read.report_data[5] ^= 1;
  EXPECT_TRUE(is_signed(read));
  read.public_key = Key::generate(Curve::P256)->public_der();
  EXPECT_FALSE(is_signed(read));
}

TEST(Simulated, SurvivesKeysWrittenAndRead) {
  const Key key = *Key::generate(Curve::P256);
  const auto again = Key::from_private_pem(key.to_private_pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_der(), key.public_der());
  EXPECT_FALSE(Key::from_private_pem("-----BEGIN PRIVATE KEY-----\n"));
  EXPECT_FALSE(sign_simulated(claims(), *Key::generate(Curve::P384)));
}

TEST(Simulated, SaysWhatIsMalformed) {
  const std::string text = *sign_simulated(claims(), *Key::generate(Curve::P256));
  for (size_t i = 0; i + 2 < text.size(); ++i) EXPECT_FALSE(parse_simulated(text.substr(0, i)));
  std::string other = text;
  other.insert(1, "\"extra\": 1,");
  const auto read = parse_simulated(other);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().to_string().find("extra"), std::string::npos);
}

}  // namespace
}  // namespace berth::attest
