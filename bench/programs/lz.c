// Compression after Lempel and Ziv (1977): matches found through chains of hashes, then decompression.
//
// A token is a byte with the number of literals in its upper half and of matched bytes beyond kLeastMatch
// in its lower half, 15 meaning that bytes follow which add to it; the literals; two bytes of distance.

#include <string.h>

#include "harness.h"

enum {
  kText = 1 << 20,
  kHashBits = 14,
  kWindow = 1 << 15,
  kLeastMatch = 4,
  kMostTries = 16,
};

static uint8_t text[kText], packed[kText + kText / 8], unpacked[kText];
static int32_t newest[1 << kHashBits], older[kWindow];

// Words of a made-up language, the common ones often.
static void write_text(uint32_t seed) {
  static uint8_t words[512][8];
  for (int i = 0; i < 512; ++i) {
    for (int j = 0; j < 8; ++j) words[i][j] = (uint8_t)('a' + next_random(&seed) % 26);
  }
  for (int at = 0; at < kText;) {
    const uint32_t number = next_random(&seed) % 512 * (next_random(&seed) % 512) / 512;
    const int length = 2 + (int)(number % 7);
    for (int i = 0; i < length && at < kText; ++i) text[at++] = words[number][i];
    if (at < kText) text[at++] = next_random(&seed) % 12 == 0 ? '\n' : ' ';
  }
}

static uint32_t hash_at(int at) {
  uint32_t four;
  memcpy(&four, text + at, sizeof four);
  return four * 2654435761u >> (32 - kHashBits);
}

static void remember(int at) {
  const uint32_t slot = hash_at(at);
  older[at % kWindow] = newest[slot];
  newest[slot] = at;
}

// The longest match at `at` that is still remembered; its length is 0 when there is none worth a token.
static int find_match(int at, int* distance) {
  int best = kLeastMatch - 1;
  int candidate = newest[hash_at(at)];
  for (int tries = 0; tries < kMostTries && candidate >= 0 && at - candidate < kWindow; ++tries) {
    if (at + best < kText && text[candidate + best] == text[at + best]) {
      int length = 0;
      while (at + length < kText && text[candidate + length] == text[at + length]) ++length;
      if (length > best) {
        best = length;
        *distance = at - candidate;
      }
    }
    candidate = older[candidate % kWindow];
  }
  return best < kLeastMatch ? 0 : best;
}

static uint8_t* put_rest(uint8_t* out, int rest) {
  for (; rest >= 255; rest -= 255) *out++ = 255;
  *out++ = (uint8_t)rest;
  return out;
}

static int least(int a, int b) { return a < b ? a : b; }

static uint8_t* put_token(uint8_t* out, const uint8_t* literals, int count, int match, int distance) {
  const int beyond = match == 0 ? 0 : match - kLeastMatch;
  *out++ = (uint8_t)(least(count, 15) << 4 | least(beyond, 15));
  if (count >= 15) out = put_rest(out, count - 15);
  memcpy(out, literals, (size_t)count);
  out += count;
  *out++ = (uint8_t)distance;
  *out++ = (uint8_t)(distance >> 8);
  if (beyond >= 15) out = put_rest(out, beyond - 15);
  return out;
}

static size_t compress(void) {
  memset(newest, 0xff, sizeof newest);
  uint8_t* out = packed;
  int at = 0, literals = 0;
  while (at + kLeastMatch <= kText) {
    int distance = 0;
    const int match = find_match(at, &distance);
    if (match == 0) {
      remember(at++);
      continue;
    }
    out = put_token(out, text + literals, at - literals, match, distance);
    for (const int end = at + match; at < end; ++at) {
      if (at + kLeastMatch <= kText) remember(at);
    }
    literals = at;
  }
  return (size_t)(put_token(out, text + literals, kText - literals, 0, 0) - packed);
}

static const uint8_t* get_rest(const uint8_t* in, int* value) {
  if (*value < 15) return in;
  do {
    *value += *in;
  } while (*in++ == 255);
  return in;
}

static size_t decompress(size_t size) {
  const uint8_t* in = packed;
  const uint8_t* const end = packed + size;
  uint8_t* out = unpacked;
  while (in < end) {
    int count = *in >> 4, match = *in & 15;
    in = get_rest(in + 1, &count);
    memcpy(out, in, (size_t)count);
    in += count;
    out += count;
    const int distance = in[0] | in[1] << 8;
    in = get_rest(in + 2, &match);
    if (distance == 0) break;
    const uint8_t* from = out - distance;
    for (int i = 0; i < match + kLeastMatch; ++i) *out++ = *from++;
  }
  return (size_t)(out - unpacked);
}

uint64_t kernel(uint32_t rounds) {
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; ++round) {
    write_text(round);
    const size_t size = compress();
    if (decompress(size) != kText || memcmp(text, unpacked, kText) != 0) return 0;
    for (size_t i = 0; i < size; i += 64) sum = sum * 31 + packed[i];
    sum += size;
  }
  return sum;
}
