// /proc is granted: what its links lead to is not.
#include "check.h"

int main(void) {
  int proc = preopened("/proc");
  static const char *const links[] = {
      "self/root",          "self/root/etc/passwd", "self/cwd",   "self/exe",  "self/fd/0", "self/fd/1",
      "self/fd/3",          "self/fd/3/../..",      "1/root",     "1/cwd",     "1/root/etc",
      "thread-self/root",   "self/ns/mnt",          "self/task/1/root",
  };
  for (size_t i = 0; i < sizeof links / sizeof *links; ++i) {
    int e = try_open(proc, links[i], 0, __WASI_RIGHTS_FD_READ, NULL);
    if (e != ELOOP && e != EACCES && e != EPERM && e != ENOENT) {
      fprintf(stderr, "%s: %d\n", links[i], e);
      return 1;
    }
    CHECK(__wasi_path_create_directory(proc, "self/root/tmp/made-by-guest") != 0);
    CHECK(__wasi_path_symlink("x", proc, "self/cwd/made-by-guest") != 0);
    CHECK(__wasi_path_link(proc, 0, "self/exe", proc, "self/cwd/made-by-guest") != 0);
  }
  CHECK_ERRNO(0, try_open(proc, "self/status", 0, __WASI_RIGHTS_FD_READ, NULL));
  CHECK_ERRNO(ELOOP, try_open(proc, "self/root", 0, __WASI_RIGHTS_FD_READ, NULL));
  return 0;
}
