#include <sys/stat.h>

#include "wasi_p1/test_support.h"

namespace berth::wasi_p1 {
namespace {

class PathTest : public Guest {
 protected:
  Errno make_directory(std::string_view path, u32 fd = 3) {
    return code(calls().path_create_directory(fd, put(path), length(path)));
  }
  Errno unlink(std::string_view path, u32 fd = 3) {
    return code(calls().path_unlink_file(fd, put(path), length(path)));
  }
  Errno remove_directory(std::string_view path, u32 fd = 3) {
    return code(calls().path_remove_directory(fd, put(path), length(path)));
  }
  Errno symlink(std::string_view target, std::string_view path, u32 fd = 3) {
    return code(calls().path_symlink(put(target), length(target), fd, put(path), length(path)));
  }
  Errno rename(std::string_view from, std::string_view to, u32 from_fd = 3, u32 to_fd = 3) {
    return code(calls().path_rename(from_fd, put(from), length(from), to_fd, put(to), length(to)));
  }
  Errno link(std::string_view from, std::string_view to, u32 from_fd = 3, u32 to_fd = 3, u32 lookup = 0) {
    return code(calls().path_link(from_fd, lookup, put(from), length(from), to_fd, put(to), length(to)));
  }
  Errno stat(std::string_view path, u32 lookup = 0, u32 fd = 3) {
    return code(calls().path_filestat_get(fd, lookup, put(path), length(path), Pointer<Filestat>{64}));
  }
  Errno set_times(std::string_view path, u32 fd = 3, u32 flags = fstflags::kMtim) {
    return code(calls().path_filestat_set_times(fd, 0, put(path), length(path), 5, 7, flags));
  }
};

TEST_F(PathTest, MakesRenamesAndRemoves) {
  EXPECT_EQ(make_directory("d"), Errno::Success);
  EXPECT_EQ(make_directory("d"), Errno::Exists);
  EXPECT_EQ(make_directory("none/d"), Errno::NoEntry);
  host_write("d/f", "text");
  EXPECT_EQ(remove_directory("d"), Errno::NotEmpty);
  EXPECT_EQ(unlink("d"), Errno::IsDirectory);
  EXPECT_EQ(rename("d/f", "g"), Errno::Success);
  EXPECT_EQ(remove_directory("d"), Errno::Success);
  EXPECT_EQ(link("g", "h"), Errno::Success);
  EXPECT_EQ(link("g", "i", 3, 3, kLookupSymlinkFollow), Errno::Invalid);
  EXPECT_EQ(stat("h"), Errno::Success);
  EXPECT_EQ(at<Filestat>(64).nlink, 2u);
  EXPECT_EQ(unlink("g"), Errno::Success);
  EXPECT_EQ(stat("g"), Errno::NoEntry);
  EXPECT_EQ(stat("h", 2), Errno::Invalid);
  EXPECT_EQ(set_times("h"), Errno::Success);
  EXPECT_EQ(stat("h"), Errno::Success);
  EXPECT_EQ(at<Filestat>(64).mtim, 7u);
  EXPECT_EQ(set_times("h", 3, fstflags::kMtim | fstflags::kMtimNow), Errno::Invalid);
  std::string_view h = "h";
  EXPECT_EQ(code(calls().path_filestat_get_unstable(3, 0, put(h), 1, Pointer<unstable::Filestat>{64})), Errno::Success);
  EXPECT_EQ(at<unstable::Filestat>(64).size, 4u);
}

TEST_F(PathTest, SymbolicLinks) {
  EXPECT_EQ(symlink("target", "l"), Errno::Success);
  EXPECT_EQ(symlink("/etc", "absolute"), Errno::NotPermitted);
  EXPECT_EQ(stat("l"), Errno::Success);
  EXPECT_EQ(at<Filestat>(64).filetype, Filetype::SymbolicLink);
  EXPECT_EQ(stat("l", kLookupSymlinkFollow), Errno::NoEntry);
  std::string_view l = "l";
  EXPECT_EQ(code(calls().path_readlink(3, put(l), 1, Pointer<u8>{512}, 100, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(text(512, at<u32>(24)), "target");
  EXPECT_EQ(code(calls().path_readlink(3, put(l), 1, Pointer<u8>{512}, 3, Pointer<u32>{24})), Errno::Success);
  EXPECT_EQ(at<u32>(24), 3u);
  u32 fd;
  Pointer<u8> name = put(l);
  EXPECT_EQ(code(calls().path_open(3, 0, name, 1, oflags::kCreat, 0, 0, 0, Pointer<u32>{8})), Errno::Loop);
  EXPECT_EQ(open("l", &fd, oflags::kCreat), Errno::Success);
  EXPECT_EQ(stat("target"), Errno::Success);
}

TEST_F(PathTest, NothingLeadsOut) {
  std::filesystem::create_directory_symlink("..", root + "/up");
  u32 fd;
  for (const char* path : {"..", "/", "/etc/passwd", "../x", "up", "up/x", "a/../../x"}) {
    if (std::string_view(path) == "a/../../x") make_directory("a");
    EXPECT_EQ(open(path, &fd), Errno::NotPermitted) << path;
    EXPECT_EQ(open(path, &fd, oflags::kCreat), Errno::NotPermitted) << path;
    EXPECT_EQ(stat(path, kLookupSymlinkFollow), Errno::NotPermitted) << path;
  }
  for (const char* path : {"../x", "/x", "up/x", ".."}) {
    EXPECT_EQ(make_directory(path), Errno::NotPermitted) << path;
    EXPECT_EQ(unlink(path), Errno::NotPermitted) << path;
    EXPECT_EQ(remove_directory(path), Errno::NotPermitted) << path;
    EXPECT_EQ(symlink("a", path), Errno::NotPermitted) << path;
    EXPECT_EQ(rename("a", path), Errno::NotPermitted) << path;
    EXPECT_EQ(rename(path, "b"), Errno::NotPermitted) << path;
    EXPECT_EQ(link(path, "b"), Errno::NotPermitted) << path;
    EXPECT_EQ(link("a", path), Errno::NotPermitted) << path;
  }
}

TEST_F(PathTest, OpenFlagsAreChecked) {
  u32 fd;
  EXPECT_EQ(open("f", &fd), Errno::NoEntry);
  EXPECT_EQ(open("f", &fd, 16), Errno::Invalid);
  EXPECT_EQ(open("f", &fd, 0, 0, 32), Errno::Invalid);
  EXPECT_EQ(open("f", &fd, oflags::kCreat | oflags::kDirectory), Errno::Invalid);
  EXPECT_EQ(open("f", &fd, oflags::kCreat | oflags::kExcl), Errno::Success);
  EXPECT_EQ(open("f", &fd, oflags::kCreat | oflags::kExcl), Errno::Exists);
  EXPECT_EQ(open("f", &fd, oflags::kDirectory, 0), Errno::NotDirectory);
  EXPECT_EQ(write(fd, "x"), Errno::Success);  // the first one is still open
  EXPECT_EQ(open("f", &fd, oflags::kTrunc, rights::kFdRead), Errno::Success);
  EXPECT_EQ(host_read("f"), "");
  EXPECT_EQ(open(".", &fd, oflags::kDirectory, rights::kFdRead | rights::kFdWrite), Errno::IsDirectory);
  EXPECT_EQ(open(".", &fd, 0, 0, fdflags::kNonblock), Errno::Success);
}

TEST_F(PathTest, RightsAreInherited) {
  u32 fd, file;
  make_directory("d");
  ASSERT_EQ(open("d", &fd, oflags::kDirectory, rights::kPathOpen | rights::kPathCreateFile, 0, 3, rights::kFdRead),
            Errno::Success);
  ASSERT_EQ(code(calls().fd_fdstat_get(fd, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).rights_base, rights::kPathOpen | rights::kPathCreateFile);
  EXPECT_EQ(at<Fdstat>(64).rights_inheriting, rights::kFdRead);
  EXPECT_EQ(make_directory("x", fd), Errno::NotCapable);
  EXPECT_EQ(unlink("x", fd), Errno::NotCapable);
  EXPECT_EQ(stat("x", 0, fd), Errno::NotCapable);
  EXPECT_EQ(rename("x", "y", fd, 3), Errno::NotCapable);
  EXPECT_EQ(rename("d", "y", 3, fd), Errno::NotCapable);
  EXPECT_EQ(link("x", "y", fd, 3), Errno::NotCapable);
  EXPECT_EQ(open("x", &file, oflags::kCreat, rights::kFdWrite, 0, fd), Errno::NotCapable);
  EXPECT_EQ(open("x", &file, oflags::kCreat | oflags::kTrunc, rights::kFdRead, 0, fd), Errno::NotCapable);
  // Other rights are given as far as they are there, silently.
  EXPECT_EQ(open("x", &file, oflags::kCreat, rights::kFdRead | rights::kFdSeek, 0, fd), Errno::Success);
  ASSERT_EQ(code(calls().fd_fdstat_get(file, Pointer<Fdstat>{64})), Errno::Success);
  EXPECT_EQ(at<Fdstat>(64).rights_base, rights::kFdRead);
  EXPECT_EQ(open("y", &file, 0, 0, 0, file), Errno::NotDirectory);
}

TEST_F(PathTest, ReadOnlyGrant) {
  host_write("f", "text");
  config.directories[0].read_only = true;
  std::string other = root + "-other";
  std::filesystem::create_directory(other);
  config.directories.push_back({other, "/other"});
  u32 fd;
  EXPECT_EQ(open("f", &fd, 0, rights::kFdRead | rights::kFdWrite), Errno::ReadOnly);
  EXPECT_EQ(open("g", &fd, oflags::kCreat), Errno::ReadOnly);
  EXPECT_EQ(open("f", &fd, oflags::kTrunc, rights::kFdRead), Errno::ReadOnly);
  EXPECT_EQ(make_directory("d"), Errno::ReadOnly);
  EXPECT_EQ(unlink("f"), Errno::ReadOnly);
  EXPECT_EQ(rename("f", "g"), Errno::ReadOnly);
  EXPECT_EQ(rename("f", "g", 3, 4), Errno::ReadOnly);
  EXPECT_EQ(link("f", "g", 3, 4), Errno::ReadOnly);
  EXPECT_EQ(symlink("f", "g"), Errno::ReadOnly);
  EXPECT_EQ(set_times("f"), Errno::ReadOnly);
  ASSERT_EQ(open("f", &fd, 0, rights::kFile & ~rights::kFdWrite), Errno::Success);
  EXPECT_EQ(code(calls().fd_filestat_set_times(fd, 0, 0, fstflags::kMtimNow)), Errno::ReadOnly);
  EXPECT_EQ(code(calls().fd_filestat_set_size(fd, 0)), Errno::ReadOnly);
  EXPECT_EQ(code(calls().fd_allocate(fd, 0, 100)), Errno::ReadOnly);
  EXPECT_EQ(host_read("f"), "text");
  std::filesystem::remove_all(other);
}

TEST(DirectoryGrant, Parses) {
  struct Case {
    const char* text;
    const char *host, *guest;
    bool read_only;
  };
  for (const Case& c :
       {Case{"/data", "/data", "/data", false}, Case{"./d::/data", "./d", "/data", false},
        Case{"d::/data:ro", "d", "/data", true}, Case{".:ro", ".", ".", true}, Case{"a:b::c:d", "a:b", "c:d", false}}) {
    auto g = parse_directory_grant(c.text);
    ASSERT_TRUE(g) << c.text;
    EXPECT_EQ(g->host_path, c.host);
    EXPECT_EQ(g->guest_path, c.guest);
    EXPECT_EQ(g->read_only, c.read_only);
  }
  for (const char* bad : {"", "::/x", "x::", ":ro", "x:::ro"}) EXPECT_FALSE(parse_directory_grant(bad)) << bad;
}

}  // namespace
}  // namespace berth::wasi_p1
