// What runs in the containers under test: guest COMMAND [ARG…]. Compiled once to WebAssembly and once to a native program.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __wasm__
#include <sys/socket.h>
#else
#include <arpa/inet.h>
#include <sys/socket.h>
#endif

extern char **environ;

static int copy(const char *path) {
  char part[4096];
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    printf("cannot read %s: %s\n", path, strerror(errno));
    return 1;
  }
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) fwrite(part, 1, (size_t)n, stdout);
  close(fd);
  return 0;
}

static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) {
    printf("cannot write %s: %s\n", path, strerror(errno));
    return 1;
  }
  return 0;
}

// Grows in steps, writing to all of it, up to `mebibytes`.
static int take(unsigned long mebibytes) {
  for (unsigned long i = 0; i < mebibytes; ++i) {
    char *volatile block = malloc(1 << 20);
    if (!block) {
      printf("refused after %lu MiB\n", i);
      return 3;
    }
    memset(block, 1, 1 << 20);
  }
  puts("taken");
  return 0;
}

static void pause_for(int milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&t, NULL);
}

static __attribute__((noinline)) unsigned mix(unsigned n) {
  for (unsigned i = 0; i < 10000; ++i) n = (n ^ i) * 2654435761u + (n >> 13);
  return n;
}

// Says again and again how many rounds of work a tenth of a second was enough for.
static int rounds(void) {
  unsigned n = 1;
  while (1) {
    struct timespec begin, now;
    unsigned long done = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
      n = mix(n);
      ++done;
      clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < 100000000L);
    printf("%lu %u\n", done, n % 10);
    fflush(stdout);
  }
}

// Serves one line to each connection until no more come.
static int serve(void) {
  const char *number = getenv("BERTH_LISTEN_FD");
  puts("serving");
  fflush(stdout);
  while (1) {
    int fd = accept(number ? atoi(number) : 3, NULL, NULL);
    if (fd < 0) break;
    const char answer[] = "HTTP/1.0 200 OK\r\n\r\npong\n";
    (void)!write(fd, answer, sizeof answer - 1);
    shutdown(fd, SHUT_RDWR);
    close(fd);
  }
  puts("drained");
  return 0;
}

#ifndef __wasm__
// Prints what a server on this host says.
static int fetch(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    printf("cannot connect: %s\n", strerror(errno));
    return 1;
  }
  char part[4096];
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) fwrite(part, 1, (size_t)n, stdout);
  return 0;
}
#endif

int main(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "";
  const char *word = argc > 2 ? argv[2] : "";
  if (!strcmp(command, "exit")) return atoi(word);
  if (!strcmp(command, "trap")) __builtin_trap();
  if (!strcmp(command, "args")) {
    for (int i = 0; i < argc; ++i) puts(argv[i]);
    return 0;
  }
  if (!strcmp(command, "env")) {
    for (char **e = environ; *e; ++e) puts(*e);
    return 0;
  }
  if (!strcmp(command, "cat")) return copy(word);
  if (!strcmp(command, "write")) return put(word, argc > 3 ? argv[3] : "");
  if (!strcmp(command, "take")) return take(strtoul(word, NULL, 10));
  if (!strcmp(command, "grow")) {
    void *volatile block = malloc(strtoul(word, NULL, 10) << 20);
    puts(block ? "grown" : "refused");
    return 0;
  }
  if (!strcmp(command, "sleep")) {
    puts("sleeping");
    fflush(stdout);
    while (1) pause_for(1000);
  }
  if (!strcmp(command, "spin")) {
    puts("spinning");
    fflush(stdout);
    for (volatile unsigned i = 0;; ++i) continue;
  }
  if (!strcmp(command, "rounds")) return rounds();
  if (!strcmp(command, "stdin")) {
    int c;
    puts("reading");
    fflush(stdout);
    while ((c = getchar()) != EOF) putchar(c);
    puts("end of input");
    return 0;
  }
  if (!strcmp(command, "terminal")) {
    printf("%d %d\n", isatty(0), isatty(1));
    return 0;
  }
  if (!strcmp(command, "serve")) return serve();
#ifndef __wasm__
  if (!strcmp(command, "fetch")) return fetch(atoi(word));
#endif
  printf("no command %s\n", command);
  return 99;
}
