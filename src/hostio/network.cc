#include "hostio/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace berth::hostio {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  // A name may be written with the dot of the root.
  if (out.ends_with('.')) out.pop_back();
  return out;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> bad_rule(std::string_view rule, const char* expected) {
  return fail(ErrorCode::BadArgument, "\"" + std::string(rule) + "\" is not " + expected);
}

// A host and what follows its colon, if anything does. An IPv6 address with a port is in brackets.
struct HostPort {
  std::string_view host, port;
};
HostPort split(std::string_view rule) {
  if (rule.starts_with('[')) {
    const size_t close = rule.find(']');
    if (close != std::string_view::npos) {
      // A network is written as [fe80::]/10, with or without a port.
      const size_t colon = rule.find(':', close);
      return {rule.substr(0, colon), colon == std::string_view::npos ? "" : rule.substr(colon + 1)};
    }
  }
  const size_t colon = rule.find(':');
  if (colon == std::string_view::npos || colon != rule.rfind(':')) return {rule, {}};
  return {rule.substr(0, colon), rule.substr(colon + 1)};
}

// An address, or a network with the number of its bits; without brackets.
std::optional<std::pair<IpAddress, u32>> parse_network(std::string_view text) {
  const size_t slash = text.find('/');
  std::string_view address = text.substr(0, slash);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const auto ip = parse_ip(address);
  if (!ip) return std::nullopt;
  const u32 most = ip->is_v6 ? 128 : 32;
  if (slash == std::string_view::npos) return std::pair(*ip, most);
  const auto bits = number<u32>(text.substr(slash + 1));
  if (!bits || *bits > most) return std::nullopt;
  return std::pair(*ip, *bits);
}

bool is_host_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  if (name.empty() || name.size() > 253 || name.starts_with('.') || name.find("..") != std::string_view::npos)
    return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
           static_cast<u8>(c) >= 0x80;
  });
}

}  // namespace

bool IpAddress::is_unicast() const {
  if (is_v6) return bytes[0] != 0xFF;
  const bool is_multicast = bytes[0] >= 224 && bytes[0] < 240;
  const bool is_broadcast = bytes[0] == 255 && bytes[1] == 255 && bytes[2] == 255 && bytes[3] == 255;
  return !is_multicast && !is_broadcast;
}

bool IpAddress::is_v4_mapped() const {
  return is_v6 && std::all_of(bytes.begin(), bytes.begin() + 10, [](u8 b) { return b == 0; }) && bytes[10] == 0xFF &&
         bytes[11] == 0xFF;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  IpAddress a;
  const std::string terminated(text);
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (::inet_pton(AF_INET, terminated.c_str(), a.bytes.data()) == 1) return a;
  a.is_v6 = true;
  if (::inet_pton(AF_INET6, terminated.c_str(), a.bytes.data()) == 1) return a;
  return std::nullopt;
}

// --- what is allowed

bool NetworkGrants::AddressRule::contains(const SocketAddress& a) const {
  if (!ports.contains(a.port)) return false;
  if (is_any) return true;
  if (a.ip.is_v6 != network.is_v6) return false;
  const u32 whole = bits / 8;
  if (std::memcmp(a.ip.bytes.data(), network.bytes.data(), whole) != 0) return false;
  const u32 rest = bits % 8;
  if (rest == 0) return true;
  return ((a.ip.bytes[whole] ^ network.bytes[whole]) >> (8 - rest)) == 0;
}

