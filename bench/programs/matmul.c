// Multiplication of square matrices of doubles, row by row, which a native compiler vectorizes.

#include <string.h>

#include "harness.h"

enum { kSide = 200 };

static double a[kSide][kSide], b[kSide][kSide], c[kSide][kSide];

static void multiply(void) {
  memset(c, 0, sizeof c);
  for (int i = 0; i < kSide; ++i) {
    for (int k = 0; k < kSide; ++k) {
      const double scale = a[i][k];
      for (int j = 0; j < kSide; ++j) c[i][j] += scale * b[k][j];
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  uint32_t seed = 1;
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < kSide; ++j) {
      a[i][j] = next_random(&seed) / 16777216.0 - 0.5;
      b[i][j] = next_random(&seed) / 16777216.0 - 0.5;
    }
  }
  for (uint32_t round = 0; round < rounds; ++round) {
    multiply();
    for (int i = 0; i < kSide; ++i) a[i][round % kSide] = c[i][i] * 0.125;
  }
  double trace = 0;
  for (int i = 0; i < kSide; ++i) trace += c[i][i];
  uint64_t bits;
  memcpy(&bits, &trace, sizeof bits);
  return bits;
}
