#include "runtime/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "os/clock.h"
#include "runtime/table.h"

namespace berth::runtime {
namespace {

wasm::MemoryType type(u64 min, std::optional<u64> max = {}, bool is_64 = false, bool shared = false, u8 log2 = 16) {
  return {{min, max}, is_64, shared, log2};
}

TEST(Memory, GuardedOnesGrowInPlace) {
  Allowance allowance;
  auto m = Memory::create(type(1), allowance);
  ASSERT_TRUE(m);
  Memory& memory = **m;
  EXPECT_TRUE(memory.guarded());
  u8* const base = memory.base();
  base[65535] = 1;
  EXPECT_EQ(memory.grow(2), 1);
  EXPECT_EQ(memory.grow(0), 3);
  EXPECT_EQ(memory.base(), base);
  EXPECT_EQ(base[65535], 1);
  EXPECT_EQ(base[3 * 65536 - 1], 0);
  EXPECT_EQ(memory.grow(65534), -1);
  EXPECT_EQ(memory.grow(u64{1} << 60), -1);
  EXPECT_EQ(memory.grow(65533), 3);
  EXPECT_EQ(memory.bytes(), u64{1} << 32);
  base[(u64{1} << 32) - 1] = 7;
  EXPECT_EQ(memory.current_type().limits.min, 65536u);
}

TEST(Memory, KeepsToItsMaximumAndTheStoresLimit) {
  Allowance allowance{u64{10} * 65536, 0};
  auto a = Memory::create(type(2, 4), allowance);
  ASSERT_TRUE(a);
  EXPECT_EQ((*a)->grow(3), -1);
  EXPECT_EQ((*a)->grow(2), 2);
  {
    auto b = Memory::create(type(6), allowance);
    ASSERT_TRUE(b);
    EXPECT_EQ((*b)->grow(1), -1);
    auto c = Memory::create(type(1), allowance);
    ASSERT_FALSE(c);
    EXPECT_EQ(c.error().code(), ErrorCode::LimitExceeded);
  }
  EXPECT_EQ(allowance.used, 4u * 65536);
  EXPECT_TRUE(Memory::create(type(6), allowance));
  EXPECT_FALSE(Memory::create(type(~u64{0}, {}, true), allowance));
}

TEST(Memory, PagesOfOneByte) {
  Allowance allowance;
  auto m = Memory::create(type(3, 100'000, false, false, 0), allowance);
  ASSERT_TRUE(m);
  EXPECT_FALSE((*m)->guarded());
  EXPECT_EQ((*m)->bytes(), 3u);
  (*m)->base()[2] = 9;
  EXPECT_EQ((*m)->grow(1), 3);
  EXPECT_EQ((*m)->base()[3], 0);
  EXPECT_EQ((*m)->grow(99'000), 4);
  EXPECT_EQ((*m)->base()[99'003], 0);
  EXPECT_EQ((*m)->base()[2], 9);
  EXPECT_EQ((*m)->grow(997), -1);
}

TEST(Memory, SixtyFourBitOnesMayMove) {
  Allowance allowance;
  auto m = Memory::create(type(1, {}, true), allowance);
  ASSERT_TRUE(m);
  EXPECT_FALSE((*m)->guarded());
  (*m)->base()[100] = 5;
  // Beyond what is reserved at first; pages that are never touched cost nothing.
  const i64 old = (*m)->grow((u64{12} << 30) / 65536);
  if (old == -1) GTEST_SKIP() << "the system does not overcommit";
  EXPECT_EQ(old, 1);
  EXPECT_EQ((*m)->base()[100], 5);
  (*m)->base()[u64{12} << 30] = 1;
}

TEST(SharedMemory, HugeMaximaNeedNoHugeReservation) {
  auto s = SharedMemory::create(type(1, u64{1} << 32, true, true));
  ASSERT_TRUE(s);
  Allowance allowance;
  u8* const base = (*s)->base();
  EXPECT_EQ((*s)->grow(1000, allowance), 1);
  EXPECT_EQ((*s)->base(), base);
  EXPECT_EQ((*s)->grow(u64{1} << 31, allowance), -1);
}

TEST(SharedMemory, GrowsUnderManyThreads) {
  auto s = SharedMemory::create(type(1, 1000, false, true));
  ASSERT_TRUE(s);
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> grown{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Allowance allowance;
      Memory mine(*s, allowance);
      while (mine.grow(1) >= 0) ++grown;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(grown, 999);
  EXPECT_EQ((*s)->bytes(), 1000u * 65536);
}

TEST(SharedMemory, WaitsAndWakes) {
  auto s = *SharedMemory::create(type(1, 1, false, true));
  auto* word = reinterpret_cast<u32*>(s->base() + 8);
  WaitSlot slot;
  EXPECT_EQ(s->wait(8, 1, 4, -1, slot), SharedMemory::WaitResult::NotEqual);
  EXPECT_EQ(s->wait(8, 0, 4, 0, slot), SharedMemory::WaitResult::TimedOut);
  const i64 start = os::monotonic_ns();
  EXPECT_EQ(s->wait(8, 0, 8, 5'000'000, slot), SharedMemory::WaitResult::TimedOut);
  EXPECT_GE(os::monotonic_ns(), start + 5'000'000);

  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      WaitSlot mine;
      if (s->wait(8, 0, 4, -1, mine) == SharedMemory::WaitResult::Woken) ++woken;
    });
  }
  u32 total = 0;
  while (total < 2) total += s->notify(8, 2 - total);
  EXPECT_EQ(s->notify(12, 100), 0u);
  while (total < 4) total += s->notify(8, ~0u);
  for (auto& t : threads) t.join();
  EXPECT_EQ(woken, 4);
  EXPECT_EQ(s->notify(8, ~0u), 0u);
  std::atomic_ref(*word).store(1);
  EXPECT_EQ(s->wait(8, 0, 4, -1, slot), SharedMemory::WaitResult::NotEqual);
}

TEST(SharedMemory, InterruptEndsAWait) {
  auto s = *SharedMemory::create(type(1, 1, false, true));
  WaitSlot slot;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    slot.interrupt();
  });
  EXPECT_EQ(s->wait(0, 0, 4, -1, slot), SharedMemory::WaitResult::Interrupted);
  other.join();
  EXPECT_EQ(s->wait(0, 0, 4, -1, slot), SharedMemory::WaitResult::Interrupted);
  slot.clear();
  EXPECT_EQ(s->wait(0, 0, 4, 1, slot), SharedMemory::WaitResult::TimedOut);
}

// Two threads hand a token back and forth through the memory, with interrupts thrown in that are
// retried.
TEST(SharedMemory, PingPong) {
  auto s = *SharedMemory::create(type(1, 1, false, true));
  std::atomic_ref token(*reinterpret_cast<u32*>(s->base()));
  WaitSlot slots[2];
  std::atomic<bool> done{false};
  auto play = [&](u32 me) {
    for (u32 round = 0; round < 2000; ++round) {
      while (token.load() != round * 2 + me) {
        const u32 seen = token.load();
        if (seen == round * 2 + me) break;
        if (s->wait(0, seen, 4, -1, slots[me]) == SharedMemory::WaitResult::Interrupted) slots[me].clear();
      }
      token.store(round * 2 + me + 1);
      s->notify(0, 1);
    }
  };
  std::thread a(play, 0), b(play, 1);
  std::thread noise([&] {
    while (!done) {
      slots[0].interrupt();
      slots[1].interrupt();
      std::this_thread::yield();
    }
  });
  a.join();
  b.join();
  done = true;
  noise.join();
  EXPECT_EQ(token.load(), 4000u);
}

TEST(Table, GrowsWithinLimits) {
  Allowance allowance{100, 0};
  const wasm::TableType t{wasm::kExternRef, {10, 50}, false};
  auto table = Table::create(t, resolve_abstract(t.element), 0, allowance);
  ASSERT_TRUE(table);
  (*table)->set(9, 77);
  EXPECT_EQ((*table)->grow(41, 0), -1);
  EXPECT_EQ((*table)->grow(40, 5), 10);
  EXPECT_EQ((*table)->at(9), 77u);
  EXPECT_EQ((*table)->at(49), 5u);
  EXPECT_EQ((*table)->grow(0, 0), 50);
  const wasm::TableType wide{wasm::kExternRef, {40, {}}, true};
  auto other = Table::create(wide, resolve_abstract(wide.element), 3, allowance);
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)->at(39), 3u);
  EXPECT_EQ((*other)->grow(11, 0), -1);
  EXPECT_EQ((*other)->grow(~u64{0}, 0), -1);
  EXPECT_EQ((*other)->grow(10, 0), 40);
  EXPECT_FALSE(Table::create(t, resolve_abstract(t.element), 0, allowance));
}

}  // namespace
}  // namespace berth::runtime
