#include "os/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace berth::os {
namespace {

TEST(ReadFile, ReadsAllAndKeepsToTheLimit) {
  char path[] = "/tmp/berth-file-test-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  const std::string text(100'000, 'x');
  ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(fd);
  auto all = read_file(path);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), text.size());
  EXPECT_TRUE(read_file(path, 100'000));
  auto limited = read_file(path, 99'999);
  ASSERT_FALSE(limited);
  EXPECT_EQ(limited.error().code(), ErrorCode::LimitExceeded);
  unlink(path);
}

TEST(ReadFile, SaysWhatFailed) {
  auto missing = read_file("/nonexistent/app.wasm");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().to_string().find("/nonexistent/app.wasm: No such file"), std::string::npos);
  auto folder = read_file("/tmp");
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().to_string().find("Is a directory"), std::string::npos);
  EXPECT_TRUE(read_file("/proc/self/maps"));
  auto endless = read_file("/dev/zero", 1 << 20);
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code(), ErrorCode::LimitExceeded);
}

class ReplaceFile : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(mkdtemp(folder_)); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return std::string(folder_) + "/" + name; }
  long entries() const {
    return std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator());
  }

  char folder_[32] = "/tmp/berth-replace-XXXXXX";
};

TEST_F(ReplaceFile, PutsAllInPlace) {
  const std::vector<u8> one(100'000, 1), two(10, 2);
  ASSERT_TRUE(replace_file(path("a"), one));
  EXPECT_EQ(*read_file(path("a")), one);
  ASSERT_TRUE(replace_file(path("a"), two, 0600));
  EXPECT_EQ(*read_file(path("a")), two);
  struct stat status{};
  ASSERT_EQ(stat(path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(entries(), 1);
  ASSERT_EQ(symlink("a", path("link").c_str()), 0);
  ASSERT_TRUE(replace_file(path("link"), one));
  EXPECT_EQ(*read_file(path("a")), one);
  unlink(path("link").c_str());
  EXPECT_EQ(entries(), 1);
}

TEST_F(ReplaceFile, LeavesWhatWasThereWhenItFails) {
  const std::vector<u8> old(10, 1), large(100'000, 2);
  ASSERT_TRUE(replace_file(path("a"), old));
  const auto previous = signal(SIGXFSZ, SIG_IGN);
  rlimit limit{}, small{};
  getrlimit(RLIMIT_FSIZE, &limit);
  small = {50'000, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto failed = replace_file(path("a"), large);
  setrlimit(RLIMIT_FSIZE, &limit);
  signal(SIGXFSZ, previous);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().to_string().find("File too large"), std::string::npos) << failed.error().to_string();
  EXPECT_EQ(*read_file(path("a")), old);
  EXPECT_EQ(entries(), 1);
  EXPECT_FALSE(replace_file(path("missing/a"), old));
  EXPECT_FALSE(replace_file(folder_, old));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(replace_file(path("pipe"), old));
  unlink(path("pipe").c_str());
  EXPECT_EQ(entries(), 1);
}

}  // namespace
}  // namespace berth::os
