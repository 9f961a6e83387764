// wasi:http: messages, and requests to the server whose address is the first argument; nobody listens at the second.
#include "answers.h"

#define H(name) http_types_##name
enum { kInvalid = 0, kForbidden = 1, kImmutable = 2 };
enum {
  kRefused = 6,
  kTerminated = 7,
  kReadTimeout = 9,
  kDenied = 15,
  kBodySize = 17,
  kUriInvalid = 19,
  kIncomplete = 25,
  kHeadSize = 26,
  kCoding = 31,
  kProtocol = 35,
  kInternal = 38,
};

static Answer answer;
static const char* server;

static void headers(void) {
  const int32_t f = H(fields)();
  WORKS(H(fields_append)(f, TEXT("X-One"), TEXT("1"), A));
  WORKS(H(fields_append)(f, TEXT("x-one"), TEXT("2"), A));
  CHECK(H(fields_has)(f, TEXT("X-ONE")) && !H(fields_has)(f, TEXT("x-two")));
  int32_t list[2];
  ARENA();
  H(fields_get)(f, TEXT("x-One"), P(list));
  const int32_t* values = (void*)(uintptr_t)list[0];
  CHECK(list[1] == 2 && *(char*)(uintptr_t)values[0] == '1' && *(char*)(uintptr_t)values[2] == '2');
  const int32_t replacement[2] = {P("new"), 3};
  WORKS(H(fields_set)(f, TEXT("x-one"), P(replacement), 1, A));
  ARENA();
  H(fields_entries)(f, P(list));
  CHECK(list[1] == 1);
  FAILS(1, kInvalid, H(fields_append)(f, TEXT("no name"), TEXT(""), A));
  FAILS(1, kInvalid, H(fields_append)(f, TEXT(""), TEXT(""), A));
  FAILS(1, kInvalid, H(fields_append)(f, TEXT("x"), TEXT("a\r\nb: c"), A));
  FAILS(1, kInvalid, H(fields_append)(f, TEXT("x"), P("\0"), 1, A));
  static const char* const kHosts[] = {"Host", "connection", "Transfer-Encoding", "upgrade", "keep-alive"};
  for (int i = 0; i < 5; ++i) FAILS(1, kForbidden, H(fields_append)(f, TEXT(kHosts[i]), TEXT("x"), A));
  WORKS(H(fields_delete)(f, TEXT("X-one"), A));
  CHECK(!H(fields_has)(f, TEXT("x-one")));
  const struct { int32_t name[2], value[2]; } entry = {{P("a"), 1}, {P("b"), 1}}, bad = {{P("host"), 4}, {P("b"), 1}};
  WORKS(H(fields_from_list)(P(&entry), 1, A));
  const int32_t made = answer.word[0];
  FAILS(4, kForbidden, H(fields_from_list)(P(&bad), 1, A));

  // A message's own are for good; a clone is not.
  const int32_t request = H(outgoing_request)(made);
  const int32_t own = H(outgoing_request_headers)(request);
  CHECK(H(fields_has)(own, TEXT("A")));
  FAILS(1, kImmutable, H(fields_append)(own, TEXT("c"), TEXT("d"), A));
  FAILS(1, kImmutable, H(fields_delete)(own, TEXT("a"), A));
  const int32_t copy = H(fields_clone)(own);
  WORKS(H(fields_append)(copy, TEXT("c"), TEXT("d"), A));
  drop_fields(own);
  drop_fields(copy);

  CHECK(H(outgoing_request_set_method)(request, 9, TEXT("no method")) == 1);
  CHECK(H(outgoing_request_set_method)(request, 9, TEXT("PURGE")) == 0);
  CHECK(H(outgoing_request_set_path_with_query)(request, 1, TEXT("/a b")) == 1);
  CHECK(H(outgoing_request_set_path_with_query)(request, 1, TEXT("/a\r\nb")) == 1);
  CHECK(H(outgoing_request_set_path_with_query)(request, 1, TEXT("/a?b=%20")) == 0);
  CHECK(H(outgoing_request_set_authority)(request, 1, TEXT("a b")) == 1);
  CHECK(H(outgoing_request_set_authority)(request, 1, TEXT("a/b")) == 1);
  CHECK(H(outgoing_request_set_scheme)(request, 1, 2, TEXT("")) == 1);
  CHECK(H(outgoing_request_set_scheme)(request, 1, 2, TEXT("ftp")) == 0);
  ARENA();
  H(outgoing_request_path_with_query)(request, A);
  CHECK(answer.bytes[0] == 1 && answer.word[1] == 8);
  WORKS(H(outgoing_request_body)(request, A));
  drop_outgoing_body(answer.word[0]);
  H(outgoing_request_body)(request, A);
  CHECK(answer.bytes[0] == 1);
  drop_outgoing_request(request);

  const int32_t response = H(outgoing_response)(f);
  CHECK(H(outgoing_response_status_code)(response) == 200);
  CHECK(H(outgoing_response_set_status_code)(response, 99) == 1 && H(outgoing_response_set_status_code)(response, 404) == 0);
  CHECK(H(outgoing_response_status_code)(response) == 404);
  drop_outgoing_response(response);
  const int32_t options = H(request_options)();
  H(request_options_connect_timeout)(options, A);
  CHECK(answer.bytes[0] == 0);
  CHECK(H(request_options_set_connect_timeout)(options, 1, 5) == 0);
  H(request_options_connect_timeout)(options, A);
  CHECK(answer.bytes[0] == 1 && answer.numbers[0] == 5);
  drop_request_options(options);
}

