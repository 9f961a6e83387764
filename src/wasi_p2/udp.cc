// wasi:sockets: udp, udp-create-socket.

#include <algorithm>

#include "wasi_p2/sockets.h"

namespace berth::wasi_p2 {

struct IncomingDatagram {
  std::vector<u8> data;
  IpSocketAddress remote_address;
};
struct OutgoingDatagram {
  std::span<const u8> data;
  std::optional<IpSocketAddress> remote_address;
};

}  // namespace berth::wasi_p2

namespace berth::component {

template <>
struct HostTraits<wasi_p2::IncomingDatagram> : RecordTraits<"data remote-address", &wasi_p2::IncomingDatagram::data,
                                                            &wasi_p2::IncomingDatagram::remote_address> {};
template <>
struct HostTraits<wasi_p2::OutgoingDatagram> : RecordTraits<"data remote-address", &wasi_p2::OutgoingDatagram::data,
                                                            &wasi_p2::OutgoingDatagram::remote_address> {};

}  // namespace berth::component

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

namespace {

constexpr u64 kMaxAtOnce = 16;
constexpr size_t kMaxDatagram = 65536;
constexpr size_t kMaxPeers = 256;

class UdpSocket final : public Waitable {
 public:
  enum class Stage : u8 { Fresh, Binding, Bound, Connected };
  UdpSocket(hostio::Handle handle, bool is_v6) : handle(std::move(handle)), is_v6(is_v6) {}
  Wants wants() override { return Wants::ready(); }
  int fd() const { return handle.fd(); }
  bool is_bound() const { return stage == Stage::Bound || stage == Stage::Connected; }

  const hostio::Handle handle;
  const bool is_v6;
  Stage stage = Stage::Fresh;
  bool is_server = false;  // bound where that was granted: hears anybody, and may answer
  std::optional<hostio::SocketAddress> remote;
  std::vector<hostio::SocketAddress> peers;  // of a server: who spoke lately
  size_t next_peer = 0;
};
using Stage = UdpSocket::Stage;

class IncomingStream final : public Waitable {
 public:
  explicit IncomingStream(Ref<UdpSocket> socket) : socket(std::move(socket)) {}
  Wants wants() override { return Wants::descriptor(socket->fd(), POLLIN); }
  const Ref<UdpSocket> socket;
};
class OutgoingStream final : public Waitable {
 public:
  explicit OutgoingStream(Ref<UdpSocket> socket) : socket(std::move(socket)) {}
  Wants wants() override { return Wants::descriptor(socket->fd(), POLLOUT); }
  const Ref<UdpSocket> socket;
  u64 permit = 0;
};

Networked<Own<UdpSocket>> create_udp_socket(State& state, AddressFamily family) {
  const bool is_v6 = family == AddressFamily::Ipv6;
  auto handle = TRY(networked(hostio::make_socket(hostio::SocketKind::Udp, is_v6)));
  TRY(networked(state.check_descriptor(handle.fd())));
  return state.give(make<UdpSocket>(std::move(handle), is_v6));
}

Networked<> start_bind(State& state, Borrow<UdpSocket> self, Borrow<Network>, IpSocketAddress address) {
  if (self->stage == Stage::Binding) return refuse(NetworkError::ConcurrencyConflict);
  if (self->stage != Stage::Fresh) return refuse(NetworkError::InvalidState);
  const hostio::SocketAddress local = to_host(address);
  TRY(check_local(local, self->is_v6));
  if (!state.network.may_bind_udp(local)) return refuse(NetworkError::AccessDenied);
  TRY(networked(hostio::bind_socket(self->fd(), local, false)));
  self->is_server = state.network.may_serve_udp(local);
  self->stage = Stage::Binding;
  return {};
}
Networked<> finish_bind(State&, Borrow<UdpSocket> self) {
  if (self->stage != Stage::Binding) return refuse(NetworkError::NotInProgress);
  self->stage = Stage::Bound;
  return {};
}

using Streams = std::tuple<Own<IncomingStream>, Own<OutgoingStream>>;
Networked<Streams> stream(State& state, Borrow<UdpSocket> self, std::optional<IpSocketAddress> address) {
  if (!self->is_bound())
    return refuse(self->stage == Stage::Binding ? NetworkError::ConcurrencyConflict : NetworkError::InvalidState);
  std::optional<hostio::SocketAddress> remote;
  if (address) {
    remote = to_host(*address);
    TRY(check_remote(*remote, self->is_v6));
    if (!state.network.may_reach(*remote)) return refuse(NetworkError::AccessDenied);
  }
  if (self->stage == Stage::Connected) {
    TRY(networked(hostio::disconnect_socket(self->fd())));
    self->stage = Stage::Bound;
    self->remote.reset();
  }
  if (remote) {
    TRY(networked(hostio::connect_socket(self->fd(), *remote)));
    self->stage = Stage::Connected;
    self->remote = remote;
  }
  const Ref<UdpSocket> socket(&*self);
  return Streams(state.give(make<IncomingStream>(socket)), state.give(make<OutgoingStream>(socket)));
}

Networked<IpSocketAddress> local_address(State&, Borrow<UdpSocket> self) {
  if (!self->is_bound())
    return refuse(self->stage == Stage::Binding ? NetworkError::ConcurrencyConflict : NetworkError::InvalidState);
  return to_guest(TRY(networked(hostio::local_address(self->fd()))));
}
Networked<IpSocketAddress> remote_address(State&, Borrow<UdpSocket> self) {
  if (!self->remote) return refuse(NetworkError::InvalidState);
  return to_guest(*self->remote);
}
using hostio::SocketOption;
template <typename T>
Own<Pollable> subscribe(State& state, Borrow<T> self) {
  return state.give(make<Pollable>(Ref<Waitable>(&*self)));
}

// Whether the guest may hear from there.
bool hears(const State& state, UdpSocket& socket, const hostio::SocketAddress& from) {
  if (socket.remote) return from == *socket.remote;
  if (!socket.is_server) return state.network.may_reach(from);
  if (std::ranges::find(socket.peers, from) != socket.peers.end()) return true;
  if (socket.peers.size() < kMaxPeers) {
    socket.peers.push_back(from);
  } else {
    socket.peers[socket.next_peer++ % kMaxPeers] = from;
  }
  return true;
}

Networked<std::vector<IncomingDatagram>> receive(State& state, Borrow<IncomingStream> self, u64 most) {
  std::vector<IncomingDatagram> out;
  const auto buffer = state.scratch(kMaxDatagram);
  UdpSocket& socket = *self->socket;
  while (out.size() < std::min(most, kMaxAtOnce)) {
    hostio::SocketAddress from;
    const auto n = hostio::receive_from(socket.fd(), buffer, &from);
    if (!n && n.error() == hostio::Errno::Again) break;
    if (!n && !out.empty()) break;
    if (!n) return refuse(to_network_error(n.error()));
    if (!hears(state, socket, from)) continue;
    out.push_back({{buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*n)}, to_guest(from)});
  }
  return out;
}

