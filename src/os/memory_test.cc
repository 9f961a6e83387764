#include "os/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>
#include <vector>

#include "os/linux/written_pages.h"

namespace berth::os {
namespace {

TEST(Reservation, CommitsDiscardsAndMoves) {
  auto r = Reservation::reserve(u64{8} << 30);
  ASSERT_TRUE(r);
  ASSERT_TRUE(r->commit(0, 1 << 20));
  r->populate(0, 1 << 20);
  EXPECT_EQ(r->base()[0], 0);
  std::memset(r->base(), 7, 1 << 20);
  r->discard(4096, 4096);
  EXPECT_EQ(r->base()[4095], 7);
  EXPECT_EQ(r->base()[4096], 0);
  EXPECT_EQ(r->base()[8192], 7);
  const u8* before = r->base();
  ASSERT_TRUE(r->move_to_larger(u64{16} << 30, 1 << 20));
  EXPECT_NE(r->base(), before);
  EXPECT_EQ(r->base()[8192], 7);
  EXPECT_EQ(r->size(), u64{16} << 30);
  ASSERT_TRUE(r->commit(1 << 20, 4096));
  EXPECT_EQ(r->base()[1 << 20], 0);
  ASSERT_TRUE(r->decommit(0, 1 << 20));
  ASSERT_TRUE(r->commit(0, 1 << 20));
  EXPECT_EQ(r->base()[8192], 0);
}

TEST(Reservation, KeepsAlignment) {
  for (int i = 0; i < 16; ++i) {
    auto r = Reservation::reserve(100'000, 1 << 16);
    ASSERT_TRUE(r);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(r->base()) % (1 << 16), 0u);
    ASSERT_TRUE(r->commit(0, r->size()));
    r->base()[r->size() - 1] = 1;
  }
}

TEST(Reservation, ImpossibleSizeIsAnError) {
  auto r = Reservation::reserve(u64{1} << 60);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code(), ErrorCode::OutOfMemory);
  EXPECT_FALSE(Reservation::reserve(u64{1} << 50));
}

// Sanitizers take more than the limit, and qemu keeps none.
#if !defined(BERTH_EMULATED) && \
    (!defined(__has_feature) || !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))
TEST(Reservation, NamesTheAddressSpaceLimit) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{u64{2} << 30, u64{2} << 30};
    setrlimit(RLIMIT_AS, &limit);
    auto r = Reservation::reserve(u64{8} << 30);
    const bool good = !r && r.error().to_string().find("ulimit -v") != std::string::npos && !can_reserve(u64{8} << 30);
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}
#endif

TEST(MemoryImage, IsMappedCopiedAndRestored) {
  const u64 page = page_size();
  std::vector<u8> contents(8 * page, 0);
  for (u64 i = 2; i < 6; ++i) contents[i * page + 5] = static_cast<u8>(i);
  auto image = MemoryImage::make(contents);
  ASSERT_TRUE(image) << image.error().to_string();
  auto memory = Reservation::reserve(64 * page);
  ASSERT_TRUE(memory);
  ASSERT_TRUE(memory->commit(0, 16 * page));
  ASSERT_TRUE(memory->map_image(2 * page, *image));
  u8* const base = memory->base();
  const auto is_as_first = [&] {
    for (u64 i = 0; i < 16; ++i) {
      for (u64 k = 0; k < page; ++k) {
        if (base[i * page + k] != (k == 5 && i >= 4 && i < 8 ? i - 2 : 0)) return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(is_as_first());
  // However much stays: before the image, in it, across its end, and behind.
  for (const u64 most : {u64{0}, 2 * page, 100 * page}) {
    for (const u64 at : {1, 4, 5, 7, 8, 9, 10, 15}) std::memset(base + at * page, 0xAA, page);
    memory->restore(16 * page, &*image, 2 * page, most);
    EXPECT_TRUE(is_as_first()) << most;
  }
  EXPECT_EQ(contents[2 * page + 5], 2);
}

TEST(WrittenPages, AreThoseThatWereWrittenTo) {
  const u64 page = page_size();
  const std::vector<u8> contents(32 * page, 1);
  auto image = MemoryImage::make(contents);
  ASSERT_TRUE(image);
  auto memory = Reservation::reserve(64 * page);
  ASSERT_TRUE(memory);
  ASSERT_TRUE(memory->commit(0, 64 * page));
  ASSERT_TRUE(memory->map_image(0, *image));
  u8* const base = memory->base();
  u64 sum = 0;
  for (u64 i = 0; i < 20; ++i) sum += base[i * page];
  EXPECT_EQ(sum, 20u);
  for (const u64 at : {3, 4, 31, 32, 40}) base[at * page] = 9;
  for (const bool may_scan : {true, false}) {
    WrittenPages written;
    ASSERT_TRUE(written.find(base, 64 * page, 8 * page, may_scan));
    std::vector<std::pair<u64, u64>> found;
    for (const auto& range : written.ranges())
      found.emplace_back((range.begin - reinterpret_cast<u64>(base)) / page,
                         (range.end - reinterpret_cast<u64>(base)) / page);
    EXPECT_EQ(found, (std::vector<std::pair<u64, u64>>{{3, 5}, {31, 33}, {40, 41}}));
    EXPECT_FALSE(written.find(base, 64 * page, 4 * page, may_scan)) << "too many";
  }
}

}  // namespace
}  // namespace berth::os
