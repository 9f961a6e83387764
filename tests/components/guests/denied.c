// What a component that is granted nothing is denied, each time with the right code.
#include "answers.h"

#define E(name) sockets_network_error_code_##name
#define V4(port, a, b, c, d) 0, port, a, b, c, d, 0, 0, 0, 0, 0, 0
#define V6(port, last) 1, port, 0, 0, 0, 0, 0, 0, 0, 0, last, 0

enum { kRequestDenied = 15 };  // wasi:http/types#error-code

static Answer answer;

int main(void) {
  int32_t list[2];
  ARENA();
  filesystem_preopens_get_directories(P(list));
  CHECK(list[1] == 0);
  ARENA();
  cli_environment_get_environment(P(list));
  CHECK(list[1] == 0);
  ARENA();
  cli_environment_get_arguments(P(list));
  CHECK(list[1] == 1);
  struct { uint8_t is_some; _Alignas(4) int32_t text[2]; } cwd;
  cli_environment_initial_cwd(P(&cwd));
  CHECK(cwd.is_some == 0);

  const int32_t network = sockets_instance_network_instance_network();
  for (int family = 0; family < 2; ++family) {
    WORKS(sockets_tcp_create_socket_create_tcp_socket(family, A));
    const int32_t tcp = answer.word[0];
    WORKS(sockets_udp_create_socket_create_udp_socket(family, A));
    const int32_t udp = answer.word[0];
    if (family == 0) {
      FAILS(1, E(access_denied), sockets_tcp_tcp_socket_start_bind(tcp, network, V4(0, 127, 0, 0, 1), A));
      FAILS(1, E(access_denied), sockets_tcp_tcp_socket_start_connect(tcp, network, V4(80, 127, 0, 0, 1), A));
      FAILS(1, E(access_denied), sockets_udp_udp_socket_start_bind(udp, network, V4(0, 0, 0, 0, 0), A));
    } else {
      FAILS(1, E(access_denied), sockets_tcp_tcp_socket_start_bind(tcp, network, V6(0, 1), A));
      FAILS(1, E(access_denied), sockets_tcp_tcp_socket_start_connect(tcp, network, V6(80, 1), A));
      FAILS(1, E(access_denied), sockets_udp_udp_socket_start_bind(udp, network, V6(0, 0), A));
    }
    FAILS(4, E(invalid_state), sockets_udp_udp_socket_stream(udp, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, A));
    drop_tcp_socket(tcp);
    drop_udp_socket(udp);
  }
  FAILS(4, E(access_denied), sockets_ip_name_lookup_resolve_addresses(network, TEXT("localhost"), A));
  FAILS(4, E(access_denied), sockets_ip_name_lookup_resolve_addresses(network, TEXT("example.org"), A));
  // Under other names the same: an IPv4 address within IPv6, any address, and a broadcast.
  WORKS(sockets_tcp_create_socket_create_tcp_socket(1, A));
  const int32_t mapped = answer.word[0];
  FAILS(1, E(invalid_argument), sockets_tcp_tcp_socket_start_connect(mapped, network, 1, 80, 0, 0, 0, 0, 0, 0, 0xffff,
                                                                     0x7f00, 1, 0, A));
  drop_tcp_socket(mapped);
  WORKS(sockets_tcp_create_socket_create_tcp_socket(0, A));
  const int32_t any = answer.word[0];
  FAILS(1, E(invalid_argument), sockets_tcp_tcp_socket_start_connect(any, network, V4(80, 0, 0, 0, 0), A));
  FAILS(1, E(access_denied), sockets_tcp_tcp_socket_start_bind(any, network, V4(0, 0, 0, 0, 0), A));
  FAILS(1, E(invalid_state), sockets_tcp_tcp_socket_start_listen(any, A));
  drop_tcp_socket(any);
  drop_network(network);

  // Requests: to a name, to this machine, and with a scheme that is encrypted.
  static const char* const kHosts[] = {"example.org", "127.0.0.1", "127.0.0.1:80", "localhost:8080", "[::1]"};
  for (int i = 0; i < 5; ++i) {
    const int32_t request = http_types_outgoing_request(http_types_fields());
    CHECK(http_types_outgoing_request_set_authority(request, 1, TEXT(kHosts[i])) == 0);
    CHECK(http_types_outgoing_request_set_scheme(request, 1, i == 0, TEXT("")) == 0);
    FAILS(8, kRequestDenied, http_outgoing_handler_handle(request, 0, 0, A));
  }

  // No terminal is there, as the streams are pipes.
  int32_t terminal[2];
  cli_terminal_stdin_get_terminal_stdin(P(terminal));
  CHECK((terminal[0] & 0xFF) == 0);
  cli_terminal_stdout_get_terminal_stdout(P(terminal));
  CHECK((terminal[0] & 0xFF) == 0);
  cli_terminal_stderr_get_terminal_stderr(P(terminal));
  CHECK((terminal[0] & 0xFF) == 0);
  puts("done");
  return 0;
}
