#include "broker/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "os/file.h"

namespace berth::broker {
namespace {

namespace fs = std::filesystem;

struct StoreTest : testing::Test {
  StoreTest() {
    std::string pattern = fs::temp_directory_path() / "berth-store-XXXXXX";
    base = mkdtemp(pattern.data());
  }
  ~StoreTest() override { fs::remove_all(base); }
  Result<Store> open(bool create = true) { return Store::open(base / "secrets", base / "key", create); }
  static attest::Blob bytes(std::string_view text) { return {text.begin(), text.end()}; }

  fs::path base;
};

TEST_F(StoreTest, KeepsWhatIsPut) {
  const auto store = open();
  ASSERT_TRUE(store) << store.error().to_string();
  ASSERT_TRUE(store->put("default/app/key", bytes("secret")));
  ASSERT_TRUE(store->put("default/app/empty", {}));
  EXPECT_EQ(store->get("default/app/key").value(), bytes("secret"));
  EXPECT_EQ(store->get("default/app/empty").value(), bytes(""));
  EXPECT_EQ(store->list().value(), (std::vector<std::string>{"default/app/empty", "default/app/key"}));
  // Another process, later.
  EXPECT_EQ(open(false).value().get("default/app/key").value(), bytes("secret"));
  ASSERT_TRUE(store->remove("default/app/key"));
  EXPECT_FALSE(store->has("default/app/key"));
  EXPECT_FALSE(store->remove("default/app/key"));
}

TEST_F(StoreTest, EncryptsAndBindsToNames) {
  const auto store = open();
  ASSERT_TRUE(store && store->put("default/app/one", bytes("secret")) && store->put("default/app/two", bytes("other")));
  const fs::path one = base / "secrets/default/app/one", two = base / "secrets/default/app/two";
  const auto raw = os::read_file(one).value();
  EXPECT_EQ(attest::text_of(raw).find("secret"), std::string_view::npos);
  fs::copy_file(one, two, fs::copy_options::overwrite_existing);
  EXPECT_FALSE(store->get("default/app/two")) << "another resource's file was taken";
  for (size_t i = 0; i < raw.size(); ++i) {
    auto changed = raw;
    changed[i] ^= 1;
    ASSERT_TRUE(os::replace_file(one, changed));
    EXPECT_FALSE(store->get("default/app/one")) << "byte " << i;
  }
  for (size_t size = 0; size < raw.size(); ++size) {
    ASSERT_TRUE(os::replace_file(one, std::span(raw).first(size)));
    EXPECT_FALSE(store->get("default/app/one")) << size << " bytes";
  }
}

TEST_F(StoreTest, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"", "a", "a/b", "a/b/c/d", "/a/b", "../a/b", "a/../b", "a/b/..", "a//b", "a/b/",
                           ".broker/a/b", "a/b/c\n", "a/b/c d", "a/b/%2e"})
    EXPECT_FALSE(Store::is_name(name)) << name;
  EXPECT_FALSE(Store::is_name("a/b/" + std::string(129, 'c')));
  EXPECT_TRUE(Store::is_name("a/b/" + std::string(128, 'c')));
  EXPECT_TRUE(Store::is_name("a.b/c-d/e_f.1"));
}

TEST_F(StoreTest, SaysWhenSomethingIsNotEncrypted) {
  const auto store = open();
  ASSERT_TRUE(store && store->put("default/app/one", bytes("secret")));
  std::ofstream(base / "secrets/plain.txt") << "secret";
  const auto list = store->list();
  ASSERT_FALSE(list);
  EXPECT_NE(list.error().to_string().find("plain.txt"), std::string::npos);
  std::ofstream(base / "secrets/default/app/one") << std::string(100, 'x');
  EXPECT_FALSE(store->get("default/app/one"));
}

TEST_F(StoreTest, GuardsItsKey) {
  ASSERT_TRUE(open().value().put("default/app/one", bytes("secret")));
  chmod((base / "key").c_str(), 0644);
  ASSERT_FALSE(open(false));
  chmod((base / "key").c_str(), 0600);
  ASSERT_TRUE(open(false));
  fs::rename(base / "key", base / "elsewhere");
  const auto lost = open();
  ASSERT_FALSE(lost) << "a new key was made beside resources of another";
  EXPECT_NE(lost.error().to_string().find("--key"), std::string::npos);
  std::ofstream(base / "key") << "short";
  chmod((base / "key").c_str(), 0600);
  EXPECT_FALSE(open(false));
}

TEST_F(StoreTest, KeepsTheBrokersOwnSecrets) {
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->own_secret("token", bytes("first")).value(), bytes("first"));
  EXPECT_EQ(store->own_secret("token", bytes("second")).value(), bytes("first"));
  EXPECT_TRUE(store->list().value().empty());
  EXPECT_FALSE(store->get(".broker/token"));
}

}  // namespace
}  // namespace berth::broker
