// JSON: writes a document, parses it into a tree and prints the tree with indentation.

#include <string.h>

#include "harness.h"

enum { kDocument = 1 << 20, kPrinted = 4 << 20, kArena = 16 << 20 };

enum kind { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

struct node {
  enum kind kind;
  uint32_t length;
  const char* text;         // of a string, escapes resolved
  double number;
  const char* name;         // in an object
  uint32_t name_length;
  struct node *first, *next;
};

static char document[kDocument], printed[kPrinted];
static char* out;  // where the next character goes
static const char* in;
static _Alignas(16) char arena[kArena];
static size_t arena_used;

static void* allocate(size_t size) {
  void* place = arena + arena_used;
  arena_used += (size + 15) & ~(size_t)15;
  if (arena_used > kArena) abort();
  return place;
}

static void put(const char* text) {
  while (*text) *out++ = *text++;
}

static void put_integer(uint64_t value) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
  } while ((value /= 10) != 0);
  while (count > 0) *out++ = digits[--count];
}

// --- A document ---

static void write_record(uint32_t number, uint32_t* seed) {
  static const char* const names[] = {"Ada", "Grace", "Edsger \\\"EWD\\\"", "Barbara", "K\\u00f6nig\\n"};
  put("{\"id\":");
  put_integer(number);
  put(",\"name\":\"");
  put(names[next_random(seed) % 5]);
  put("\",\"active\":");
  put(next_random(seed) % 2 ? "true" : "false");
  put(",\"parent\":null,\"scores\":[");
  for (uint32_t i = next_random(seed) % 8; i > 0; --i) {
    if (next_random(seed) % 2) put("-");
    put_integer(next_random(seed) % 100000);
    put(".");
    put_integer(next_random(seed) % 1000);
    if (next_random(seed) % 4 == 0) put("e-2");
    if (i > 1) put(",");
  }
  put("],\"place\":{\"x\":");
  put_integer(next_random(seed) % 1000);
  put(",\"y\":");
  put_integer(next_random(seed) % 1000);
  put(",\"tags\":[\"alpha\",\"beta and gamma\",\"\"]}}");
}

static void write_document(uint32_t seed) {
  out = document;
  put("[");
  for (uint32_t number = 0; out < document + kDocument - 1000; ++number) {
    if (number > 0) put(", ");
    write_record(number, &seed);
  }
  put("]");
  *out = 0;
}

// --- The parser ---

static void skip_space(void) {
  while (*in == ' ' || *in == '\n' || *in == '\t' || *in == '\r') ++in;
}

static uint32_t parse_hex(void) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = *in++;
    value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  return value;
}

static char* put_utf8(char* to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xc0 | c >> 6);
    *to++ = (char)(0x80 | (c & 63));
  } else {
    *to++ = (char)(0xe0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 63));
    *to++ = (char)(0x80 | (c & 63));
  }
  return to;
}

static const char* parse_string(uint32_t* length) {
  const char* const start = ++in;
  while (*in != '"') in += *in == '\\' ? 2 : 1;
  char* const text = allocate((size_t)(in - start));
  char* to = text;
  in = start;
  while (*in != '"') {
    if (*in != '\\') {
      *to++ = *in++;
      continue;
    }
    const char escape = in[1];
    in += 2;
    switch (escape) {
      case 'n': *to++ = '\n'; break;
      case 't': *to++ = '\t'; break;
      case 'u': to = put_utf8(to, parse_hex()); break;
      default: *to++ = escape; break;
    }
  }
  ++in;
  *length = (uint32_t)(to - text);
  return text;
}

static double parse_number(void) {
  const int negative = *in == '-';
  in += negative;
  double value = 0, scale = 1;
  while (*in >= '0' && *in <= '9') value = value * 10 + (*in++ - '0');
  if (*in == '.') {
    for (++in; *in >= '0' && *in <= '9'; scale *= 10) value = value * 10 + (*in++ - '0');
  }
  if ((*in | 32) == 'e') {
    const int down = *++in == '-';
    in += *in == '-' || *in == '+';
    int exponent = 0;
    while (*in >= '0' && *in <= '9') exponent = exponent * 10 + (*in++ - '0');
    for (; exponent > 0; --exponent) scale = down ? scale * 10 : scale / 10;
  }
  return (negative ? -value : value) / scale;
}

static struct node* parse_value(void) {
  struct node* node = allocate(sizeof *node);
  memset(node, 0, sizeof *node);
  skip_space();
  switch (*in) {
    case 'n': in += 4; node->kind = kNull; break;
    case 't': in += 4; node->kind = kTrue; break;
    case 'f': in += 5; node->kind = kFalse; break;
    case '"':
      node->kind = kString;
      node->text = parse_string(&node->length);
      break;
    case '[':
    case '{': {
      node->kind = *in == '[' ? kArray : kObject;
      const char closing = (char)(*in++ + 2);
      struct node** next = &node->first;
      for (skip_space(); *in != closing; skip_space()) {
        uint32_t length = 0;
        const char* name = NULL;
        if (closing == '}') {
          name = parse_string(&length);
          skip_space();
          ++in;  // the colon
        }
        *next = parse_value();
        (*next)->name = name;
        (*next)->name_length = length;
        next = &(*next)->next;
        ++node->length;
        skip_space();
        if (*in == ',') ++in;
        skip_space();
      }
      ++in;
      break;
    }
    default:
      node->kind = kNumber;
      node->number = parse_number();
      break;
  }
  return node;
}

// --- The printer ---

static void print_string(const char* text, uint32_t length) {
  *out++ = '"';
  for (uint32_t i = 0; i < length; ++i) {
    if (text[i] == '"' || text[i] == '\\') {
      *out++ = '\\';
      *out++ = text[i];
    } else if (text[i] == '\n') {
      put("\\n");
    } else {
      *out++ = text[i];
    }
  }
  *out++ = '"';
}

// With five decimals.
static void print_number(double number) {
  if (number < 0) *out++ = '-';
  const uint64_t scaled = (uint64_t)((number < 0 ? -number : number) * 100000 + 0.5);
  put_integer(scaled / 100000);
  if (scaled % 100000 == 0) return;
  *out++ = '.';
  for (uint32_t rest = scaled % 100000, unit = 10000; rest > 0; rest %= unit, unit /= 10) {
    *out++ = (char)('0' + rest / unit);
  }
}

static void indent(int depth) {
  *out++ = '\n';
  for (int i = 0; i < depth * 2; ++i) *out++ = ' ';
}

static void print_value(const struct node* node, int depth) {
  switch (node->kind) {
    case kNull: put("null"); break;
    case kFalse: put("false"); break;
    case kTrue: put("true"); break;
    case kNumber: print_number(node->number); break;
    case kString: print_string(node->text, node->length); break;
    default: {
      *out++ = node->kind == kArray ? '[' : '{';
      for (const struct node* each = node->first; each; each = each->next) {
        indent(depth + 1);
        if (node->kind == kObject) {
          print_string(each->name, each->name_length);
          put(": ");
        }
        print_value(each, depth + 1);
        if (each->next) *out++ = ',';
      }
      if (node->first) indent(depth);
      *out++ = node->kind == kArray ? ']' : '}';
    }
  }
}

uint64_t kernel(uint32_t rounds) {
  uint64_t sum = 0;
  for (uint32_t round = 0; round < rounds; ++round) {
    write_document(round);
    arena_used = 0;
    in = document;
    const struct node* root = parse_value();
    out = printed;
    print_value(root, 0);
    for (const char* c = printed; c < out; ++c) sum = sum * 31 + (uint8_t)*c;
  }
  return sum;
}
