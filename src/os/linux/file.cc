#include "os/file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

namespace berth::os {

Result<std::vector<u8>> read_file(const std::string& path, u64 limit) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(os_error(errno, "cannot open " + path));
  auto bytes = read_descriptor(descriptor, path, limit);
  close(descriptor);
  return bytes;
}

Result<std::vector<u8>> read_descriptor(int descriptor, const std::string& name, u64 limit) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0) return fail(os_error(errno, "cannot read " + name));
  if (S_ISDIR(status.st_mode)) return fail(os_error(EISDIR, "cannot read " + name));
  // The size is only a hint: the file may grow, and pipes have none.
  const u64 hint = S_ISREG(status.st_mode) ? static_cast<u64>(status.st_size) : 0;
  auto too_large = [&] {
    return fail(ErrorCode::LimitExceeded, name + " is larger than " + std::to_string(limit) + " bytes");
  };
  if (hint > limit) return too_large();
  std::vector<u8> bytes(hint + (hint == 0 ? 65536 : 1));
  u64 filled = 0;
  while (true) {
    if (filled == bytes.size()) bytes.resize(bytes.size() * 2);
    const ssize_t n = read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "cannot read " + name));
    if (n == 0) break;
    filled += static_cast<u64>(n);
    if (filled > limit) return too_large();
  }
  bytes.resize(filled);
  return bytes;
}

namespace {

// An open file without a name, in a folder; where file systems cannot do that, one with a name that is taken back.
class NewFile {
 public:
  NewFile(const std::string& folder, u32 mode) : folder_(folder) {
    descriptor_ = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (descriptor_ >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return;
    name_ = random_name();
    descriptor_ = open(name_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    if (descriptor_ < 0) name_.clear();
  }
  ~NewFile() {
    if (!name_.empty()) unlink(name_.c_str());
    if (descriptor_ >= 0) close(descriptor_);
  }
  NewFile(const NewFile&) = delete;

  bool is_open() const { return descriptor_ >= 0; }

  // Each of the following returns 0 or the errno.
  int write(std::span<const u8> bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return fsync(descriptor_) == 0 ? 0 : errno;
  }
  int put_at(const std::string& path) {
    if (name_.empty()) {
      std::string name = random_name();
      const std::string self = "/proc/self/fd/" + std::to_string(descriptor_);
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) return errno;
      name_ = std::move(name);
    }
    if (rename(name_.c_str(), path.c_str()) != 0) return errno;
    name_.clear();
    const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno;
    const int result = fsync(folder) == 0 || errno == EINVAL ? 0 : errno;
    close(folder);
    return result;
  }

 private:
  std::string random_name() const {
    u64 number = 0;
    while (getrandom(&number, sizeof number, 0) != sizeof number) continue;
    return folder_ + "/.berth-" + std::to_string(number) + ".tmp";
  }

  const std::string folder_;
  std::string name_;  // while it has one that is not its own
  int descriptor_;
};

}  // namespace

Result<> replace_file(const std::string& named, std::span<const u8> bytes, u32 mode) {
  std::string path = named;
  struct stat status{};
  if (stat(named.c_str(), &status) == 0) {
    // Not a device, above all.
    if (!S_ISREG(status.st_mode)) {
      return fail(ErrorCode::System, "cannot write " + named + ": it is there and not a regular file");
    }
    char resolved[PATH_MAX];
    if (!realpath(named.c_str(), resolved)) return fail(os_error(errno, "cannot write " + named));
    path = resolved;
  }
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  NewFile file(folder, mode);
  int error = file.is_open() ? file.write(bytes) : errno;
  if (error == 0) error = file.put_at(path);
  if (error != 0) return fail(os_error(error, "cannot write " + named));
  return {};
}

}  // namespace berth::os
