// Takes all it can get of one thing. The host must end it, or refuse, before it runs out itself.
#include "answers.h"

static Answer answer;

int main(int argc, char** argv) {
  CHECK(argc == 2);
  if (strcmp(argv[1], "handles") == 0) {
    for (;;) clocks_monotonic_clock_subscribe_duration(-1);
  }
  if (strcmp(argv[1], "poll") == 0) {
    enum { kMany = 1 << 19 };
    static int32_t many[kMany];
    const int32_t past = clocks_monotonic_clock_subscribe_duration(0);
    for (int i = 0; i < kMany; ++i) many[i] = past;
    ARENA();
    io_poll_poll(P(many), kMany, P(&answer));
    FAIL("came back");
  }
  if (strcmp(argv[1], "headers") == 0) {
    const int32_t fields = http_types_fields();
    for (;;) WORKS(http_types_fields_append(fields, TEXT("name"), TEXT("value"), A));
  }
  if (strcmp(argv[1], "list") == 0) {
    // Two million pairs that are all empty.
    static uint8_t pairs[16 << 21];
    ARENA();
    http_types_fields_from_list(P(pairs), 1 << 21, A);
    FAIL("came back");
  }
  if (strcmp(argv[1], "sockets") == 0) {
    int made = 0;
    for (;; ++made) {
      ARENA();
      sockets_tcp_create_socket_create_tcp_socket(0, A);
      if (answer.is_error) break;
    }
    CHECK(answer.code4 == sockets_network_error_code_new_socket_limit);
    printf("%d\n", made);
    // What is left is enough for the host to go on.
    int32_t list[2];
    ARENA();
    filesystem_preopens_get_directories(P(list));
    const int32_t root = *(int32_t*)(uintptr_t)list[0];
    WORKS(filesystem_types_descriptor_create_directory_at(root, TEXT("d"), A));
    WORKS(filesystem_types_descriptor_stat_at(root, 1, TEXT("d/."), A));
    return 0;
  }
  return 1;
}
