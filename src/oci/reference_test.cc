#include "oci/reference.h"

#include <gtest/gtest.h>

namespace berth::oci {
namespace {

const std::string kHex(64, 'a');

std::string full(std::string_view text) {
  auto reference = parse_reference(text);
  return reference ? reference->to_string() : "! " + reference.error().detail();
}

TEST(Reference, IsCompleted) {
  EXPECT_EQ(full("app"), "localhost/app:latest");
  EXPECT_EQ(full("team/app:1"), "localhost/team/app:1");
  EXPECT_EQ(full("localhost/app:1"), "localhost/app:1");
  EXPECT_EQ(full("localhost:5000/app"), "localhost:5000/app:latest");
  EXPECT_EQ(full("docker.io/alpine"), "docker.io/library/alpine:latest");
  EXPECT_EQ(full("index.docker.io/library/alpine:3"), "docker.io/library/alpine:3");
  EXPECT_EQ(full("[::1]:5000/a/b-c__d.e:V_1.2-x"), "[::1]:5000/a/b-c__d.e:V_1.2-x");
  EXPECT_EQ(full("r.example/a@sha256:" + kHex), "r.example/a@sha256:" + kHex);
  EXPECT_EQ(full("r.example/a:1@sha256:" + kHex), "r.example/a:1@sha256:" + kHex);
  EXPECT_TRUE(parse_reference("app")->is_local());
  EXPECT_FALSE(parse_reference("localhost:5000/app")->is_local());
  EXPECT_EQ(parse_reference("r.example/a:1@sha256:" + kHex)->target(), "sha256:" + kHex);
  EXPECT_EQ(parse_reference("r.example/a:1")->target(), "1");
}

TEST(Reference, RejectsWhatIsNone) {
  for (const std::string& bad : {std::string(),
                                 std::string(":1"),
                                 std::string("a:"),
                                 std::string("App"),
                                 std::string("a//b"),
                                 std::string("/a"),
                                 std::string("a/"),
                                 std::string("a_-b"),
                                 std::string("a..b"),
                                 std::string("a___b"),
                                 std::string("-a"),
                                 std::string("https://r.example/a"),
                                 std::string("r.example:x/a"),
                                 std::string("r.example:123456/a"),
                                 std::string("-r.example/a"),
                                 std::string("r..example/a"),
                                 std::string("a:1@sha256:12"),
                                 "a@sha256:" + std::string(64, 'A'),
                                 "a@md5:" + std::string(32, 'a'),
                                 std::string("a@"),
                                 "a:" + std::string(129, 'x'),
                                 std::string(256, 'a'),
                                 std::string("a b"),
                                 std::string("a\n"),
                                 std::string("../../etc/passwd"),
                                 std::string("r.example/..")}) {
    EXPECT_FALSE(parse_reference(bad)) << bad;
  }
}

TEST(Digest, IsParsedStrictly) {
  EXPECT_EQ(parse_digest("sha256:" + kHex)->to_string(), "sha256:" + kHex);
  EXPECT_EQ(parse_digest("sha512:" + kHex + kHex)->hex.size(), 128u);
  for (const char* bad : {"", "sha256", "sha256:", "sha256:../../x", "SHA256:"}) EXPECT_FALSE(parse_digest(bad));
  EXPECT_FALSE(parse_digest("sha512:" + kHex));
}

TEST(Digest, IsOfBytes) {
  EXPECT_EQ(digest_of("abc").to_string(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of("", Algorithm::Sha512).hex.substr(0, 16), "cf83e1357eefb8bd");
}

}  // namespace
}  // namespace berth::oci
