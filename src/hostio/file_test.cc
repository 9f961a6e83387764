#include "hostio/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "hostio/clock.h"
#include "hostio/directory.h"
#include "hostio/socket.h"
#include "hostio/test_support.h"

namespace berth::hostio {
namespace {

template <typename T>
Errno error_of(const Io<T>& r) {
  return r ? Errno{} : r.error();
}

Io<size_t> write(File& f, std::string_view text, Waiter& w) {
  iovec v{const_cast<char*>(text.data()), text.size()};
  return f.write(std::span(&v, 1), w);
}
Io<std::string> read(File& f, Waiter& w, size_t limit = 100) {
  std::string text(limit, 0);
  iovec v{text.data(), text.size()};
  text.resize(TRY(f.read(std::span(&v, 1), w)));
  return text;
}

// The two ends of a pipe as a process would have inherited them.
struct Pipe {
  Pipe() {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    reader = Handle(fds[0]);
    writer = Handle(fds[1]);
  }
  Handle reader, writer;
};

TEST(File, RegularFile) {
  TemporaryDirectory t;
  PollWaiter w;
  Directory d = std::move(*Directory::grant(t.path(), {.writable = true}));
  File f = std::get<File>(std::move(*d.open("f", {.read = true, .write = true, .create = true})));
  EXPECT_EQ(*write(f, "hello", w), 5u);
  EXPECT_EQ(*f.seek(1, Whence::Start), 1u);
  EXPECT_EQ(f.available(), 4u);
  EXPECT_EQ(*read(f, w), "ello");
  EXPECT_EQ(*read(f, w), "");
  EXPECT_EQ(error_of(f.seek(-1, Whence::Start)), Errno::Invalid);
  EXPECT_EQ(*f.seek(-2, Whence::End), 3u);
  ASSERT_TRUE(f.set_size(3));
  EXPECT_EQ(f.metadata()->size, 3u);
  EXPECT_EQ(error_of(f.set_size(~u64{0})), Errno::TooLarge);
  ASSERT_TRUE(f.set_times({TimeChange::Set, 1'000'000'007}, {TimeChange::Set, 2'000'000'009}));
  EXPECT_EQ(f.metadata()->accessed, 1'000'000'007u);
  EXPECT_EQ(f.metadata()->modified, 2'000'000'009u);
  EXPECT_TRUE(f.sync(true));
  EXPECT_TRUE(f.advise(0, 0, Advice::Sequential));
  EXPECT_EQ(error_of(f.advise(~u64{0}, 1, Advice::Normal)), Errno::Invalid);
}

TEST(File, AppendModeAndOffsets) {
  TemporaryDirectory t;
  PollWaiter w;
  Directory d = std::move(*Directory::grant(t.path(), {.writable = true}));
  t.write("f", "abc");
  File f = std::get<File>(std::move(*d.open("f", {.read = true, .write = true, .append = true})));
  EXPECT_EQ(*write(f, "d", w), 1u);
  char x = 'X';
  iovec v{&x, 1};
  EXPECT_EQ(*f.write_at(std::span(&v, 1), 0), 1u);
  EXPECT_EQ(t.read("f"), "Xbcd");
  EXPECT_EQ(*f.seek(0, Whence::Start), 0u);
  EXPECT_EQ(*write(f, "e", w), 1u);
  EXPECT_EQ(t.read("f"), "Xbcde");
  ASSERT_TRUE(f.set_status({}));
  EXPECT_EQ(*f.seek(0, Whence::Start), 0u);
  EXPECT_EQ(*write(f, "Y", w), 1u);
  EXPECT_EQ(t.read("f"), "Ybcde");
}

TEST(File, InheritedPipeKeepsItsFlags) {
  Pipe p;
  PollWaiter w;
  File r = std::move(*File::inherited(p.reader.fd()));
  File out = std::move(*File::inherited(p.writer.fd()));
  ASSERT_TRUE(r.set_status({.nonblocking = true}));
  EXPECT_EQ(::fcntl(p.reader.fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(error_of(read(r, w)), Errno::Again);
  EXPECT_EQ(*write(out, "x", w), 1u);
  EXPECT_EQ(r.available(), 1u);
  EXPECT_EQ(*read(r, w), "x");
  EXPECT_EQ(error_of(r.seek(0, Whence::Current)), Errno::NotSeekable);
  p.writer = Handle();
  EXPECT_EQ(*read(r, w), "");
}

TEST(File, FullPipeIsWrittenWholeOrNotWaitedFor) {
  Pipe p;
  PollWaiter w;
  File out = std::move(*File::inherited(p.writer.fd()));
  std::string big(1 << 20, 'x');
  ASSERT_TRUE(out.set_status({.nonblocking = true}));
  size_t first = *write(out, big, w);
  EXPECT_LT(first, big.size());
  EXPECT_EQ(error_of(write(out, big, w)), Errno::Again);
  ASSERT_TRUE(out.set_status({}));
  size_t total = 0;
  std::thread reader([&] {
    std::vector<char> bytes(5000);
    while (total < first + big.size()) {
      ssize_t n = ::read(p.reader.fd(), bytes.data(), bytes.size());
      if (n <= 0) break;
      total += static_cast<size_t>(n);
    }
  });
  EXPECT_EQ(*write(out, big, w), big.size());
  reader.join();
  EXPECT_EQ(total, first + big.size());
}

// A terminal cannot be asked not to wait: everything goes through the waiter.
TEST(File, TerminalsAreWaitedFor) {
  Handle master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master || ::grantpt(master.fd()) != 0 || ::unlockpt(master.fd()) != 0) GTEST_SKIP() << "no pseudo-terminals";
  char name[100];
  ASSERT_EQ(::ptsname_r(master.fd(), name, sizeof name), 0);
  Handle slave(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) GTEST_SKIP() << "no pseudo-terminals";
  termios raw;
  ASSERT_EQ(::tcgetattr(slave.fd(), &raw), 0);
  ::cfmakeraw(&raw);
  ASSERT_EQ(::tcsetattr(slave.fd(), TCSANOW, &raw), 0);

  PollWaiter w;
  File f = std::move(*File::inherited(slave.fd()));
  EXPECT_TRUE(f.is_terminal());
  EXPECT_FALSE(f.may_seek());
  ASSERT_TRUE(f.set_status({.nonblocking = true}));
  EXPECT_EQ(error_of(read(f, w)), Errno::Again);
  EXPECT_EQ(::write(master.fd(), "typed", 5), 5);
  EXPECT_EQ(*read(f, w), "typed");
  ASSERT_TRUE(f.set_status({}));
  std::string big(100'000, 'x');
  std::thread reader([&] {
    std::vector<char> bytes(5000);
    for (size_t total = 0; total < big.size();) {
      ssize_t n = ::read(master.fd(), bytes.data(), bytes.size());
      if (n <= 0) break;
      total += static_cast<size_t>(n);
    }
    EXPECT_EQ(::write(master.fd(), "late", 4), 4);
  });
  EXPECT_EQ(*write(f, big, w), big.size());
  EXPECT_EQ(*read(f, w), "late");
  reader.join();
}

TEST(File, BrokenPipeIsAnError) {
  ignore_io_signals();
  Pipe p;
  PollWaiter w;
  File out = std::move(*File::inherited(p.writer.fd()));
  p.reader = Handle();
  EXPECT_EQ(error_of(write(out, "x", w)), Errno::BrokenPipe);
}

// Every wait ends soon after the guest is told to stop: by a call, and by the flag that slices look
// at.
TEST(File, WaitsCanBeInterrupted) {
  Pipe p;
  File r = std::move(*File::inherited(p.reader.fd()));
  {
    PollWaiter w(nullptr, nullptr, std::chrono::nanoseconds(0));
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      w.interrupt();
    });
    EXPECT_EQ(error_of(read(r, w)), Errno::Canceled);
    other.join();
    EXPECT_EQ(error_of(read(r, w)), Errno::Canceled);
    w.reset();
    EXPECT_EQ(*w.wait({}, 1), 0u);
  }
  {
    std::atomic<bool> stop = false;
    PollWaiter w([](void* flag) { return static_cast<std::atomic<bool>*>(flag)->load(); }, &stop,
                 std::chrono::milliseconds(5));
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      stop = true;
    });
    EXPECT_EQ(error_of(w.wait({}, std::nullopt)), Errno::Canceled);
    other.join();
  }
}

TEST(File, FifoReadWaitsForAWriter) {
  TemporaryDirectory t;
  ASSERT_EQ(::mkfifo((t / "fifo").c_str(), 0600), 0);
  Directory d = std::move(*Directory::grant(t.path(), {.writable = true}));
  PollWaiter w;
  File r = std::get<File>(std::move(*d.open("fifo", {.read = true})));
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    t.write("fifo", "late");
  });
  EXPECT_EQ(*read(r, w), "late");
  other.join();
  EXPECT_EQ(*read(r, w), "");
}

