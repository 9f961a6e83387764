// Waits for something that never comes: for its input, a FIFO, a clock, a connection, a full pipe.
#include <poll.h>
#include <time.h>

#include "check.h"

int main(int argc, char **argv) {
  CHECK(argc == 2);
  char byte;
  fprintf(stderr, "waiting\n");
  if (strcmp(argv[1], "input") == 0) {
    (void)!read(0, &byte, 1);
  } else if (strcmp(argv[1], "fifo") == 0) {
    int fd = open("/fifo", O_RDONLY);
    CHECK(fd >= 0);
    (void)!read(fd, &byte, 1);
  } else if (strcmp(argv[1], "clock") == 0) {
    sleep(1000);
  } else if (strcmp(argv[1], "poll") == 0) {
    struct pollfd p = {0, POLLRDNORM, 0};
    poll(&p, 1, -1);
  } else if (strcmp(argv[1], "connection") == 0) {
    __wasi_fd_t fd;
    (void)!__wasi_sock_accept(3, 0, &fd);
  } else if (strcmp(argv[1], "output") == 0) {
    static char big[1 << 20];
    (void)!write(1, big, sizeof big);
  }
  fprintf(stderr, "came back\n");
  return 0;
}
