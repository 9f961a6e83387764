#include "broker/service.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "attest/simulated.h"
#include "attest/token.h"
#include "broker/jose.h"
#include "keep/jwe.h"
#include "os/file.h"

namespace berth::broker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPolicy =
    "technologies = [\"simulated\"]\n"
    "allow_simulated = true\n"
    "[simulated]\n"
    "measurements = [\""
    "111111111111111111111111111111111111111111111111"
    "111111111111111111111111111111111111111111111111"
    "\"]\n";

// A guest that proves itself by simulated evidence.
struct Guest {
  keep::RecipientKey key = keep::RecipientKey::generate().value();
  attest::Key machine = attest::Key::generate(attest::Curve::P256).value();
  u8 measured = 0x11;
  std::string cookie, nonce, token;

  json::Value attestation() const { return attestation_for(key.public_jwk(), key.public_jwk(), nonce); }

  // `proved` is in the evidence, `sent` in the message.
  json::Value attestation_for(const json::Value& proved, const json::Value& sent,
                              const std::string& proved_nonce) const {
    const std::string runtime =
        canonical(json::Object{{"additional-evidence", ""}, {"nonce", proved_nonce}, {"tee-pubkey", proved}});
    attest::SimulatedClaims claims;
    claims.measurement.fill(measured);
    std::ranges::copy(attest::sha384(attest::bytes_of(runtime)), claims.report_data.begin());
    const std::string evidence = sign_simulated(claims, machine).value();
    return json::Object{{"runtime-data", json::Object{{"nonce", nonce}, {"tee-pubkey", sent}}},
                        {"tee-evidence", json::Object{{"primary_evidence", json::Object{{"simulated", evidence}}},
                                                      {"additional_evidence", ""}}}};
  }
};

struct ServiceTest : testing::Test {
  ServiceTest() {
    std::string pattern = fs::temp_directory_path() / "berth-broker-XXXXXX";
    base = mkdtemp(pattern.data());
    store = std::make_unique<Store>(Store::open(base / "secrets", base / "key", true).value());
    EXPECT_TRUE(store->put("default/app/key", secret));
    EXPECT_TRUE(store->put("other/app/key", secret));
    log = AuditLog::open(base / "audit").value();
    restart();
  }
  ~ServiceTest() override { fs::remove_all(base); }

  void restart() {
    service = std::make_unique<Service>(*store, *log, signing, Authority::generate("Test", now).value(),
                                        std::vector<std::string>{"keep.example"}, "berth test", limits,
                                        Service::Clock{[this] { return now; }, [this] { return nanoseconds; }});
    trust(std::string(kPolicy));
  }
  void trust(const std::string& toml, const std::string& pattern = "default/*") {
    Trust out;
    out.rules.push_back(Rule::make(pattern, toml, "policy.toml").value());
    service->set_trust(std::move(out));
  }

  Reply ask(std::string_view method, std::string_view path, const Guest& guest, std::string_view body = {},
            std::string_view authorization = {}) {
    Request request{method, path, peer, guest.cookie, authorization, "application/json", body};
    return service->handle(request);
  }
  Reply begin(Guest& guest, std::string_view tee = "sample", std::string_view version = "0.4.0") {
    const std::string body = json::to_text(json::Object{{"version", version}, {"tee", tee}, {"extra-params", ""}});
    Reply reply = ask("POST", "/kbs/v0/auth", guest, body);
    if (reply.status != 200) return reply;
    guest.cookie = reply.set_cookie.substr(0, reply.set_cookie.find(';'));
    guest.nonce = json::parse(reply.body).value().text_at({"nonce"});
    return reply;
  }
  Reply prove(Guest& guest, const json::Value& attestation) {
    Reply reply = ask("POST", "/kbs/v0/attest", guest, json::to_text(attestation));
    if (reply.status == 200) guest.token = json::parse(reply.body).value().text_at({"token"});
    return reply;
  }
  Reply prove(Guest& guest) { return prove(guest, guest.attestation()); }
  Reply get(const Guest& guest, std::string_view name = "default/app/key") {
    return ask("GET", "/kbs/v0/resource/" + std::string(name), guest);
  }
  bool receives(const Guest& guest, const Reply& reply) {
    return reply.status == 200 && guest.key.decrypt(json::parse(reply.body).value()).value_or(attest::Blob{}) == secret;
  }
  std::string audit() { return std::string(attest::text_of(os::read_file(base / "audit").value())); }

