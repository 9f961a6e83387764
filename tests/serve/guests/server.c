// Answers as the path of the request says; see serve_tests.py.
#include <stdbool.h>

#include "wasi2.h"

#define H(name) http_types_##name
#define P(p) ((int32_t)(uintptr_t)(p))
#define A P(&answer)
#define TEXT(s) P(s), length_of(s)

static union {
  uint8_t bytes[96];
  int32_t word[24];
  uint64_t number[12];
} answer __attribute__((aligned(8)));
static _Alignas(8) uint8_t memory[160 << 10];
#define ARENA() arena(memory, sizeof memory)

static int32_t length_of(const char* s) {
  int32_t n = 0;
  while (s[n]) ++n;
  return n;
}

static char path[512], query[512];
static int32_t out, request;
static int32_t counter;

static bool is(const char* name) {
  int32_t i = 0;
  while (name[i] && path[i] == name[i]) ++i;
  return name[i] == 0 && path[i] == 0;
}
static uint64_t number(const char* s) {
  uint64_t n = 0;
  while (*s >= '0' && *s <= '9') n = n * 10 + (uint64_t)(*s++ - '0');
  return n;
}

static void read_path(void) {
  ARENA();
  H(incoming_request_path_with_query)(request, A);
  if (!answer.bytes[0]) return;
  const char* text = (const char*)(uintptr_t)answer.word[1];
  const int32_t length = answer.word[2];
  int32_t i = 0, n = 0;
  for (; i < length && text[i] != '?' && n < 511; ++i) path[n++] = text[i];
  path[n] = 0;
  for (n = 0, ++i; i < length && n < 511; ++i) query[n++] = text[i];
  query[n] = 0;
}

// Sends the head of the response; returns its body.
static int32_t respond(int32_t status, int32_t fields) {
  const int32_t response = H(outgoing_response)(fields);
  H(outgoing_response_set_status_code)(response, status);
  H(outgoing_response_body)(response, A);
  const int32_t body = answer.word[1];
  H(response_outparam_set)(out, 0, response, 0, 0, 0, 0, 0, 0);
  return body;
}
static int32_t stream_of(int32_t body) {
  H(outgoing_body_write)(body, A);
  return answer.word[1];
}
// Whether it could be written.
static bool write_all(int32_t stream, const void* data, int32_t length) {
  const uint8_t* at = data;
  while (length > 0) {
    ARENA();
    io_streams_output_stream_check_write(stream, A);
    if (answer.bytes[0]) return false;
    int32_t n = answer.number[1] > (uint64_t)length ? length : (int32_t)answer.number[1];
    if (n == 0) {
      const int32_t room = io_streams_output_stream_subscribe(stream);
      io_poll_pollable_block(room);
      drop_pollable(room);
      continue;
    }
    io_streams_output_stream_write(stream, P(at), n, A);
    if (answer.bytes[0]) return false;
    at += n;
    length -= n;
  }
  return true;
}
static void finish(int32_t body, int32_t stream) {
  drop_output_stream(stream);
  H(outgoing_body_finish)(body, 0, 0, A);
}
static void say(int32_t status, const char* text) {
  const int32_t body = respond(status, H(fields)());
  const int32_t stream = stream_of(body);
  write_all(stream, text, length_of(text));
  finish(body, stream);
}
static char digits[24];
static const char* to_text(uint64_t n) {
  char* at = digits + sizeof digits - 1;
  *at = 0;
  do *--at = (char)('0' + n % 10);
  while ((n /= 10) > 0);
  return at;
}

static int32_t body_stream(int32_t* body) {
  H(incoming_request_consume)(request, A);
  *body = answer.word[1];
  H(incoming_body_stream)(*body, A);
  return answer.word[1];
}

static uint8_t block[64 << 10];

static void echo(bool has_trailers) {
  int32_t in_body;
  const int32_t in = body_stream(&in_body);
  const int32_t body = respond(200, H(fields)());
  const int32_t stream = stream_of(body);
  for (;;) {
    ARENA();
    io_streams_input_stream_blocking_read(in, sizeof block, A);
    if (answer.bytes[0]) break;
    const int32_t n = answer.word[2];
    __builtin_memcpy(block, (void*)(uintptr_t)answer.word[1], (uint32_t)n);
    if (!write_all(stream, block, n)) break;
  }
  drop_input_stream(in);
  if (!has_trailers) return finish(body, stream);
  const int32_t future = H(incoming_body_finish)(in_body);
  const int32_t ready = H(future_trailers_subscribe)(future);
  io_poll_pollable_block(ready);
  drop_pollable(ready);
  ARENA();
  H(future_trailers_get)(future, A);
  const bool some = answer.bytes[0] && !answer.bytes[8] && !answer.bytes[16] && answer.bytes[24];
  const int32_t trailers = some ? answer.word[7] : H(fields)();
  const int32_t copy = H(fields_clone)(trailers);
  H(fields_append)(copy, TEXT("x-seen"), TEXT(some ? "trailers" : "none"), A);
  drop_output_stream(stream);
  H(outgoing_body_finish)(body, 1, copy, A);
}

