// The standard streams, which are pipes: stdin brings "one\n", then after a while "two\n", then its end.
#include <poll.h>

#include "check.h"

int main(void) {
  char bytes[100];
  struct stat s;
  for (int fd = 0; fd < 3; ++fd) {
    CHECK(!isatty(fd) && fstat(fd, &s) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == -1 && errno == ESPIPE);
  }
  struct pollfd p[2] = {{0, POLLRDNORM, 0}, {1, POLLWRNORM, 0}};
  CHECK(poll(p, 2, -1) >= 1 && (p[1].revents & POLLWRNORM) != 0);
  CHECK(read(0, bytes, sizeof bytes) == 4 && memcmp(bytes, "one\n", 4) == 0);

  // Nothing is there now: asking for it must neither wait nor look like the end.
  CHECK(poll(p, 1, 0) == 0);
  CHECK(fcntl(0, F_SETFL, O_NONBLOCK) == 0 && (fcntl(0, F_GETFL) & O_NONBLOCK) != 0);
  CHECK(read(0, bytes, sizeof bytes) == -1 && errno == EAGAIN);
  CHECK(fcntl(0, F_SETFL, 0) == 0);
  CHECK(poll(p, 1, 10) == 0);
  CHECK(write(1, "go\n", 3) == 3);
  CHECK(poll(p, 1, -1) == 1 && (p[0].revents & POLLRDNORM) != 0);
  CHECK(read(0, bytes, sizeof bytes) == 4 && memcmp(bytes, "two\n", 4) == 0);
  CHECK(read(0, bytes, sizeof bytes) == 0);

  // More than a pipe holds, to a reader that is slow to start.
  static char big[1 << 20];
  memset(big, 'x', sizeof big);
  CHECK(write(1, big, sizeof big) == (ssize_t)sizeof big);
  CHECK(write(2, "done\n", 5) == 5);
  CHECK(close(1) == 0 && write(1, "x", 1) == -1 && errno == EBADF);
  return 7;
}
