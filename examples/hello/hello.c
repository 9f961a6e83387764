// The smallest useful guest: says what it was given. Everything it prints was granted by the caller.
//
//   berth run --env GREETING=Ahoy hello.wasm one two

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  const char* greeting = getenv("GREETING");
  printf("%s from WebAssembly\n", greeting != NULL ? greeting : "Hello");
  for (int i = 1; i < argc; ++i) printf("argument %d: %s\n", i, argv[i]);
  return argc > 1 ? 0 : 3;
}