Networked<u64> check_send(State& state, Borrow<OutgoingStream> self) {
  Waitable* const one = &*self;
  const auto ready = state.wait(std::span(&one, 1), false);
  if (!ready) return refuse(to_network_error(ready.error()));
  self->permit = ready->empty() ? 0 : kMaxAtOnce;
  return self->permit;
}

Networked<> send_one(State& state, UdpSocket& socket, const OutgoingDatagram& datagram) {
  if (!datagram.remote_address) {
    if (!socket.remote) return refuse(NetworkError::InvalidArgument);
    return networked(hostio::send_to(socket.fd(), datagram.data, nullptr));
  }
  const hostio::SocketAddress to = to_host(*datagram.remote_address);
  TRY(check_remote(to, socket.is_v6));
  if (socket.remote) {
    if (to != *socket.remote) return refuse(NetworkError::InvalidArgument);
    return networked(hostio::send_to(socket.fd(), datagram.data, nullptr));
  }
  const bool answers = std::ranges::find(socket.peers, to) != socket.peers.end();
  if (!answers && !state.network.may_reach(to)) return refuse(NetworkError::AccessDenied);
  return networked(hostio::send_to(socket.fd(), datagram.data, &to));
}

Outcome<Networked<u64>> send(State& state, Borrow<OutgoingStream> self, std::vector<OutgoingDatagram> datagrams) {
  if (datagrams.size() > self->permit) return misuse("send exceeded the number that check-send has permitted");
  self->permit -= datagrams.size();
  u64 sent = 0;
  for (const OutgoingDatagram& d : datagrams) {
    const auto result = send_one(state, *self->socket, d);
    if (!result && sent == 0 && result.error() != NetworkError::WouldBlock)
      return Networked<u64>(refuse(result.error()));
    if (!result) break;
    ++sent;
  }
  return Networked<u64>(sent);
}

constexpr HostResource kResources[] = {
    resource<UdpSocket>("udp-socket"),
    resource<IncomingStream>("incoming-datagram-stream"),
    resource<OutgoingStream>("outgoing-datagram-stream"),
};
constexpr HostDefinition kUdp[] = {
    host_function<start_bind>("[method]udp-socket.start-bind"),
    host_function<finish_bind>("[method]udp-socket.finish-bind"),
    host_function<stream>("[method]udp-socket.stream"),
    host_function<local_address>("[method]udp-socket.local-address"),
    host_function<remote_address>("[method]udp-socket.remote-address"),
    host_function<address_family<UdpSocket>>("[method]udp-socket.address-family"),
    host_function<get_hop_limit<UdpSocket>>("[method]udp-socket.unicast-hop-limit"),
    host_function<put_hop_limit<UdpSocket>>("[method]udp-socket.set-unicast-hop-limit"),
    host_function<get_buffer_size<UdpSocket, SocketOption::ReceiveBuffer>>("[method]udp-socket.receive-buffer-size"),
    host_function<put_buffer_size<UdpSocket, SocketOption::ReceiveBuffer>>("[method]udp-socket.set-receive-buffer-size"),
    host_function<get_buffer_size<UdpSocket, SocketOption::SendBuffer>>("[method]udp-socket.send-buffer-size"),
    host_function<put_buffer_size<UdpSocket, SocketOption::SendBuffer>>("[method]udp-socket.set-send-buffer-size"),
    host_function<subscribe<UdpSocket>>("[method]udp-socket.subscribe"),
    host_function<receive>("[method]incoming-datagram-stream.receive"),
    host_function<subscribe<IncomingStream>>("[method]incoming-datagram-stream.subscribe"),
    host_function<check_send>("[method]outgoing-datagram-stream.check-send"),
    host_function<send>("[method]outgoing-datagram-stream.send"),
    host_function<subscribe<OutgoingStream>>("[method]outgoing-datagram-stream.subscribe"),
};
constexpr HostDefinition kCreate[] = {host_function<create_udp_socket>("create-udp-socket")};
constexpr HostInterface kInterfaces[] = {
    {"wasi:sockets/udp@0.2.12", kResources, kUdp},
    {"wasi:sockets/udp-create-socket@0.2.12", {}, kCreate},
};

}  // namespace

std::span<const HostInterface> udp_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
