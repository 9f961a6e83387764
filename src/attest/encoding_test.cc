#include "attest/encoding.h"

#include <gtest/gtest.h>

#include "attest/der.h"
#include "attest/json_span.h"

namespace berth::attest {
namespace {

TEST(Encoding, Base64RoundTripsAndIsStrict) {
  EXPECT_EQ(to_base64(bytes_of("")), "");
  EXPECT_EQ(to_base64(bytes_of("f")), "Zg==");
  EXPECT_EQ(to_base64(bytes_of("fo")), "Zm8=");
  EXPECT_EQ(to_base64(bytes_of("foobar")), "Zm9vYmFy");
  EXPECT_EQ(to_base64url(bytes_of("\xff\xfe")), "__4");
  EXPECT_EQ(text_of(*from_base64("Zm9v\r\nYmFy ")), "foobar");
  for (const char* const bad : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v*", "===="})
    EXPECT_FALSE(from_base64(bad)) << bad;
  EXPECT_FALSE(from_base64url("Zg=="));
  EXPECT_FALSE(from_base64url("Zh"));
  EXPECT_EQ(text_of(*from_base64url("Zg")), "f");
}

TEST(Encoding, ReadsTimes) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_time("2025-06-19T10:56:11Z"), 1750330571);
  EXPECT_EQ(parse_time("2025-06-19T12:56:11.25+02:00"), 1750330571);
  EXPECT_EQ(parse_time("2024-02-29T00:00:00Z"), 1709164800);
  EXPECT_EQ(format_time(1750330571), "2025-06-19T10:56:11Z");
  for (const char* const bad :
       {"", "2025-06-19", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-06-31T00:00:00Z", "2025-06-19T10:56:11",
        "2025-06-19T24:00:00Z", "2025-06-19T10:56:11Zx"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

TEST(Der, StaysWithinBounds) {
  const Blob long_form = {0x30, 0x81, 0x80}, cut = {0x30, 0x05, 1}, indefinite = {0x30, 0x80, 0, 0},
             padded = {0x30, 0x82, 0, 1, 5};
  for (const Blob& bad : {long_form, cut, indefinite, padded, Blob{0x30}, Blob{0x1F, 0x01, 0}})
    EXPECT_FALSE(DerReader(bad).next());
  EXPECT_EQ(der_oid(Blob{0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 1, 13, 1}), "1.2.840.113741.1.13.1");
  EXPECT_EQ(der_oid(Blob{0x2A, 0x86}), "");
  EXPECT_EQ(der_number(Blob{0, 0xFF}), 255u);
  EXPECT_FALSE(der_number(Blob{0x80}));
  EXPECT_FALSE(der_number(Blob{1, 0, 0, 0, 0}));
}

TEST(JsonSpan, IsTheTextOfTheMember) {
  const std::string_view text =
      R"( { "a" : [1, {"b":"}"}] , "tcbInfo": {"x":"\"}","y":[{}]} ,"signature":"00", "n": 12 } )";
  EXPECT_EQ(member_span(text, "tcbInfo"), R"({"x":"\"}","y":[{}]})");
  EXPECT_EQ(member_span(text, "a"), R"([1, {"b":"}"}])");
  EXPECT_EQ(member_span(text, "signature"), "\"00\"");
  EXPECT_EQ(member_span(text, "n"), "12");
  EXPECT_EQ(member_span(text, "b"), "");
  EXPECT_EQ(member_span("{}", "b"), "");
}

}  // namespace
}  // namespace berth::attest
