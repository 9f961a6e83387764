// Everything of WASI 0.1 that is not about files: processes, clocks, polling, sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "hostio/clock.h"
#include "hostio/socket.h"
#include "wasi_p1/test_support.h"

namespace berth::wasi_p1 {
namespace {

using ProcessTest = Guest;

TEST_F(ProcessTest, ArgumentsAndEnvironment) {
  config.args = {"program", "", "two words"};
  config.environment = {"A=1", "B="};
  ASSERT_EQ(code(calls().args_sizes_get(Pointer<u32>{8}, Pointer<u32>{12})), Errno::Success);
  EXPECT_EQ(at<u32>(8), 3u);
  EXPECT_EQ(at<u32>(12), 19u);
  ASSERT_EQ(code(calls().args_get(Pointer<u32>{64}, Pointer<u8>{512})), Errno::Success);
  EXPECT_EQ(text(512, 19), std::string("program\0\0two words\0", 19));
  EXPECT_EQ(at<u32>(64), 512u);
  EXPECT_EQ(at<u32>(68), 520u);
  EXPECT_EQ(at<u32>(72), 521u);
  ASSERT_EQ(code(calls().environ_sizes_get(Pointer<u32>{8}, Pointer<u32>{12})), Errno::Success);
  EXPECT_EQ(at<u32>(8), 2u);
  EXPECT_EQ(at<u32>(12), 7u);
  ASSERT_EQ(code(calls().environ_get(Pointer<u32>{64}, Pointer<u8>{512})), Errno::Success);
  EXPECT_EQ(text(512, 7), std::string("A=1\0B=\0", 7));
}

TEST_F(ProcessTest, NothingIsGrantedUnasked) {
  config.directories.clear();
  ASSERT_EQ(code(calls().environ_sizes_get(Pointer<u32>{8}, Pointer<u32>{12})), Errno::Success);
  EXPECT_EQ(at<u32>(8), 0u);
  for (u32 fd = 3; fd < 100; ++fd) {
    EXPECT_EQ(code(calls().fd_prestat_get(fd, Pointer<Prestat>{64})), Errno::BadDescriptor);
    EXPECT_EQ(code(calls().fd_fdstat_get(fd, Pointer<Fdstat>{64})), Errno::BadDescriptor);
  }
  EXPECT_EQ(code(calls().fd_fdstat_get(0xffffffff, Pointer<Fdstat>{64})), Errno::BadDescriptor);
}

TEST_F(ProcessTest, ArgumentsWithNulAreRefused) {
  config.args = {std::string("a\0b", 3)};
  EXPECT_FALSE(WasiContext::create(std::move(config)));
}

TEST_F(ProcessTest, GrantsThatFailSayWhy) {
  config.directories.push_back({root + "/none", "/none"});
  auto r = WasiContext::create(std::move(config));
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().to_string().find("/none"), std::string::npos);
}

TEST_F(ProcessTest, Clocks) {
  for (u32 id = 0; id < 4; ++id) {
    ASSERT_EQ(code(calls().clock_time_get(id, 0, Pointer<u64>{8})), Errno::Success);
    ASSERT_EQ(code(calls().clock_time_get(id, 0, Pointer<u64>{16})), Errno::Success);
    EXPECT_LE(at<u64>(8), at<u64>(16));
    ASSERT_EQ(code(calls().clock_res_get(id, Pointer<u64>{8})), Errno::Success);
    EXPECT_GT(at<u64>(8), 0u);
  }
  EXPECT_EQ(code(calls().clock_time_get(4, 0, Pointer<u64>{8})), Errno::Invalid);
  EXPECT_EQ(code(calls().clock_res_get(4, Pointer<u64>{8})), Errno::Invalid);
}

TEST_F(ProcessTest, RandomnessAndYield) {
  EXPECT_EQ(code(calls().random_get(Pointer<u8>{1024}, 4096)), Errno::Success);
  EXPECT_LT(std::count(memory.begin() + 1024, memory.begin() + 5120, 0), 200);
  EXPECT_EQ(code(calls().random_get(Pointer<u8>{1024}, 0)), Errno::Success);
  EXPECT_EQ(code(calls().sched_yield()), Errno::Success);
}

TEST_F(ProcessTest, ExitAndSignals) {
  EXPECT_EQ(calls().proc_exit(33).code, 33u);
  EXPECT_EQ((*calls().proc_raise(6))->code, 134u);   // SIGABRT
  EXPECT_EQ((*calls().proc_raise(15))->code, 143u);  // SIGTERM
  EXPECT_FALSE(*calls().proc_raise(0));
  EXPECT_FALSE(*calls().proc_raise(16));  // SIGCHLD
  EXPECT_EQ(calls().proc_raise(18).error().code(), Errno::NotSupported);
  EXPECT_EQ(calls().proc_raise(31).error().code(), Errno::Invalid);
}

class PollTest : public Guest {
 protected:
  static constexpr u32 kIn = 4096, kOut = 65536;