static int32_t make_request(const char* authority, int method, const char* path, int32_t fields) {
  const int32_t r = H(outgoing_request)(fields);
  CHECK(H(outgoing_request_set_method)(r, method, 0, 0) == 0);
  CHECK(H(outgoing_request_set_scheme)(r, 1, 0, 0, 0) == 0);
  CHECK(H(outgoing_request_set_authority)(r, 1, TEXT(authority)) == 0);
  CHECK(H(outgoing_request_set_path_with_query)(r, 1, TEXT(path)) == 0);
  return r;
}
static int32_t send(int32_t request) {
  WORKS(http_outgoing_handler_handle(request, 0, 0, A));
  return answer.word8[0];
}
static void wait_for(int32_t pollable) {
  io_poll_pollable_block(pollable);
  drop_pollable(pollable);
}
// The response, or in *error what the case of the error is.
static int32_t receive(int32_t future, int* error) {
  wait_for(H(future_incoming_response_subscribe)(future));
  ARENA();
  H(future_incoming_response_get)(future, A);
  CHECK(answer.bytes[0] == 1 && answer.bytes[8] == 0);
  const int failed = answer.bytes[16];
  const int32_t response = answer.word8[4];
  if (failed) *error = answer.bytes[24];
  if (!failed) {
    H(future_incoming_response_get)(future, A);
    CHECK(answer.bytes[0] == 1 && answer.bytes[8] == 1);  // once only
  }
  drop_future_incoming_response(future);
  return failed ? -1 : response;
}
static int32_t body_of(int32_t response) {
  WORKS(H(incoming_response_consume)(response, A));
  const int32_t body = answer.word[0];
  H(incoming_response_consume)(response, A);
  CHECK(answer.bytes[0] == 1);
  return body;
}

static char text[1 << 16];
// Reads a body to its end; what the stream ended with: -1, or the case of the error.
static int read_all(int32_t body, size_t* size) {
  WORKS(H(incoming_body_stream)(body, A));
  const int32_t stream = answer.word[0];
  *size = 0;
  for (;;) {
    ARENA();
    io_streams_input_stream_blocking_read(stream, 40000, A);
    if (answer.bytes[0] == 1) break;
    for (int32_t i = 0; i < answer.word[1]; ++i) {
      if (*size + (size_t)i < sizeof text) text[*size + (size_t)i] = ((char*)(uintptr_t)answer.word[0])[i];
    }
    *size += (size_t)answer.word[1];
  }
  int result = -1;
  if (answer.bytes[4] == 0) {
    const int32_t error = answer.word[1];
    ARENA();
    H(http_error_code)(error, A);
    CHECK(answer.bytes[0] == 1);
    result = answer.bytes[8];
    drop_error(error);
  }
  drop_input_stream(stream);
  return result;
}

