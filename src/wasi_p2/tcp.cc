// wasi:sockets: tcp, tcp-create-socket.

#include <sys/socket.h>

#include <algorithm>

#include "hostio/socket.h"
#include "wasi_p2/sockets.h"

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

namespace {

enum class ShutdownType : u8 { Receive, Send, Both };

class TcpSocket final : public Waitable {
 public:
  enum class Stage : u8 { Fresh, Binding, Bound, Connecting, Connected, ListenStarted, Listening, Closed };

  TcpSocket(hostio::File file, bool is_v6, Stage at)
      : file(make<SharedFile>(std::move(file))), is_v6(is_v6), stage(at) {}

  Wants wants() override {
    if (stage == Stage::Connecting) return Wants::descriptor(fd(), POLLOUT);
    if (stage == Stage::Listening) return Wants::descriptor(fd(), POLLIN);
    return Wants::ready();
  }
  int fd() const { return file->file.fd(); }
  // What a call that needs another stage fails with: one under way has to be finished first.
  NetworkError misplaced() const {
    const bool is_under_way = stage == Stage::Binding || stage == Stage::Connecting || stage == Stage::ListenStarted;
    return is_under_way ? NetworkError::ConcurrencyConflict : NetworkError::InvalidState;
  }

  const Ref<SharedFile> file;
  const bool is_v6;
  Stage stage;
  bool may_listen = false;  // where it is bound
  int backlog = SOMAXCONN;
};
using Stage = TcpSocket::Stage;

hostio::File to_file(hostio::Handle handle) {
  hostio::FileStatus status;
  status.nonblocking = true;
  return {std::move(handle), hostio::FileType::SocketStream, status, false};
}

Networked<Own<TcpSocket>> create_tcp_socket(State& state, AddressFamily family) {
  const bool is_v6 = family == AddressFamily::Ipv6;
  auto handle = TRY(networked(hostio::make_socket(hostio::SocketKind::Tcp, is_v6)));
  TRY(networked(state.check_descriptor(handle.fd())));
  return state.give(make<TcpSocket>(to_file(std::move(handle)), is_v6, Stage::Fresh));
}

Networked<> start_bind(State& state, Borrow<TcpSocket> self, Borrow<Network>, IpSocketAddress address) {
  if (self->stage != Stage::Fresh) return refuse(self->misplaced());
  const hostio::SocketAddress local = to_host(address);
  TRY(check_local(local, self->is_v6));
  if (!state.network.may_bind_tcp(local)) return refuse(NetworkError::AccessDenied);
  TRY(networked(hostio::bind_socket(self->fd(), local, local.port != 0)));
  self->may_listen = state.network.may_listen(local);
  self->stage = Stage::Binding;
  return {};
}
Networked<> finish_bind(State&, Borrow<TcpSocket> self) {
  if (self->stage != Stage::Binding) return refuse(NetworkError::NotInProgress);
  self->stage = Stage::Bound;
  return {};
}

// Local addresses that cannot be had are those of connections, not of what the guest asked to bind.
NetworkError to_connect_error(hostio::Errno e) {
  return e == hostio::Errno::AddressNotAvailable ? NetworkError::AddressInUse : to_network_error(e);
}

Networked<> start_connect(State& state, Borrow<TcpSocket> self, Borrow<Network>, IpSocketAddress address) {
  if (self->stage != Stage::Fresh && self->stage != Stage::Bound) return refuse(self->misplaced());
  const hostio::SocketAddress remote = to_host(address);
  TRY(check_remote(remote, self->is_v6));
  if (!state.network.may_reach(remote)) return refuse(NetworkError::AccessDenied);
  const auto connected = hostio::connect_socket(self->fd(), remote);
  if (!connected && connected.error() != hostio::Errno::InProgress) {
    self->stage = Stage::Closed;
    return refuse(to_connect_error(connected.error()));
  }
  self->stage = Stage::Connecting;
  return {};
}

using Streams = std::tuple<Own<InputStream>, Own<OutputStream>>;
Streams make_streams(State& state, const TcpSocket& socket) {
  return {state.give(Ref<InputStream>(new DescriptorInput(socket.file, state.waiter, Domain::Network))),
          state.give(Ref<OutputStream>(new DescriptorOutput(socket.file, state.waiter, Domain::Network)))};
}

Networked<Streams> finish_connect(State& state, Borrow<TcpSocket> self) {
  if (self->stage != Stage::Connecting) return refuse(NetworkError::NotInProgress);
  Waitable* const one = &*self;
  const auto ready = state.wait(std::span(&one, 1), false);
  if (!ready) return refuse(to_network_error(ready.error()));
  if (ready->empty()) return refuse(NetworkError::WouldBlock);
  if (const auto result = hostio::pending_error(self->fd()); !result) {
    self->stage = Stage::Closed;
    return refuse(to_connect_error(result.error()));
  }
  self->stage = Stage::Connected;
  return make_streams(state, *self);
}

Networked<> start_listen(State&, Borrow<TcpSocket> self) {
  if (self->stage != Stage::Bound) return refuse(self->misplaced());
  if (!self->may_listen) return refuse(NetworkError::AccessDenied);
  TRY(networked(hostio::listen_socket(self->fd(), self->backlog)));
  self->stage = Stage::ListenStarted;
  return {};
}
Networked<> finish_listen(State&, Borrow<TcpSocket> self) {
  if (self->stage != Stage::ListenStarted) return refuse(NetworkError::NotInProgress);
  self->stage = Stage::Listening;
  return {};
}

Networked<std::tuple<Own<TcpSocket>, Own<InputStream>, Own<OutputStream>>> accept(State& state,
                                                                                  Borrow<TcpSocket> self) {
  if (self->stage != Stage::Listening) return refuse(self->misplaced());
  hostio::FileStatus status;
  status.nonblocking = true;
  auto file = TRY(networked(hostio::accept(self->file->file, status, state.waiter)));
  TRY(networked(state.check_descriptor(file.fd())));
  const auto made = make<TcpSocket>(std::move(file), self->is_v6, Stage::Connected);
  auto [input, output] = make_streams(state, *made);
  return std::tuple(state.give(made), input, output);
}

Networked<IpSocketAddress> local_address(State&, Borrow<TcpSocket> self) {
  if (self->stage == Stage::Fresh || self->stage == Stage::Binding || self->stage == Stage::Closed)
    return refuse(self->misplaced());
  return to_guest(TRY(networked(hostio::local_address(self->fd()))));
}
Networked<IpSocketAddress> remote_address(State&, Borrow<TcpSocket> self) {
  if (self->stage != Stage::Connected) return refuse(self->misplaced());
  return to_guest(TRY(networked(hostio::remote_address(self->fd()))));
}
bool is_listening(State&, Borrow<TcpSocket> self) { return self->stage == Stage::Listening; }

Networked<> set_listen_backlog_size(State&, Borrow<TcpSocket> self, u64 value) {
  if (value == 0) return refuse(NetworkError::InvalidArgument);
  if (self->stage == Stage::Connecting || self->stage == Stage::Connected || self->stage == Stage::Closed)
    return refuse(NetworkError::InvalidState);
  self->backlog = static_cast<int>(std::min<u64>(value, SOMAXCONN));
  if (self->stage != Stage::Listening) return {};
  return networked(hostio::listen_socket(self->fd(), self->backlog));
}

// --- options

using hostio::SocketOption;

Networked<int> option(const TcpSocket& s, SocketOption which) {
  return networked(hostio::socket_option(s.fd(), s.is_v6, which));
}
Networked<> set_option(const TcpSocket& s, SocketOption which, int value) {
  return networked(hostio::set_socket_option(s.fd(), s.is_v6, which, value));
}

constexpr u64 kSecond = 1'000'000'000;

Networked<bool> keep_alive_enabled(State&, Borrow<TcpSocket> self) {
  return TRY(option(*self, SocketOption::KeepAlive)) != 0;
}
Networked<> set_keep_alive_enabled(State&, Borrow<TcpSocket> self, bool value) {
  return set_option(*self, SocketOption::KeepAlive, value);
}
template <SocketOption kWhich>
Networked<u64> duration_option(State&, Borrow<TcpSocket> self) {
  return static_cast<u64>(TRY(option(*self, kWhich))) * kSecond;
}
template <SocketOption kWhich>
Networked<> set_duration_option(State&, Borrow<TcpSocket> self, u64 value) {
  constexpr u64 kMost = 32767;  // seconds, as Linux has them
  if (value == 0) return refuse(NetworkError::InvalidArgument);
  const u64 seconds = std::clamp<u64>(value / kSecond + (value % kSecond != 0 ? 1 : 0), 1, kMost);
  return set_option(*self, kWhich, static_cast<int>(seconds));
}
Networked<u32> keep_alive_count(State&, Borrow<TcpSocket> self) {
  return static_cast<u32>(TRY(option(*self, SocketOption::KeepAliveCount)));
}
Networked<> set_keep_alive_count(State&, Borrow<TcpSocket> self, u32 value) {
  constexpr u32 kMost = 127;
  if (value == 0) return refuse(NetworkError::InvalidArgument);
  return set_option(*self, SocketOption::KeepAliveCount, static_cast<int>(std::min(value, kMost)));
}

Own<Pollable> subscribe(State& state, Borrow<TcpSocket> self) {
  return state.give(make<Pollable>(Ref<Waitable>(&*self)));
}

Networked<> shutdown(State& state, Borrow<TcpSocket> self, ShutdownType type) {
  if (self->stage != Stage::Connected) return refuse(self->misplaced());
  if (type != ShutdownType::Send) {
    // One that the other side has ended cannot be ended again.
    const auto done = hostio::shutdown(self->file->file, true, false);
    if (!done && done.error() != hostio::Errno::NotConnected) return refuse(to_network_error(done.error()));
    self->file->end_reading();
  }
  if (type != ShutdownType::Receive) self->file->end_writing(state.waiter);
  return {};
}

}  // namespace

}  // namespace berth::wasi_p2

