// Arguments, environment and ways to end.
#include "check.h"

int main(int argc, char **argv) {
  CHECK(argc >= 2);
  if (strcmp(argv[1], "print") == 0) {
    for (int i = 2; i < argc; ++i) printf("[%s]", argv[i]);
    printf("{%s}{%s}\n", getenv("FIRST"), getenv("SECOND"));
    return 0;
  }
  if (strcmp(argv[1], "exit") == 0) exit(atoi(argv[2]));
  if (strcmp(argv[1], "abort") == 0) abort();
  if (strcmp(argv[1], "raise") == 0) {
    (void)!__wasi_path_unlink_file(0, "");
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise"))) extern int proc_raise(int);
    return proc_raise(atoi(argv[2]));
  }
  return 99;
}
