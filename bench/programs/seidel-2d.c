// Gauss and Seidel's iteration with a stencil of nine points, in place: each point waits for the one before.

#include "arrays.h"

enum { kSide = 200 };

static void sweep(double a[kSide][kSide]) {
  for (int i = 1; i < kSide - 1; ++i) {
    for (int j = 1; j < kSide - 1; ++j) {
      a[i][j] = (a[i - 1][j - 1] + a[i - 1][j] + a[i - 1][j + 1] + a[i][j - 1] + a[i][j] + a[i][j + 1] +
                 a[i + 1][j - 1] + a[i + 1][j] + a[i + 1][j + 1]) /
                9.0;
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  ARRAY(a, kSide, kSide);
  fill(&a[0][0], kSide * kSide, 1);
  for (uint32_t round = 0; round < rounds; ++round) sweep(a);
  return hash(&a[0][0], kSide * kSide);
}
