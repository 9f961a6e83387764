#include "http/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace berth::http {
namespace {

struct Ended final : Task {
  explicit Ended(Loop& l) : Task(l), loop(l) {}
  void run() override {
    if (--left == 0) return loop.stop();
    schedule();
  }
  Loop& loop;
  int left = 3;
};

TEST(Loop, TellsOfDescriptorsTimersTasksAndOtherThreads) {
  auto made = Loop::create();
  ASSERT_TRUE(made);
  Loop& loop = **made;
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  std::string order;
  Ended ended(loop);
  struct Reader final : Watcher {
    explicit Reader(std::string& o) : order(o) {}
    void on_ready(u32) override { order += 'r'; }
    std::string& order;
  } reader(order);
  ASSERT_TRUE(loop.add(fds[0], EPOLLIN | EPOLLET, reader));
  Timer late(loop, [&] {
    order += 't';
    loop.remove(fds[0], reader);
    ended.schedule();
  });
  Timer moved(loop, [&] { order += 'm'; });
  Timer cancelled(loop, [&] { order += 'c'; });
  late.set(loop.now() + 30'000'000);
  moved.set(loop.now() + 1'000'000);
  moved.set(loop.now() + 20'000'000);
  cancelled.set(loop.now() + 1'000'000);
  cancelled.cancel();
  std::thread other([&] {
    loop.post([&] {
      order += 'p';
      EXPECT_EQ(::write(fds[1], "x", 1), 1);
    });
  });
  loop.run();
  other.join();
  EXPECT_EQ(order, "prmt");
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST(Loop, ForgetsTasksAndTimersThatAreGone) {
  auto made = Loop::create();
  ASSERT_TRUE(made);
  Loop& loop = **made;
  {
    Ended gone(loop);
    gone.schedule();
    Timer timer(loop, [] { FAIL(); });
    timer.set(loop.now());
  }
  Ended ended(loop);
  ended.schedule();
  loop.run();
  EXPECT_EQ(ended.left, 0);
}

}  // namespace
}  // namespace berth::http