namespace berth::component {
template <>
struct HostTraits<wasi_p2::ShutdownType> : EnumTraits<"receive send both"> {};
}  // namespace berth::component

namespace berth::wasi_p2 {

namespace {

constexpr HostResource kResources[] = {resource<TcpSocket>("tcp-socket")};
constexpr HostDefinition kTcp[] = {
    host_function<start_bind>("[method]tcp-socket.start-bind"),
    host_function<finish_bind>("[method]tcp-socket.finish-bind"),
    host_function<start_connect>("[method]tcp-socket.start-connect"),
    host_function<finish_connect>("[method]tcp-socket.finish-connect"),
    host_function<start_listen>("[method]tcp-socket.start-listen"),
    host_function<finish_listen>("[method]tcp-socket.finish-listen"),
    host_function<accept>("[method]tcp-socket.accept"),
    host_function<local_address>("[method]tcp-socket.local-address"),
    host_function<remote_address>("[method]tcp-socket.remote-address"),
    host_function<is_listening>("[method]tcp-socket.is-listening"),
    host_function<address_family<TcpSocket>>("[method]tcp-socket.address-family"),
    host_function<set_listen_backlog_size>("[method]tcp-socket.set-listen-backlog-size"),
    host_function<keep_alive_enabled>("[method]tcp-socket.keep-alive-enabled"),
    host_function<set_keep_alive_enabled>("[method]tcp-socket.set-keep-alive-enabled"),
    host_function<duration_option<SocketOption::KeepAliveIdle>>("[method]tcp-socket.keep-alive-idle-time"),
    host_function<set_duration_option<SocketOption::KeepAliveIdle>>("[method]tcp-socket.set-keep-alive-idle-time"),
    host_function<duration_option<SocketOption::KeepAliveInterval>>("[method]tcp-socket.keep-alive-interval"),
    host_function<set_duration_option<SocketOption::KeepAliveInterval>>("[method]tcp-socket.set-keep-alive-interval"),
    host_function<keep_alive_count>("[method]tcp-socket.keep-alive-count"),
    host_function<set_keep_alive_count>("[method]tcp-socket.set-keep-alive-count"),
    host_function<get_hop_limit<TcpSocket>>("[method]tcp-socket.hop-limit"),
    host_function<put_hop_limit<TcpSocket>>("[method]tcp-socket.set-hop-limit"),
    host_function<get_buffer_size<TcpSocket, SocketOption::ReceiveBuffer>>("[method]tcp-socket.receive-buffer-size"),
    host_function<put_buffer_size<TcpSocket, SocketOption::ReceiveBuffer>>("[method]tcp-socket.set-receive-buffer-size"),
    host_function<get_buffer_size<TcpSocket, SocketOption::SendBuffer>>("[method]tcp-socket.send-buffer-size"),
    host_function<put_buffer_size<TcpSocket, SocketOption::SendBuffer>>("[method]tcp-socket.set-send-buffer-size"),
    host_function<subscribe>("[method]tcp-socket.subscribe"),
    host_function<shutdown>("[method]tcp-socket.shutdown"),
};
constexpr HostDefinition kCreate[] = {host_function<create_tcp_socket>("create-tcp-socket")};
constexpr HostInterface kInterfaces[] = {
    {"wasi:sockets/tcp@0.2.12", kResources, kTcp},
    {"wasi:sockets/tcp-create-socket@0.2.12", {}, kCreate},
};

}  // namespace

std::span<const HostInterface> tcp_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
