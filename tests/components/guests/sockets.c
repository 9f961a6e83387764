// wasi:sockets over loopback: what each call does, and what it fails with. Given are --tcp-listen 127.0.0.1:0 and
// [::1]:0, --allow-net 127.0.0.1, [::1] and localhost, --udp-bind 127.0.0.1:0.
#include "answers.h"

#define E(name) sockets_network_error_code_##name
#define T(name) sockets_tcp_tcp_socket_##name
#define U(name) sockets_udp_udp_socket_##name

static Answer answer;
static int32_t network;

// The twelve core values of an ip-socket-address.
#define V4(port, a, b, c, d) 0, port, a, b, c, d, 0, 0, 0, 0, 0, 0
#define LOOPBACK(port) V4(port, 127, 0, 0, 1)
#define LOOPBACK6(port) 1, port, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0
#define MAPPED(port) 1, port, 0, 0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1, 0

enum { kV4 = 0, kV6 = 1 };

static int32_t tcp(int family) {
  WORKS(sockets_tcp_create_socket_create_tcp_socket(family, A));
  return answer.word[0];
}
static int32_t udp(int family) {
  WORKS(sockets_udp_create_socket_create_udp_socket(family, A));
  return answer.word[0];
}
static void wait_for(int32_t pollable) {
  io_poll_pollable_block(pollable);
  drop_pollable(pollable);
}
// Port in the answer of local-address: after the case of the result and of the variant, both aligned to 4.
static uint16_t port_in_answer(void) {
  uint16_t port;
  memcpy(&port, answer.bytes + 8, 2);
  return port;
}

static uint16_t listen_at_loopback(int32_t s, int family) {
  if (family == kV4) {
    WORKS(T(start_bind)(s, network, LOOPBACK(0), A));
    FAILS(1, E(concurrency_conflict), T(start_bind)(s, network, LOOPBACK(0), A));
  } else {
    WORKS(T(start_bind)(s, network, LOOPBACK6(0), A));
  }
  FAILS(4, E(concurrency_conflict), T(local_address)(s, A));
  FAILS(1, E(concurrency_conflict), T(start_listen)(s, A));
  WORKS(T(finish_bind)(s, A));
  FAILS(1, E(not_in_progress), T(finish_bind)(s, A));
  WORKS(T(set_listen_backlog_size)(s, 5, A));
  WORKS(T(start_listen)(s, A));
  CHECK(!T(is_listening)(s));
  WORKS(T(finish_listen)(s, A));
  FAILS(1, E(not_in_progress), T(finish_listen)(s, A));
  CHECK(T(is_listening)(s) && T(address_family)(s) == family);
  WORKS(T(local_address)(s, A));
  return port_in_answer();
}

