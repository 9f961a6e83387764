// What runs in keeps of tests: says what it was given, and ends as it is told.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "wait") == 0) {
    puts("waiting");
    fflush(stdout);
    sleep(600);
    return 9;
  }
  if (argc > 1 && strcmp(argv[1], "serve") == 0) {
    const int connection = accept(atoi(getenv("BERTH_LISTEN_FD")), NULL, NULL);
    if (connection < 0) return 8;
    char request[64];
    const ssize_t n = read(connection, request, sizeof request);
    if (n <= 0 || write(connection, request, (size_t)n) != n) return 8;
    return 6;
  }
  for (int i = 1; i < argc; ++i) printf("arg %s\n", argv[i]);
  const char* const greeting = getenv("GREETING");
  printf("env %s\n", greeting ? greeting : "none");
  char line[256];
  FILE* const secret = fopen("/secrets/password", "r");
  printf("secret %s\n", secret && fgets(line, sizeof line, secret) ? line : "none");
  printf("passwd %s\n", fopen("/etc/passwd", "r") ? "readable" : "hidden");
  unsigned long bytes = 0;
  int c;
  while ((c = getchar()) != EOF) ++bytes;
  printf("stdin %lu\n", bytes);
  fprintf(stderr, "to stderr\n");
  return argc > 1 ? atoi(argv[1]) : 0;
}