  void clock(u32 index, u32 id, u64 timeout, u16 flags = 0) {
    Subscription s{};
    s.userdata = 100 + index;
    s.clock = {id, 0, timeout, 0, flags};
    set(kIn + index * 48, s);
  }
  void readiness(u32 index, Eventtype type, u32 fd) {
    Subscription s{};
    s.userdata = 100 + index;
    s.tag = static_cast<u8>(type);
    s.fd = fd;
    set(kIn + index * 48, s);
  }
  // Returns the events of a call with `count` subscriptions.
  std::vector<Event> poll(u32 count) {
    Expected<> r = calls().poll_oneoff(Pointer<Subscription>{kIn}, Pointer<Event>{kOut}, count, Pointer<u32>{8});
    EXPECT_EQ(code(r), Errno::Success);
    std::vector<Event> events;
    for (u32 i = 0; r && i < at<u32>(8); ++i) events.push_back(at<Event>(kOut + i * 32));
    return events;
  }
};

TEST_F(PollTest, ClocksOfEveryKind) {
  u64 start = hostio::monotonic_now();
  clock(0, 1, 20'000'000);
  clock(1, 1, 10'000'000'000'000);
  std::vector<Event> e = poll(2);
  ASSERT_EQ(e.size(), 1u);
  EXPECT_EQ(e[0].userdata, 100u);
  EXPECT_EQ(e[0].error, Errno::Success);
  EXPECT_GE(hostio::monotonic_now() - start, 20'000'000u);

  start = hostio::monotonic_now();
  clock(0, 1, start + 20'000'000, kSubclockAbstime);
  EXPECT_EQ(poll(1).size(), 1u);
  EXPECT_GE(hostio::monotonic_now(), start + 20'000'000);

  u64 real = *hostio::now(hostio::Clock::Realtime);
  clock(0, 0, real + 20'000'000, kSubclockAbstime);
  EXPECT_EQ(poll(1).size(), 1u);
  EXPECT_GE(*hostio::now(hostio::Clock::Realtime), real + 20'000'000);
  clock(0, 0, 5'000'000);
  EXPECT_EQ(poll(1).size(), 1u);
  clock(0, 0, 1, kSubclockAbstime);  // long ago
  EXPECT_EQ(poll(1).size(), 1u);
  clock(0, 1, 0);
  EXPECT_EQ(poll(1).size(), 1u);
}

TEST_F(PollTest, ProcessorTimeIsWaitedForWhileOthersSpendIt) {
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop) {
    }
  });
  clock(0, 2, 5'000'000);
  std::vector<Event> e = poll(1);
  stop = true;
  busy.join();
  ASSERT_EQ(e.size(), 1u);
  EXPECT_EQ(e[0].error, Errno::Success);
}

