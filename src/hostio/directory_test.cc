#include "hostio/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "hostio/directory_reader.h"
#include "hostio/test_support.h"

namespace berth::hostio {
namespace {

// secret and outside/ lie beside the granted directory in/, which holds a few files and links.
class DirectoryTest : public testing::Test {
 protected:
  DirectoryTest() {
    std::filesystem::create_directories(t / "in/sub/deep");
    std::filesystem::create_directories(t / "outside");
    t.write("secret", "secret");
    t.write("in/file", "hello");
    t.write("in/sub/inner", "inner");
    std::filesystem::create_symlink("file", t / "in/link");
    std::filesystem::create_symlink("../secret", t / "in/out");
    std::filesystem::create_symlink(t / "secret", t / "in/absolute");
    std::filesystem::create_symlink("../../secret", t / "in/sub/out");
    std::filesystem::create_symlink("..", t / "in/up");
    std::filesystem::create_symlink("loop", t / "in/loop");
    std::filesystem::create_symlink("new", t / "in/dangling");
    std::filesystem::create_symlink("/proc/self/root", t / "in/magic");
  }

  Directory writable() { return std::move(*Directory::grant(t / "in", {.writable = true})); }
  Directory read_only() { return std::move(*Directory::grant(t / "in", {})); }

  static Errno open_error(const Directory& d, std::string_view path, OpenOptions o = {.read = true, .follow = true}) {
    auto r = d.open(path, o);
    return r ? Errno{} : r.error();
  }

