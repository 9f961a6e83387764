// What programs of these tests share that call WASI 0.2 directly: results as they are in memory. The case comes in the
// first byte, 0 for what worked.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasi2.h"

#define P(x) ((int32_t)(uintptr_t)(x))
#define TEXT(s) P(s), (int32_t)strlen(s)

typedef union {
  uint8_t bytes[128];
  struct {
    uint8_t is_error;
    _Alignas(1) uint8_t code1;  // result<_, enum>
  };
  struct {
    uint8_t case4;
    _Alignas(4) union {
      uint8_t code4;  // result<what has alignment 4, enum>
      int32_t word[12];
    };
  };
  struct {
    uint8_t case8;
    _Alignas(8) union {
      uint8_t code8;  // result<what has alignment 8, enum>
      int32_t word8[12];
      uint64_t number;
      uint64_t numbers[12];
    };
  };
} Answer;

// Results that take memory.
static _Alignas(8) uint8_t answer_memory[1 << 20];
#define ARENA() arena(answer_memory, sizeof answer_memory)

#define FAIL(...)                                  \
  do {                                             \
    fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
    fprintf(stderr, __VA_ARGS__);                  \
    fprintf(stderr, "\n");                         \
    exit(1);                                       \
  } while (0)
#define CHECK(condition) \
  do {                   \
    if (!(condition)) FAIL("%s", #condition); \
  } while (0)

// A call whose last argument, &answer, gets a result: that it works, or fails with `wanted`. `kind` is the alignment of
// the result's payload.
#define WORKS(call)                                          \
  do {                                                       \
    memset(&answer, 0xEE, sizeof answer);                    \
    ARENA();                                                 \
    call;                                                    \
    if (answer.is_error != 0)                                \
      FAIL("%s fails: %d %d %d", #call, answer.code1, answer.code4, answer.code8); \
  } while (0)
#define FAILS(kind, wanted, call)                                                                   \
  do {                                                                                              \
    memset(&answer, 0xEE, sizeof answer);                                                           \
    ARENA();                                                                                        \
    call;                                                                                           \
    if (answer.is_error != 1 || answer.code##kind != (wanted))                                      \
      FAIL("%s: %d, code %d, not %s", #call, answer.is_error, answer.code##kind, #wanted);          \
  } while (0)
// A stream's operation that is to end with `closed`.
#define CLOSED(kind, call) FAILS(kind, 1, call)
#define A P(&answer)
