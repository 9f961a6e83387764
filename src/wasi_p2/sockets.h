// What the interfaces of wasi:sockets share: addresses, error codes, networks.
#pragma once

#include "hostio/network.h"
#include "wasi_p2/types.h"

namespace berth::wasi_p2 {

// wasi:sockets/network#error-code
enum class NetworkError : u8 {
  Unknown,
  AccessDenied,
  NotSupported,
  InvalidArgument,
  OutOfMemory,
  Timeout,
  ConcurrencyConflict,
  NotInProgress,
  WouldBlock,
  InvalidState,
  NewSocketLimit,
  AddressNotBindable,
  AddressInUse,
  RemoteUnreachable,
  ConnectionRefused,
  ConnectionReset,
  ConnectionAborted,
  DatagramTooLarge,
  NameUnresolvable,
  TemporaryResolverFailure,
  PermanentResolverFailure,
};
enum class AddressFamily : u8 { Ipv4, Ipv6 };

// All of it: what may be done is the State's.
class Network final : public Resource {};

using Ipv4 = std::tuple<u8, u8, u8, u8>;
using Ipv6 = std::tuple<u16, u16, u16, u16, u16, u16, u16, u16>;
struct Ipv4SocketAddress {
  u16 port = 0;
  Ipv4 address{};
};
struct Ipv6SocketAddress {
  u16 port = 0;
  u32 flow_info = 0;
  Ipv6 address{};
  u32 scope_id = 0;
};
struct IpAddress {
  using Cases = std::variant<Ipv4, Ipv6>;
  Cases value;
};
struct IpSocketAddress {
  using Cases = std::variant<Ipv4SocketAddress, Ipv6SocketAddress>;
  Cases value;
};

IpAddress to_guest(const hostio::IpAddress& address);
IpSocketAddress to_guest(const hostio::SocketAddress& address);
hostio::SocketAddress to_host(const IpSocketAddress& address);

template <typename T = void>
using Networked = std::expected<T, NetworkError>;
inline std::unexpected<NetworkError> refuse(NetworkError e) { return std::unexpected(e); }
NetworkError to_network_error(hostio::Errno e);
template <typename T>
Networked<T> networked(hostio::Io<T> result) {
  if (!result) return refuse(to_network_error(result.error()));
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(*result);
  }
}

// Whether an address of the family can be bound; whether one can be reached.
Networked<> check_local(const hostio::SocketAddress& address, bool is_v6);
Networked<> check_remote(const hostio::SocketAddress& address, bool is_v6);

// Options that TCP and UDP sockets have.
Networked<u8> hop_limit(int fd, bool is_v6);
Networked<> set_hop_limit(int fd, bool is_v6, u8 value);
Networked<u64> buffer_size(int fd, hostio::SocketOption which);
Networked<> set_buffer_size(int fd, hostio::SocketOption which, u64 value);

// The functions of both kinds of sockets that differ in nothing else.
template <typename Socket>
AddressFamily address_family(State&, Borrow<Socket> self) {
  return self->is_v6 ? AddressFamily::Ipv6 : AddressFamily::Ipv4;
}
template <typename Socket>
Networked<u8> get_hop_limit(State&, Borrow<Socket> self) {
  return hop_limit(self->fd(), self->is_v6);
}
template <typename Socket>
Networked<> put_hop_limit(State&, Borrow<Socket> self, u8 value) {
  return set_hop_limit(self->fd(), self->is_v6, value);
}
template <typename Socket, hostio::SocketOption kWhich>
Networked<u64> get_buffer_size(State&, Borrow<Socket> self) {
  return buffer_size(self->fd(), kWhich);
}
template <typename Socket, hostio::SocketOption kWhich>
Networked<> put_buffer_size(State&, Borrow<Socket> self, u64 value) {
  return set_buffer_size(self->fd(), kWhich, value);
}

}  // namespace berth::wasi_p2

namespace berth::component {

template <>
struct HostTraits<wasi_p2::NetworkError>
    : EnumTraits<
          "unknown access-denied not-supported invalid-argument out-of-memory timeout concurrency-conflict "
          "not-in-progress would-block invalid-state new-socket-limit address-not-bindable address-in-use "
          "remote-unreachable connection-refused connection-reset connection-aborted datagram-too-large "
          "name-unresolvable temporary-resolver-failure permanent-resolver-failure"> {};
template <>
struct HostTraits<wasi_p2::AddressFamily> : EnumTraits<"ipv4 ipv6"> {};
template <>
struct HostTraits<wasi_p2::Ipv4SocketAddress>
    : RecordTraits<"port address", &wasi_p2::Ipv4SocketAddress::port, &wasi_p2::Ipv4SocketAddress::address> {};
template <>
struct HostTraits<wasi_p2::Ipv6SocketAddress>
    : RecordTraits<"port flow-info address scope-id", &wasi_p2::Ipv6SocketAddress::port,
                   &wasi_p2::Ipv6SocketAddress::flow_info, &wasi_p2::Ipv6SocketAddress::address,
                   &wasi_p2::Ipv6SocketAddress::scope_id> {};
template <>
struct HostTraits<wasi_p2::IpAddress> : VariantTraits<"ipv4 ipv6"> {};
template <>
struct HostTraits<wasi_p2::IpSocketAddress> : VariantTraits<"ipv4 ipv6"> {};

}  // namespace berth::component
