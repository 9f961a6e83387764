#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "wasi_p1/test_support.h"

namespace berth::wasi_p1 {
namespace {

using FdTest = Guest;

TEST_F(FdTest, WritesReadsSeeks) {
  u32 fd;
  ASSERT_EQ(open("f", &fd, oflags::kCreat), Errno::Success);
  EXPECT_EQ(fd, 4u);
  EXPECT_EQ(write(fd, "hello"), Errno::Success);
  EXPECT_EQ(at<u32>(24), 5u);
  EXPECT_EQ(code(calls().fd_seek(fd, 1, 0, Pointer<u64>{32})), Errno::Success);
  std::string s;
  EXPECT_EQ(read(fd, &s, 3), Errno::Success);
  EXPECT_EQ(s, "ell");
  EXPECT_EQ(code(calls().fd_tell(fd, Pointer<u64>{32})), Errno::Success);
  EXPECT_EQ(at<u64>(32), 4u);
  EXPECT_EQ(code(calls().fd_seek(fd, -9, 1, Pointer<u64>{32})), Errno::Invalid);
  EXPECT_EQ(code(calls().fd_seek(fd, 0, 3, Pointer<u64>{32})), Errno::Invalid);
  // The older snapshot counts differently: 2 is the start.
  EXPECT_EQ(code(calls().fd_seek_unstable(fd, 2, 2, Pointer<u64>{32})), Errno::Success);
  EXPECT_EQ(at<u64>(32), 2u);
  EXPECT_EQ(code(calls().fd_seek_unstable(fd, -1, 1, Pointer<u64>{32})), Errno::Success);
  EXPECT_EQ(at<u64>(32), 4u);

  set(16, Iovec{put("XY").address, 2});
  EXPECT_EQ(code(calls().fd_pwrite(fd, Pointer<Iovec>{16}, 1, 1, Pointer<u32>{24})), Errno::Success);
  set(16, Iovec{512, 100});
  EXPECT_EQ(code(calls().fd_pread(fd, Pointer<Iovec>{16}, 1, 0, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(text(512, at<u32>(24)), "hXYlo");
  EXPECT_EQ(code(calls().fd_close(fd)), Errno::Success);
  EXPECT_EQ(code(calls().fd_close(fd)), Errno::BadDescriptor);
}

TEST_F(FdTest, ManyBuffers) {
  u32 fd;
  ASSERT_EQ(open("f", &fd, oflags::kCreat), Errno::Success);
  constexpr u32 kCount = 2000;  // more than the system takes
  u32 list = 100'000;
  for (u32 i = 0; i < kCount; ++i) set(list + 8 * i, Iovec{200'000 + i, 1});
  EXPECT_EQ(code(calls().fd_write(fd, Pointer<Iovec>{list}, kCount, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(at<u32>(24), Buffers::kMaxCount);
  EXPECT_EQ(code(calls().fd_write(fd, Pointer<Iovec>{list}, 0, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(at<u32>(24), 0u);
}

// Each address and length that lies outside fails, and nothing has happened.
TEST_F(FdTest, AddressesAreChecked) {
  host_write("f", "abc");
  u32 fd;
  ASSERT_EQ(open("f", &fd), Errno::Success);
  u32 end = static_cast<u32>(memory.size());
  for (u32 bad : {end, end - 1, end + 1, 0xffffffffu, 0xfffffff8u}) {
    EXPECT_EQ(code(calls().fd_read(fd, Pointer<Iovec>{bad}, 1, Pointer<u32>{24})), Errno::Fault);
    set(16, Iovec{bad, 2});
    EXPECT_EQ(code(calls().fd_read(fd, Pointer<Iovec>{16}, 1, Pointer<u32>{24})), Errno::Fault);
    EXPECT_EQ(code(calls().fd_write(fd, Pointer<Iovec>{16}, 1, Pointer<u32>{24})), Errno::Fault);
    set(16, Iovec{512, 3});
    EXPECT_EQ(code(calls().fd_read(fd, Pointer<Iovec>{16}, 1, Pointer<u32>{bad})), Errno::Fault);
    EXPECT_EQ(code(calls().fd_fdstat_get(fd, Pointer<Fdstat>{bad})), Errno::Fault);
    EXPECT_EQ(code(calls().fd_filestat_get(fd, Pointer<Filestat>{bad})), Errno::Fault);
    EXPECT_EQ(code(calls().fd_prestat_get(3, Pointer<Prestat>{bad})), Errno::Fault);
    EXPECT_EQ(code(calls().fd_prestat_dir_name(3, Pointer<u8>{bad}, 2)),
              bad == end - 1 ? Errno::Success : Errno::Fault);
    EXPECT_EQ(code(calls().random_get(Pointer<u8>{bad}, 2)), Errno::Fault);
    EXPECT_EQ(code(calls().fd_readdir(3, Pointer<u8>{bad}, 2, 0, Pointer<u32>{24})), Errno::Fault);
    EXPECT_EQ(code(calls().path_open(3, 0, Pointer<u8>{bad}, 2, 0, 0, 0, 0, Pointer<u32>{24})), Errno::Fault);
    EXPECT_EQ(code(calls().path_open(3, 0, put("f"), 1, 0, 0, 0, 0, Pointer<u32>{bad})), Errno::Fault);
    EXPECT_EQ(code(calls().args_sizes_get(Pointer<u32>{bad}, Pointer<u32>{24})), Errno::Fault);
    EXPECT_EQ(code(calls().clock_time_get(0, 0, Pointer<u64>{bad})), Errno::Fault);
    EXPECT_EQ(code(calls().poll_oneoff(Pointer<Subscription>{bad}, Pointer<Event>{0}, 1, Pointer<u32>{24})),
              Errno::Fault);
    EXPECT_EQ(code(calls().poll_oneoff(Pointer<Subscription>{0}, Pointer<Event>{bad}, 1, Pointer<u32>{24})),
              Errno::Fault);
  }
  set(16, Iovec{512, 0xffffffff});
  EXPECT_EQ(code(calls().fd_read(fd, Pointer<Iovec>{16}, 1, Pointer<u32>{24})), Errno::Fault);
  EXPECT_EQ(code(calls().fd_read(fd, Pointer<Iovec>{16}, 0xffffffff, Pointer<u32>{24})), Errno::Fault);
  EXPECT_EQ(code(calls().random_get(Pointer<u8>{16}, 0xffffffff)), Errno::Fault);
  // Nothing was read, no descriptor was lost.
  std::string s;
  EXPECT_EQ(read(fd, &s), Errno::Success);
  EXPECT_EQ(s, "abc");
  u32 next;
  ASSERT_EQ(open("f", &next), Errno::Success);
  EXPECT_EQ(next, fd + 1);
  // A guest without a memory.
  EXPECT_EQ(code(Calls(state(), {}).random_get(Pointer<u8>{0}, 1)), Errno::Fault);
  EXPECT_EQ(code(Calls(state(), {}).random_get(Pointer<u8>{0}, 0)), Errno::Success);
}

TEST_F(FdTest, RightsAreEnforcedAndOnlyShrink) {
  u32 fd;
  ASSERT_EQ(open("f", &fd, oflags::kCreat, rights::kFdRead | rights::kFdSeek), Errno::Success);
  EXPECT_EQ(write(fd, "x"), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_filestat_get(fd, Pointer<Filestat>{64})), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_allocate(fd, 0, 1)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_filestat_set_size(fd, 1)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_filestat_set_times(fd, 0, 0, fstflags::kMtim)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_sync(fd)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_datasync(fd)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_advise(fd, 0, 0, 0)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(fd, 0)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_fdstat_set_rights(fd, rights::kFdWrite, 0)), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_fdstat_set_rights(fd, rights::kFdSeek, 0)), Errno::Success);
  std::string s;
  EXPECT_EQ(read(fd, &s), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_tell(fd, Pointer<u64>{32})), Errno::Success);
  EXPECT_EQ(code(calls().fd_fdstat_set_rights(fd, 0, 0)), Errno::Success);
  EXPECT_EQ(code(calls().fd_tell(fd, Pointer<u64>{32})), Errno::NotCapable);
}

TEST_F(FdTest, DirectoriesAreNoFiles) {
  std::string s;
  EXPECT_EQ(read(3, &s), Errno::IsDirectory);
  EXPECT_EQ(write(3, "x"), Errno::IsDirectory);
  EXPECT_EQ(code(calls().fd_seek(3, 0, 0, Pointer<u64>{32})), Errno::IsDirectory);
  EXPECT_EQ(code(calls().fd_allocate(3, 0, 1)), Errno::IsDirectory);
  EXPECT_EQ(code(calls().fd_sync(3)), Errno::Success);
  EXPECT_EQ(code(calls().fd_filestat_set_times(3, 5, 7, fstflags::kAtim | fstflags::kMtim)), Errno::Success);
  EXPECT_EQ(code(calls().fd_filestat_get(3, Pointer<Filestat>{64})), Errno::Success);
  EXPECT_EQ(at<Filestat>(64).mtim, 7u);
  EXPECT_EQ(at<Filestat>(64).filetype, Filetype::Directory);
  u32 fd;
  ASSERT_EQ(open("f", &fd, oflags::kCreat), Errno::Success);
  EXPECT_EQ(code(calls().fd_readdir(fd, Pointer<u8>{512}, 100, 0, Pointer<u32>{24})), Errno::NotDirectory);
}

TEST_F(FdTest, FilestatOfBothSnapshots) {
  host_write("f", "abc");
  u32 fd;
  ASSERT_EQ(open("f", &fd), Errno::Success);
  EXPECT_EQ(code(calls().fd_filestat_set_times(fd, 1'000'000'001, 2'000'000'002, fstflags::kAtim | fstflags::kMtim)),
            Errno::Success);
  ASSERT_EQ(code(calls().fd_filestat_get(fd, Pointer<Filestat>{64})), Errno::Success);
  Filestat s = at<Filestat>(64);
  EXPECT_EQ(s.size, 3u);
  EXPECT_EQ(s.nlink, 1u);
  EXPECT_EQ(s.filetype, Filetype::RegularFile);
  EXPECT_EQ(s.atim, 1'000'000'001u);
  EXPECT_EQ(s.mtim, 2'000'000'002u);
  ASSERT_EQ(code(calls().fd_filestat_get_unstable(fd, Pointer<unstable::Filestat>{64})), Errno::Success);
  unstable::Filestat u = at<unstable::Filestat>(64);
  EXPECT_EQ(u.ino, s.ino);
  EXPECT_EQ(u.nlink, 1u);
  EXPECT_EQ(u.size, 3u);
  EXPECT_EQ(u.mtim, 2'000'000'002u);
  for (u32 bad : {fstflags::kAtim | fstflags::kAtimNow, fstflags::kMtim | fstflags::kMtimNow, 16u})
    EXPECT_EQ(code(calls().fd_filestat_set_times(fd, 0, 0, bad)), Errno::Invalid);
}

TEST_F(FdTest, FlagsOfAFile) {
  u32 fd;
  ASSERT_EQ(open("f", &fd, oflags::kCreat, rights::kFile, fdflags::kAppend | fdflags::kSync), Errno::Success);
  ASSERT_EQ(code(calls().fd_fdstat_get(fd, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).flags, fdflags::kAppend | fdflags::kSync);
  EXPECT_EQ(at<Fdstat>(64).filetype, Filetype::RegularFile);
  EXPECT_EQ(at<Fdstat>(64).rights_base, rights::kFile);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(fd, 32)), Errno::Invalid);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(fd, fdflags::kDsync)), Errno::Success);
  ASSERT_EQ(code(calls().fd_fdstat_get(fd, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).flags, fdflags::kDsync);
  EXPECT_EQ(write(fd, "x"), Errno::Success);
}

TEST_F(FdTest, RenumberMovesAndCloses) {
  u32 a, b;
  ASSERT_EQ(open("a", &a, oflags::kCreat), Errno::Success);
  ASSERT_EQ(open("b", &b, oflags::kCreat), Errno::Success);
  EXPECT_EQ(code(calls().fd_renumber(a, b)), Errno::Success);
  EXPECT_EQ(write(b, "to a"), Errno::Success);
  EXPECT_EQ(host_read("a"), "to a");
  EXPECT_EQ(code(calls().fd_close(a)), Errno::BadDescriptor);
  EXPECT_EQ(code(calls().fd_renumber(b, 77)), Errno::BadDescriptor);
  EXPECT_EQ(code(calls().fd_renumber(77, b)), Errno::BadDescriptor);
  EXPECT_EQ(code(calls().fd_renumber(b, b)), Errno::Success);
  EXPECT_EQ(write(b, "!"), Errno::Success);
  // The number that became free is used again.
  u32 c;
  ASSERT_EQ(open("c", &c, oflags::kCreat), Errno::Success);
  EXPECT_EQ(c, a);
}

TEST_F(FdTest, DescriptorsRunOutCleanly) {
  config.max_descriptors = 10;
  host_write("f", "");
  u32 fd = 0;
  for (u32 i = 4; i < 10; ++i) ASSERT_EQ(open("f", &fd), Errno::Success);
  EXPECT_EQ(open("f", &fd), Errno::TooManyFiles);
  EXPECT_EQ(code(calls().fd_close(7)), Errno::Success);
  EXPECT_EQ(open("f", &fd), Errno::Success);
  EXPECT_EQ(fd, 7u);
}

TEST_F(FdTest, PreopensHaveNames) {
  config.directories.push_back({root, "second"});
  ASSERT_EQ(code(calls().fd_prestat_get(4, Pointer<Prestat>{64})), Errno::Success);
  EXPECT_EQ(at<Prestat>(64).tag, 0u);
  EXPECT_EQ(at<Prestat>(64).name_len, 6u);
  EXPECT_EQ(code(calls().fd_prestat_dir_name(4, Pointer<u8>{512}, 6)), Errno::Success);
  EXPECT_EQ(text(512, 6), "second");
  EXPECT_EQ(code(calls().fd_prestat_dir_name(4, Pointer<u8>{512}, 5)), Errno::NameTooLong);
  EXPECT_EQ(code(calls().fd_prestat_get(1, Pointer<Prestat>{64})), Errno::BadDescriptor);
  EXPECT_EQ(code(calls().fd_prestat_get(5, Pointer<Prestat>{64})), Errno::BadDescriptor);
}

// Reads a directory through a buffer of `size` bytes as C libraries do.
std::multiset<std::string> list(Calls calls, std::vector<u8>& memory, u32 fd, u32 size) {
  std::multiset<std::string> names;
  u64 cookie = 0;
  for (;;) {
    Expected<> r = calls.fd_readdir(fd, Pointer<u8>{4096}, size, cookie, Pointer<u32>{24});
    EXPECT_TRUE(r);
    u32 used;
    std::memcpy(&used, memory.data() + 24, 4);
    u32 at = 0;
    while (used - at >= sizeof(Dirent)) {
      Dirent d;
      std::memcpy(&d, memory.data() + 4096 + at, sizeof d);
      if (used - at - sizeof d < d.d_namlen) break;
      names.emplace(reinterpret_cast<const char*>(memory.data()) + 4096 + at + sizeof d, d.d_namlen);
      at += static_cast<u32>(sizeof d) + d.d_namlen;
      cookie = d.d_next;
    }
    if (used < size || !r) return names;
  }
}

TEST_F(FdTest, ReadsDirectoriesThroughBuffersOfAnySize) {
  std::multiset<std::string> expected{".", ".."};
  for (int i = 0; i < 500; ++i) {
    std::string name = "file" + std::string(static_cast<size_t>(i % 40), 'x') + std::to_string(i);
    host_write(name, "");
    expected.insert(name);
  }
  for (u32 size : {100u, 256u, 4096u, 65536u}) EXPECT_EQ(list(calls(), memory, 3, size), expected) << size;
  // A buffer that holds no whole entry is filled with the part that fits.
  EXPECT_EQ(code(calls().fd_readdir(3, Pointer<u8>{512}, 10, 0, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(at<u32>(24), 10u);
}

TEST_F(FdTest, NullStreams) {
  std::string s = "?";
  EXPECT_EQ(read(0, &s), Errno::Success);
  EXPECT_EQ(s, "");
  EXPECT_EQ(write(1, "gone"), Errno::Success);
  EXPECT_EQ(at<u32>(24), 4u);
  EXPECT_EQ(read(1, &s), Errno::NotCapable);
  EXPECT_EQ(write(0, "x"), Errno::NotCapable);
  EXPECT_EQ(code(calls().fd_seek(0, 0, 1, Pointer<u64>{32})), Errno::NotSeekable);
  EXPECT_EQ(code(calls().fd_filestat_get(0, Pointer<Filestat>{64})), Errno::Success);
  EXPECT_EQ(at<Filestat>(64).filetype, Filetype::Unknown);
}

TEST_F(FdTest, InheritedStreams) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  config.input = {StandardStream::Inherit, pipe_fds[0]};
  config.output = {StandardStream::Inherit, pipe_fds[1]};
  EXPECT_EQ(write(1, "through"), Errno::Success);
  std::string s;
  EXPECT_EQ(read(0, &s), Errno::Success);
  EXPECT_EQ(s, "through");
  EXPECT_EQ(code(calls().fd_seek(0, 0, 1, Pointer<u64>{32})), Errno::NotSeekable);
  EXPECT_EQ(code(calls().fd_fdstat_set_flags(0, fdflags::kNonblock)), Errno::Success);
  EXPECT_EQ(read(0, &s), Errno::Again);
  EXPECT_EQ(::fcntl(pipe_fds[0], F_GETFL) & O_NONBLOCK, 0);
  ASSERT_EQ(code(calls().fd_fdstat_get(0, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).flags, fdflags::kNonblock);
  EXPECT_EQ(at<Fdstat>(64).filetype, Filetype::Unknown);
  // What is closed by the guest stays open in the host.
  EXPECT_EQ(code(calls().fd_close(1)), Errno::Success);
  EXPECT_EQ(::fcntl(pipe_fds[1], F_GETFD), FD_CLOEXEC);
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST_F(FdTest, StreamsThatAreNotOpen) {
  int saved = ::dup(0);
  ::close(0);
  config.input = {StandardStream::Inherit, -1};
  state();
  ::dup2(saved, 0);
  ::close(saved);
  std::string s;
  EXPECT_EQ(read(0, &s), Errno::BadDescriptor);
  EXPECT_EQ(code(calls().fd_prestat_get(3, Pointer<Prestat>{64})), Errno::Success);
  WasiConfig other;
  other.output = {StandardStream::Inherit, 999};
  EXPECT_FALSE(WasiContext::create(std::move(other)));
}

TEST_F(FdTest, WaitingReadIsInterrupted) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  config.input = {StandardStream::Inherit, pipe_fds[0]};
  state();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    context->interrupt();
  });
  set(16, Iovec{512, 10});
  Expected<> r = calls().fd_read(0, Pointer<Iovec>{16}, 1, Pointer<u32>{24});
  other.join();
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().is_interrupt());
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST_F(FdTest, NullDeviceIsNoTerminal) {
  config.directories.push_back({"/dev", "/dev"});
  u32 fd;
  ASSERT_EQ(open("null", &fd, 0, rights::kFile, 0, 4), Errno::Success);
  ASSERT_EQ(code(calls().fd_fdstat_get(fd, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).filetype, Filetype::CharacterDevice);
  EXPECT_NE(at<Fdstat>(64).rights_base & rights::kFdSeek, 0u);
  EXPECT_EQ(write(fd, "x"), Errno::Success);
  EXPECT_EQ(open("tty", &fd, 0, rights::kFile, 0, 4), Errno::Access);
}

}  // namespace
}  // namespace berth::wasi_p1
