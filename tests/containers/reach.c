// Says what a component may do with the network: each line what, and whether it is denied.
#include "answers.h"

#define V4(port, a, b, c, d) 0, port, a, b, c, d, 0, 0, 0, 0, 0, 0
#define DENIED sockets_network_error_code_access_denied

static Answer answer;

// The answer of a call without a value: whether it failed, then with which code.
static void say(const char* what) {
  printf("%s %s\n", what, answer.bytes[0] == 1 && answer.bytes[1] == DENIED ? "denied" : "allowed");
}

static int32_t tcp(void) {
  WORKS(sockets_tcp_create_socket_create_tcp_socket(0, A));
  return answer.word[0];
}

int main(void) {
  const int32_t network = sockets_instance_network_instance_network();
  sockets_tcp_tcp_socket_start_connect(tcp(), network, V4(9, 127, 0, 0, 1), A);
  say("connect 127.0.0.1:9");
  sockets_tcp_tcp_socket_start_connect(tcp(), network, V4(80, 192, 0, 2, 1), A);
  say("connect 192.0.2.1:80");
  sockets_tcp_tcp_socket_start_bind(tcp(), network, V4(8080, 0, 0, 0, 0), A);
  say("listen 0.0.0.0:8080");
  WORKS(sockets_udp_create_socket_create_udp_socket(0, A));
  sockets_udp_udp_socket_start_bind(answer.word[0], network, V4(5353, 0, 0, 0, 0), A);
  say("bind 0.0.0.0:5353");
  return 0;
}
