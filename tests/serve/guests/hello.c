// The least that a request can be answered with: "hello, world\n", in a new instance each time.
#include "wasi2.h"

#define P(p) ((int32_t)(uintptr_t)(p))

static _Alignas(8) int32_t answer[8];
static const char kText[] = "hello, world\n";

void handle(int32_t request, int32_t out) {
  (void)request;
  const int32_t response = http_types_outgoing_response(http_types_fields());
  http_types_outgoing_response_body(response, P(answer));
  const int32_t body = answer[1];
  http_types_response_outparam_set(out, 0, response, 0, 0, 0, 0, 0, 0);
  http_types_outgoing_body_write(body, P(answer));
  const int32_t stream = answer[1];
  io_streams_output_stream_blocking_write_and_flush(stream, P(kText), sizeof kText - 1, P(answer));
  drop_output_stream(stream);
  http_types_outgoing_body_finish(body, 0, 0, P(answer));
}
