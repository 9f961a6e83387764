#include "os/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

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

}  // namespace
}  // namespace berth::os
