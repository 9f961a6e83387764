#include "broker/audit.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "os/file.h"

namespace berth::broker {
namespace {

namespace fs = std::filesystem;

struct AuditTest : testing::Test {
  AuditTest() {
    std::string pattern = fs::temp_directory_path() / "berth-audit-XXXXXX";
    base = mkdtemp(pattern.data());
    path = base / "audit.jsonl";
  }
  ~AuditTest() override { fs::remove_all(base); }
  std::string text() const { return std::string(attest::text_of(os::read_file(path).value())); }

  fs::path base, path;
};

TEST_F(AuditTest, ChainsLinesAcrossRestarts) {
  for (int run = 0; run < 3; ++run) {
    const auto log = AuditLog::open(path);
    ASSERT_TRUE(log) << log.error().to_string();
    ASSERT_TRUE((*log)->record("one", {{"peer", "127.0.0.1"}}));
    ASSERT_TRUE((*log)->record("two", {}));
  }
  const std::string whole = text();
  EXPECT_EQ(AuditLog::verify(whole).value(), 6u);
  EXPECT_NE(whole.find("\"event\":\"one\",\"peer\":\"127.0.0.1\""), std::string::npos);

  std::string changed = whole;
  changed[changed.find("127.0.0.1")] = '9';
  EXPECT_FALSE(AuditLog::verify(changed));
  const size_t first = whole.find('\n') + 1, second = whole.find('\n', first) + 1;
  EXPECT_FALSE(AuditLog::verify(whole.substr(0, first) + whole.substr(second))) << "a line was removed";
  EXPECT_FALSE(AuditLog::verify(whole.substr(0, whole.size() - 2)));
}

TEST_F(AuditTest, GoesOnAfterACrashWithinALine) {
  ASSERT_TRUE(AuditLog::open(path).value()->record("one", {}));
  std::ofstream(path, std::ios::app) << "{\"time\":\"20";
  ASSERT_TRUE(AuditLog::open(path).value()->record("two", {}));
  const auto verdict = AuditLog::verify(text());
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().to_string().find("line 2"), std::string::npos) << verdict.error().to_string();
}

TEST_F(AuditTest, FailsWhenTheDiskIsFull) {
  const auto log = AuditLog::open(path);
  ASSERT_TRUE(log && (*log)->record("one", {}));
  const size_t before = text().size();
  struct rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small{before + 10, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto refused = (*log)->record("two", {});
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(refused);
  EXPECT_EQ(text().size(), before) << "half a line was left";
  ASSERT_TRUE((*log)->record("three", {}));
  EXPECT_EQ(AuditLog::verify(text()).value(), 2u);
}

TEST_F(AuditTest, TakesLinesOfManyThreads) {
  const auto log = AuditLog::open(path);
  ASSERT_TRUE(log);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) EXPECT_TRUE((*log)->record("event", {{"number", i}}));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(AuditLog::verify(text()).value(), 100u);
}

TEST_F(AuditTest, ReopensWhatWasMovedAway) {
  const auto log = AuditLog::open(path);
  ASSERT_TRUE(log && (*log)->record("one", {}));
  fs::rename(path, base / "old");
  ASSERT_TRUE((*log)->reopen());
  ASSERT_TRUE((*log)->record("two", {}));
  EXPECT_EQ(AuditLog::verify(text()).value(), 1u);
}

}  // namespace
}  // namespace berth::broker
