// What SQLite's shell and Lua expect of POSIX and WASI 0.1 does not have. Included before every source
// with -include. Owners and modes do not exist in WASI, so these succeed and do nothing; locks are
// not taken because SQLite is told to use lock files.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef L_tmpnam
#define L_tmpnam 20
#endif

#ifndef F_GETLK
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#endif
#ifndef F_RDLCK
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#endif

static inline int fchmod(int fd, mode_t mode) {
  (void)fd;
  (void)mode;
  return 0;
}
static inline int chmod(const char* path, mode_t mode) {
  (void)path;
  (void)mode;
  return 0;
}
static inline int fchown(int fd, uid_t owner, gid_t group) {
  (void)fd;
  (void)owner;
  (void)group;
  return 0;
}
static inline uid_t geteuid(void) { return 1; }
static inline uid_t getuid(void) { return 1; }