TEST_F(PollTest, ErrorsAreEvents) {
  clock(0, 3, 1);
  clock(1, 9, 1);
  clock(2, 1, 1, 2);
  readiness(3, Eventtype::FdRead, 77);
  readiness(4, Eventtype::FdRead, 3);
  readiness(5, Eventtype::FdWrite, 0);
  clock(6, 1, 1'000'000'000'000);
  std::vector<Event> e = poll(7);
  ASSERT_EQ(e.size(), 6u);
  EXPECT_EQ(e[0].error, Errno::NotSupported);
  EXPECT_EQ(e[1].error, Errno::Invalid);
  EXPECT_EQ(e[2].error, Errno::Invalid);
  EXPECT_EQ(e[3].error, Errno::BadDescriptor);
  EXPECT_EQ(e[4].error, Errno::BadDescriptor);
  EXPECT_EQ(e[5].userdata, 105u);
  EXPECT_EQ(code(calls().poll_oneoff(Pointer<Subscription>{kIn}, Pointer<Event>{kOut}, 0, Pointer<u32>{8})),
            Errno::Invalid);
  readiness(0, static_cast<Eventtype>(3), 0);
  EXPECT_EQ(code(calls().poll_oneoff(Pointer<Subscription>{kIn}, Pointer<Event>{kOut}, 1, Pointer<u32>{8})),
            Errno::Invalid);
}

TEST_F(PollTest, FilesAreAlwaysReady) {
  host_write("f", "12345");
  u32 fd;
  ASSERT_EQ(open("f", &fd), Errno::Success);
  readiness(0, Eventtype::FdRead, fd);
  readiness(1, Eventtype::FdWrite, fd);
  readiness(2, Eventtype::FdRead, 0);  // the null stream
  clock(3, 1, 1'000'000'000'000);
  std::vector<Event> e = poll(4);
  ASSERT_EQ(e.size(), 3u);
  EXPECT_EQ(e[0].nbytes, 5u);
  EXPECT_EQ(e[0].type, Eventtype::FdRead);
  EXPECT_EQ(e[1].type, Eventtype::FdWrite);
  EXPECT_EQ(e[2].userdata, 102u);
}

TEST_F(PollTest, StreamsBecomeReady) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  config.input = {StandardStream::Inherit, fds[0]};
  config.output = {StandardStream::Inherit, fds[1]};
  readiness(0, Eventtype::FdRead, 0);
  clock(1, 1, 5'000'000);
  std::vector<Event> e = poll(2);
  ASSERT_EQ(e.size(), 1u);
  EXPECT_EQ(e[0].type, Eventtype::Clock);

  clock(1, 1, 1'000'000'000'000);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(::write(fds[1], "abc", 3), 3);
  });
  e = poll(2);
  other.join();
  ASSERT_EQ(e.size(), 1u);
  EXPECT_EQ(e[0].type, Eventtype::FdRead);
  EXPECT_EQ(e[0].nbytes, 3u);
  EXPECT_EQ(e[0].flags, 0);

  readiness(0, Eventtype::FdWrite, 1);
  EXPECT_EQ(poll(1)[0].type, Eventtype::FdWrite);
  ::close(fds[1]);
  readiness(0, Eventtype::FdRead, 0);
  e = poll(1);
  ASSERT_EQ(e.size(), 1u);
  EXPECT_EQ(e[0].flags, kEventHangup);
  ::close(fds[0]);
}

TEST_F(PollTest, OlderSnapshotHasItsOwnLayout) {
  unstable::Subscription s{};
  s.userdata = 7;
  s.clock = {99, 1, 0, 1'000'000, 0, 0};
  set(kIn, s);
  s = {};
  s.userdata = 8;
  s.tag = static_cast<u8>(Eventtype::FdRead);
  s.fd = 77;
  set(kIn + sizeof s, s);
  ASSERT_EQ(code(calls().poll_oneoff_unstable(Pointer<unstable::Subscription>{kIn}, Pointer<Event>{kOut}, 2,
                                              Pointer<u32>{8})),
            Errno::Success);
  EXPECT_EQ(at<u32>(8), 1u);
  EXPECT_EQ(at<Event>(kOut).userdata, 8u);
  EXPECT_EQ(at<Event>(kOut).error, Errno::BadDescriptor);
}

TEST_F(PollTest, IsInterruptedByTheStoresFlag) {
  std::atomic<u32> flag = 0;
  config.interrupt_slice = std::chrono::milliseconds(2);
  state().store_interrupt = &flag;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    flag = 1;
  });
  clock(0, 1, 1'000'000'000'000);
  Expected<> r = calls().poll_oneoff(Pointer<Subscription>{kIn}, Pointer<Event>{kOut}, 1, Pointer<u32>{8});
  other.join();
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().is_interrupt());
}

