// /dev is granted, and / with a FIFO in it and, when the host may make them, devices of its own.
#include "check.h"

int main(void) {
  int dev = preopened("/dev"), dir = preopened("/");
  int fd;
  char bytes[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  // These give access to nothing, and programs expect them.
  CHECK_ERRNO(0, try_open(dev, "zero", 0, __WASI_RIGHTS_FD_READ, &fd));
  CHECK(read(fd, bytes, 8) == 8 && bytes[0] == 0 && bytes[7] == 0);
  fd = open("/dev/null", O_WRONLY);
  CHECK(fd >= 0 && write(fd, bytes, 8) == 8 && !isatty(fd));
  CHECK_ERRNO(0, try_open(dev, "urandom", 0, __WASI_RIGHTS_FD_READ, &fd));
  CHECK(read(fd, bytes, 8) == 8);

  static const char *const refused[] = {"mem", "port", "kmsg", "tty", "ptmx", "console", "fuse", "kvm", "loop-control",
                                        "sda", "vda", "nvme0n1", "watchdog", "net/tun", "vsock", "hwrng"};
  __wasi_filestat_t stat;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) {
    if (__wasi_path_filestat_get(dev, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, refused[i], &stat) != 0) continue;
    if (stat.filetype != __WASI_FILETYPE_CHARACTER_DEVICE && stat.filetype != __WASI_FILETYPE_BLOCK_DEVICE) continue;
    CHECK_ERRNO(EACCES, try_open(dev, refused[i], 0, __WASI_RIGHTS_FD_READ, NULL));
    CHECK_ERRNO(EACCES, try_open(dev, refused[i], 0, __WASI_RIGHTS_FD_WRITE, NULL));
  }
  if (__wasi_path_filestat_get(dir, 0, "mem-device", &stat) == 0) {
    CHECK_ERRNO(EACCES, try_open(dir, "mem-device", 0, __WASI_RIGHTS_FD_READ, NULL));
    CHECK_ERRNO(EACCES, try_open(dir, "mem-device", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_WRITE, NULL));
    CHECK_ERRNO(0, __wasi_path_link(dir, 0, "mem-device", dir, "other-name"));
    CHECK_ERRNO(EACCES, try_open(dir, "other-name", 0, __WASI_RIGHTS_FD_READ, NULL));
  }

  // Opening a FIFO waits for nobody; reading it waits for a writer, as anywhere.
  CHECK_ERRNO(ENXIO, try_open(dir, "fifo", 0, __WASI_RIGHTS_FD_WRITE, NULL));
  CHECK_ERRNO(0, try_open(dir, "fifo", 0, __WASI_RIGHTS_FD_READ, &fd));
  // A socket in the file system is no way to connect.
  CHECK_ERRNO(ENXIO, try_open(dir, "socket", 0, __WASI_RIGHTS_FD_READ, NULL));
  CHECK(write(STDOUT_FILENO, "ready\n", 6) == 6);
  CHECK(read(fd, bytes, 8) == 4 && memcmp(bytes, "text", 4) == 0);
  CHECK(read(fd, bytes, 8) == 0);
  return 0;
}
