// The network as a capability: what may be reached and bound, and sockets made under that. Nothing is allowed that no
// rule names. Addresses of names that were looked up count as the name does.
//
// A NetworkGrants is used by one thread at a time.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hostio/error.h"
#include "hostio/handle.h"

namespace berth::hostio {

struct IpAddress {
  bool is_v6 = false;
  std::array<u8, 16> bytes{};  // in network order; of IPv4 the first four
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

  bool is_unspecified() const { return *this == IpAddress{is_v6, {}}; }
  // Broadcast and multicast are not.
  bool is_unicast() const;
  bool is_v4_mapped() const;
};
// An IPv4 or IPv6 address in its usual form, without brackets.
std::optional<IpAddress> parse_ip(std::string_view text);

struct SocketAddress {
  IpAddress ip;
  u16 port = 0;
  u32 flow_info = 0, scope_id = 0;  // IPv6
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

class NetworkGrants {
 public:
  // "HOST", "HOST:PORT" or "HOST:FIRST-LAST": may be looked up, connected to and sent to. HOST is a name, "*.name" for
  // all below it, an address (IPv6 in brackets), a network as 10.0.0.0/8, or "*". Fails with Usage.
  Result<> allow(std::string_view rule);
  // "ADDRESS:PORT", either of them "*": may be listened on with TCP. Port 0 is one that the system chooses.
  Result<> allow_listening(std::string_view rule);
  // The same for binding with UDP.
  Result<> allow_udp_binding(std::string_view rule);

  bool may_reach(const SocketAddress& address) const;
  bool may_look_up(std::string_view name) const;
  // Whether a rule names this host with this port, whatever its addresses.
  bool may_request(std::string_view name, u16 port) const;
  bool may_listen(const SocketAddress& address) const;
  // Who may reach anything may also bind a port that the system chooses.
  bool may_bind_tcp(const SocketAddress& address) const;
  bool may_bind_udp(const SocketAddress& address) const;
  // Whether who binds there may hear from anybody, and answer.
  bool may_serve_udp(const SocketAddress& address) const;
  // What a name that may be looked up stands for may be reached as the name may be.
  void learn(std::string_view name, const IpAddress& address);

 private:
  struct Ports {
    u16 first = 0, last = 65535;
    bool contains(u16 port) const { return port >= first && port <= last; }
  };
  struct NameRule {
    std::string name;  // in lower case; of "*.name" ".name"; empty: any
    Ports ports;
  };
  struct AddressRule {
    IpAddress network;
    u32 bits = 0;         // of the network that count
    bool is_any = false;  // any address of both families
    Ports ports;
    bool contains(const SocketAddress& a) const;
  };
  static Result<AddressRule> parse_binding(std::string_view rule);
  static bool allows(const std::vector<AddressRule>& rules, const SocketAddress& address);

  std::vector<NameRule> names_;
  std::vector<AddressRule> reachable_, listening_, udp_binding_;
};

// --- sockets, non-blocking and close-on-exec; of IPv6 they are that only

enum class SocketKind : u8 { Tcp, Udp };

Io<Handle> make_socket(SocketKind kind, bool is_v6);
// `reuse`: an address of connections that have ended may be taken again at once.
Io<> bind_socket(int fd, const SocketAddress& address, bool reuse);
// Fails with InProgress while it is not known whether it works.
Io<> connect_socket(int fd, const SocketAddress& address);
// UDP: ends what connect_socket did.
Io<> disconnect_socket(int fd);
// The error that a connection under way has come to, none while or when all is well.
Io<> pending_error(int fd);
Io<> listen_socket(int fd, int backlog);
Io<SocketAddress> local_address(int fd);
Io<SocketAddress> remote_address(int fd);
// One datagram, at most as much as fits; Again when there is none.
Io<size_t> receive_from(int fd, std::span<u8> out, SocketAddress* from);
// `to` null: to whom the socket is connected.
Io<> send_to(int fd, std::span<const u8> bytes, const SocketAddress* to);

enum class SocketOption : u8 {
  KeepAlive,
  KeepAliveIdle,      // seconds
  KeepAliveInterval,  // seconds
  KeepAliveCount,
  HopLimit,
  ReceiveBuffer,  // bytes that were asked for
  SendBuffer,
};
Io<int> socket_option(int fd, bool is_v6, SocketOption option);
Io<> set_socket_option(int fd, bool is_v6, SocketOption option, int value);

}  // namespace berth::hostio
