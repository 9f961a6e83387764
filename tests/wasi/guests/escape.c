// Tries every way out of "/", the granted directory. Beside it on the host lie secret and outside/; in it are
// links that lead there.
#include "check.h"

static const char *const kOut[] = {
    "..",           "../",          "../secret",        "../outside",         "./../secret",
    "sub/../..",    "/",            "//",               "/etc/passwd",        "/secret",
    "sub/../../secret",             "to-secret",        "to-parent",          "to-parent/secret",
    "to-root",      "to-root/etc",  "sub/to-secret",    "to-outside",         "to-outside/file",
    "chain",        "chain/file",   "sub/../to-parent/outside/file",
};

int main(void) {
  int dir = preopened("/");
  __wasi_filestat_t stat;
  for (size_t i = 0; i < sizeof kOut / sizeof *kOut; ++i) {
    const char *path = kOut[i];
    CHECK_ERRNO(EPERM, try_open(dir, path, 0, __WASI_RIGHTS_FD_READ, NULL));
    CHECK_ERRNO(EPERM, try_open(dir, path, __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, NULL));
    CHECK_ERRNO(EPERM, try_open(dir, path, __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_WRITE, NULL));
    CHECK_ERRNO(EPERM, try_open(dir, path, __WASI_OFLAGS_DIRECTORY, 0, NULL));
    CHECK_ERRNO(EPERM, __wasi_path_filestat_get(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, &stat));
    CHECK_ERRNO(EPERM, __wasi_path_filestat_set_times(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, 0, 0,
                                                      __WASI_FSTFLAGS_MTIM));
  }

  // Names, whose last component is never followed.
  static const char *const names[] = {"../new", "/new", "to-parent/new", "to-root/tmp/new", "to-outside/file",
                                      "chain/file", "sub/../../secret", ".."};
  uint8_t buffer[100];
  __wasi_size_t used;
  put(dir, "mine", "mine");
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    const char *path = names[i];
    CHECK_ERRNO(EPERM, __wasi_path_create_directory(dir, path));
    CHECK_ERRNO(EPERM, __wasi_path_remove_directory(dir, path));
    CHECK_ERRNO(EPERM, __wasi_path_unlink_file(dir, path));
    CHECK_ERRNO(EPERM, __wasi_path_symlink("mine", dir, path));
    CHECK_ERRNO(EPERM, __wasi_path_readlink(dir, path, buffer, sizeof buffer, &used));
    CHECK_ERRNO(EPERM, __wasi_path_rename(dir, "mine", dir, path));
    CHECK_ERRNO(EPERM, __wasi_path_rename(dir, path, dir, "stolen"));
    CHECK_ERRNO(EPERM, __wasi_path_link(dir, 0, "mine", dir, path));
    CHECK_ERRNO(EPERM, __wasi_path_link(dir, 0, path, dir, "stolen"));
  }
  CHECK_ERRNO(EPERM, __wasi_path_symlink("/etc/passwd", dir, "absolute"));

  // A link that leads out may be made, moved and read; it still leads nowhere.
  CHECK_ERRNO(0, __wasi_path_symlink("../secret", dir, "own-link"));
  CHECK_ERRNO(EPERM, try_open(dir, "own-link", 0, __WASI_RIGHTS_FD_READ, NULL));
  CHECK_ERRNO(0, __wasi_path_rename(dir, "own-link", dir, "sub/own-link"));
  CHECK_ERRNO(0, __wasi_path_link(dir, 0, "to-secret", dir, "hard-link"));
  CHECK_ERRNO(EPERM, try_open(dir, "hard-link", 0, __WASI_RIGHTS_FD_READ, NULL));
  // Directly beneath the directory, "../secret" would be inside of it; moved up, it is not.
  CHECK_ERRNO(0, __wasi_path_symlink("../mine", dir, "sub/inside"));
  CHECK(strcmp(contents(dir, "sub/inside"), "mine") == 0);
  CHECK_ERRNO(0, __wasi_path_rename(dir, "sub/inside", dir, "inside"));
  CHECK_ERRNO(EPERM, try_open(dir, "inside", 0, __WASI_RIGHTS_FD_READ, NULL));

  // A descriptor of a subdirectory reaches that directory only, wherever it is moved.
  __wasi_fd_t sub;
  CHECK_ERRNO(0, __wasi_path_open(dir, 0, "sub/deep", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_PATH_OPEN,
                                  __WASI_RIGHTS_FD_READ, 0, &sub));
  CHECK_ERRNO(EPERM, try_open(sub, "..", 0, 0, NULL));
  CHECK_ERRNO(0, __wasi_path_rename(dir, "sub/deep", dir, "deep"));
  CHECK_ERRNO(EPERM, try_open(sub, "../mine", 0, 0, NULL));
  CHECK_ERRNO(EPERM, try_open(sub, "../../secret", 0, 0, NULL));

  // The C library cannot be talked into it either.
  CHECK(open("/../secret", O_RDONLY) == -1);
  CHECK(open("/to-parent/secret", O_RDONLY) == -1);
  CHECK(chdir("/..") == -1 || open("secret", O_RDONLY) == -1);
  return 0;
}
