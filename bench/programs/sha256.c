// SHA-256 (FIPS 180-4) over blocks that depend on each other: 32-bit rotations and additions.

#include <string.h>

#include "harness.h"

enum { kBlocksPerRound = 1000 };

static uint32_t constants[64];

static uint32_t rotate(uint32_t value, int count) { return value >> count | value << (32 - count); }

// The constants are the first 32 bits of the fractions of cube roots of primes; found by bisection.
static void fill_constants(void) {
  int count = 0;
  for (uint32_t n = 2; count < 64; ++n) {
    int prime = 1;
    for (uint32_t d = 2; d * d <= n; ++d) prime &= n % d != 0;
    if (!prime) continue;
    // The largest root, as a fixed-point number of 32 fraction bits, whose cube is not above n.
    uint64_t root = 0;
    for (int bit = 34; bit >= 0; --bit) {
      const uint64_t tried = root | (uint64_t)1 << bit;
      if ((unsigned __int128)tried * tried * tried < (unsigned __int128)n << 96) root = tried;
    }
    constants[count++] = (uint32_t)root;
  }
}

static void compress(uint32_t state[8], const uint32_t block[16]) {
  uint32_t w[64];
  memcpy(w, block, 16 * sizeof *w);
  for (int i = 16; i < 64; ++i) {
    const uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; ++i) {
    const uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

uint64_t kernel(uint32_t rounds) {
  fill_constants();
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  // With no round this is the digest of "abc", so that the code can be checked: ba7816bf8f01cfea….
  uint32_t block[16] = {0x61626380, [15] = 24};
  compress(state, block);
  for (uint32_t i = 0; i < rounds * kBlocksPerRound; ++i) {
    block[i & 15] ^= state[i & 7];
    compress(state, block);
  }
  return (uint64_t)state[0] << 32 | state[1];
}
