#include "oci/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "oci/challenge.h"

namespace berth::oci {
namespace {

namespace fs = std::filesystem;

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    char name[] = "/tmp/berth-auth-XXXXXX";
    folder_ = mkdtemp(name);
    for (const char* unset : {"REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG"}) unsetenv(unset);
    setenv("HOME", (folder_ + "/home").c_str(), 1);
    setenv("XDG_RUNTIME_DIR", (folder_ + "/run").c_str(), 1);
  }
  ~CredentialsTest() override { fs::remove_all(folder_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(folder_ + path).parent_path());
    std::ofstream(folder_ + path) << text;
  }
  static std::string auth(const std::string& key, const std::string& pair) {
    return "\"" + key + "\":{\"auth\":\"" + to_base64(pair) + "\"}";
  }
  // "user:password from FILE", or why not.
  std::string found(std::string_view name, const std::string& file = {}) {
    const auto result = find_credentials(*parse_reference(name), file);
    if (!result) return "! " + result.error().detail();
    if (!*result) return "none";
    const Found& f = **result;
    const bool inside = f.source.starts_with(folder_);
    return f.credentials.user + ":" + f.credentials.password + f.credentials.identity_token + " from " +
           (inside ? f.source.substr(folder_.size()) : f.source);
  }

  std::string folder_;
};

TEST_F(CredentialsTest, ComeFromWherePodmanAndDockerKeepThem) {
  EXPECT_EQ(found("r.example/a"), "none");
  write("/home/.docker/config.json",
        "{\"auths\":{" + auth("r.example", "docker:1") + "," + auth("https://index.docker.io/v1/", "hub:2") + "}}");
  EXPECT_EQ(found("r.example/a"), "docker:1 from /home/.docker/config.json");
  EXPECT_EQ(found("docker.io/alpine"), "hub:2 from /home/.docker/config.json");
  write("/home/.config/containers/auth.json", "{\"auths\":{" + auth("r.example", "config:3") + "}}");
  EXPECT_EQ(found("r.example/a"), "config:3 from /home/.config/containers/auth.json");
  write("/run/containers/auth.json", "{\"auths\":{" + auth("r.example", "run:4:5") + "}}");
  EXPECT_EQ(found("r.example/a"), "run:4:5 from /run/containers/auth.json");
  write("/named", "{\"auths\":{" + auth("r.example:5000", "named:6") + "}}");
  EXPECT_EQ(found("r.example:5000/a", folder_ + "/named"), "named:6 from /named");
  EXPECT_EQ(found("r.example/a", folder_ + "/named"), "none");
}

TEST_F(CredentialsTest, OfTheLongestPrefixCount) {
  write("/run/containers/auth.json", "{\"auths\":{" + auth("r.example", "all:1") + "," +
                                         auth("r.example/team", "team:2") + "," + auth("r.example/team/app", "app:3") +
                                         "}}");
  EXPECT_EQ(found("r.example/other"), "all:1 from /run/containers/auth.json");
  EXPECT_EQ(found("r.example/team/x"), "team:2 from /run/containers/auth.json");
  EXPECT_EQ(found("r.example/team/app:1"), "app:3 from /run/containers/auth.json");
  EXPECT_EQ(found("r.example/teams"), "all:1 from /run/containers/auth.json");
}

TEST_F(CredentialsTest, ComeFromHelpers) {
  write("/bin/docker-credential-test",
        "#!/bin/sh\nread server\ncase $server in\n"
        "r.example) echo '{\"Username\":\"helped\",\"Secret\":\"s\"}' ;;\n"
        "t.example) echo '{\"Username\":\"<token>\",\"Secret\":\"tok\"}' ;;\n"
        "e.example) echo broken; exit 1 ;;\n"
        "*) echo 'credentials not found in native keychain'; exit 1 ;;\nesac\n");
  chmod((folder_ + "/bin/docker-credential-test").c_str(), 0755);
  setenv("PATH", (folder_ + "/bin:" + std::getenv("PATH")).c_str(), 1);
  write("/home/.docker/config.json", R"({"credHelpers":{"r.example":"test"},"credsStore":"test"})");
  EXPECT_EQ(found("r.example/a"), "helped:s from docker-credential-test");
  EXPECT_EQ(found("t.example/a"), ":tok from docker-credential-test");
  EXPECT_EQ(found("n.example/a"), "none");
  EXPECT_EQ(found("e.example/a"), "! the credential helper docker-credential-test failed: broken");
  write("/home/.docker/config.json", R"({"credsStore":"../../evil"})");
  EXPECT_TRUE(found("r.example/a").starts_with("! \"../../evil\" is no name"));
  write("/home/.docker/config.json", R"({"credsStore":"none-such"})");
  EXPECT_TRUE(found("r.example/a").starts_with("! cannot run the credential helper docker-credential-none-such"));
}

TEST_F(CredentialsTest, DamagedFilesAreReported) {
  write("/run/containers/auth.json", "{");
  EXPECT_NE(found("r.example/a").find("is no file of credentials"), std::string::npos);
}

TEST_F(CredentialsTest, AreKeptAndForgotten) {
  write("/run/containers/auth.json", R"({"auths":{"other":{"auth":"eDp5"}},"credHelpers":{"h":"x"}})");
  ASSERT_TRUE(keep_credentials("r.example", {"me", "secret", {}}, {}));
  EXPECT_EQ(found("r.example/a"), "me:secret from /run/containers/auth.json");
  struct stat status{};
  stat((folder_ + "/run/containers/auth.json").c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(forget_credentials("r.example", {})->size(), 1u);
  EXPECT_EQ(forget_credentials("r.example", {})->size(), 0u);
  EXPECT_EQ(found("r.example/a"), "none");
  EXPECT_EQ(found("other.example/a"), "none");
  std::ifstream file(folder_ + "/run/containers/auth.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(text.find("credHelpers"), std::string::npos);
  EXPECT_NE(text.find("eDp5"), std::string::npos);
}

TEST(Base64, GoesThereAndBack) {
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"})
    EXPECT_EQ(from_base64(to_base64(text)), text);
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  for (const char* bad : {"Z", "Zg=", "Z===", "Zm9v=", "Z*==", "=Zm9", "Zg=a", "Zg==Zg=="})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Challenge, IsParsed) {
  const auto all = parse_challenges(
      R"(Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push", Basic realm="x \"y\"")");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].scheme, "bearer");
  EXPECT_EQ(all[0].parameters.at("realm"), "https://auth.example/token");
  EXPECT_EQ(all[0].parameters.at("scope"), "repository:a/b:pull,push");
  EXPECT_EQ(all[1].scheme, "basic");
  EXPECT_EQ(all[1].parameters.at("realm"), "x \"y\"");
  EXPECT_EQ(parse_challenges("Negotiate, BASIC Realm=simple").at(1).parameters.at("realm"), "simple");
  EXPECT_EQ(parse_challenges("").size(), 0u);
  EXPECT_EQ(parse_challenges("=x").size(), 0u);
  EXPECT_EQ(parse_challenges("Bearer realm=\"open").at(0).parameters.size(), 0u);
}

}  // namespace
}  // namespace berth::oci
