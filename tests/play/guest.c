// What runs in the pods under test: guest COMMAND [ARG…]. Compiled to WebAssembly and to a native static program.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __wasm__
#include <sys/socket.h>
#else
#include <netdb.h>
#include <sys/socket.h>
#endif

extern char** environ;

static int show(const char* path) {
  char text[4096];
  FILE* file = fopen(path, "r");
  if (!file) {
    printf("cannot read %s\n", path);
    return 1;
  }
  const size_t n = fread(text, 1, sizeof text, file);
  fclose(file);
  printf("%s: %.*s\n", path, (int)n, text);
  return 0;
}

static int put(const char* path, const char* text) {
  FILE* file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
    printf("cannot write %s\n", path);
    return 1;
  }
  printf("wrote %s\n", path);
  return 0;
}

// Takes and fills so many MiB.
static int take(int mib) {
  for (int i = 0; i < mib; ++i) {
    char* part = malloc(1 << 20);
    if (!part) {
      printf("refused after %d\n", i);
      return 1;
    }
    memset(part, i + 1, 1 << 20);
    *(volatile char*)part = 1;
  }
  printf("took %d\n", mib);
  return 0;
}

// Computes until so many ms have gone by; how often it got round.
static int spin(int ms) {
  struct timespec begin, now;
  unsigned long rounds = 0;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    for (volatile int i = 0; i < 1000; ++i) continue;
    ++rounds;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < ms);
  printf("rounds %lu\n", rounds);
  return 0;
}

static void nap(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&t, NULL);
}

// Serves until it is told to drain; "/sick" makes it fail from then on.
static int serve(const char* name) {
  const char* number = getenv("BERTH_LISTEN_FD");
  int sick = 0;
  puts("serving");
  fflush(stdout);
  while (1) {
    const int fd = accept(number ? atoi(number) : 3, NULL, NULL);
    if (fd < 0) break;
    char request[1024] = "", answer[600];
    const ssize_t n = read(fd, request, sizeof request - 1);
    request[n > 0 ? n : 0] = 0;
    if (!strncmp(request, "GET /sick", 9)) sick = 1;
    snprintf(answer, sizeof answer, "HTTP/1.0 %s\r\n\r\n%s\n", sick ? "500 Sick" : "200 OK", name);
    if (write(fd, answer, strlen(answer)) < 0) puts("the client went away");
    shutdown(fd, SHUT_RDWR);
    close(fd);
  }
  puts("drained");
  return 0;
}

// Answers without having read what it is asked, which the client's system tells it of by a reset.
static int blurt(void) {
  const char* number = getenv("BERTH_LISTEN_FD");
  puts("serving");
  fflush(stdout);
  while (1) {
    const int fd = accept(number ? atoi(number) : 3, NULL, NULL);
    if (fd < 0) return 0;
    nap(20);
    const char answer[] = "HTTP/1.0 200 OK\r\n\r\nblurted\n";
    if (write(fd, answer, sizeof answer - 1) < 0) puts("the client went away");
    close(fd);
  }
}

#ifndef __wasm__
// Prints what a server says, as often as it takes until there is one.
static int fetch(const char* host, const char* port) {
  for (int tries = 0; tries < 200; ++tries, nap(50)) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) continue;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[1024];
    ssize_t n = 0;
    if (connect(fd, found->ai_addr, found->ai_addrlen) == 0 && write(fd, "GET / HTTP/1.0\r\n\r\n", 18) == 18)
      n = read(fd, text, sizeof text - 1);
    close(fd);
    freeaddrinfo(found);
    if (n <= 0) continue;
    text[n] = 0;
    const char* body = strstr(text, "\r\n\r\n");
    printf("%s says %s", host, body ? body + 4 : "nothing\n");
    fflush(stdout);
    return 0;
  }
  printf("%s does not answer\n", host);
  return 1;
}
#endif

int main(int argc, char** argv) {
  int code = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  // Several commands one after the other, "and" between them.
  for (int i = 1; i < argc;) {
    int end = i;
    while (end < argc && strcmp(argv[end], "and")) ++end;
    const char* command = argv[i];
    const char* word = i + 1 < end ? argv[i + 1] : "";
    const char* second = i + 2 < end ? argv[i + 2] : "";
    if (!strcmp(command, "say")) {
      puts(word);
    } else if (!strcmp(command, "complain")) {
      fprintf(stderr, "%s\n", word);
    } else if (!strcmp(command, "env")) {
      printf("%s=%s\n", word, getenv(word) ? getenv(word) : "(unset)");
    } else if (!strcmp(command, "show")) {
      code |= show(word);
    } else if (!strcmp(command, "put")) {
      code |= put(word, second);
    } else if (!strcmp(command, "take")) {
      code |= take(atoi(word));
    } else if (!strcmp(command, "spin")) {
      code |= spin(atoi(word));
    } else if (!strcmp(command, "sleep")) {
      nap(atoi(word));
    } else if (!strcmp(command, "exit")) {
      return atoi(word);
    } else if (!strcmp(command, "blurt")) {
      code |= blurt();
    } else if (!strcmp(command, "serve")) {
      code |= serve(*word ? word : "somebody");
#ifndef __wasm__
    } else if (!strcmp(command, "fetch")) {
      code |= fetch(word, second);
#endif
    } else {
      printf("no command %s\n", command);
      return 99;
    }
    i = end + 1;
  }
  return code;
}
