// Electric and magnetic fields over time on a grid (finite differences in the time domain).

#include "arrays.h"

enum { kWidth = 200, kHeight = 240 };

static void step(double pulse, double ex[kWidth][kHeight], double ey[kWidth][kHeight],
                 double hz[kWidth][kHeight]) {
  for (int j = 0; j < kHeight; ++j) ey[0][j] = pulse;
  for (int i = 1; i < kWidth; ++i) {
    for (int j = 0; j < kHeight; ++j) ey[i][j] -= 0.5 * (hz[i][j] - hz[i - 1][j]);
  }
  for (int i = 0; i < kWidth; ++i) {
    for (int j = 1; j < kHeight; ++j) ex[i][j] -= 0.5 * (hz[i][j] - hz[i][j - 1]);
  }
  for (int i = 0; i < kWidth - 1; ++i) {
    for (int j = 0; j < kHeight - 1; ++j) {
      hz[i][j] -= 0.7 * (ex[i][j + 1] - ex[i][j] + ey[i + 1][j] - ey[i][j]);
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  ARRAY(ex, kWidth, kHeight);
  ARRAY(ey, kWidth, kHeight);
  ARRAY(hz, kWidth, kHeight);
  fill(&ex[0][0], kWidth * kHeight, 1);
  fill(&ey[0][0], kWidth * kHeight, 2);
  fill(&hz[0][0], kWidth * kHeight, 3);
  for (uint32_t round = 0; round < rounds; ++round) step(round % 16 * 0.0625, ex, ey, hz);
  return hash(&hz[0][0], kWidth * kHeight);
}
