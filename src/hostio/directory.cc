#include "hostio/directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>

namespace berth::hostio {

namespace {

// How often to try again when something was renamed while the kernel resolved "..".
constexpr int kRaceRetries = 1000;

// Memory devices that give no access to anything: null, zero, full, random, urandom.
bool is_harmless_device(const struct ::stat& s) {
  if (!S_ISCHR(s.st_mode) || major(s.st_rdev) != 1) return false;
  switch (minor(s.st_rdev)) {
    case 3:
    case 5:
    case 7:
    case 8:
    case 9: return true;
    default: return false;
  }
}

// Whether a file shows the kernel or other processes. Looked at only where it is on another file system than its grant.
bool shows_system(int fd) {
  struct ::statfs s;
  if (::fstatfs(fd, &s) != 0) return true;
  switch (s.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC: return true;
    default: return false;
  }
}

bool may_open(int fd, const struct ::stat& s, const Grant& grant, u64 device) {
  if (s.st_dev != device && shows_system(fd)) return false;
  if (!S_ISCHR(s.st_mode) && !S_ISBLK(s.st_mode)) return true;
  return grant.devices || is_harmless_device(s);
}

Io<Handle> open_beneath(int directory, const char* path, int flags, u64 mode = 0) {
  open_how how{};
  how.flags = static_cast<u64>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;;) {
    long fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0) return Handle(static_cast<int>(fd));
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      if (++tries > kRaceRetries) return io_fail(Errno::Busy);
      ::sched_yield();
      continue;
    }
    return io_fail(errno == EXDEV ? Errno::Escape : last_errno());
  }
}

Io<> check(int result) {
  if (result != 0) return io_fail_errno();
  return {};
}

// A name that ends in a slash must be a directory's. The kernel is not given the slash, since it
// would follow a symbolic link; what it would say is said here.
Io<> check_trailing_slash(int parent, const char* name) {
  struct ::stat s;
  if (::fstatat(parent, name, &s, AT_SYMLINK_NOFOLLOW) != 0) return io_fail_errno();
  if (!S_ISDIR(s.st_mode)) return io_fail(Errno::NotDirectory);
  return {};
}

// For a new entry whose name ends in a slash and which is not to be a directory: the reason why
// not.
Errno why_no_new_file(int parent, const char* name) {
  Io<> is_directory = check_trailing_slash(parent, name);
  return is_directory ? Errno::Exists : is_directory.error();
}

}  // namespace

