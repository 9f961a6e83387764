// Decomposition of a matrix into a lower and an upper triangular one, in place, without pivoting.

#include "arrays.h"

enum { kSide = 200 };

static void decompose(double a[kSide][kSide]) {
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < i; ++j) {
      for (int k = 0; k < j; ++k) a[i][j] -= a[i][k] * a[k][j];
      a[i][j] /= a[j][j];
    }
    for (int j = i; j < kSide; ++j) {
      for (int k = 0; k < i; ++k) a[i][j] -= a[i][k] * a[k][j];
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  ARRAY(original, kSide, kSide);
  ARRAY(a, kSide, kSide);
  fill(&original[0][0], kSide * kSide, 1);
  for (int i = 0; i < kSide; ++i) original[i][i] += kSide;
  for (uint32_t round = 0; round < rounds; ++round) {
    memcpy(a, original, sizeof(double[kSide][kSide]));
    a[0][0] += round;
    decompose(a);
  }
  return hash(&a[0][0], kSide * kSide);
}