static void get(const char* path, int status, const char* wanted, const char* trailer) {
  int error = -1;
  const int32_t response = receive(send(make_request(server, 0, path, H(fields)())), &error);
  if (response < 0) FAIL("%s: error %d", path, error);
  CHECK(H(incoming_response_status)(response) == status);
  const int32_t body = body_of(response);
  size_t size;
  const int ended = read_all(body, &size);
  if (ended != -1 || size != strlen(wanted) || memcmp(text, wanted, size) != 0)
    FAIL("%s: ended %d, %d bytes: %.*s", path, ended, (int)size, (int)size, text);
  const int32_t trailers = H(incoming_body_finish)(body);
  wait_for(H(future_trailers_subscribe)(trailers));
  ARENA();
  H(future_trailers_get)(trailers, A);
  CHECK(answer.bytes[0] == 1 && answer.bytes[8] == 0 && answer.bytes[16] == 0);
  CHECK(answer.bytes[24] == (trailer != NULL));
  if (trailer != NULL) {
    const int32_t fields = answer.word[6];
    CHECK(H(fields_has)(fields, TEXT(trailer)));
    drop_fields(fields);
  }
  drop_future_trailers(trailers);
  const int32_t fields = H(incoming_response_headers)(response);
  CHECK(H(fields_has)(fields, TEXT("x-answer")));
  drop_fields(fields);
  drop_incoming_response(response);
}
// A request that gets no response.
static void get_error(const char* authority, const char* path, int wanted) {
  int error = -1;
  const int32_t response = receive(send(make_request(authority, 0, path, H(fields)())), &error);
  if (response >= 0 || error != wanted) FAIL("%s: error %d, not %d", path, error, wanted);
}
// One whose body ends too soon.
static void get_cut(const char* path, int wanted) {
  int error = -1;
  const int32_t response = receive(send(make_request(server, 0, path, H(fields)())), &error);
  if (response < 0) FAIL("%s: error %d", path, error);
  const int32_t body = body_of(response);
  size_t size;
  const int ended = read_all(body, &size);
  if (ended != wanted) FAIL("%s: ended %d, not %d", path, ended, wanted);
  drop_incoming_body(body);
  drop_incoming_response(response);
}

// Sends more than any buffer holds, and reads it back at the same time.
static void echo(int has_length) {
  const uint64_t total = 3 << 20;
  const int32_t fields = H(fields)();
  char length[20];
  snprintf(length, sizeof length, "%d", 3 << 20);
  if (has_length) WORKS(H(fields_append)(fields, TEXT("content-length"), TEXT(length), A));
  const int32_t request = make_request(server, 2, "/echo", fields);
  WORKS(H(outgoing_request_body)(request, A));
  const int32_t body = answer.word[0];
  WORKS(H(outgoing_body_write)(body, A));
  const int32_t out = answer.word[0];
  const int32_t future = send(request);
  const int32_t room = io_streams_output_stream_subscribe(out);
  static uint8_t block[65536];
  uint64_t sent = 0;
  while (sent < total) {
    WORKS(io_streams_output_stream_check_write(out, A));
    uint64_t n = answer.number < total - sent ? answer.number : total - sent;
    if (n == 0) {
      io_poll_pollable_block(room);
      continue;
    }
    for (uint64_t i = 0; i < n; ++i) block[i] = (uint8_t)((sent + i) % 253);
    WORKS(io_streams_output_stream_write(out, P(block), (int32_t)n, A));
    sent += n;
  }
  WORKS(io_streams_output_stream_blocking_flush(out, A));
  drop_pollable(room);
  drop_output_stream(out);
  WORKS(H(outgoing_body_finish)(body, 0, 0, A));
  int error = -1;
  const int32_t response = receive(future, &error);
  if (response < 0) FAIL("echo: error %d", error);
  const int32_t incoming = body_of(response);
  WORKS(H(incoming_body_stream)(incoming, A));
  const int32_t in = answer.word[0];
  uint64_t got = 0;
  for (;;) {
    ARENA();
    io_streams_input_stream_blocking_read(in, 100000, A);
    if (answer.bytes[0] == 1) break;
    for (int32_t i = 0; i < answer.word[1]; ++i)
      CHECK(((uint8_t*)(uintptr_t)answer.word[0])[i] == (uint8_t)((got + (uint64_t)i) % 253));
    got += (uint64_t)answer.word[1];
  }
  CHECK(answer.bytes[4] == 1 && got == total);
  drop_input_stream(in);
  drop_incoming_body(incoming);
  drop_incoming_response(response);
}

