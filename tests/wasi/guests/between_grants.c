// Renames and links between directories: /a and /b may be written, /ro may not.
#include "check.h"

int main(void) {
  int a = preopened("/a"), b = preopened("/b"), ro = preopened("/ro");
  put(a, "file", "text");
  CHECK_ERRNO(0, __wasi_path_rename(a, "file", b, "moved"));
  CHECK(strcmp(contents(b, "moved"), "text") == 0);
  CHECK_ERRNO(0, __wasi_path_link(b, 0, "moved", a, "linked"));
  put(a, "linked", "both");
  CHECK(strcmp(contents(b, "moved"), "both") == 0);

  // What can only be read cannot be got hold of for writing.
  CHECK(strcmp(contents(ro, "kept"), "kept") == 0);
  CHECK_ERRNO(EROFS, __wasi_path_link(ro, 0, "kept", a, "stolen"));
  CHECK_ERRNO(EROFS, __wasi_path_rename(ro, "kept", a, "stolen"));
  CHECK_ERRNO(EROFS, __wasi_path_rename(a, "linked", ro, "kept"));
  CHECK_ERRNO(EROFS, __wasi_path_link(a, 0, "linked", ro, "new"));
  CHECK_ERRNO(EROFS, try_open(ro, "kept", 0, __WASI_RIGHTS_FD_WRITE, NULL));
  CHECK_ERRNO(EROFS, try_open(ro, "kept", __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_READ, NULL));
  CHECK_ERRNO(EROFS, try_open(ro, "new", __WASI_OFLAGS_CREAT, 0, NULL));
  CHECK_ERRNO(EROFS, __wasi_path_unlink_file(ro, "kept"));
  CHECK_ERRNO(EROFS, __wasi_path_create_directory(ro, "new"));
  CHECK_ERRNO(EROFS, __wasi_path_remove_directory(ro, "sub"));
  CHECK_ERRNO(EROFS, __wasi_path_symlink("kept", ro, "new"));
  CHECK_ERRNO(EROFS, __wasi_path_filestat_set_times(ro, 0, "kept", 0, 0, __WASI_FSTFLAGS_MTIM));
  CHECK_ERRNO(EROFS, __wasi_fd_filestat_set_times(ro, 0, 0, __WASI_FSTFLAGS_MTIM));

  // Through a descriptor, too, and through a directory opened beneath.
  int fd;
  CHECK_ERRNO(0, try_open(ro, "kept", 0, ~(__WASI_RIGHTS_FD_WRITE), &fd));
  CHECK_ERRNO(EROFS, __wasi_fd_filestat_set_size(fd, 0));
  CHECK_ERRNO(EROFS, __wasi_fd_allocate(fd, 0, 100));
  CHECK_ERRNO(EROFS, __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM));
  __wasi_fd_t sub;
  CHECK_ERRNO(0, __wasi_path_open(ro, 0, "sub", __WASI_OFLAGS_DIRECTORY, ~(uint64_t)__WASI_RIGHTS_FD_WRITE,
                                  ~(uint64_t)0, 0, &sub));
  CHECK_ERRNO(EROFS, __wasi_path_create_directory(sub, "new"));
  CHECK_ERRNO(EROFS, try_open(sub, "new", __WASI_OFLAGS_CREAT, 0, NULL));

  // The C library says so, too.
  CHECK(open("/ro/kept", O_WRONLY) == -1 && errno == EROFS);
  CHECK(open("/ro/kept", O_RDWR) == -1 && errno == EROFS);
  CHECK(fopen("/ro/new", "w") == NULL && errno == EROFS);
  CHECK(open("/ro/kept", O_RDONLY) >= 0);
  CHECK(open("/ro/kept", O_RDONLY | O_CREAT) >= 0);
  return 0;
}
