#include "berth/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace berth::cli {

int read_file(const std::string& path, std::string& out) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  char chunk[65536];
  int error = 0;
  for (;;) {
    const ssize_t n = read(fd, chunk, sizeof chunk);
    if (n == 0) break;
    if (n > 0) {
      out.append(chunk, static_cast<size_t>(n));
    } else if (errno != EINTR) {
      error = errno;
      break;
    }
  }
  close(fd);
  return error;
}

}  // namespace berth::cli
