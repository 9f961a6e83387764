// What the kernels on arrays of doubles share. Each is written as in PolyBench's collection: plain loops
// over two-dimensional arrays, which are static, or from malloc when HEAP is defined.
#pragma once

#include <stddef.h>
#include <string.h>

#include "harness.h"

#ifdef HEAP
#define ARRAY(name, rows, columns) double(*name)[columns] = malloc(sizeof(double[rows][columns]))
#else
#define ARRAY(name, rows, columns) static double name[rows][columns]
#endif

// Numbers in [0, 1).
static inline void fill(double* values, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; ++i) values[i] = next_random(&seed) / 16777216.0;
}

// FNV-1a over the values' bits.
static inline uint64_t hash(const double* values, size_t count) {
  uint64_t sum = 0xcbf29ce484222325;
  for (size_t i = 0; i < count; ++i) {
    uint64_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    sum = (sum ^ bits) * 0x100000001b3;
  }
  return sum;
}
