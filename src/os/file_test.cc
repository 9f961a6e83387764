#include "os/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>

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

}  // namespace
}  // namespace berth::os
