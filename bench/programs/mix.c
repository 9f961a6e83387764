// A mix of what small programs do: linked lists, integer matrices, a state machine over text, and a
// cyclic redundancy check over the results. Comparable in kind, not in code, to embedded benchmarks.

#include "harness.h"

enum { kNodes = 40, kSide = 16, kText = 1500 };

struct node {
  struct node* next;
  int16_t key;
  int16_t order;
};

static struct node nodes[kNodes];
static int16_t left[kSide][kSide], right[kSide][kSide];
static int32_t product[kSide][kSide];
static char text[kText + 1];

static uint16_t crc16(uint16_t crc, uint32_t value) {
  for (int byte = 0; byte < 4; ++byte) {
    crc ^= (uint16_t)(value >> (8 * byte) & 0xff);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (uint16_t)(crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1);
    }
  }
  return crc;
}

static int compare_keys(const struct node* a, const struct node* b) { return a->key - b->key; }
static int compare_order(const struct node* a, const struct node* b) { return a->order - b->order; }

// Merge sort from the bottom up; stable, in place.
static struct node* sort(struct node* list, int (*compare)(const struct node*, const struct node*)) {
  for (int width = 1;; width *= 2) {
    struct node* rest = list;
    struct node* head = NULL;
    struct node** tail = &head;
    int merges = 0;
    while (rest != NULL) {
      ++merges;
      struct node* a = rest;
      int a_left = 0;
      while (a_left < width && rest != NULL) {
        ++a_left;
        rest = rest->next;
      }
      struct node* b = rest;
      int b_left = width;
      while (a_left > 0 || (b_left > 0 && b != NULL)) {
        const int take_a = a_left > 0 && (b_left == 0 || b == NULL || compare(a, b) <= 0);
        struct node** from = take_a ? &a : &b;
        *tail = *from;
        tail = &(*from)->next;
        *from = (*from)->next;
        --*(take_a ? &a_left : &b_left);
      }
      rest = b;
    }
    *tail = NULL;
    list = head;
    if (merges <= 1) return list;
  }
}

static struct node* reverse(struct node* list) {
  struct node* done = NULL;
  while (list != NULL) {
    struct node* next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

static const struct node* find(const struct node* list, int16_t key) {
  while (list != NULL && list->key != key) list = list->next;
  return list;
}

static uint16_t lists(uint16_t crc, uint32_t* seed) {
  for (int i = 0; i < kNodes; ++i) {
    nodes[i].next = i + 1 < kNodes ? &nodes[i + 1] : NULL;
    nodes[i].key = (int16_t)(next_random(seed) & 0x3f);
    nodes[i].order = (int16_t)i;
  }
  struct node* list = sort(nodes, compare_keys);
  for (int i = 0; i < 8; ++i) {
    const struct node* found = find(list, (int16_t)(next_random(seed) & 0x3f));
    crc = crc16(crc, found != NULL ? (uint32_t)found->order : 0xffffu);
    list = reverse(list);
  }
  list = sort(list, compare_order);
  for (const struct node* node = list; node != NULL; node = node->next) {
    crc = crc16(crc, (uint32_t)node->key);
  }
  return crc;
}

static uint16_t matrices(uint16_t crc, uint32_t* seed) {
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < kSide; ++j) {
      left[i][j] = (int16_t)next_random(seed);
      right[i][j] = (int16_t)(next_random(seed) & 0xff);
    }
  }
  for (int shift = 0; shift < 3; ++shift) {
    for (int i = 0; i < kSide; ++i) {
      for (int j = 0; j < kSide; ++j) {
        int32_t sum = 0;
        for (int k = 0; k < kSide; ++k) sum += left[i][k] * right[k][j];
        product[i][j] = sum;
      }
    }
    for (int i = 0; i < kSide; ++i) {
      for (int j = 0; j < kSide; ++j) {
        left[i][j] = (int16_t)(left[i][j] + (product[i][j] >> (4 + shift) & 0x7f));
      }
    }
  }
  for (int i = 0; i < kSide; ++i) crc = crc16(crc, (uint32_t)product[i][i]);
  return crc;
}

enum state { kStart, kSign, kInteger, kPoint, kFraction, kExponent, kExponentSign, kPower, kBad, kStates };

// Whether the text up to the next comma is a number, and of which kind.
static enum state scan(const char** at) {
  enum state state = kStart;
  for (; **at != '\0'; ++*at) {
    const char c = **at;
    if (c == ',') {
      ++*at;
      break;
    }
    const int digit = c >= '0' && c <= '9';
    switch (state) {
      case kStart:
        state = digit ? kInteger : c == '+' || c == '-' ? kSign : c == '.' ? kPoint : kBad;
        break;
      case kSign:
        state = digit ? kInteger : c == '.' ? kPoint : kBad;
        break;
      case kInteger:
        state = digit ? kInteger : c == '.' ? kPoint : c == 'e' ? kExponent : kBad;
        break;
      case kPoint:
      case kFraction:
        state = digit ? kFraction : c == 'e' && state == kFraction ? kExponent : kBad;
        break;
      case kExponent:
        state = digit ? kPower : c == '+' || c == '-' ? kExponentSign : kBad;
        break;
      case kExponentSign:
      case kPower:
        state = digit ? kPower : kBad;
        break;
      default:
        break;
    }
  }
  return state;
}

static uint16_t states(uint16_t crc, uint32_t* seed) {
  static const char kAlphabet[16] = "0123456789,,.e+-";
  for (int i = 0; i < kText; ++i) text[i] = kAlphabet[next_random(seed) & 15];
  uint32_t seen[kStates] = {0};
  for (const char* at = text; *at != '\0';) ++seen[scan(&at)];
  for (int i = 0; i < kStates; ++i) crc = crc16(crc, seen[i]);
  return crc;
}

uint64_t kernel(uint32_t rounds) {
  uint32_t seed = 2026;
  uint16_t crc = 0xffff;
  for (uint32_t i = 0; i < rounds; ++i) {
    crc = lists(crc, &seed);
    crc = matrices(crc, &seed);
    crc = states(crc, &seed);
  }
  return crc;
}
