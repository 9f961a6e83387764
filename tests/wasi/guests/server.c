// Serves two connections on the socket it was given, descriptor 3: sends back what it receives, in capitals.
#include <ctype.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  for (int i = 0; i < 2; ++i) {
    int fd = accept(3, NULL, NULL);
    CHECK(fd >= 0);
    char bytes[100];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
      for (ssize_t k = 0; k < n; ++k) bytes[k] = (char)toupper(bytes[k]);
      CHECK(send(fd, bytes, (size_t)n, 0) == n);
    }
    CHECK(n == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0 && close(fd) == 0);
  }
  return 0;
}