static void count(void) {
  int32_t in_body;
  const int32_t in = body_stream(&in_body);
  uint64_t total = 0;
  for (;;) {
    ARENA();
    io_streams_input_stream_blocking_read(in, sizeof block, A);
    if (answer.bytes[0]) break;
    total += (uint64_t)(uint32_t)answer.word[2];
  }
  say(200, to_text(total));
}

static void big(void) {
  uint64_t left = number(query);
  const int32_t body = respond(200, H(fields)());
  const int32_t stream = stream_of(body);
  for (uint32_t i = 0; i < sizeof block; ++i) block[i] = (uint8_t)('a' + i % 26);
  while (left > 0) {
    const int32_t n = left < sizeof block ? (int32_t)left : (int32_t)sizeof block;
    if (!write_all(stream, block, n)) break;
    left -= (uint64_t)n;
  }
  finish(body, stream);
}

static void show(void) {
  const int32_t body = respond(200, H(fields)());
  const int32_t stream = stream_of(body);
  ARENA();
  H(incoming_request_method)(request, A);
  write_all(stream, to_text(answer.bytes[0]), 1);
  ARENA();
  H(incoming_request_scheme)(request, A);
  write_all(stream, answer.bytes[0] ? (answer.bytes[4] ? " https " : " http ") : " none ", answer.bytes[4] ? 7 : 6);
  ARENA();
  H(incoming_request_authority)(request, A);
  if (answer.bytes[0]) {
    const int32_t at = answer.word[1], length = answer.word[2];
    write_all(stream, (void*)(uintptr_t)at, length);
  }
  write_all(stream, " ", 1);
  write_all(stream, path, length_of(path));
  write_all(stream, "?", 1);
  write_all(stream, query, length_of(query));
  write_all(stream, "\n", 1);
  const int32_t fields = H(incoming_request_headers)(request);
  ARENA();
  H(fields_entries)(fields, A);
  const int32_t* list = (int32_t*)(uintptr_t)answer.word[0];
  const int32_t size = answer.word[1];
  static int32_t copy[4 * 256];
  for (int32_t i = 0; i < 4 * size && i < 4 * 256; ++i) copy[i] = list[i];
  static uint8_t texts[64 << 10];
  int32_t n = 0;
  for (int32_t i = 0; i < size && i < 256; ++i) {
    for (int32_t k = 0; k < copy[4 * i + 1]; ++k) texts[n++] = *(uint8_t*)(uintptr_t)(copy[4 * i] + k);
    texts[n++] = ':';
    texts[n++] = ' ';
    for (int32_t k = 0; k < copy[4 * i + 3]; ++k) texts[n++] = *(uint8_t*)(uintptr_t)(copy[4 * i + 2] + k);
    texts[n++] = '\n';
  }
  write_all(stream, texts, n);
  finish(body, stream);
}

static void sleep_for(uint64_t ms) {
  const int32_t pollable = clocks_monotonic_clock_subscribe_duration((int64_t)(ms * 1000000));
  io_poll_pollable_block(pollable);
  drop_pollable(pollable);
}

