#include "digest/sha256.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace berth::digest {
namespace {

std::span<const u8> bytes(std::string_view text) { return {reinterpret_cast<const u8*>(text.data()), text.size()}; }

TEST(Digest, IsThatOfTheStandard) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hash;
  const std::string thousand(1000, 'a');
  for (int i = 0; i < 1000; ++i) hash.update(bytes(thousand));
  EXPECT_EQ(to_hex(hash.finish()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, AuthenticatesAsTheStandardSays) {
  // RFC 4231, test cases 1 and 2: shorter keys are filled up with zeros.
  Digest key{};
  std::fill_n(key.begin(), 20, u8{0x0b});
  EXPECT_EQ(to_hex(hmac_sha256(key, bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  key = {'J', 'e', 'f', 'e'};
  EXPECT_EQ(to_hex(hmac_sha256(key, bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, ComparesAllBytes) {
  Digest a{}, b{};
  EXPECT_TRUE(equal(a, b));
  b[31] = 1;
  EXPECT_FALSE(equal(a, b));
}

}  // namespace
}  // namespace berth::digest