static void connection(int family) {
  const int32_t listener = tcp(family), client = tcp(family);
  const uint16_t port = listen_at_loopback(listener, family);
  CHECK(port != 0);
  FAILS(4, E(would_block), T(accept)(listener, A));
  FAILS(4, E(not_in_progress), T(finish_connect)(client, A));
  if (family == kV4) {
    WORKS(T(start_connect)(client, network, LOOPBACK(port), A));
  } else {
    WORKS(T(start_connect)(client, network, LOOPBACK6(port), A));
  }
  wait_for(T(subscribe)(client));
  WORKS(T(finish_connect)(client, A));
  const int32_t in = answer.word[0], out = answer.word[1];
  FAILS(1, E(invalid_state), T(start_connect)(client, network, LOOPBACK(port), A));
  FAILS(1, E(invalid_state), T(start_listen)(client, A));
  FAILS(1, E(invalid_state), T(set_listen_backlog_size)(client, 5, A));
  wait_for(T(subscribe)(listener));
  WORKS(T(accept)(listener, A));
  const int32_t server = answer.word[0], server_in = answer.word[1], server_out = answer.word[2];
  WORKS(T(remote_address)(client, A));
  CHECK(port_in_answer() == port && answer.bytes[4] == family);
  FAILS(4, E(invalid_state), T(remote_address)(listener, A));
  FAILS(4, E(invalid_state), T(accept)(server, A));

  // Both ways, more than the sockets' buffers hold.
  WORKS(io_streams_input_stream_read(server_in, 10, A));
  CHECK(answer.word[1] == 0);
  WORKS(io_streams_output_stream_blocking_write_and_flush(out, TEXT("hello"), A));
  WORKS(io_streams_input_stream_blocking_read(server_in, 10, A));
  CHECK(answer.word[1] == 5 && memcmp((void*)(uintptr_t)answer.word[0], "hello", 5) == 0);
  static uint8_t block[65536];
  uint64_t sent = 0, received = 0;
  const uint64_t total = 8 << 20;
  const int32_t can_write = io_streams_output_stream_subscribe(server_out);
  const int32_t can_read = io_streams_input_stream_subscribe(in);
  int is_shut = 0, refused = 0;
  while (received < total) {
    if (sent < total) {
      WORKS(io_streams_output_stream_check_write(server_out, A));
      const uint64_t permit = answer.number < sizeof block ? answer.number : sizeof block;
      for (uint64_t i = 0; i < permit; ++i) block[i] = (uint8_t)((sent + i) % 251);
      if (permit > 0) WORKS(io_streams_output_stream_write(server_out, P(block), (int32_t)permit, A));
      sent += permit;
    } else if (!is_shut) {
      is_shut = 1;
      WORKS(T(shutdown)(server, sockets_tcp_shutdown_type_send, A));
      CLOSED(8, io_streams_output_stream_check_write(server_out, A));
    }
    // Reads only when it cannot write, so that the buffers fill.
    if (sent < total) {
      if (io_poll_pollable_ready(can_write)) continue;
      ++refused;
    }
    int32_t list[2];
    const int32_t both[2] = {can_read, can_write};
    ARENA();
    io_poll_poll(P(both), sent < total ? 2 : 1, P(list));
    WORKS(io_streams_input_stream_read(in, sizeof answer_memory, A));
    const uint8_t* bytes = (void*)(uintptr_t)answer.word[0];
    for (int32_t i = 0; i < answer.word[1]; ++i) CHECK(bytes[i] == (uint8_t)((received + (uint64_t)i) % 251));
    received += (uint64_t)answer.word[1];
  }
  CHECK(received == total && refused > 0);
  wait_for(io_streams_input_stream_subscribe(in));
  CLOSED(4, io_streams_input_stream_read(in, 1, A));
  WORKS(T(shutdown)(client, sockets_tcp_shutdown_type_both, A));
  wait_for(io_streams_input_stream_subscribe(server_in));
  CLOSED(4, io_streams_input_stream_read(server_in, 1, A));
  drop_pollable(can_read);
  drop_pollable(can_write);
  drop_input_stream(in);
  drop_output_stream(out);
  drop_input_stream(server_in);
  drop_output_stream(server_out);
  drop_tcp_socket(client);
  drop_tcp_socket(server);
  drop_tcp_socket(listener);
}

