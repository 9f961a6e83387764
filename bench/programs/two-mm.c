// Two matrix multiplications: D = beta D + (alpha A B) C, each an inner product, down B's and C's columns.

#include "arrays.h"

enum { kI = 160, kJ = 180, kK = 200, kL = 220 };

static void two_mm(double alpha, double beta, double product[kI][kJ], double a[kI][kK], double b[kK][kJ],
                   double c[kJ][kL], double d[kI][kL]) {
  for (int i = 0; i < kI; ++i) {
    for (int j = 0; j < kJ; ++j) {
      product[i][j] = 0;
      for (int k = 0; k < kK; ++k) product[i][j] += alpha * a[i][k] * b[k][j];
    }
  }
  for (int i = 0; i < kI; ++i) {
    for (int j = 0; j < kL; ++j) {
      d[i][j] *= beta;
      for (int k = 0; k < kJ; ++k) d[i][j] += product[i][k] * c[k][j];
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  ARRAY(product, kI, kJ);
  ARRAY(a, kI, kK);
  ARRAY(b, kK, kJ);
  ARRAY(c, kJ, kL);
  ARRAY(d, kI, kL);
  fill(&a[0][0], kI * kK, 1);
  fill(&b[0][0], kK * kJ, 2);
  fill(&c[0][0], kJ * kL, 3);
  fill(&d[0][0], kI * kL, 4);
  for (uint32_t round = 0; round < rounds; ++round) two_mm(0.125, 0.5, product, a, b, c, d);
  return hash(&d[0][0], kI * kL);
}