Result<> NetworkGrants::allow(std::string_view rule) {
  constexpr const char* kExpected = "HOST[:PORT[-PORT]] with a name, *.name, an address, a network or *";
  const auto [host, port_text] = split(rule);
  Ports ports;
  if (!port_text.empty() && port_text != "*") {
    const size_t dash = port_text.find('-');
    const auto first = number<u16>(port_text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number<u16>(port_text.substr(dash + 1));
    if (!first || !last || *first > *last) return bad_rule(rule, kExpected);
    ports = {*first, *last};
  }
  if (rule.ends_with(':') && !rule.ends_with("::")) return bad_rule(rule, kExpected);
  if (host == "*") {
    names_.push_back({"", ports});
    reachable_.push_back({{}, 0, true, ports});
    return {};
  }
  if (const auto network = parse_network(host)) {
    reachable_.push_back({network->first, network->second, false, ports});
    return {};
  }
  const std::string name = lower(host);
  if (!is_host_name(name)) return bad_rule(rule, kExpected);
  names_.push_back({name.starts_with("*.") ? name.substr(1) : name, ports});
  return {};
}

Result<NetworkGrants::AddressRule> NetworkGrants::parse_binding(std::string_view rule) {
  constexpr const char* kExpected = "ADDRESS:PORT, either of them *";
  const auto [host, port] = split(rule);
  AddressRule made;
  if (port.empty()) return bad_rule(rule, kExpected);
  if (port != "*") {
    const auto n = number<u16>(port);
    if (!n) return bad_rule(rule, kExpected);
    made.ports = {*n, *n};
  }
  if (host == "*") {
    made.is_any = true;
    return made;
  }
  const auto network = parse_network(host == "localhost" ? "127.0.0.1" : host);
  if (!network) return bad_rule(rule, kExpected);
  made.network = network->first;
  made.bits = network->second;
  return made;
}

Result<> NetworkGrants::allow_listening(std::string_view rule) {
  listening_.push_back(TRY(parse_binding(rule)));
  return {};
}
Result<> NetworkGrants::allow_udp_binding(std::string_view rule) {
  udp_binding_.push_back(TRY(parse_binding(rule)));
  return {};
}

bool NetworkGrants::allows(const std::vector<AddressRule>& rules, const SocketAddress& address) {
  return std::ranges::any_of(rules, [&](const AddressRule& r) { return r.contains(address); });
}
bool NetworkGrants::may_reach(const SocketAddress& address) const { return allows(reachable_, address); }
bool NetworkGrants::may_listen(const SocketAddress& address) const { return allows(listening_, address); }
bool NetworkGrants::may_bind_tcp(const SocketAddress& address) const {
  return may_listen(address) || (address.port == 0 && (!reachable_.empty() || !names_.empty()));
}
bool NetworkGrants::may_serve_udp(const SocketAddress& address) const { return allows(udp_binding_, address); }
bool NetworkGrants::may_bind_udp(const SocketAddress& address) const {
  return may_serve_udp(address) || (address.port == 0 && (!reachable_.empty() || !names_.empty()));
}

bool NetworkGrants::may_look_up(std::string_view name) const {
  const std::string wanted = lower(name);
  return std::ranges::any_of(names_, [&](const NameRule& r) {
    return r.name.empty() || r.name == wanted || (r.name.starts_with('.') && wanted.ends_with(r.name));
  });
}

bool NetworkGrants::may_request(std::string_view name, u16 port) const {
  const std::string wanted = lower(name);
  return std::ranges::any_of(names_, [&](const NameRule& r) {
    return r.ports.contains(port) &&
           (r.name.empty() || r.name == wanted || (r.name.starts_with('.') && wanted.ends_with(r.name)));
  });
}

void NetworkGrants::learn(std::string_view name, const IpAddress& address) {
  const std::string wanted = lower(name);
  for (const NameRule& r : names_) {
    if (r.name.empty() || !(r.name == wanted || (r.name.starts_with('.') && wanted.ends_with(r.name)))) continue;
    const bool is_known = std::ranges::any_of(reachable_, [&](const AddressRule& a) {
      return !a.is_any && a.network == address && a.ports.first == r.ports.first && a.ports.last == r.ports.last;
    });
    if (!is_known) reachable_.push_back({address, address.is_v6 ? 128u : 32u, false, r.ports});
  }
}

// --- sockets

namespace {

union SystemAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t to_system(const SocketAddress& a, SystemAddress& out) {
  std::memset(&out, 0, sizeof out);
  if (a.ip.is_v6) {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(a.port);
    out.v6.sin6_flowinfo = htonl(a.flow_info);
    out.v6.sin6_scope_id = a.scope_id;
    std::memcpy(&out.v6.sin6_addr, a.ip.bytes.data(), 16);
    return sizeof out.v6;
  }
  out.v4.sin_family = AF_INET;
  out.v4.sin_port = htons(a.port);
  std::memcpy(&out.v4.sin_addr, a.ip.bytes.data(), 4);
  return sizeof out.v4;
}

SocketAddress from_system(const SystemAddress& in) {
  SocketAddress a;
  if (in.any.sa_family == AF_INET6) {
    a.ip.is_v6 = true;
    a.port = ntohs(in.v6.sin6_port);
    a.flow_info = ntohl(in.v6.sin6_flowinfo);
    a.scope_id = in.v6.sin6_scope_id;
    std::memcpy(a.ip.bytes.data(), &in.v6.sin6_addr, 16);
  } else {
    a.port = ntohs(in.v4.sin_port);
    std::memcpy(a.ip.bytes.data(), &in.v4.sin_addr, 4);
  }
  return a;
}

Io<> check(int result) {
  if (result == 0) return {};
  return io_fail_errno();
}

struct OptionName {
  int level, name;
};
OptionName name_of(SocketOption option, bool is_v6) {
  switch (option) {
    case SocketOption::KeepAlive: return {SOL_SOCKET, SO_KEEPALIVE};
    case SocketOption::KeepAliveIdle: return {IPPROTO_TCP, TCP_KEEPIDLE};
    case SocketOption::KeepAliveInterval: return {IPPROTO_TCP, TCP_KEEPINTVL};
    case SocketOption::KeepAliveCount: return {IPPROTO_TCP, TCP_KEEPCNT};
    case SocketOption::HopLimit:
      return is_v6 ? OptionName{IPPROTO_IPV6, IPV6_UNICAST_HOPS} : OptionName{IPPROTO_IP, IP_TTL};
    case SocketOption::ReceiveBuffer: return {SOL_SOCKET, SO_RCVBUF};
    case SocketOption::SendBuffer: break;
  }
  return {SOL_SOCKET, SO_SNDBUF};
}
bool is_doubled(SocketOption option) {
  return option == SocketOption::ReceiveBuffer || option == SocketOption::SendBuffer;
}

}  // namespace

Io<Handle> make_socket(SocketKind kind, bool is_v6) {
  const int type = (kind == SocketKind::Tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  Handle h(::socket(is_v6 ? AF_INET6 : AF_INET, type, 0));
  if (!h) return io_fail_errno();
  const int one = 1;
  if (is_v6) TRY(check(::setsockopt(h.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one)));
  return h;
}

Io<> bind_socket(int fd, const SocketAddress& address, bool reuse) {
  SystemAddress a;
  const socklen_t length = to_system(address, a);
  const int one = 1;
  if (reuse) TRY(check(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one)));
  return check(::bind(fd, &a.any, length));
}

Io<> connect_socket(int fd, const SocketAddress& address) {
  SystemAddress a;
  const socklen_t length = to_system(address, a);
  return check(::connect(fd, &a.any, length));
}

Io<> disconnect_socket(int fd) {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  return check(::connect(fd, &nobody, sizeof nobody));
}

Io<> pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  TRY(check(::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length)));
  if (error != 0) return io_fail(static_cast<Errno>(error));
  return {};
}