  fs::path base;
  const attest::Blob secret = {'s', 'e', 'c', 'r', 'e', 't'};
  const attest::Key signing = attest::Key::generate(attest::Curve::P256).value();
  attest::Time now = 1'800'000'000;
  u64 nanoseconds = 1;
  std::string peer = "127.0.0.1";
  Limits limits;
  std::unique_ptr<Store> store;
  std::unique_ptr<AuditLog> log;
  std::unique_ptr<Service> service;
};

TEST_F(ServiceTest, ReleasesToWhoeverProvesItself) {
  Guest guest;
  ASSERT_EQ(begin(guest).status, 200u);
  const Reply proved = prove(guest);
  ASSERT_EQ(proved.status, 200u) << proved.body;
  EXPECT_TRUE(receives(guest, get(guest)));
  EXPECT_TRUE(receives(guest, get(guest, "app/key"))) << "the repository is \"default\" when it is left out";
  EXPECT_EQ(get(guest, "default/app/none").status, 404u);
  EXPECT_EQ(get(guest, "other/app/key").status, 403u) << "no rule speaks of it";
  EXPECT_EQ(get(guest, "../key").status, 404u);
  const std::string lines = audit();
  EXPECT_TRUE(AuditLog::verify(lines));
  EXPECT_NE(lines.find("\"event\":\"resource released\""), std::string::npos);
  EXPECT_NE(lines.find("\"event\":\"resource refused\""), std::string::npos);
  EXPECT_EQ(lines.find("secret"), std::string::npos);
}

TEST_F(ServiceTest, TakesTokensInsteadOfCookies) {
  Guest guest;
  begin(guest);
  ASSERT_EQ(prove(guest).status, 200u);
  Guest bare;
  const auto with_token = [&](const std::string& token) {
    return ask("GET", "/kbs/v0/resource/default/app/key", bare, {}, "Bearer " + token);
  };
  EXPECT_TRUE(receives(guest, with_token(guest.token)));
  EXPECT_FALSE(bare.key.decrypt(json::parse(with_token(guest.token).body).value())) << "a stolen token is of no use";
  std::string changed = guest.token;
  changed[changed.size() / 2] ^= 1;
  EXPECT_EQ(with_token(changed).status, 401u);
  now += 600;
  EXPECT_EQ(with_token(guest.token).status, 401u);
  EXPECT_TRUE(receives(guest, get(guest))) << "the session lasts longer";
  nanoseconds += limits.session_lifetime;
  EXPECT_EQ(get(guest).status, 401u);
}

TEST_F(ServiceTest, ReleasesNothingWithoutProof) {
  Guest guest;
  EXPECT_EQ(get(guest).status, 401u);
  begin(guest);
  EXPECT_EQ(get(guest).status, 401u) << "a challenge proves nothing";
  EXPECT_EQ(prove(guest, json::Object{}).status, 401u);
}

TEST_F(ServiceTest, RefusesOtherMeasurements) {
  Guest guest;
  guest.measured = 0x22;
  begin(guest);
  const Reply reply = prove(guest);
  EXPECT_EQ(reply.status, 401u);
  EXPECT_NE(reply.body.find("measurement"), std::string::npos) << reply.body;
  EXPECT_EQ(get(guest).status, 401u);
}

TEST_F(ServiceTest, RefusesSimulatedEvidenceUnlessAllowed) {
  trust("technologies = [\"snp\"]\n[snp]\nany_measurement = true\n");
  Guest guest;
  begin(guest);
  EXPECT_EQ(prove(guest).status, 401u);
}

TEST_F(ServiceTest, RefusesReplayedEvidence) {
  Guest guest;
  begin(guest);
  const json::Value first = guest.attestation();
  ASSERT_EQ(prove(guest, first).status, 200u);
  // The same message in a session of somebody else's.
  Guest thief;
  begin(thief);
  EXPECT_EQ(prove(thief, first).status, 401u);
  // With its nonce put in, the evidence is that of the old one.
  begin(thief);
  json::Value patched = first;
  patched.find("runtime-data")->set("nonce", thief.nonce);
  EXPECT_EQ(prove(thief, patched).status, 401u);
  EXPECT_EQ(get(thief).status, 401u);
}

