// wasi:io, clocks, random and cli: streams that are pipes, waiting, time. Standard input brings "input" and its end;
// what comes after the name says which of a guest's mistakes to make, each of which traps.
#include "answers.h"

static Answer answer;

static void time_passes(void) {
  const uint64_t before = (uint64_t)clocks_monotonic_clock_now();
  CHECK(clocks_monotonic_clock_resolution() > 0);
  const int32_t soon = clocks_monotonic_clock_subscribe_duration(20000000);
  const int32_t never = clocks_monotonic_clock_subscribe_duration(-1);
  const int32_t past = clocks_monotonic_clock_subscribe_instant(1);
  CHECK(!io_poll_pollable_ready(soon) && io_poll_pollable_ready(past) && !io_poll_pollable_ready(never));
  int32_t list[2];
  const int32_t all[4] = {never, past, soon, past};
  ARENA();
  io_poll_poll(P(all), 4, P(list));
  const uint32_t* ready = (void*)(uintptr_t)list[0];
  CHECK(list[1] == 2 && ready[0] == 1 && ready[1] == 3);
  const int32_t two[2] = {never, soon};
  ARENA();
  io_poll_poll(P(two), 2, P(list));
  ready = (void*)(uintptr_t)list[0];
  CHECK(list[1] == 1 && ready[0] == 1);
  CHECK((uint64_t)clocks_monotonic_clock_now() - before >= 20000000);
  io_poll_pollable_block(soon);
  drop_pollable(soon);
  drop_pollable(never);
  drop_pollable(past);
  struct { _Alignas(8) uint64_t seconds; uint32_t nanoseconds; } now;
  clocks_wall_clock_now(P(&now));
  CHECK(now.seconds > 1700000000 && now.nanoseconds < 1000000000);
  clocks_wall_clock_resolution(P(&now));
  CHECK(now.seconds == 0 && now.nanoseconds > 0);
}

static void numbers(void) {
  CHECK(random_random_get_random_u64() != random_random_get_random_u64());
  CHECK(random_insecure_get_insecure_random_u64() != random_insecure_get_insecure_random_u64());
  uint64_t seed[2];
  random_insecure_seed_insecure_seed(P(seed));
  CHECK(seed[0] != seed[1]);
  int32_t list[2];
  ARENA();
  random_random_get_random_bytes(100000, P(list));
  CHECK(list[1] == 100000);
  int counts[256] = {0};
  for (int i = 0; i < list[1]; ++i) ++counts[((uint8_t*)(uintptr_t)list[0])[i]];
  for (int i = 0; i < 256; ++i) CHECK(counts[i] > 200 && counts[i] < 700);
  ARENA();
  random_insecure_get_insecure_random_bytes(13, P(list));
  CHECK(list[1] == 13);
  ARENA();
  random_random_get_random_bytes(0, P(list));
  CHECK(list[1] == 0);
}

static void pipes(int32_t out) {
  const int32_t in = cli_stdin_get_stdin();
  const int32_t pollable = io_streams_input_stream_subscribe(in);
  io_poll_pollable_block(pollable);
  WORKS(io_streams_input_stream_read(in, 2, A));
  CHECK(answer.word[1] == 2 && memcmp((void*)(uintptr_t)answer.word[0], "in", 2) == 0);
  WORKS(io_streams_input_stream_blocking_skip(in, 1, A));
  CHECK(answer.number == 1);
  WORKS(io_streams_output_stream_blocking_splice(out, in, 1, A));
  CHECK(answer.number == 1);
  WORKS(io_streams_input_stream_read(in, 0, A));
  WORKS(io_streams_output_stream_splice(out, in, 100, A));
  CHECK(answer.number == 1);
  io_poll_pollable_block(pollable);
  CLOSED(8, io_streams_output_stream_blocking_splice(out, in, 1, A));
  CLOSED(4, io_streams_input_stream_blocking_read(in, 1, A));
  // Children may outlive what they are of.
  drop_input_stream(in);
  CHECK(io_poll_pollable_ready(pollable));
  drop_pollable(pollable);
  int32_t terminal[2] = {0};
  cli_terminal_stdin_get_terminal_stdin(P(terminal));
  CHECK((terminal[0] & 0xFF) == 0);
  cli_terminal_stdout_get_terminal_stdout(P(terminal));
  CHECK((terminal[0] & 0xFF) == 0);
}

int main(int argc, char** argv) {
  const int32_t out = cli_stdout_get_stdout();
  const char* mistake = argc > 1 ? argv[1] : "";
  if (strcmp(mistake, "empty-poll") == 0) io_poll_poll(0, 0, A);
  if (strcmp(mistake, "unpermitted") == 0) io_streams_output_stream_write(out, TEXT("x"), A);
  if (strcmp(mistake, "too-much") == 0) {
    WORKS(io_streams_output_stream_check_write(out, A));
    io_streams_output_stream_write_zeroes(out, (int64_t)answer.number + 1, A);
  }
  if (strcmp(mistake, "blocking-too-much") == 0)
    io_streams_output_stream_blocking_write_and_flush(out, P(answer_memory), 4097, A);
  if (strcmp(mistake, "blocking-zeroes") == 0) io_streams_output_stream_blocking_write_zeroes_and_flush(out, 4097, A);
  if (strcmp(mistake, "dropped") == 0) drop_output_stream(out), io_streams_output_stream_check_write(out, A);
  if (strcmp(mistake, "another") == 0) io_streams_input_stream_read(out, 1, A);
  if (strcmp(mistake, "random") == 0) ARENA(), random_random_get_random_bytes(-1, A);
  if (*mistake != 0) FAIL("came back");
  time_passes();
  numbers();
  pipes(out);
  WORKS(io_streams_output_stream_check_write(out, A));
  CHECK(answer.number > 0);
  WORKS(io_streams_output_stream_write(out, TEXT("!"), A));
  WORKS(io_streams_output_stream_flush(out, A));
  WORKS(io_streams_output_stream_blocking_flush(out, A));
  return 0;
}
