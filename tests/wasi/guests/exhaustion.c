// Opens files until no more can be had, twice, and works on afterwards.
#include <dirent.h>

#include "check.h"

int main(void) {
  int dir = preopened("/");
  put(dir, "file", "text");
  int last = 0;
  for (int round = 0; round < 2; ++round) {
    int fd, e, first = 0, count = 0;
    while ((e = try_open(dir, "file", 0, __WASI_RIGHTS_FD_READ, &fd)) == 0) {
      if (count++ == 0) first = fd;
      last = fd;
    }
    CHECK(e == EMFILE);
    CHECK(count >= 10);
    CHECK(open("/file", O_RDONLY) == -1 && errno == EMFILE);
    // What needs no descriptor of the guest's still works.
    CHECK_ERRNO(0, __wasi_path_create_directory(dir, "made"));
    CHECK_ERRNO(0, __wasi_path_remove_directory(dir, "made"));
    struct stat s;
    CHECK(stat("/file", &s) == 0 && s.st_size == 4);
    usleep(1000);
    CHECK(close(first) == 0);
    CHECK_ERRNO(0, try_open(dir, "file", 0, __WASI_RIGHTS_FD_READ, &fd));
    CHECK(fd == first);
    for (fd = first; fd <= last; ++fd) CHECK(close(fd) == 0);
  }
  DIR *d = opendir("/");
  CHECK(d != NULL && readdir(d) != NULL && closedir(d) == 0);
  CHECK(strcmp(contents(dir, "file"), "text") == 0);
  return 0;
}