Io<> listen_socket(int fd, int backlog) { return check(::listen(fd, backlog)); }

Io<SocketAddress> local_address(int fd) {
  SystemAddress a;
  socklen_t length = sizeof a;
  TRY(check(::getsockname(fd, &a.any, &length)));
  return from_system(a);
}
Io<SocketAddress> remote_address(int fd) {
  SystemAddress a;
  socklen_t length = sizeof a;
  TRY(check(::getpeername(fd, &a.any, &length)));
  return from_system(a);
}

Io<size_t> receive_from(int fd, std::span<u8> out, SocketAddress* from) {
  SystemAddress a{};
  socklen_t length = sizeof a;
  ssize_t n;
  do n = ::recvfrom(fd, out.data(), out.size(), MSG_DONTWAIT, &a.any, &length);
  while (n < 0 && errno == EINTR);
  if (n < 0) return io_fail_errno();
  *from = from_system(a);
  return static_cast<size_t>(n);
}

Io<> send_to(int fd, std::span<const u8> bytes, const SocketAddress* to) {
  SystemAddress a;
  const socklen_t length = to != nullptr ? to_system(*to, a) : 0;
  ssize_t n;
  do
    n = ::sendto(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to != nullptr ? &a.any : nullptr, length);
  while (n < 0 && errno == EINTR);
  if (n < 0) return io_fail_errno();
  return {};
}

Io<int> socket_option(int fd, bool is_v6, SocketOption option) {
  const auto [level, name] = name_of(option, is_v6);
  int value = 0;
  socklen_t length = sizeof value;
  TRY(check(::getsockopt(fd, level, name, &value, &length)));
  // Linux shows the double of what was asked for.
  return is_doubled(option) ? value / 2 : value;
}
Io<> set_socket_option(int fd, bool is_v6, SocketOption option, int value) {
  const auto [level, name] = name_of(option, is_v6);
  return check(::setsockopt(fd, level, name, &value, sizeof value));
}

}  // namespace berth::hostio
