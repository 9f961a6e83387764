// Nothing was granted.
#include "check.h"

extern char **environ;

int main(int argc, char **argv) {
  (void)argv;
  CHECK(argc == 1);
  CHECK(environ == NULL || environ[0] == NULL);
  __wasi_fdstat_t s;
  __wasi_prestat_t p;
  for (int fd = 3; fd < 300; ++fd) {
    CHECK_ERRNO(EBADF, __wasi_fd_fdstat_get(fd, &s));
    CHECK_ERRNO(EBADF, __wasi_fd_prestat_get(fd, &p));
  }
  for (int fd = 0; fd < 4; ++fd) {
    int e = try_open(fd, "/etc/passwd", 0, __WASI_RIGHTS_FD_READ, NULL);
    CHECK(e == EBADF || e == ENOTDIR);
  }
  CHECK(open("/etc/passwd", O_RDONLY) == -1);
  CHECK(open("file", O_RDWR | O_CREAT) == -1);
  CHECK(mkdir("/tmp/x", 0700) == -1);
  __wasi_fd_t accepted;
  CHECK(__wasi_sock_accept(0, 0, &accepted) != 0);
  return 0;
}
