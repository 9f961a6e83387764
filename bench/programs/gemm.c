// General matrix multiplication: C = beta C + alpha A B.

#include "arrays.h"

enum { kRows = 200, kColumns = 220, kInner = 240 };

static void gemm(double alpha, double beta, double c[kRows][kColumns], double a[kRows][kInner],
                 double b[kInner][kColumns]) {
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) c[i][j] *= beta;
    for (int k = 0; k < kInner; ++k) {
      for (int j = 0; j < kColumns; ++j) c[i][j] += alpha * a[i][k] * b[k][j];
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  ARRAY(a, kRows, kInner);
  ARRAY(b, kInner, kColumns);
  ARRAY(c, kRows, kColumns);
  fill(&a[0][0], kRows * kInner, 1);
  fill(&b[0][0], kInner * kColumns, 2);
  fill(&c[0][0], kRows * kColumns, 3);
  for (uint32_t round = 0; round < rounds; ++round) gemm(0.125, 0.5, c, a, b);
  return hash(&c[0][0], kRows * kColumns);
}
