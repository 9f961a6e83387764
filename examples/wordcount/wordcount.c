// Counts lines, words and bytes of each file named, as wc does. It can open a file only below a
// granted directory:
//
//   berth run --dir ./texts::/texts:ro wordcount.wasm /texts/poem.txt

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>

static bool count(const char* path) {
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    printf("%s: cannot be opened\n", path);
    return false;
  }
  long lines = 0;
  long words = 0;
  long bytes = 0;
  bool inside = false;
  for (int c = getc(file); c != EOF; c = getc(file)) {
    ++bytes;
    lines += c == '\n';
    words += !isspace(c) && !inside;
    inside = !isspace(c);
  }
  fclose(file);
  printf("%ld %ld %ld %s\n", lines, words, bytes, path);
  return true;
}

int main(int argc, char** argv) {
  bool ok = true;
  for (int i = 1; i < argc; ++i) ok = count(argv[i]) && ok;
  return ok ? 0 : 1;
}
