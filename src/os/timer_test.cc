#include "os/timer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "os/clock.h"
#include "os/futex.h"

namespace berth::os {
namespace {

TEST(Alarm, RunsInOrderAndNotBefore) {
  std::atomic<u32> count{0};
  const i64 start = monotonic_ns();
  std::atomic<i64> at[2];
  Alarm late, early;
  ASSERT_TRUE(late.set(start + 30'000'000, [&] {
    at[1] = monotonic_ns();
    ++count;
    futex_wake(count);
  }));
  ASSERT_TRUE(early.set(start + 10'000'000, [&] {
    at[0] = monotonic_ns();
    ++count;
    futex_wake(count);
  }));
  while (count < 2) futex_wait(count, count.load(), start + 10'000'000'000);
  EXPECT_GE(at[0], start + 10'000'000);
  EXPECT_GE(at[1], start + 30'000'000);
  EXPECT_LE(at[0], at[1]);
}

TEST(Alarm, CancelledOnesDoNotRun) {
  std::atomic<int> ran{0};
  {
    Alarm a;
    ASSERT_TRUE(a.set(monotonic_ns() + 20'000'000, [&] { ++ran; }));
    ASSERT_TRUE(a.set(monotonic_ns() + 30'000'000, [&] { ++ran; }));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(ran, 0);
}

TEST(Alarm, RepeatsAsLongAsItIsAskedTo) {
  std::atomic<u32> count{0};
  Alarm a;
  ASSERT_TRUE(a.repeat(monotonic_ns(), 1'000'000, [&] {
    const bool again = ++count < 3;
    futex_wake(count);
    return again;
  }));
  const i64 start = monotonic_ns();
  while (count < 3) futex_wait(count, count.load(), start + 10'000'000'000);
  EXPECT_GE(monotonic_ns(), start + 2'000'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(count, 3u);
}

TEST(Alarm, CancelEndsRepetition) {
  std::atomic<u32> count{0};
  {
    Alarm a;
    ASSERT_TRUE(a.repeat(monotonic_ns(), 100'000, [&] {
      ++count;
      futex_wake(count);
      return true;
    }));
    while (count == 0) futex_wait(count, 0, monotonic_ns() + 10'000'000'000);
  }
  const u32 seen = count;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(count, seen);
}

TEST(Alarm, ManyThreads) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> ran{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        Alarm a;
        ASSERT_TRUE(a.set(monotonic_ns() + i64{i % 3} * 10'000, [&] { ++ran; }));
        if (i % 2) std::this_thread::yield();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_GE(ran, 0);
}

TEST(Futex, TimesOut) {
  std::atomic<u32> word{1};
  const i64 start = monotonic_ns();
  while (futex_wait(word, 1, start + 5'000'000)) {
  }
  EXPECT_GE(monotonic_ns(), start + 5'000'000);
}

}  // namespace
}  // namespace berth::os