TEST_F(ServiceTest, RefusesEvidenceOfAnotherKey) {
  Guest victim, thief;
  begin(victim);
  // Whoever is in the middle exchanges the key that everything will be encrypted to.
  const json::Value stolen = victim.attestation_for(victim.key.public_jwk(), thief.key.public_jwk(), victim.nonce);
  EXPECT_EQ(prove(victim, stolen).status, 401u);
  EXPECT_EQ(get(victim).status, 401u);
}

TEST_F(ServiceTest, ChallengesAreAnsweredOnceAndInTime) {
  Guest guest;
  begin(guest);
  const json::Value good = guest.attestation();
  EXPECT_EQ(prove(guest, json::Object{{"runtime-data", json::Object{}}}).status, 401u);
  EXPECT_EQ(prove(guest, good).status, 401u) << "the challenge was used";
  begin(guest);
  nanoseconds += limits.nonce_lifetime;
  EXPECT_EQ(prove(guest).status, 401u);
}

TEST_F(ServiceTest, RepeatsAnAnswerThatWasLost) {
  Guest guest;
  begin(guest);
  const json::Value message = guest.attestation();
  ASSERT_EQ(prove(guest, message).status, 200u);
  const std::string token = guest.token;
  ASSERT_EQ(prove(guest, message).status, 200u);
  EXPECT_EQ(guest.token, token);
}

TEST_F(ServiceTest, GuestsBeginAgainAfterARestart) {
  Guest guest;
  begin(guest);
  restart();
  EXPECT_EQ(prove(guest).status, 401u);
  begin(guest);
  ASSERT_EQ(prove(guest).status, 200u);
  const std::string token = guest.token;
  restart();
  EXPECT_EQ(get(guest).status, 401u);
  EXPECT_TRUE(receives(guest, ask("GET", "/kbs/v0/resource/default/app/key", Guest(), {}, "Bearer " + token)))
      << "tokens outlive a restart";
}

TEST_F(ServiceTest, NewPoliciesCountAtOnce) {
  Guest guest;
  begin(guest);
  ASSERT_EQ(prove(guest).status, 200u);
  std::string stricter(kPolicy);
  stricter.replace(stricter.find("1111"), 4, "2222");
  trust(stricter);
  EXPECT_EQ(get(guest).status, 403u);
  EXPECT_EQ(ask("GET", "/kbs/v0/resource/default/app/key", Guest(), {}, "Bearer " + guest.token).status, 403u);
  trust(std::string(kPolicy));
  EXPECT_TRUE(receives(guest, get(guest)));
}

TEST_F(ServiceTest, LimitsWhoFailsOften) {
  limits.failure_burst = 5;
  restart();
  Guest guest;
  u32 status = 0;
  for (int i = 0; i < 6; ++i) {
    guest.cookie.clear();
    begin(guest);
    status = prove(guest, json::Object{}).status;
  }
  EXPECT_EQ(status, 429u);
  peer = "127.0.0.2";
  begin(guest);
  EXPECT_EQ(prove(guest).status, 200u) << "others are not affected";
  peer = "127.0.0.1";
  EXPECT_EQ(get(guest).status, 429u);
  nanoseconds += u64{3} * 1'000'000'000;
  EXPECT_EQ(get(guest).status, 200u);
}

TEST_F(ServiceTest, RefusesWhatItDoesNotUnderstand) {
  Guest guest;
  EXPECT_EQ(begin(guest, "sample", "0.1.0").status, 401u);
  EXPECT_EQ(begin(guest, "se").status, 401u);
  EXPECT_EQ(ask("POST", "/kbs/v0/auth", guest, "{").status, 400u);
  EXPECT_EQ(ask("GET", "/kbs/v0/auth", guest).status, 405u);
  EXPECT_EQ(ask("POST", "/kbs/v0/resource/default/app/key", guest, "x").status, 405u);
  EXPECT_EQ(ask("GET", "/kbs/v0/unknown", guest).status, 404u);
  EXPECT_EQ(ask("GET", "/healthz", guest).status, 200u);
  for (const auto& [name, value] : std::vector<std::pair<const char*, const char*>>{
           {"alg", "RSA1_5"}, {"crv", "P-192"}, {"x", "AAAA"}, {"kty", "oct"}}) {
    begin(guest);
    json::Value key = guest.key.public_jwk();
    key.set(name, value);
    EXPECT_EQ(prove(guest, guest.attestation_for(key, key, guest.nonce)).status, 401u) << name;
  }
  // A point off the curve would tell of the other half's key.
  begin(guest);
  json::Value key = guest.key.public_jwk();
  key.set("y", key.text_at({"x"}));
  EXPECT_EQ(prove(guest, guest.attestation_for(key, key, guest.nonce)).status, 401u);
}

