// wasi:sockets: network, instance-network.

#include "wasi_p2/sockets.h"

#include <algorithm>

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

namespace {

Ipv4 to_v4(const hostio::IpAddress& a) { return {a.bytes[0], a.bytes[1], a.bytes[2], a.bytes[3]}; }
Ipv6 to_v6(const hostio::IpAddress& a) {
  const auto part = [&](size_t i) { return static_cast<u16>(a.bytes[2 * i] << 8 | a.bytes[2 * i + 1]); };
  return {part(0), part(1), part(2), part(3), part(4), part(5), part(6), part(7)};
}

}  // namespace

IpAddress to_guest(const hostio::IpAddress& a) {
  if (a.is_v6) return {to_v6(a)};
  return {to_v4(a)};
}
IpSocketAddress to_guest(const hostio::SocketAddress& a) {
  if (a.ip.is_v6) return {Ipv6SocketAddress{a.port, a.flow_info, to_v6(a.ip), a.scope_id}};
  return {Ipv4SocketAddress{a.port, to_v4(a.ip)}};
}
hostio::SocketAddress to_host(const IpSocketAddress& address) {
  hostio::SocketAddress out;
  if (const auto* v4 = std::get_if<Ipv4SocketAddress>(&address.value)) {
    out.port = v4->port;
    std::apply([&](auto... part) { out.ip.bytes = {part...}; }, v4->address);
    return out;
  }
  const auto& v6 = std::get<Ipv6SocketAddress>(address.value);
  out.ip.is_v6 = true;
  out.port = v6.port;
  out.flow_info = v6.flow_info;
  out.scope_id = v6.scope_id;
  size_t i = 0;
  const auto put = [&](u16 part) {
    out.ip.bytes[i++] = static_cast<u8>(part >> 8);
    out.ip.bytes[i++] = static_cast<u8>(part);
  };
  std::apply([&](auto... part) { (put(part), ...); }, v6.address);
  return out;
}

NetworkError to_network_error(hostio::Errno e) {
  switch (static_cast<int>(e)) {
    case EACCES:
    case EPERM: return NetworkError::AccessDenied;
    case EAFNOSUPPORT:
    case EOPNOTSUPP:
    case ENOPROTOOPT:
    case EPROTONOSUPPORT: return NetworkError::NotSupported;
    case EFAULT:
    case EINVAL: return NetworkError::InvalidArgument;
    case ENOBUFS:
    case ENOMEM: return NetworkError::OutOfMemory;
    case ETIMEDOUT: return NetworkError::Timeout;
    case EALREADY: return NetworkError::ConcurrencyConflict;
    case EAGAIN: return NetworkError::WouldBlock;
    case EDESTADDRREQ:
    case EISCONN:
    case ENOTCONN: return NetworkError::InvalidState;
    case EMFILE:
    case ENFILE: return NetworkError::NewSocketLimit;
    case EADDRNOTAVAIL: return NetworkError::AddressNotBindable;
    case EADDRINUSE: return NetworkError::AddressInUse;
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET: return NetworkError::RemoteUnreachable;
    case ECONNREFUSED: return NetworkError::ConnectionRefused;
    case ECONNRESET: return NetworkError::ConnectionReset;
    case ECONNABORTED: return NetworkError::ConnectionAborted;
    case EMSGSIZE: return NetworkError::DatagramTooLarge;
    default: return NetworkError::Unknown;
  }
}

Networked<> check_local(const hostio::SocketAddress& a, bool is_v6) {
  if (a.ip.is_v6 != is_v6 || a.ip.is_v4_mapped() || !a.ip.is_unicast()) return refuse(NetworkError::InvalidArgument);
  return {};
}
Networked<> check_remote(const hostio::SocketAddress& a, bool is_v6) {
  TRY(check_local(a, is_v6));
  if (a.ip.is_unspecified() || a.port == 0) return refuse(NetworkError::InvalidArgument);
  return {};
}

Networked<u8> hop_limit(int fd, bool is_v6) {
  const int value = TRY(networked(hostio::socket_option(fd, is_v6, hostio::SocketOption::HopLimit)));
  return static_cast<u8>(std::clamp(value, 0, 255));
}
Networked<> set_hop_limit(int fd, bool is_v6, u8 value) {
  if (value == 0) return refuse(NetworkError::InvalidArgument);
  return networked(hostio::set_socket_option(fd, is_v6, hostio::SocketOption::HopLimit, value));
}
Networked<u64> buffer_size(int fd, hostio::SocketOption which) {
  return static_cast<u64>(TRY(networked(hostio::socket_option(fd, false, which))));
}
Networked<> set_buffer_size(int fd, hostio::SocketOption which, u64 value) {
  constexpr u64 kMost = INT32_MAX / 2;
  if (value == 0) return refuse(NetworkError::InvalidArgument);
  return networked(hostio::set_socket_option(fd, false, which, static_cast<int>(std::min(value, kMost))));
}

namespace {

Own<Network> instance_network(State& state) { return state.give(make<Network>()); }

constexpr HostResource kNetwork[] = {resource<Network>("network")};
constexpr HostDefinition kInstanceNetwork[] = {host_function<instance_network>("instance-network")};
constexpr HostInterface kInterfaces[] = {
    {"wasi:sockets/network@0.2.12", kNetwork, {}},
    {"wasi:sockets/instance-network@0.2.12", {}, kInstanceNetwork},
};

}  // namespace

std::span<const HostInterface> network_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
