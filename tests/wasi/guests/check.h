// What the guests of these tests share. A check that fails says where and ends the guest with 1.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, errno, strerror(errno)); \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

// A WASI call that must return `wanted`.
#define CHECK_ERRNO(wanted, call)                                                                                \
  do {                                                                                                           \
    int got_ = (call), wanted_ = (wanted);                                                                       \
    if (got_ != wanted_) {                                                                                       \
      fprintf(stderr, "%s:%d: %s: %d (%s), not %d\n", __FILE__, __LINE__, #call, got_, strerror(got_), wanted_); \
      exit(1);                                                                                                   \
    }                                                                                                            \
  } while (0)

// The descriptor of the granted directory that is called `name`.
static inline int preopened(const char* name) {
  for (int fd = 3;; ++fd) {
    __wasi_prestat_t p;
    if (__wasi_fd_prestat_get(fd, &p) != 0) break;
    char found[256] = {0};
    CHECK(p.u.dir.pr_name_len < sizeof found);
    CHECK(__wasi_fd_prestat_dir_name(fd, (uint8_t*)found, p.u.dir.pr_name_len) == 0);
    if (strcmp(found, name) == 0) return fd;
  }
  fprintf(stderr, "no directory is called %s\n", name);
  exit(1);
}

static inline int try_open(int dir, const char* path, int oflags, __wasi_rights_t rights, int* fd) {
  __wasi_fd_t opened = 0;
  int e = __wasi_path_open(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, oflags, rights, 0, 0, &opened);
  if (fd != NULL) {
    *fd = opened;
  } else if (e == 0) {
    CHECK(__wasi_fd_close(opened) == 0);
  }
  return e;
}

// The contents of a small file, as a string; "?" if it cannot be opened.
static inline const char* contents(int dir, const char* path) {
  static char text[1000];
  int fd;
  if (try_open(dir, path, 0, __WASI_RIGHTS_FD_READ, &fd) != 0) return "?";
  ssize_t n = read(fd, text, sizeof text - 1);
  CHECK(n >= 0 && close(fd) == 0);
  text[n] = 0;
  return text;
}

static inline void put(int dir, const char* path, const char* text) {
  int fd;
  CHECK_ERRNO(0, try_open(dir, path, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_WRITE, &fd));
  CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  CHECK(close(fd) == 0);
}
