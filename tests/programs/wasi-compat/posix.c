// The functions that Debian's wasi-libc declares and does not have; each says that it failed.

#include <stdio.h>
#include <stdlib.h>

FILE* tmpfile(void) { return NULL; }

char* tmpnam(char* name) {
  (void)name;
  return NULL;
}

int system(const char* command) {
  (void)command;
  return command == NULL ? 0 : -1;
}