TEST_F(ServiceTest, ReleasesNothingThatIsNotRecorded) {
  Guest guest;
  begin(guest);
  ASSERT_EQ(prove(guest).status, 200u);
  log = AuditLog::open("/dev/full").value();
  Service silent(*store, *log, signing, Authority::generate("Test", now).value(), {}, "berth test", limits,
                 Service::Clock{[this] { return now; }, [this] { return nanoseconds; }});
  Trust rules;
  rules.rules.push_back(Rule::make("default/*", std::string(kPolicy), "policy.toml").value());
  silent.set_trust(std::move(rules));
  const std::string authorization = "Bearer " + guest.token;
  EXPECT_EQ(silent.handle({"GET", "/kbs/v0/resource/default/app/key", peer, {}, authorization, {}, {}}).status, 503u);
}

TEST_F(ServiceTest, ServesManyAtOnce) {
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        Guest guest;
        if (begin(guest).status == 200 && prove(guest).status == 200 && receives(guest, get(guest))) ++served;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 100);
  EXPECT_TRUE(AuditLog::verify(audit()));
}

// Evidence of real hardware, when its revocation lists held.
TEST_F(ServiceTest, IssuesCertificates) {
  const char* const named = std::getenv("BERTH_EVIDENCE");
  const fs::path samples = named ? named : "../shared/evidence";
  const auto bytes = os::read_file(samples / "enarx/snp-milan.csr");
  auto vendor = attest::Collateral::load(samples / "snp/milan-ask-ark.pem");
  if (!bytes || !vendor) GTEST_SKIP() << "no samples in " << samples << "; $BERTH_EVIDENCE names the folder";
  now = attest::parse_time("2023-03-01T00:00:00Z").value();
  const std::string csr(attest::text_of(*bytes));
  const auto ask_for = [&](const std::string& toml, const std::string& pattern, const std::string& request) {
    Trust out;
    out.rules.push_back(Rule::make(pattern, toml, "policy.toml").value());
    out.collateral = *vendor;
    service->set_trust(std::move(out));
    return service->handle({"POST", "/", peer, {}, {}, "application/pkcs10", request});
  };
  const std::string any = "technologies = [\"snp\"]\n[snp]\nany_measurement = true\n";
  const Reply issued = ask_for(any, "*", csr);
  ASSERT_EQ(issued.status, 200u) << issued.body;
  EXPECT_EQ(issued.content_type, "application/pkix-pkipath");
  EXPECT_NE(issued.body.find("keep.example"), std::string::npos);
  EXPECT_EQ(ask_for(any, "default/app/*", csr).status, 401u) << "no rule speaks of certificates";
  EXPECT_EQ(
      ask_for("technologies = [\"snp\"]\n[snp]\nmeasurements = [\"" + std::string(96, '0') + "\"]\n", "*", csr).status,
      401u);
  std::string changed = csr;
  changed[changed.size() - 10] ^= 1;
  EXPECT_EQ(ask_for(any, "*", changed).status, 401u) << "its own signature does not hold";
  now += attest::Time{400} * 86400;
  EXPECT_EQ(ask_for(any, "*", csr).status, 401u) << "its revocation lists are stale";
}

TEST(Patterns, Fit) {
  EXPECT_TRUE(fits("default/*", "default/a/b"));
  EXPECT_TRUE(fits("*", "default/a/b"));
  EXPECT_TRUE(fits("*/key", "default/a/key"));
  EXPECT_TRUE(fits("default/a/b", "default/a/b"));
  EXPECT_FALSE(fits("default/*", "other/a/b"));
  EXPECT_FALSE(fits("default/*/key", "default/a/keys"));
  EXPECT_FALSE(fits("", "a"));
}

TEST(Rules, DoNotSetWhatTheProtocolSets) {
  EXPECT_FALSE(Rule::make("*", "technologies = [\"simulated\"]\nreport_data = \"00\"\n", "p"));
  EXPECT_FALSE(Rule::make("*", "technologies = [\"nothing\"]\n", "p"));
}

}  // namespace
}  // namespace berth::broker