TEST(PollWaiter, DeadlinesAreKept) {
  PollWaiter w(nullptr, nullptr, std::chrono::milliseconds(3));
  u64 start = monotonic_now();
  EXPECT_EQ(*w.wait({}, start + 20'000'000), 0u);
  EXPECT_GE(monotonic_now(), start + 20'000'000);
  EXPECT_EQ(*w.wait({}, 0), 0u);
}

TEST(Clock, AllAdvanceAndHaveAResolution) {
  for (Clock c : {Clock::Realtime, Clock::Monotonic, Clock::ProcessCpu, Clock::ThreadCpu}) {
    u64 first = *now(c);
    for (int i = 0; i < 1000; ++i) EXPECT_GE(*now(c), first);
    EXPECT_GT(*resolution(c), 0u);
  }
  std::vector<u8> bytes(100'000);
  ASSERT_TRUE(fill_random(bytes));
  EXPECT_NE(std::count(bytes.begin(), bytes.end(), 0), 100'000);
}

TEST(Socket, AcceptsReceivesAndShutsDown) {
  PollWaiter w;
  auto made = listen_tcp("127.0.0.1:0");
  ASSERT_TRUE(made) << made.error().to_string();
  File listener = std::move(*made);
  ASSERT_TRUE(listener.set_status({.nonblocking = true}));
  EXPECT_EQ(error_of(accept(listener, {}, w)), Errno::Again);
  ASSERT_TRUE(listener.set_status({}));

  u16 port = local_port(listener);
  ASSERT_NE(port, 0);
  std::thread client([&] {
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    ASSERT_EQ(::send(fd, "abc", 3, 0), 3);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::send(fd, "def", 3, 0), 3);
    char answer[10];
    EXPECT_EQ(::recv(fd, answer, sizeof answer, MSG_WAITALL), 2);
    ::close(fd);
  });
  File s = std::move(*accept(listener, {}, w));
  char a[2], b[4];
  iovec v[2] = {{a, 2}, {b, 4}};
  EXPECT_EQ(receive(s, std::span(v, 1), {.peek = true}, w)->bytes, 2u);
  EXPECT_EQ(receive(s, v, {.wait_all = true}, w)->bytes, 6u);
  EXPECT_EQ(std::string(a, 2) + std::string(b, 4), "abcdef");
  EXPECT_EQ(*write(s, "ok", w), 2u);
  EXPECT_TRUE(shutdown(s, false, true));
  EXPECT_EQ(receive(s, v, {}, w)->bytes, 0u);
  client.join();
}

TEST(Socket, AddressesAreChecked) {
  for (const char* bad :
       {"", "8080", "example.org:80", "127.0.0.1:", "127.0.0.1:99999", "::1:80", "[::1]", "1.2.3.4:5x"})
    EXPECT_FALSE(listen_tcp(bad)) << bad;
  EXPECT_FALSE(adopt_listener(0));
}

}  // namespace
}  // namespace berth::hostio
