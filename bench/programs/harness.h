// What every kernel shares: `main` runs kernel(rounds), rounds being the first argument, and prints the
// checksum that it returns, which must be the same wherever the kernel runs.
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t kernel(uint32_t rounds);

int main(int argc, char** argv) {
  const uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
  printf("%016" PRIx64 "\n", kernel(rounds));
  return 0;
}

// A small generator of pseudo-random numbers, the same everywhere.
static inline uint32_t next_random(uint32_t* state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}
