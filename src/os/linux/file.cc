#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

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

}  // namespace berth::os
