#include "os/late_call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "os/clock.h"
#include "os/fault.h"

namespace berth::os {
namespace {

class LateCall : public testing::Test {
 protected:
  LateCall() {
    EXPECT_TRUE(add_fault_handler([](Fault&, void*) { return false; }, nullptr));
    EXPECT_TRUE(ensure_signal_stack());
  }
  ~LateCall() override { cancel_late_call(&count_); }

  static void count(void* data) { ++*static_cast<std::atomic<int>*>(data); }
  void wait_for(int n) const {
    const i64 end = monotonic_ns() + 10'000'000'000;
    while (count_ < n && monotonic_ns() < end) std::this_thread::yield();
  }
  std::atomic<int> count_{0};
};

TEST_F(LateCall, ComesOnceAfterTheDelay) {
  const i64 start = monotonic_ns();
  ASSERT_TRUE(call_late(5'000'000, count, &count_));
  wait_for(1);
  EXPECT_GE(monotonic_ns() - start, 5'000'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(count_, 1);
}

TEST_F(LateCall, DoesNotComeOnceCancelled) {
  ASSERT_TRUE(call_late(1'000'000'000, count, &count_));
  cancel_late_call(&count_);
  ASSERT_TRUE(call_late(2'000'000, count, &count_));
  wait_for(1);
  EXPECT_EQ(count_, 1);
}

TEST_F(LateCall, ThereIsOneAtATime) {
  int other = 0;
  ASSERT_TRUE(call_late(1'000'000'000, count, &count_));
  EXPECT_FALSE(call_late(1'000'000, count, &other));
  cancel_late_call(&other);  // somebody else's
  EXPECT_FALSE(call_late(1'000'000, count, &other));
}

TEST_F(LateCall, NeverRunsOnWhatIsGone) {
  for (int i = 0; i < 2000; ++i) {
    auto counter = std::make_unique<std::atomic<int>>(0);
    ASSERT_TRUE(call_late(i % 50 * 1000, count, counter.get()));
    if (i % 3 == 0) std::this_thread::yield();
    cancel_late_call(counter.get());
    const int before = *counter;
    EXPECT_LE(before, 1);
    EXPECT_EQ(*counter, before);
  }
}

}  // namespace
}  // namespace berth::os
