#include "berth/streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace berth::cli {
namespace {
bool g_was_closed[3];
}  // namespace

void reserve_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    g_was_closed[fd] = true;
    // Reading and writing fail through a descriptor that is only a path.
    if (open("/", O_PATH | O_CLOEXEC) != fd) _exit(1);
  }
}

bool standard_stream_was_closed(int fd) { return fd >= 0 && fd <= 2 && g_was_closed[fd]; }

}  // namespace berth::cli
