#include "engine/cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "native/processor.h"

namespace berth::engine {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() { CHECK(mkdtemp(path_)); }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  std::string path(const std::string& name) const { return std::string(path_) + "/" + name; }

 private:
  char path_[32] = "/tmp/berth-cache-XXXXXX";
};

Descriptor written(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  return Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

TEST(FileStamp, IsSettledOnlyAfterTheClockHasMovedOn) {
  constexpr i64 kSecond = 1'000'000'000;
  FileStamp stamp;
  stamp.changed = 1000 * kSecond + 5;
  EXPECT_FALSE(is_settled(stamp, stamp.changed - 1));
  EXPECT_FALSE(is_settled(stamp, stamp.changed));
  EXPECT_FALSE(is_settled(stamp, stamp.changed + kSecond / 100));
  EXPECT_TRUE(is_settled(stamp, stamp.changed + kSecond / 10));
  stamp.changed = 1000 * kSecond;  // perhaps of a file system that knows whole seconds
  EXPECT_FALSE(is_settled(stamp, stamp.changed + kSecond));
  EXPECT_TRUE(is_settled(stamp, stamp.changed + 3 * kSecond));
}

TEST(FileStamp, ChangesWithTheFile) {
  const TemporaryFolder folder;
  const Descriptor file = written(folder.path("a"), "one");
  const auto before = stamp_of(file.get(), "a");
  ASSERT_TRUE(before);
  wait_until_settled(*before);
  EXPECT_TRUE(is_settled(*before, file_clock()));
  EXPECT_EQ(*before, *stamp_of(file.get(), "a"));
  const timespec old[2] = {{1, 0}, {1, 0}};
  futimens(file.get(), old);
  EXPECT_NE(*before, *stamp_of(file.get(), "a"));
  EXPECT_FALSE(stamp_of(open("/tmp", O_RDONLY | O_CLOEXEC), "/tmp"));
}

TEST(CacheFolder, KeepsRecordsThatOnlyItsKeyMakes) {
  const TemporaryFolder scratch;
  const std::string path = scratch.path("deep/cache");
  const std::vector<u8> payload = {1, 2, 3};
  {
    auto folder = CacheFolder::open(path);
    ASSERT_TRUE(folder) << folder.error().to_string();
    ASSERT_TRUE(folder->write_record("stamps/a", payload, true));
    EXPECT_EQ(folder->read_record("stamps/a", 3), payload);
    EXPECT_FALSE(folder->read_record("stamps/a", 2));
    EXPECT_FALSE(folder->read_record("stamps/b", 3));
    // Under another name it is another record.
    std::filesystem::copy(path + "/stamps/a", path + "/stamps/b");
    EXPECT_FALSE(folder->read_record("stamps/b", 3));
    std::filesystem::create_symlink("a", path + "/stamps/c");
    EXPECT_FALSE(folder->read_record("stamps/c", 3));
  }
  auto again = CacheFolder::open(path);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->read_record("stamps/a", 3), payload);
  std::filesystem::remove(path + "/key");
  auto other = CacheFolder::open(path);
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->read_record("stamps/a", 3));
}

TEST(CacheFolder, IsRefusedWhereOthersMayRead) {
  const TemporaryFolder scratch;
  const std::string path = scratch.path("cache");
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  ASSERT_EQ(chmod(path.c_str(), 0750), 0);
  auto folder = CacheFolder::open(path);
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().to_string().find("chmod 700"), std::string::npos);
}

TEST(Cache, KnowsDigestsOfFilesByTheirStamps) {
  const TemporaryFolder scratch;
  const auto cache = Cache::open(scratch.path("cache"));
  ASSERT_TRUE(cache);
  const Descriptor file = written(scratch.path("module"), "abc");
  if (!has_reliable_stamps(file.get())) GTEST_SKIP() << "a file system whose times may be anything";
  const Digest expected = sha256(std::vector<u8>{'a', 'b', 'c'});
  // Too fresh to be relied upon.
  EXPECT_EQ(*(*cache)->digest_of(file.get(), "module"), expected);
  EXPECT_FALSE((*cache)->digest_by_stamp(file.get()));
  wait_until_settled(*stamp_of(file.get(), "module"));
  EXPECT_EQ(*(*cache)->digest_of(file.get(), "module"), expected);
  EXPECT_EQ((*cache)->digest_by_stamp(file.get()), expected);
  std::ofstream(scratch.path("module")) << "xyz";
  EXPECT_FALSE((*cache)->digest_by_stamp(file.get()));
  EXPECT_NE(*(*cache)->digest_of(file.get(), "module"), expected);
}

TEST(Processor, SaysWhatItLacks) {
  EXPECT_EQ(native::missing_feature("generic"), "");
  EXPECT_EQ(native::missing_feature(native::processor_features()), "");
  EXPECT_EQ(native::missing_feature("x " + native::processor_features() + " +telepathy +x"), "telepathy");
  EXPECT_FALSE(native::has_feature(""));
}

}  // namespace
}  // namespace berth::engine