// Passes on what the server at query answers: "http:127.0.0.1:8080/path" or "https:…".
static void proxy(void) {
  int32_t at = 0;
  while (query[at] && query[at] != ':') ++at;
  const int32_t scheme = at == 5;
  const char* authority = query + at + 1;
  int32_t n = 0;
  while (authority[n] && authority[n] != '/') ++n;
  const int32_t outgoing = H(outgoing_request)(H(fields)());
  H(outgoing_request_set_scheme)(outgoing, 1, scheme, 0, 0);
  H(outgoing_request_set_authority)(outgoing, 1, P(authority), n);
  H(outgoing_request_set_path_with_query)(outgoing, 1, P(authority + n), length_of(authority + n));
  ARENA();
  http_outgoing_handler_handle(outgoing, 0, 0, A);
  if (answer.bytes[0]) {
    const int32_t code = answer.bytes[8];
    say(502, to_text((uint64_t)code));
    return;
  }
  const int32_t future = answer.word[2];
  const int32_t ready = H(future_incoming_response_subscribe)(future);
  io_poll_pollable_block(ready);
  drop_pollable(ready);
  ARENA();
  H(future_incoming_response_get)(future, A);
  if (answer.bytes[16]) {
    const int32_t code = answer.bytes[24];
    say(502, to_text((uint64_t)code));
    return;
  }
  const int32_t response = answer.word[6];
  H(incoming_response_consume)(response, A);
  const int32_t in_body = answer.word[1];
  H(incoming_body_stream)(in_body, A);
  const int32_t in = answer.word[1];
  const int32_t body = respond(H(incoming_response_status)(response), H(fields)());
  const int32_t stream = stream_of(body);
  for (;;) {
    ARENA();
    io_streams_input_stream_blocking_read(in, sizeof block, A);
    if (answer.bytes[0]) break;
    const int32_t length = answer.word[2];
    __builtin_memcpy(block, (void*)(uintptr_t)answer.word[1], (uint32_t)length);
    if (!write_all(stream, block, length)) break;
  }
  drop_input_stream(in);
  finish(body, stream);
}

static volatile uint32_t spun;
static __attribute__((noinline)) uint32_t recurse(uint32_t n) { return n == 0 ? spun : recurse(n - 1) + spun; }

void handle(int32_t incoming, int32_t outparam) {
  request = incoming;
  out = outparam;
  ++counter;
  read_path();
  if (is("/hello")) return say(200, "hello, world\n");
  if (is("/echo")) return echo(false);
  if (is("/trailers")) return echo(true);
  if (is("/count")) return count();
  if (is("/big")) return big();
  if (is("/show")) return show();
  if (is("/counter")) return say(200, to_text((uint64_t)counter));
  if (is("/proxy")) return proxy();
  if (is("/status")) return say((int32_t)number(query), "status\n");
  if (is("/sleep")) {
    sleep_for(number(query));
    return say(200, "slept\n");
  }
  if (is("/slow")) {  // a byte now and then
    const int32_t body = respond(200, H(fields)());
    const int32_t stream = stream_of(body);
    for (uint64_t i = number(query); i > 0; --i) {
      write_all(stream, "x", 1);
      sleep_for(100);
    }
    return finish(body, stream);
  }
  if (is("/length") || is("/short") || is("/long")) {
    const int32_t fields = H(fields)();
    H(fields_append)(fields, TEXT("content-length"), TEXT("5"), A);
    const int32_t body = respond(200, fields);
    const int32_t stream = stream_of(body);
    write_all(stream, "123456", is("/length") ? 5 : is("/short") ? 3 : 6);
    return finish(body, stream);
  }
  if (is("/inform")) {
    const int32_t fields = H(fields)();
    H(fields_append)(fields, TEXT("link"), TEXT("</style.css>; rel=preload"), A);
    ARENA();
    H(response_outparam_send_informational)(out, 103, fields, A);
    return say(200, answer.bytes[0] ? "failed\n" : "informed\n");
  }
  if (is("/error")) {
    H(response_outparam_set)(out, 1, 7, 0, 0, 0, 0, 0, 0);  // connection-terminated
    return;
  }
  if (is("/nothing")) return;
  if (is("/trap")) __builtin_trap();
  if (is("/late-trap")) {
    const int32_t body = respond(200, H(fields)());
    write_all(stream_of(body), "begun\n", 6);
    __builtin_trap();
  }
  if (is("/unfinished")) {
    const int32_t body = respond(200, H(fields)());
    write_all(stream_of(body), "begun\n", 6);
    return;
  }
  if (is("/loop")) {
    for (;;) ++spun;
  }
  if (is("/work")) {  // for a while, without waiting
    const int64_t end = clocks_monotonic_clock_now() + (int64_t)(number(query) * 1000000);
    while (clocks_monotonic_clock_now() < end) {
      for (uint32_t i = 0; i < 100000; ++i) ++spun;
    }
    return say(200, "worked\n");
  }
  if (is("/allocate")) {
    uint32_t pages = 0;
    while (__builtin_wasm_memory_grow(0, 16) != (uintptr_t)-1) {
      pages += 16;
      *(volatile uint8_t*)((__builtin_wasm_memory_size(0) - 1) << 16) = 1;
    }
    return say(200, to_text(pages));
  }
  if (is("/recurse")) {
    say(200, to_text(recurse((uint32_t)number(query))));
    return;
  }
  say(404, "no such path\n");
}