Result<Directory> Directory::grant(const std::string& host_path, Grant rights) {
  int fd = ::open(host_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(os_error(errno, "cannot grant the directory " + host_path));
  Handle handle(fd);
  struct ::stat s;
  if (::fstat(fd, &s) != 0) return fail(os_error(errno, "cannot grant the directory " + host_path));
  Directory d(std::move(handle), rights, s.st_dev);
  Io<Handle> probe = open_beneath(fd, ".", O_PATH | O_DIRECTORY);
  if (!probe) {
    // ENOSYS from an old kernel; EPERM from the seccomp filter of an old container engine.
    if (probe.error() == Errno::NotImplemented || probe.error() == Errno::Perm) {
      return fail(ErrorCode::NotSupported,
                  "directories are granted with the system call openat2 (Linux 5.8 or later), and "
                  "this kernel, or "
                  "the seccomp filter of the container around it, refuses it");
    }
    return fail(os_error(static_cast<int>(probe.error()), "cannot grant the directory " + host_path));
  }
  return d;
}

Io<Directory::Entry> Directory::entry(std::string_view path) const {
  CPath whole = TRY(CPath::make(path));
  SplitPath split = TRY(split_path(whole.view()));
  Handle opened;
  int parent = handle_.fd();
  if (!split.parent.empty()) {
    CPath parent_path = TRY(CPath::make(split.parent));
    opened = TRY(open_beneath(parent, parent_path.c_str(), O_PATH | O_DIRECTORY));
    parent = opened.fd();
  }
  // Only to tell apart what leads out; the caller refuses the rest.
  if (split.is_dots) TRY(open_path_only(whole, true));
  CPath name = TRY(CPath::make(split.name));
  return Entry{std::move(opened), parent, name, split.name == ".", split.is_dots, split.trailing_slash};
}

Io<Handle> Directory::open_path_only(const CPath& path, bool follow) const {
  return open_beneath(handle_.fd(), path.c_str(), O_PATH | (follow ? 0 : O_NOFOLLOW));
}

Io<std::variant<Directory, File>> Directory::open(std::string_view path, const OpenOptions& o) const {
  CPath p = TRY(CPath::make(path));
  // O_NONBLOCK: opening a FIFO must not wait for its other end.
  int flags = O_NONBLOCK | O_NOCTTY;
  flags |= o.write ? (o.read ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (o.append) flags |= O_APPEND;
  if (o.truncate) flags |= O_TRUNC;
  if (o.directory) flags |= O_DIRECTORY;
  if (!o.follow) flags |= O_NOFOLLOW;
  if (o.sync) flags |= O_SYNC;
  if (o.data_sync) flags |= O_DSYNC;
  if (o.create) flags |= O_CREAT;
  if (o.exclusive) flags |= O_EXCL;
  // openat2 refuses this pair, which older kernels answered by making a file.
  if (o.create && o.directory) return io_fail(Errno::Invalid);

  // An O_PATH descriptor tells what would be opened without opening it: a device may act on being
  // opened. It answers the questions of a read-only grant, too.
  bool is_new = false;
  if (!o.directory || !grant_.writable) {
    Io<Handle> found = open_beneath(handle_.fd(), p.c_str(), O_PATH | (o.follow ? 0 : O_NOFOLLOW));
    if (found) {
      struct ::stat s;
      if (::fstat(found->fd(), &s) != 0) return io_fail_errno();
      if (!may_open(found->fd(), s, grant_, device_)) return io_fail(Errno::Access);
      if (!grant_.writable) {
        if (o.create && o.exclusive) return io_fail(Errno::Exists);
        if (S_ISDIR(s.st_mode) && (o.write || o.truncate)) return io_fail(Errno::IsDirectory);
        // Devices and FIFOs take data without the directory changing, as on a file system mounted
        // read-only.
        if ((S_ISREG(s.st_mode) && o.write) || o.truncate) return io_fail(Errno::ReadOnly);
      }
    } else if (found.error() == Errno::NoEntry && o.create) {
      if (!grant_.writable) return io_fail(Errno::ReadOnly);
      is_new = true;
    } else if (found.error() == Errno::NoEntry || found.error() == Errno::Escape || !grant_.writable) {
      return io_fail(found.error());
    }
  }
  if (!grant_.writable) flags &= ~(O_CREAT | O_EXCL);

  Handle handle = TRY(open_beneath(handle_.fd(), p.c_str(), flags, o.create && grant_.writable ? 0666 : 0));
  struct ::stat s;
  if (::fstat(handle.fd(), &s) != 0) return io_fail_errno();
  if (S_ISDIR(s.st_mode)) {
    if (!may_open(handle.fd(), s, grant_, device_)) return io_fail(Errno::Access);
    return std::variant<Directory, File>(Directory(std::move(handle), grant_, device_));
  }
  // Again, in case that another name was put in the place of what was looked at before.
  if (!is_new && (!may_open(handle.fd(), s, grant_, device_) || (!grant_.writable && o.write && S_ISREG(s.st_mode))))
    return io_fail(Errno::Access);
  FileStatus status;
  status.append = o.append;
  status.sync = o.sync;
  status.data_sync = o.data_sync;
  return std::variant<Directory, File>(File(std::move(handle), file_type(s.st_mode), status, grant_.writable));
}

Io<Metadata> Directory::stat(std::string_view path, bool follow) const {
  CPath p = TRY(CPath::make(path));
  Handle found = TRY(open_path_only(p, follow));
  return metadata_of(found.fd());
}

Io<> Directory::set_times(std::string_view path, bool follow, TimeChange accessed, TimeChange modified) const {
  CPath p = TRY(CPath::make(path));
  Handle found = TRY(open_path_only(p, follow));
  if (!grant_.writable) return io_fail(Errno::ReadOnly);
  return set_times_of(found.fd(), accessed, modified);
}

Io<> Directory::create_directory(std::string_view path) const {
  Entry e = TRY(entry(path));
  if (e.is_dots) return io_fail(Errno::Exists);
  if (!grant_.writable) return io_fail(Errno::ReadOnly);
  return check(::mkdirat(e.parent, e.name.c_str(), 0777));
}

Io<> Directory::remove_directory(std::string_view path) const {
  Entry e = TRY(entry(path));
  if (e.is_dots) return io_fail(e.is_dot ? Errno::Invalid : Errno::NotEmpty);
  if (!grant_.writable) return io_fail(Errno::ReadOnly);
  return check(::unlinkat(e.parent, e.name.c_str(), AT_REMOVEDIR));
}

Io<> Directory::unlink_file(std::string_view path) const {
  Entry e = TRY(entry(path));
  if (e.is_dots) return io_fail(Errno::IsDirectory);
  if (!grant_.writable) return io_fail(Errno::ReadOnly);
  if (e.trailing_slash) {
    TRY(check_trailing_slash(e.parent, e.name.c_str()));
    return io_fail(Errno::IsDirectory);
  }
  return check(::unlinkat(e.parent, e.name.c_str(), 0));
}

Io<> Directory::symlink(std::string_view target, std::string_view path) const {
  CPath t = TRY(CPath::make(target));
  if (t.view().front() == '/') return io_fail(Errno::Perm);
  Entry e = TRY(entry(path));
  if (e.is_dots) return io_fail(Errno::Exists);
  if (!grant_.writable) return io_fail(Errno::ReadOnly);
  if (e.trailing_slash) return io_fail(why_no_new_file(e.parent, e.name.c_str()));
  return check(::symlinkat(t.c_str(), e.parent, e.name.c_str()));
}

Io<std::string> Directory::read_link(std::string_view path) const {
  Entry e = TRY(entry(path));
  if (e.is_dots) return io_fail(Errno::Invalid);
  if (e.trailing_slash) {
    TRY(check_trailing_slash(e.parent, e.name.c_str()));
    return io_fail(Errno::Invalid);
  }
  char target[4096];
  ssize_t n = ::readlinkat(e.parent, e.name.c_str(), target, sizeof target);
  if (n < 0) return io_fail_errno();
  return std::string(target, static_cast<size_t>(n));
}

Io<> Directory::link(const Directory& from, std::string_view path, const Directory& to, std::string_view new_path) {
  Entry source = TRY(from.entry(path));
  Entry target = TRY(to.entry(new_path));
  if (source.is_dots) return io_fail(Errno::Perm);
  if (target.is_dots) return io_fail(Errno::Exists);
  if (!from.grant_.writable || !to.grant_.writable) return io_fail(Errno::ReadOnly);
  if (source.trailing_slash) {
    TRY(check_trailing_slash(source.parent, source.name.c_str()));
    return io_fail(Errno::Perm);
  }
  if (target.trailing_slash) return io_fail(why_no_new_file(target.parent, target.name.c_str()));
  return check(::linkat(source.parent, source.name.c_str(), target.parent, target.name.c_str(), 0));
}

Io<> Directory::rename(const Directory& from, std::string_view path, const Directory& to, std::string_view new_path) {
  Entry source = TRY(from.entry(path));
  Entry target = TRY(to.entry(new_path));
  if (source.is_dots || target.is_dots) return io_fail(Errno::Busy);
  if (!from.grant_.writable || !to.grant_.writable) return io_fail(Errno::ReadOnly);
  if (source.trailing_slash || target.trailing_slash) TRY(check_trailing_slash(source.parent, source.name.c_str()));
  return check(::renameat(source.parent, source.name.c_str(), target.parent, target.name.c_str()));
}

Io<> Directory::set_own_times(TimeChange accessed, TimeChange modified) const {
  if (!grant_.writable) return io_fail(Errno::ReadOnly);
  return set_times_of(handle_.fd(), accessed, modified);
}

Io<> Directory::sync(bool data_only) const {
  // The descriptor of a grant is O_PATH, which cannot be synchronized.
  Handle readable = TRY(open_for_reading());
  return check(data_only ? ::fdatasync(readable.fd()) : ::fsync(readable.fd()));
}

Io<Handle> Directory::open_for_reading() const { return open_beneath(handle_.fd(), ".", O_RDONLY | O_DIRECTORY); }

}  // namespace berth::hostio
