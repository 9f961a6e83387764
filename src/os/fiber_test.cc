#include "os/fiber.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace berth::os {
namespace {

std::unique_ptr<Fiber> make(std::function<void(Fiber&)> body) {
  auto fiber = Fiber::create(256 << 10, std::move(body));
  EXPECT_TRUE(fiber);
  return std::move(*fiber);
}

TEST(Fiber, SuspendsAndResumes) {
  std::vector<int> order;
  auto fiber = make([&](Fiber& self) {
    EXPECT_EQ(Fiber::current(), &self);
    order.push_back(1);
    self.suspend();
    order.push_back(3);
  });
  EXPECT_FALSE(fiber->started());
  fiber->resume();
  order.push_back(2);
  EXPECT_FALSE(fiber->done());
  EXPECT_EQ(Fiber::current(), nullptr);
  fiber->resume();
  EXPECT_TRUE(fiber->done());
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Fiber, NestsAndKnowsWhereStacksWereLeft) {
  ExecutionStack& own = ExecutionStack::current();
  auto outer = make([&](Fiber& self) {
    EXPECT_EQ(&ExecutionStack::current(), &self.stack());
    EXPECT_NE(own.saved_sp(), nullptr);
    auto inner = make([&](Fiber& nested) {
      EXPECT_GE(static_cast<const u8*>(self.stack().saved_sp()), self.stack().low());
      EXPECT_LT(static_cast<const u8*>(self.stack().saved_sp()), self.stack().high());
      nested.suspend();
    });
    inner->resume();
    EXPECT_GE(static_cast<const u8*>(inner->stack().saved_sp()), inner->stack().low());
    EXPECT_LT(static_cast<const u8*>(inner->stack().saved_sp()), inner->stack().high());
    EXPECT_EQ(Fiber::current(), &self);
    self.suspend();
    inner->resume();
  });
  outer->resume();
  EXPECT_EQ(&ExecutionStack::current(), &own);
  outer->resume();
  EXPECT_TRUE(outer->done());
}

TEST(Fiber, ManyInManyThreads) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      std::vector<std::unique_ptr<Fiber>> fibers;
      fibers.reserve(50);
      int steps = 0;
      for (int i = 0; i < 50; ++i) {
        fibers.push_back(make([&steps](Fiber& self) {
          for (int k = 0; k < 10; ++k) {
            ++steps;
            self.suspend();
          }
        }));
      }
      while (!fibers.back()->done())
        for (auto& fiber : fibers) fiber->resume();
      EXPECT_EQ(steps, 500);
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Fiber, RunsAnotherBodyOnTheSameStack) {
  const void* where[2] = {};
  auto fiber = make([&](Fiber&) { where[0] = __builtin_frame_address(0); });
  fiber->resume();
  std::thread([&] {
    fiber->restart([&](Fiber& self) {
      self.suspend();
      where[1] = __builtin_frame_address(0);
    });
    fiber->resume();
    EXPECT_FALSE(fiber->done());
    fiber->resume();
    EXPECT_TRUE(fiber->done());
  }).join();
  for (const void* at : where) {
    EXPECT_GE(static_cast<const u8*>(at), fiber->stack().low());
    EXPECT_LT(static_cast<const u8*>(at), fiber->stack().high());
  }
}

TEST(Fiber, NeverStartedMayBeDropped) {
  make([](Fiber&) { FAIL(); });
}

}  // namespace
}  // namespace berth::os