static void options(void) {
  const int32_t s = tcp(kV4);
  WORKS(T(set_keep_alive_enabled)(s, 1, A));
  WORKS(T(keep_alive_enabled)(s, A));
  CHECK(answer.code1 == 1);
#define TIMES(name)                                                     \
  FAILS(1, E(invalid_argument), T(set_##name)(s, 0, A));                \
  WORKS(T(set_##name)(s, 7000000001, A));                               \
  WORKS(T(name)(s, A));                                                 \
  CHECK(answer.number == 8000000000);                                   \
  WORKS(T(set_##name)(s, INT64_MAX, A));
  TIMES(keep_alive_idle_time)
  TIMES(keep_alive_interval)
  FAILS(1, E(invalid_argument), T(set_keep_alive_count)(s, 0, A));
  WORKS(T(set_keep_alive_count)(s, 1000, A));
  WORKS(T(keep_alive_count)(s, A));
  CHECK(answer.word[0] == 127);
  FAILS(1, E(invalid_argument), T(set_hop_limit)(s, 0, A));
  WORKS(T(set_hop_limit)(s, 42, A));
  WORKS(T(hop_limit)(s, A));
  CHECK(answer.code1 == 42);
  FAILS(1, E(invalid_argument), T(set_receive_buffer_size)(s, 0, A));
  WORKS(T(set_receive_buffer_size)(s, 65536, A));
  WORKS(T(receive_buffer_size)(s, A));
  CHECK(answer.number == 65536);
  FAILS(1, E(invalid_argument), T(set_send_buffer_size)(s, 0, A));
  WORKS(T(set_send_buffer_size)(s, 65536, A));
  WORKS(T(send_buffer_size)(s, A));
  CHECK(answer.number == 65536);
  FAILS(1, E(invalid_argument), T(set_listen_backlog_size)(s, 0, A));
  const int32_t u = udp(kV6);
  FAILS(1, E(invalid_argument), U(set_unicast_hop_limit)(u, 0, A));
  WORKS(U(set_unicast_hop_limit)(u, 9, A));
  WORKS(U(unicast_hop_limit)(u, A));
  CHECK(answer.code1 == 9 && U(address_family)(u) == kV6);
  FAILS(1, E(invalid_argument), U(set_send_buffer_size)(u, 0, A));
  FAILS(1, E(invalid_argument), U(set_receive_buffer_size)(u, 0, A));
  WORKS(U(send_buffer_size)(u, A));
  WORKS(U(receive_buffer_size)(u, A));
  drop_udp_socket(u);
  drop_tcp_socket(s);
}

static void wrong_tcp(void) {
  const int32_t s = tcp(kV4), s6 = tcp(kV6);
  FAILS(4, E(invalid_state), T(local_address)(s, A));
  FAILS(4, E(invalid_state), T(remote_address)(s, A));
  FAILS(1, E(invalid_state), T(start_listen)(s, A));
  FAILS(4, E(invalid_state), T(accept)(s, A));
  FAILS(1, E(invalid_state), T(shutdown)(s, 0, A));
  FAILS(1, E(not_in_progress), T(finish_listen)(s, A));
  // Addresses of the wrong kind.
  FAILS(1, E(invalid_argument), T(start_bind)(s, network, LOOPBACK6(0), A));
  FAILS(1, E(invalid_argument), T(start_bind)(s6, network, LOOPBACK(0), A));
  FAILS(1, E(invalid_argument), T(start_bind)(s6, network, MAPPED(0), A));
  FAILS(1, E(invalid_argument), T(start_bind)(s, network, V4(0, 224, 0, 0, 1), A));
  FAILS(1, E(invalid_argument), T(start_bind)(s, network, V4(0, 255, 255, 255, 255), A));
  FAILS(1, E(invalid_argument), T(start_connect)(s, network, LOOPBACK6(80), A));
  FAILS(1, E(invalid_argument), T(start_connect)(s6, network, MAPPED(80), A));
  FAILS(1, E(invalid_argument), T(start_connect)(s, network, V4(80, 0, 0, 0, 0), A));
  FAILS(1, E(invalid_argument), T(start_connect)(s, network, LOOPBACK(0), A));
  FAILS(1, E(invalid_argument), T(start_connect)(s, network, V4(80, 224, 0, 0, 1), A));
  // Not granted.
  FAILS(1, E(access_denied), T(start_bind)(s, network, LOOPBACK(1), A));
  FAILS(1, E(access_denied), T(start_connect)(s, network, V4(80, 192, 0, 2, 1), A));
  // Nobody listens at a port that was bound and is free again.
  WORKS(T(start_bind)(s, network, LOOPBACK(0), A));
  WORKS(T(finish_bind)(s, A));
  WORKS(T(local_address)(s, A));
  const uint16_t port = port_in_answer();
  const int32_t c = tcp(kV4);
  WORKS(T(start_connect)(c, network, LOOPBACK(port), A));
  FAILS(1, E(concurrency_conflict), T(start_connect)(c, network, LOOPBACK(port), A));
  wait_for(T(subscribe)(c));
  FAILS(4, E(connection_refused), T(finish_connect)(c, A));
  FAILS(4, E(not_in_progress), T(finish_connect)(c, A));
  FAILS(1, E(invalid_state), T(start_connect)(c, network, LOOPBACK(port), A));
  drop_tcp_socket(c);
  drop_tcp_socket(s);
  drop_tcp_socket(s6);
}

typedef struct {
  int32_t data, size;
  uint8_t is_some;
  _Alignas(4) uint8_t family;
  _Alignas(4) uint16_t port;
  uint8_t address[4];
  uint8_t rest[22];
} Outgoing;
_Static_assert(sizeof(Outgoing) == 44, "outgoing-datagram");

static void datagrams(void) {
  const int32_t server = udp(kV4), client = udp(kV4);
  FAILS(4, E(invalid_state), U(stream)(server, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, A));
  FAILS(4, E(invalid_state), U(local_address)(server, A));
  FAILS(1, E(invalid_argument), U(start_bind)(server, network, LOOPBACK6(0), A));
  FAILS(1, E(access_denied), U(start_bind)(server, network, V4(53, 0, 0, 0, 0), A));
  WORKS(U(start_bind)(server, network, LOOPBACK(0), A));
  FAILS(1, E(concurrency_conflict), U(start_bind)(server, network, LOOPBACK(0), A));
  WORKS(U(finish_bind)(server, A));
  FAILS(1, E(not_in_progress), U(finish_bind)(server, A));
  FAILS(1, E(invalid_state), U(start_bind)(server, network, LOOPBACK(0), A));
  WORKS(U(local_address)(server, A));
  const uint16_t port = port_in_answer();
  FAILS(4, E(invalid_state), U(remote_address)(server, A));
  WORKS(U(stream)(server, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, A));
  const int32_t server_in = answer.word[0], server_out = answer.word[1];

  WORKS(U(start_bind)(client, network, V4(0, 0, 0, 0, 0), A));
  WORKS(U(finish_bind)(client, A));
  FAILS(4, E(invalid_argument), U(stream)(client, 1, LOOPBACK(0), A));
  FAILS(4, E(invalid_argument), U(stream)(client, 1, LOOPBACK6(port), A));
  FAILS(4, E(access_denied), U(stream)(client, 1, V4(53, 192, 0, 2, 1), A));
  WORKS(U(stream)(client, 1, LOOPBACK(port), A));
  const int32_t client_in = answer.word[0], client_out = answer.word[1];
  WORKS(U(remote_address)(client, A));
  CHECK(port_in_answer() == port);

  Outgoing out[3] = {{.data = P("first"), .size = 5}, {.data = P("second"), .size = 6}, {.data = P(""), .size = 0}};
  WORKS(sockets_udp_outgoing_datagram_stream_check_send(client_out, A));
  CHECK(answer.number >= 3);
  WORKS(sockets_udp_outgoing_datagram_stream_send(client_out, P(out), 3, A));
  CHECK(answer.number == 3);
  wait_for(sockets_udp_incoming_datagram_stream_subscribe(server_in));
  WORKS(sockets_udp_incoming_datagram_stream_receive(server_in, 10, A));
  CHECK(answer.word[1] == 3);
  // incoming-datagram: list, then the variant of the address.
  const struct { int32_t data, size; uint8_t family; _Alignas(4) uint16_t port; uint8_t address[4]; uint8_t rest[22]; }* in =
      (void*)(uintptr_t)answer.word[0];
  CHECK(in[0].size == 5 && memcmp((void*)(uintptr_t)in[0].data, "first", 5) == 0 && in[1].size == 6 && in[2].size == 0);
  CHECK(in[0].family == 0 && in[0].address[0] == 127 && in[0].port != 0);
  const uint16_t client_port = in[0].port;
  WORKS(sockets_udp_incoming_datagram_stream_receive(server_in, 10, A));
  CHECK(answer.word[1] == 0);
  WORKS(sockets_udp_incoming_datagram_stream_receive(server_in, 0, A));

  // The answer; and what may not be sent.
  WORKS(sockets_udp_outgoing_datagram_stream_check_send(server_out, A));
  FAILS(8, E(invalid_argument), sockets_udp_outgoing_datagram_stream_send(server_out, P(out), 1, A));
  Outgoing back = {P("back"), 4, 1, 0, client_port, {127, 0, 0, 1}, {0}};
  WORKS(sockets_udp_outgoing_datagram_stream_send(server_out, P(&back), 1, A));
  wait_for(sockets_udp_incoming_datagram_stream_subscribe(client_in));
  WORKS(sockets_udp_incoming_datagram_stream_receive(client_in, 1, A));
  CHECK(answer.word[1] == 1);
  Outgoing elsewhere = {P("x"), 1, 1, 0, 53, {192, 0, 2, 1}, {0}};
  FAILS(8, E(access_denied), sockets_udp_outgoing_datagram_stream_send(server_out, P(&elsewhere), 1, A));
  FAILS(8, E(invalid_argument), sockets_udp_outgoing_datagram_stream_send(client_out, P(&back), 1, A));
  static char big[70000];
  Outgoing large = {.data = P(big), .size = sizeof big};
  FAILS(8, E(datagram_too_large), sockets_udp_outgoing_datagram_stream_send(client_out, P(&large), 1, A));
  drop_incoming_datagram_stream(server_in);
  drop_outgoing_datagram_stream(server_out);
  drop_incoming_datagram_stream(client_in);
  drop_outgoing_datagram_stream(client_out);
  drop_udp_socket(server);
  drop_udp_socket(client);
}

static int32_t resolve(const char* name) {
  WORKS(sockets_ip_name_lookup_resolve_addresses(network, TEXT(name), A));
  return answer.word[0];
}
static void lookups(void) {
#define NEXT(stream) sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(stream, A)
  // An address is its own.
  int32_t stream = resolve("192.0.2.7");
  wait_for(sockets_ip_name_lookup_resolve_address_stream_subscribe(stream));
  WORKS(NEXT(stream));
  // option, then the variant: their alignment is 2.
  CHECK(answer.bytes[2] == 1 && answer.bytes[4] == 0 && answer.bytes[6] == 192 && answer.bytes[9] == 7);
  WORKS(NEXT(stream));
  CHECK(answer.bytes[2] == 0);
  drop_resolve_address_stream(stream);
  stream = resolve("::1");
  WORKS(NEXT(stream));
  CHECK(answer.bytes[2] == 1 && answer.bytes[4] == 1 && answer.bytes[20] == 1);
  drop_resolve_address_stream(stream);
  // A name of this machine.
  stream = resolve("localhost");
  int found = 0;
  for (;;) {
    wait_for(sockets_ip_name_lookup_resolve_address_stream_subscribe(stream));
    WORKS(NEXT(stream));
    if (answer.bytes[2] == 0) break;
    ++found;
  }
  CHECK(found >= 1);
  drop_resolve_address_stream(stream);
  FAILS(4, E(access_denied), sockets_ip_name_lookup_resolve_addresses(network, TEXT("example.org"), A));
  for (int i = 0; i < 5; ++i) {
    static const char* const kWrong[] = {"", "a b", "a..b", "http://x", "x:80"};
    FAILS(4, E(invalid_argument), sockets_ip_name_lookup_resolve_addresses(network, TEXT(kWrong[i]), A));
  }
}

// An argument says that this machine has no ::1.
int main(int argc, char** argv) {
  (void)argv;
  network = sockets_instance_network_instance_network();
  connection(kV4);
  if (argc == 1) connection(kV6);
  options();
  wrong_tcp();
  datagrams();
  lookups();
  drop_network(network);
  puts("done");
  return 0;
}
