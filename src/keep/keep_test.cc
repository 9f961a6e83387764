#include <gtest/gtest.h>

#include <algorithm>

#include "attest/encoding.h"
#include "keep/broker.h"
#include "keep/config.h"
#include "keep/http.h"
#include "keep/jwe.h"
#include "keep/launch.h"
#include "keep/workload.h"

namespace berth::keep {
namespace {

std::vector<u8> hex(std::string_view text) { return *attest::from_hex(text); }

TEST(Launch, IsTheSameTextForTheSameLaunch) {
  const Launch launch = {.broker = "https://broker.example:8443", .authorities = "PEM", .config = "default/app/config"};
  const std::string text = launch_text(launch);
  EXPECT_EQ(
      text,
      R"({"authorities":"PEM","broker":"https://broker.example:8443","config":"default/app/config","version":1})");
  const auto again = parse_launch(text);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(launch_text(*again), text);
  EXPECT_EQ(attest::to_hex(launch_digest("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Launch, RefusesWhatItDoesNotUnderstand) {
  for (const char* text :
       {"", "[]", "{}", R"({"broker":"http://b","config":"a/b"})",
        R"({"broker":"http://b","config":"a/b","version":2})", R"({"broker":"b","config":"a/b","version":1})",
        R"({"broker":"http://b","config":"a","version":1})",
        R"({"broker":"http://b","config":"a/b","version":1,"also":true})",
        R"({"broker":7,"config":"a/b","version":1})"})
    EXPECT_FALSE(parse_launch(text)) << text;
}

TEST(Launch, GreetingsSurviveTheirText) {
  Greeting greeting = {.launch = R"({"a":"\n"})", .host = {}};
  greeting.host.broker_address = "10.0.2.2:80";
  greeting.host.has_workload = true;
  greeting.host.workload_size = 123456789012;
  greeting.host.simulated_measurement = "00";
  const auto again = parse_greeting(greeting_text(greeting));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->launch, greeting.launch);
  EXPECT_EQ(again->host.workload_size, 123456789012u);
  EXPECT_TRUE(again->host.has_workload);
  EXPECT_EQ(again->host.simulated_measurement, "00");
  EXPECT_FALSE(parse_greeting(R"({"workload_size":-1})"));
  EXPECT_FALSE(parse_greeting(R"({"else":1})"));
}

TEST(Launch, NamesOfResources) {
  for (const char* good : {"a/b", "default/app/config", "A-1/b_2/c.3"}) EXPECT_TRUE(is_resource_name(good)) << good;
  for (const char* bad : {"", "a", "/a/b", "a/b/", "a//b", "a/../b", "./a/b", "a/b/c/d", "a/b?c", "a/b c", "a/%62"})
    EXPECT_FALSE(is_resource_name(bad)) << bad;
}

TEST(Http, Urls) {
  const auto url = parse_url("https://broker.example:8443/prefix/");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "broker.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/prefix");
  EXPECT_EQ(parse_url("http://h")->port, 80);
  EXPECT_EQ(parse_url("https://h")->port, 443);
  EXPECT_EQ(parse_url("http://[::1]:8080")->host, "::1");
  for (const char* bad : {"", "h", "ftp://h", "http://", "http://:80", "http://h:0", "http://h:65536", "http://h:8x",
                          "http://u@h", "http://h/a?b", "http://h/\r\nX: y", "http://[::1", "http://[::1]8"})
    EXPECT_FALSE(parse_url(bad)) << bad;
}

TEST(Config, HasEverything) {
  const auto config = parse_config(R"({"module":{"resource":"default/app/module"},"args":["a","b"],"env":{"N":"v=w"},
    "secrets":{"password":"default/app/password"},"allow_net":["db:5432"],"allow_http":["api"],
    "tcp_listen":["0.0.0.0:8080"],"udp_bind":["0.0.0.0:53"],"max_memory":"64MiB"})");
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->resource, "default/app/module");
  EXPECT_EQ(config->args, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config->env.at(0).second, "v=w");
  EXPECT_EQ(config->secrets.at(0).first, "password");
  EXPECT_EQ(config->max_memory, "64MiB");
}

TEST(Config, DoesNotLetTheHostChooseWhatRuns) {
  for (const char* bad :
       {"", "[]", "{}", R"({"module":{}})", R"({"module":{"file":true}})", R"({"module":{"digest":"sha256:00"}})",
        R"({"module":{"image":{}}})", R"({"module":{"image":{"key":""}}})",
        R"({"module":{"image":{"digest":"latest"}}})", R"({"module":{"resource":"a/b","image":{"key":"a/b"}}})",
        R"({"module":{"resource":"a/b"},"args":[1]})", R"({"module":{"resource":"a/b"},"args":["a\u0000b"]})",
        R"({"module":{"resource":"a/b"},"env":{"A=B":"c"}})", R"({"module":{"resource":"a/b"},"env":["A"]})",
        R"({"module":{"resource":"a/b"},"secrets":{"../x":"a/b"}})",
        R"({"module":{"resource":"a/b"},"secrets":{"x":"a"}})", R"({"module":{"resource":"a/b"},"dir":["/"]})"})
    EXPECT_FALSE(parse_config(bad)) << bad;
}

// NIST SP 800-38A, F.5.5; SP 800-38D's test case 13; RFC 4231, 4.3.
TEST(Crypto, KnownAnswers) {
  const auto key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const auto text = crypt_ctr(key, hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), hex("6bc1bee22e409f96e93d7e117393172a"));
  ASSERT_TRUE(text);
  EXPECT_EQ(attest::to_hex(*text), "601ec313775789a5b7a7f504bbf3d228");
  const std::vector<u8> zeros(32), nonce(12);
  EXPECT_TRUE(decrypt_gcm(zeros, nonce, {}, {}, hex("530f8afbc74536b9a963b4f1c4cb738b")));
  EXPECT_FALSE(decrypt_gcm(zeros, nonce, {}, {}, hex("530f8afbc74536b9a963b4f1c4cb738c")));
  EXPECT_FALSE(decrypt_gcm(zeros, nonce, hex("00"), {}, hex("530f8afbc74536b9a963b4f1c4cb738b")));
  EXPECT_FALSE(decrypt_gcm(std::span(zeros).first(16), nonce, {}, {}, hex("530f8afbc74536b9a963b4f1c4cb738b")));
  const auto mac = hmac_sha256(attest::bytes_of("Jefe"), attest::bytes_of("what do ya want for nothing?"));
  ASSERT_TRUE(mac);
  EXPECT_EQ(attest::to_hex(*mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Jwe, RefusesWhatIsNotForThisKey) {
  const auto key = RecipientKey::generate();
  ASSERT_TRUE(key);
  const json::Value jwk = key->public_jwk();
  EXPECT_EQ(jwk.text_at({"alg"}), "ECDH-ES+A256KW");
  EXPECT_EQ(attest::from_base64url(jwk.text_at({"x"}))->size(), 32u);
  EXPECT_FALSE(key->decrypt(json::Value()));
  EXPECT_FALSE(key->decrypt(
      json::Object{{"protected", attest::to_base64url(attest::bytes_of(R"({"alg":"RSA1_5","enc":"A256GCM"})"))}}));
  // All of it in order, but to another key.
  const auto other = RecipientKey::generate();
  const std::string header =
      json::to_text(json::Object{{"alg", "ECDH-ES+A256KW"}, {"enc", "A256GCM"}, {"epk", other->public_jwk()}});
  const auto b64 = [](size_t size) { return attest::to_base64url(std::vector<u8>(size)); };
  const auto refused = key->decrypt(json::Object{{"protected", attest::to_base64url(attest::bytes_of(header))},
                                                 {"encrypted_key", b64(40)},
                                                 {"iv", b64(12)},
                                                 {"ciphertext", b64(5)},
                                                 {"tag", b64(16)}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail().find("not encrypted to this key"), std::string::npos);
}

TEST(Broker, RuntimeDataIsCanonical) {
  const json::Value jwk =
      json::Object{{"alg", "ECDH-ES+A256KW"}, {"crv", "P-256"}, {"kty", "EC"}, {"x", "eA"}, {"y", "eQ"}};
  EXPECT_EQ(
      runtime_data_text("bm9uY2U", jwk),
      R"({"additional-evidence":"","nonce":"bm9uY2U","tee-pubkey":{"alg":"ECDH-ES+A256KW","crv":"P-256","kty":"EC","x":"eA","y":"eQ"}})");
}

TEST(Workload, RefusesWhatItIsNot) {
  const KeySource none = [](std::string_view) -> Result<std::vector<u8>> { return fail(ErrorCode::System, "no keys"); };
  Config file, image;
  file.kind = Config::Kind::File;
  file.digest = "sha256:" + std::string(64, '0');
  EXPECT_FALSE(open_workload(attest::bytes_of("x"), file, none));
  file.digest = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  const auto opened = open_workload(attest::bytes_of("x"), file, none);
  ASSERT_TRUE(opened);
  EXPECT_EQ(*opened, std::vector<u8>{'x'});
  image.kind = Config::Kind::Image;
  image.key = "default/key/1";
  EXPECT_FALSE(open_workload({}, image, none));
  EXPECT_FALSE(open_workload(std::vector<u8>(10240), image, none));
  EXPECT_FALSE(open_workload(attest::bytes_of("no archive at all"), image, none));
}

}  // namespace
}  // namespace berth::keep