static void refused(const char* nobody) {
  const int32_t elsewhere = make_request("192.0.2.1", 0, "/", H(fields)());
  FAILS(8, kDenied, http_outgoing_handler_handle(elsewhere, 0, 0, A));
  FAILS(8, kDenied, http_outgoing_handler_handle(make_request("example.org", 0, "/", H(fields)()), 0, 0, A));
  FAILS(8, kUriInvalid, http_outgoing_handler_handle(make_request("a@b", 0, "/", H(fields)()), 0, 0, A));
  FAILS(8, kUriInvalid, http_outgoing_handler_handle(make_request("a:x", 0, "/", H(fields)()), 0, 0, A));
  FAILS(8, kUriInvalid, http_outgoing_handler_handle(H(outgoing_request)(H(fields)()), 0, 0, A));
  const int32_t other = make_request(server, 0, "/", H(fields)());
  CHECK(H(outgoing_request_set_scheme)(other, 1, 2, TEXT("ftp")) == 0);
  FAILS(8, kProtocol, http_outgoing_handler_handle(other, 0, 0, A));
  const int32_t connect = make_request(server, 5, "/", H(fields)());
  FAILS(8, kDenied, http_outgoing_handler_handle(connect, 0, 0, A));
  // A length that is none, or without a body.
  for (int i = 0; i < 2; ++i) {
    const int32_t fields = H(fields)();
    WORKS(H(fields_append)(fields, TEXT("content-length"), TEXT(i ? "x" : "5"), A));
    FAILS(8, kBodySize, http_outgoing_handler_handle(make_request(server, 2, "/echo", fields), 0, 0, A));
  }
  get_error(nobody, "/", kRefused);

  // A body that is not what was announced: too long, too short, given up.
  for (int i = 0; i < 3; ++i) {
    const int32_t fields = H(fields)();
    WORKS(H(fields_append)(fields, TEXT("content-length"), TEXT("5"), A));
    const int32_t request = make_request(server, 2, "/echo", fields);
    WORKS(H(outgoing_request_body)(request, A));
    const int32_t body = answer.word[0];
    WORKS(H(outgoing_body_write)(body, A));
    const int32_t out = answer.word[0];
    H(outgoing_body_write)(body, A);
    CHECK(answer.bytes[0] == 1);
    const int32_t future = send(request);
    WORKS(io_streams_output_stream_check_write(out, A));
    if (i == 0) {
      io_streams_output_stream_write(out, TEXT("123456"), A);
      CHECK(answer.bytes[0] == 1 && answer.bytes[4] == 0);
      drop_error(answer.word[1]);
    } else {
      WORKS(io_streams_output_stream_write(out, TEXT("1234"), A));
    }
    drop_output_stream(out);
    if (i < 2) {
      FAILS(8, kBodySize, H(outgoing_body_finish)(body, 0, 0, A));
    } else {
      drop_outgoing_body(body);
    }
    int error = -1;
    const int32_t response = receive(future, &error);
    if (response >= 0 || error != kTerminated) FAIL("case %d: response %d, error %d", i, response, error);
  }
}

static void slow(void) {
  const int32_t options = H(request_options)();
  CHECK(H(request_options_set_first_byte_timeout)(options, 1, 100000000) == 0);
  const int64_t before = clocks_monotonic_clock_now();
  WORKS(http_outgoing_handler_handle(make_request(server, 0, "/silent", H(fields)()), 1, options, A));
  int error = -1;
  CHECK(receive(answer.word8[0], &error) < 0 && error == kReadTimeout);
  const int64_t spent = clocks_monotonic_clock_now() - before;
  CHECK(spent >= 100000000 && spent < 5000000000);
  // One that is dropped is not waited for.
  drop_future_incoming_response(send(make_request(server, 0, "/silent", H(fields)())));
}

int main(int argc, char** argv) {
  CHECK(argc == 3);
  server = argv[1];
  headers();
  get("/length", 200, "hello", NULL);
  get("/chunked", 201, "hello in chunks", NULL);
  get("/trailers", 200, "hello", "X-After");
  get("/close", 200, "until the end", NULL);
  get("/hints", 200, "after hints", NULL);
  get("/nothing", 204, "", NULL);
  get_cut("/cut-length", kIncomplete);
  get_cut("/cut-chunk", kIncomplete);
  get_cut("/bad-chunk", kProtocol);
  get_error(server, "/garbage", kProtocol);
  get_error(server, "/fold", kProtocol);
  get_error(server, "/two-lengths", kProtocol);
  get_error(server, "/gzip", kCoding);
  get_error(server, "/cut-head", kIncomplete);
  get_error(server, "/endless-head", kHeadSize);
  echo(0);
  echo(1);
  refused(argv[2]);
  slow();
  puts("done");
  return 0;
}
