// Jacobi's iteration with a stencil of five points, back and forth between two grids.

#include "arrays.h"

enum { kSide = 250 };

static void sweep(double from[kSide][kSide], double to[kSide][kSide]) {
  for (int i = 1; i < kSide - 1; ++i) {
    for (int j = 1; j < kSide - 1; ++j) {
      to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i + 1][j] + from[i - 1][j]);
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  ARRAY(a, kSide, kSide);
  ARRAY(b, kSide, kSide);
  fill(&a[0][0], kSide * kSide, 1);
  memcpy(b, a, sizeof(double[kSide][kSide]));
  for (uint32_t round = 0; round < rounds; ++round) {
    sweep(a, b);
    sweep(b, a);
  }
  return hash(&a[0][0], kSide * kSide);
}
