// Shortest paths between all pairs of a graph's vertices (Floyd and Warshall), over int.

#include "arrays.h"

enum { kVertices = 240 };

static void shorten(int32_t path[kVertices][kVertices]) {
  for (int k = 0; k < kVertices; ++k) {
    for (int i = 0; i < kVertices; ++i) {
      for (int j = 0; j < kVertices; ++j) {
        const int32_t through = path[i][k] + path[k][j];
        path[i][j] = path[i][j] < through ? path[i][j] : through;
      }
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  static int32_t path[kVertices][kVertices];
  uint32_t seed = 1;
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kVertices; ++i) {
      for (int j = 0; j < kVertices; ++j) path[i][j] = i == j ? 0 : 1 + (int32_t)(next_random(&seed) % 100000);
    }
    shorten(path);
    for (int i = 0; i < kVertices; ++i) sum = sum * 31 + (uint64_t)path[i][(i + round) % kVertices];
  }
  return sum;
}
