// Answers as a CGI program does.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char** environ;
static volatile int spun;

int main(void) {
  const char* path = getenv("PATH_INFO");
  if (path == NULL) return 1;
  if (strcmp(path, "/echo") == 0) {
    static char buffer[10000];
    fputs("Status: 201 Created\r\nX-Made: yes\r\n\r\n", stdout);
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0) fwrite(buffer, 1, n, stdout);
    return 0;
  }
  if (strcmp(path, "/exit") == 0) return 7;
  if (strcmp(path, "/trap") == 0) __builtin_trap();
  if (strcmp(path, "/garbage") == 0) return puts("no fields\n\nat all") < 0;
  if (strcmp(path, "/redirect") == 0) return puts("Location: /elsewhere\n") < 0;
  if (strcmp(path, "/empty") == 0) return 0;
  if (strcmp(path, "/loop") == 0) {
    for (;;) ++spun;
  }
  puts("Content-Type: text/plain\n");
  for (char** variable = environ; *variable; ++variable) puts(*variable);
  return 0;
}