  TemporaryDirectory t;
};

template <typename T>
Errno error_of(const Io<T>& r) {
  return r ? Errno{} : r.error();
}

std::string contents(const Directory& d, std::string_view path) {
  auto r = d.open(path, {.read = true, .follow = true});
  if (!r) return std::string("error: ") + describe(r.error());
  char text[100];
  iovec v{text, sizeof text};
  PollWaiter waiter;
  auto n = std::get<File>(*r).read(std::span(&v, 1), waiter);
  return n ? std::string(text, *n) : "unreadable";
}

TEST_F(DirectoryTest, OpensBeneath) {
  Directory d = writable();
  EXPECT_EQ(contents(d, "file"), "hello");
  EXPECT_EQ(contents(d, "link"), "hello");
  EXPECT_EQ(contents(d, "sub/inner"), "inner");
  EXPECT_EQ(contents(d, "sub/deep/../inner"), "inner");
  EXPECT_EQ(contents(d, "./sub//./inner"), "inner");
}

TEST_F(DirectoryTest, NoPathLeadsOut) {
  Directory d = writable();
  for (const char* path : {"..", "../secret", "sub/../../secret", "/", "/etc/passwd", "out", "absolute", "sub/out",
                           "up", "up/secret", "magic", "magic/etc/passwd"}) {
    EXPECT_EQ(open_error(d, path), Errno::Escape) << path;
    EXPECT_EQ(error_of(d.stat(path, true)), Errno::Escape) << path;
    EXPECT_EQ(error_of(d.set_times(path, true, {}, {})), Errno::Escape) << path;
  }
  for (const char* path : {"../new", "sub/../../new", "/tmp/new", "up/new", "magic/tmp/new", "..", "up/."}) {
    EXPECT_EQ(error_of(d.create_directory(path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(d.remove_directory(path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(d.unlink_file(path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(d.symlink("file", path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(d.read_link(path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(Directory::link(d, "file", d, path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(Directory::link(d, path, d, "x")), Errno::Escape) << path;
    EXPECT_EQ(error_of(Directory::rename(d, "file", d, path)), Errno::Escape) << path;
    EXPECT_EQ(error_of(Directory::rename(d, path, d, "x")), Errno::Escape) << path;
    EXPECT_EQ(open_error(d, path, {.write = true, .create = true, .follow = true}), Errno::Escape) << path;
  }
}

TEST_F(DirectoryTest, MagicLinksAreNoWayOut) {
  auto proc = Directory::grant("/proc/self", {});
  if (!proc) GTEST_SKIP() << "no /proc here";
  EXPECT_EQ(open_error(*proc, "root"), Errno::Loop);
  EXPECT_EQ(open_error(*proc, "cwd"), Errno::Loop);
  EXPECT_EQ(open_error(*proc, "fd/0"), Errno::Loop);
  EXPECT_EQ(open_error(*proc, "root/etc/passwd"), Errno::Loop);
  EXPECT_EQ(open_error(*proc, "fd/" + std::to_string(proc->fd()) + "/../environ"), Errno::Loop);
}

TEST_F(DirectoryTest, TheSystemIsSeenOnlyWhenItIsGranted) {
  auto root = Directory::grant("/", {.writable = true});
  auto proc = Directory::grant("/proc", {});
  if (!root || !proc || open_error(*proc, "version") != Errno{}) GTEST_SKIP() << "no /proc here";
  EXPECT_EQ(open_error(*root, "proc/self/mem", {.write = true}), Errno::Access);
  EXPECT_EQ(open_error(*root, "proc/version"), Errno::Access);
  EXPECT_EQ(open_error(*root, "proc", {.directory = true}), Errno::Access);
  EXPECT_EQ(open_error(*root, "etc", {.directory = true}), Errno{});
}

TEST_F(DirectoryTest, ASubdirectoryIsAGrantOfItsOwn) {
  Directory d = writable();
  Directory sub = std::get<Directory>(std::move(*d.open("sub", {.directory = true})));
  EXPECT_EQ(contents(sub, "inner"), "inner");
  EXPECT_EQ(open_error(sub, "../file"), Errno::Escape);
  // Moving it does not widen it.
  ASSERT_TRUE(Directory::rename(d, "sub", d, "moved"));
  EXPECT_EQ(open_error(sub, "../file"), Errno::Escape);
}

TEST_F(DirectoryTest, LinksAreFollowedOnlyWhenAsked) {
  Directory d = writable();
  EXPECT_EQ(open_error(d, "link", {.read = true}), Errno::Loop);
  EXPECT_EQ(open_error(d, "loop"), Errno::Loop);
  EXPECT_EQ(d.stat("link", false)->type, FileType::SymbolicLink);
  EXPECT_EQ(d.stat("link", true)->type, FileType::RegularFile);
  EXPECT_EQ(d.stat("out", false)->type, FileType::SymbolicLink);
  EXPECT_EQ(*d.read_link("out"), "../secret");
  EXPECT_EQ(error_of(d.read_link("file")), Errno::Invalid);
  EXPECT_EQ(open_error(d, "dangling"), Errno::NoEntry);
  EXPECT_EQ(open_error(d, "dangling", {.write = true, .create = true, .follow = true}), Errno{});
  EXPECT_TRUE(std::filesystem::exists(t / "in/new"));
  // What is removed or renamed is the link.
  ASSERT_TRUE(d.unlink_file("link"));
  EXPECT_EQ(t.read("in/file"), "hello");
}

TEST_F(DirectoryTest, SymbolicLinksMayNotBeAbsolute) {
  Directory d = writable();
  EXPECT_EQ(error_of(d.symlink("/etc/passwd", "l")), Errno::Perm);
  EXPECT_EQ(error_of(d.symlink("", "l")), Errno::NoEntry);
  EXPECT_TRUE(d.symlink("../secret", "l"));  // may be made, leads nowhere
  EXPECT_EQ(open_error(d, "l"), Errno::Escape);
}

TEST_F(DirectoryTest, OddPaths) {
  Directory d = writable();
  EXPECT_EQ(open_error(d, ""), Errno::NoEntry);
  EXPECT_EQ(error_of(d.create_directory("")), Errno::NoEntry);
  EXPECT_EQ(open_error(d, std::string_view("file\0", 5)), Errno::Invalid);
  EXPECT_EQ(error_of(d.unlink_file(std::string_view("file\0x", 6))), Errno::Invalid);
  EXPECT_EQ(open_error(d, std::string(5000, 'a')), Errno::NameTooLong);
  EXPECT_EQ(open_error(d, std::string(300, 'a')), Errno::NameTooLong);
  EXPECT_EQ(error_of(d.create_directory(std::string(300, 'a'))), Errno::NameTooLong);
  std::string bytes = "\xff\xfe name";
  EXPECT_TRUE(d.create_directory(bytes));
  EXPECT_TRUE(d.remove_directory(bytes));
}

TEST_F(DirectoryTest, TrailingSlashes) {
  Directory d = writable();
  EXPECT_EQ(open_error(d, "file/"), Errno::NotDirectory);
  EXPECT_EQ(open_error(d, "sub//"), Errno{});
  EXPECT_EQ(error_of(d.unlink_file("file/")), Errno::NotDirectory);
  EXPECT_EQ(error_of(d.unlink_file("sub/")), Errno::IsDirectory);
  EXPECT_EQ(error_of(d.unlink_file("none/")), Errno::NoEntry);
  EXPECT_EQ(error_of(d.remove_directory("file/")), Errno::NotDirectory);
  EXPECT_EQ(error_of(d.symlink("a", "none/")), Errno::NoEntry);
  EXPECT_EQ(error_of(d.symlink("a", "sub/")), Errno::Exists);
  EXPECT_EQ(error_of(d.symlink("a", "file/")), Errno::NotDirectory);
  EXPECT_EQ(error_of(Directory::link(d, "file", d, "none/")), Errno::NoEntry);
  EXPECT_EQ(error_of(Directory::link(d, "file/", d, "none")), Errno::NotDirectory);
  EXPECT_EQ(error_of(Directory::rename(d, "file/", d, "x")), Errno::NotDirectory);
  EXPECT_EQ(error_of(Directory::rename(d, "file", d, "x/")), Errno::NotDirectory);
  EXPECT_TRUE(Directory::rename(d, "sub/", d, "x/"));
  EXPECT_TRUE(d.create_directory("made/"));
  EXPECT_TRUE(d.remove_directory("made/"));
  // A link to a directory is not the directory.
  ASSERT_TRUE(d.symlink("x", "to-x"));
  EXPECT_EQ(error_of(d.remove_directory("to-x/")), Errno::NotDirectory);
  EXPECT_EQ(d.stat("to-x/", false)->type, FileType::Directory);
}

TEST_F(DirectoryTest, DotsNameNothingThatCanBeChanged) {
  Directory d = writable();
  EXPECT_EQ(error_of(d.create_directory(".")), Errno::Exists);
  EXPECT_EQ(error_of(d.create_directory("sub/..")), Errno::Exists);
  EXPECT_EQ(error_of(d.remove_directory(".")), Errno::Invalid);
  EXPECT_EQ(error_of(d.remove_directory("sub/..")), Errno::NotEmpty);
  EXPECT_EQ(error_of(d.unlink_file("sub/.")), Errno::IsDirectory);
  EXPECT_EQ(error_of(Directory::rename(d, ".", d, "x")), Errno::Busy);
  EXPECT_EQ(error_of(Directory::rename(d, "sub", d, "sub/..")), Errno::Busy);
  EXPECT_EQ(error_of(Directory::link(d, ".", d, "x")), Errno::Perm);
  EXPECT_EQ(d.stat(".", false)->type, FileType::Directory);
  EXPECT_TRUE(d.set_times(".", false, {TimeChange::Set, 5}, {TimeChange::Set, 7}));
  EXPECT_EQ(d.metadata()->modified, 7u);
}

TEST_F(DirectoryTest, ReadOnlyGrantsChangeNothing) {
  Directory d = read_only();
  Directory w = writable();
  EXPECT_EQ(contents(d, "file"), "hello");
  OpenOptions create{.read = true, .create = true};
  EXPECT_EQ(open_error(d, "file", create), Errno{});
  EXPECT_EQ(open_error(d, "none", create), Errno::ReadOnly);
  EXPECT_EQ(open_error(d, "file", {.read = true, .create = true, .exclusive = true}), Errno::Exists);
  EXPECT_EQ(open_error(d, "file", {.write = true}), Errno::ReadOnly);
  EXPECT_EQ(open_error(d, "file", {.read = true, .write = true, .append = true}), Errno::ReadOnly);
  EXPECT_EQ(open_error(d, "file", {.read = true, .truncate = true}), Errno::ReadOnly);
  EXPECT_EQ(open_error(d, "sub", {.read = true, .write = true}), Errno::IsDirectory);
  EXPECT_EQ(error_of(d.create_directory("x")), Errno::ReadOnly);
  EXPECT_EQ(error_of(d.remove_directory("sub/deep")), Errno::ReadOnly);
  EXPECT_EQ(error_of(d.unlink_file("file")), Errno::ReadOnly);
  EXPECT_EQ(error_of(d.symlink("a", "x")), Errno::ReadOnly);
  EXPECT_EQ(error_of(d.set_times("file", false, {TimeChange::Now, 0}, {})), Errno::ReadOnly);
  EXPECT_EQ(error_of(d.set_own_times({TimeChange::Now, 0}, {})), Errno::ReadOnly);
  EXPECT_EQ(error_of(Directory::rename(d, "file", w, "x")), Errno::ReadOnly);
  EXPECT_EQ(error_of(Directory::rename(w, "file", d, "x")), Errno::ReadOnly);
  // A link would make the file writable through the other grant.
  EXPECT_EQ(error_of(Directory::link(d, "file", w, "x")), Errno::ReadOnly);
  EXPECT_EQ(error_of(Directory::link(w, "file", d, "x")), Errno::ReadOnly);

  File f = std::get<File>(std::move(*d.open("file", {.read = true})));
  EXPECT_EQ(error_of(f.set_size(0)), Errno::ReadOnly);
  EXPECT_EQ(error_of(f.set_times({TimeChange::Now, 0}, {})), Errno::ReadOnly);
  EXPECT_EQ(error_of(f.allocate(0, 100)), Errno::ReadOnly);
  Directory sub = std::get<Directory>(std::move(*d.open("sub", {.directory = true})));
  EXPECT_EQ(error_of(sub.create_directory("x")), Errno::ReadOnly);
  EXPECT_EQ(t.read("in/file"), "hello");
}

TEST_F(DirectoryTest, FifosDoNotHang) {
  ASSERT_EQ(::mkfifo((t / "in/fifo").c_str(), 0600), 0);
  Directory d = writable();
  EXPECT_EQ(open_error(d, "fifo", {.write = true}), Errno::NoDeviceAddress);
  EXPECT_EQ(open_error(d, "fifo", {.read = true}), Errno{});
}

TEST_F(DirectoryTest, DevicesNeedAGrant) {
  auto dev = Directory::grant("/dev", {.writable = true});
  ASSERT_TRUE(dev);
  EXPECT_EQ(open_error(*dev, "null"), Errno{});
  EXPECT_EQ(open_error(*dev, "zero"), Errno{});
  struct ::stat s;
  for (const char* name : {"tty", "kmsg", "mem", "ptmx", "fuse", "loop-control", "vda", "sda"}) {
    if (::stat((std::string("/dev/") + name).c_str(), &s) != 0) continue;
    EXPECT_EQ(open_error(*dev, name), Errno::Access) << name;
  }
  if (::mknod((t / "in/mem").c_str(), S_IFCHR | 0600, makedev(1, 1)) == 0) {
    Directory d = writable();
    EXPECT_EQ(open_error(d, "mem"), Errno::Access);
    EXPECT_EQ(open_error(d, "mem", {.write = true}), Errno::Access);
    EXPECT_EQ(open_error(d, "mem", {.write = true, .create = true, .truncate = true}), Errno::Access);
    EXPECT_TRUE(d.stat("mem", false));
    ASSERT_TRUE(Directory::link(d, "mem", d, "other"));
    EXPECT_EQ(open_error(d, "other"), Errno::Access);
  }
}

// A link that another thread keeps pointing in and out: whatever is opened is what was granted.
TEST_F(DirectoryTest, SwappedLinksNeverLeadOut) {
  std::filesystem::create_directories(t / "outside/sub");
  t.write("outside/sub/inner", "secret");
  t.write("outside/sub/victim", "");
  std::filesystem::create_symlink("sub", t / "in/a");
  std::filesystem::create_symlink("../outside/sub", t / "in/b");
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    while (!stop) {
      ::renameat2(AT_FDCWD, (t / "in/a").c_str(), AT_FDCWD, (t / "in/b").c_str(), RENAME_EXCHANGE);
    }
  });
  Directory d = writable();
  int opened = 0, refused = 0, made = 0;
  for (int i = 0; i < 20000 || (i < 20'000'000 && (opened == 0 || refused == 0)); ++i) {
    std::string text = contents(d, "a/inner");
    ASSERT_NE(text, "secret");
    (text == "inner" ? opened : refused)++;
    auto file = d.open("a/new", {.write = true, .create = true, .follow = true});
    if (file) ++made;
    (void)d.create_directory("a/dir");
    (void)d.unlink_file("a/victim");
  }
  stop = true;
  swapper.join();
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
  EXPECT_GT(made, 0);
  EXPECT_FALSE(std::filesystem::exists(t / "outside/sub/new"));
  EXPECT_FALSE(std::filesystem::exists(t / "outside/sub/dir"));
  EXPECT_TRUE(std::filesystem::exists(t / "outside/sub/victim"));
}

// The directory that a path goes through is moved out of the grant again and again.
TEST_F(DirectoryTest, MovedDirectoriesNeverLeadOut) {
  std::filesystem::create_directories(t / "in/x/y/z");
  t.write("in/x/secret", "mine");
  t.write("outside/secret", "secret");
  std::atomic<bool> stop = false;
  std::thread mover([&] {
    while (!stop) {
      ::rename((t / "in/x/y").c_str(), (t / "outside/y").c_str());
      ::rename((t / "outside/y").c_str(), (t / "in/x/y").c_str());
    }
  });
  Directory d = writable();
  int inside = 0;
  for (int i = 0; i < 20000 || (i < 20'000'000 && inside == 0); ++i) {
    std::string text = contents(d, "x/y/z/../../secret");
    ASSERT_NE(text, "secret");
    inside += text == "mine";
  }
  stop = true;
  mover.join();
  EXPECT_GT(inside, 0);
}

TEST_F(DirectoryTest, ExhaustionIsAnError) {
  Directory d = writable();
  // Waits once before: the undefined-behaviour sanitizer needs descriptors to look at a type for the first time.
  PollWaiter waiter;
  pollfd none{-1, 0, 0};
  (void)waiter.wait(std::span(&none, 1), 1);
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit low = old;
  low.rlim_cur = static_cast<rlim_t>(d.fd()) + 20;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<File> files;
  Errno error{};
  for (int i = 0; i < 100; ++i) {
    auto f = d.open("file", {.read = true});
    if (!f) {
      error = f.error();
      break;
    }
    files.push_back(std::get<File>(std::move(*f)));
  }
  Errno stat_error = error_of(d.stat("file", false));
  // A path with one component needs no descriptor.
  Errno mkdir_error = error_of(d.create_directory("m"));
  Errno wait_error = error_of(waiter.wait(std::span(&none, 1), 1));
  ::setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_EQ(error, Errno::TooManyFiles);
  EXPECT_EQ(stat_error, Errno::TooManyFiles);
  EXPECT_EQ(mkdir_error, Errno{});
  EXPECT_EQ(wait_error, Errno{});
  files.clear();
  EXPECT_EQ(contents(d, "file"), "hello");
}

TEST_F(DirectoryTest, DescriptorsDoNotSurviveExec) {
  Directory d = writable();
  File f = std::get<File>(std::move(*d.open("file", {.read = true})));
  EXPECT_EQ(::fcntl(f.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(d.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(d.open_for_reading()->fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

// What an older kernel, or the filter of an older container engine, answers.
TEST_F(DirectoryTest, WithoutOpenat2NothingIsGranted) {
  const std::string path = t / "in";
  for (u32 answer : {ENOSYS, EPERM}) {
    const auto child = [&] {
      sock_filter code[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      };
      const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
      if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        ::_exit(77);
      const auto granted = Directory::grant(path, {.writable = true});
      ::_exit(!granted && granted.error().to_string().find("openat2") != std::string::npos ? 0 : 1);
    };
    const pid_t pid = ::fork();
    if (pid == 0) child();
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no filters of system calls here";
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
}

TEST_F(DirectoryTest, GrantingSaysWhatIsWrong) {
  auto missing = Directory::grant(t / "none", {});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().to_string().find("No such file"), std::string::npos);
  EXPECT_FALSE(Directory::grant(t / "secret", {}));
}

using Names = std::map<std::string, FileType>;

Names list(DirectoryReader& reader, u64 cookie = DirectoryReader::kStart) {
  Names names;
  for (;;) {
    auto e = reader.read(cookie);
    if (!e || !*e) return names;
    EXPECT_TRUE(names.emplace(std::string((*e)->name), (*e)->type).second);
    cookie = (*e)->next;
  }
}

TEST(DirectoryReader, ListsWithDotsFirst) {
  TemporaryDirectory t;
  std::filesystem::create_directory(t / "d");
  t.write("f", "");
  std::filesystem::create_symlink("f", t / "l");
  Directory d = std::move(*Directory::grant(t.path(), {}));
  DirectoryReader r = std::move(*DirectoryReader::open(d));
  auto dot = r.read(DirectoryReader::kStart);
  EXPECT_EQ((*dot)->name, ".");
  EXPECT_EQ((*dot)->inode, d.metadata()->inode);
  auto dots = r.read((*dot)->next);
  EXPECT_EQ((*dots)->name, "..");
  EXPECT_EQ((*dots)->inode, d.metadata()->inode);
  EXPECT_EQ(list(r), (Names{{".", FileType::Directory},
                            {"..", FileType::Directory},
                            {"d", FileType::Directory},
                            {"f", FileType::RegularFile},
                            {"l", FileType::SymbolicLink}}));
  t.write("g", "");
  EXPECT_EQ(list(r).size(), 6u);
}

constexpr int kManyFiles = 3000;  // more than one buffer holds

TEST(DirectoryReader, EveryCookieLeadsBackToItsEntry) {
  TemporaryDirectory t;
  for (int i = 0; i < kManyFiles; ++i) t.write("file" + std::to_string(i), "");
  Directory d = std::move(*Directory::grant(t.path(), {}));
  DirectoryReader r = std::move(*DirectoryReader::open(d));
  std::vector<std::pair<u64, std::string>> entries;
  for (u64 cookie = DirectoryReader::kStart;;) {
    auto e = r.read(cookie);
    ASSERT_TRUE(e);
    if (!*e) break;
    entries.emplace_back(cookie, (*e)->name);
    cookie = (*e)->next;
  }
  ASSERT_EQ(entries.size(), size_t{kManyFiles + 2});
  // In an order that jumps about, and each one twice, as callers with a full buffer ask.
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [cookie, name] = entries[i * 1999 % entries.size()];
    EXPECT_EQ((*r.read(cookie))->name, name);
    EXPECT_EQ((*r.read(cookie))->name, name);
  }
}

TEST(DirectoryReader, RemovingWhileReadingSkipsNothing) {
  TemporaryDirectory t;
  for (int i = 0; i < kManyFiles; ++i) t.write("file" + std::to_string(i), "");
  Directory d = std::move(*Directory::grant(t.path(), {}));
  DirectoryReader r = std::move(*DirectoryReader::open(d));
  Names seen;
  for (u64 cookie = DirectoryReader::kStart;;) {
    auto e = r.read(cookie);
    ASSERT_TRUE(e);
    if (!*e) break;
    std::string name((*e)->name);
    EXPECT_TRUE(seen.emplace(name, FileType::RegularFile).second) << name;
    cookie = (*e)->next;
    if (name.starts_with("file")) std::filesystem::remove(t / name);
  }
  EXPECT_EQ(seen.size(), size_t{kManyFiles + 2});
  EXPECT_TRUE(std::filesystem::is_empty(t.path()));
}

TEST(DirectoryReader, RejectsMadeUpCookies) {
  TemporaryDirectory t;
  Directory d = std::move(*Directory::grant(t.path(), {}));
  DirectoryReader r = std::move(*DirectoryReader::open(d));
  EXPECT_EQ(error_of(r.read(~u64{0})), Errno::Invalid);
  (void)r.read(12345);  // whatever the file system says, no crash
}

}  // namespace
}  // namespace berth::hostio
