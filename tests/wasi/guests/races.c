// The host keeps exchanging the links a (to sub, inside) and b (to the outside), and moves dir/moving out and
// in. Whatever can be opened must be what was granted.
#include "check.h"

int main(void) {
  int dir = preopened("/");
  int inside = 0, refused = 0;
  __wasi_filestat_t stat;
  for (int i = 0; i < 20000 || (i < 10000000 && (inside == 0 || refused == 0)); ++i) {
    const char *text = contents(dir, "a/file");
    CHECK(strcmp(text, "secret") != 0);
    strcmp(text, "inside") == 0 ? ++inside : ++refused;
    // These must only ever happen inside; the host looks afterwards.
    (void)!try_open(dir, "a/made", __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, NULL);
    (void)!__wasi_path_create_directory(dir, "a/made-dir");
    (void)!__wasi_path_unlink_file(dir, "a/victim");
    (void)!__wasi_path_filestat_set_times(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "a/file", 0, 1,
                                          __WASI_FSTFLAGS_MTIM);
    (void)!__wasi_path_link(dir, 0, "mine", dir, "a/linked");
    (void)!__wasi_path_rename(dir, "a/victim2", dir, "stolen");
    (void)!__wasi_path_filestat_get(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "a/secret-only", &stat);

    text = contents(dir, "dir/moving/deep/../../secret");
    CHECK(strcmp(text, "secret") != 0);
    text = contents(dir, "dir/moving/deep/../../../../secret");
    CHECK(strcmp(text, "secret") != 0);
  }
  fprintf(stderr, "inside %d, refused %d\n", inside, refused);
  CHECK(inside > 0 && refused > 0);
  return 0;
}