class SocketTest : public Guest {
 protected:
  SocketTest() {
    auto listener = hostio::listen_tcp("127.0.0.1:0");
    EXPECT_TRUE(listener);
    port = hostio::local_port(*listener);
    config.listeners.push_back(std::move(*listener));
  }
  int connect() {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    return fd;
  }
  static constexpr u32 kListener = 4;
  u16 port = 0;
};

TEST_F(SocketTest, ServesAConnection) {
  ASSERT_EQ(code(calls().fd_fdstat_get(kListener, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).filetype, Filetype::SocketStream);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(kListener, fdflags::kNonblock)), Errno::Success);
  EXPECT_EQ(code(calls().sock_accept(kListener, 0, Pointer<u32>{8})), Errno::Again);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(kListener, 0)), Errno::Success);

  int client = connect();
  ASSERT_EQ(code(calls().sock_accept(kListener, fdflags::kNonblock, Pointer<u32>{8})), Errno::Success);
  u32 fd = at<u32>(8);
  set(16, Iovec{512, 3});
  EXPECT_EQ(code(calls().sock_recv(fd, Pointer<Iovec>{16}, 1, 0, Pointer<u32>{24}, Pointer<u16>{28})), Errno::Again);
  ASSERT_EQ(::send(client, "abcdef", 6, 0), 6);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(fd, 0)), Errno::Success);
  EXPECT_EQ(code(calls().sock_recv(fd, Pointer<Iovec>{16}, 1, kRecvPeek, Pointer<u32>{24}, Pointer<u16>{28})),
            Errno::Success);
  EXPECT_EQ(text(512, at<u32>(24)), "abc");
  EXPECT_EQ(code(calls().sock_recv(fd, Pointer<Iovec>{16}, 1, kRecvWaitall, Pointer<u32>{24}, Pointer<u16>{28})),
            Errno::Success);
  EXPECT_EQ(text(512, at<u32>(24)), "abc");
  std::string s;
  EXPECT_EQ(read(fd, &s), Errno::Success);
  EXPECT_EQ(s, "def");
  EXPECT_EQ(code(calls().sock_recv(fd, Pointer<Iovec>{16}, 1, 4, Pointer<u32>{24}, Pointer<u16>{28})), Errno::Invalid);
  set(16, Iovec{put("answer").address, 6});
  EXPECT_EQ(code(calls().sock_send(fd, Pointer<Iovec>{16}, 1, 0, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(code(calls().sock_send(fd, Pointer<Iovec>{16}, 1, 1, Pointer<u32>{24})), Errno::Invalid);
  EXPECT_EQ(code(calls().sock_shutdown(fd, 0)), Errno::Invalid);
  EXPECT_EQ(code(calls().sock_shutdown(fd, kShutWrite)), Errno::Success);
  char answer[10];
  EXPECT_EQ(::recv(client, answer, sizeof answer, MSG_WAITALL), 6);
  EXPECT_EQ(write(fd, "x"), Errno::BrokenPipe);
  ::close(client);
}

TEST_F(SocketTest, OtherDescriptorsAreNoSockets) {
  EXPECT_EQ(code(calls().sock_shutdown(1, kShutRead)), Errno::NotSocket);
  EXPECT_EQ(code(calls().sock_shutdown(3, kShutRead)), Errno::NotSocket);
  EXPECT_EQ(code(calls().sock_shutdown(99, kShutRead)), Errno::BadDescriptor);
  EXPECT_EQ(code(calls().sock_accept(1, 0, Pointer<u32>{8})), Errno::NotSocket);
  // A listening socket is for accepting only.
  EXPECT_EQ(write(kListener, "x"), Errno::NotCapable);
  EXPECT_EQ(code(calls().sock_accept(kListener, fdflags::kAppend, Pointer<u32>{8})), Errno::Invalid);
}

}  // namespace
}  // namespace berth::wasi_p1
