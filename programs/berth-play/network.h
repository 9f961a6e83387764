// The network of pods without the kernel's routing: each pod has a network namespace in which there is only a loopback
// interface, and connections from outside, or from pod to pod, are handed through by this process, which makes sockets
// in any of them. That takes neither bridges nor rules of a firewall, and works in user namespaces. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "berth-play/loop.h"
#include "container/fd.h"

namespace berth::play {

using container::Fd;

// A network namespace, its loopback interface up. A process lives in it and makes sockets there: from a user namespace
// there is no way back out of another network for a process that has gone into it.
class Network {
 public:
  // Fails with System where that is not allowed.
  static Result<std::shared_ptr<const Network>> make();
  ~Network();
  Network(const Network&) = delete;

  // For setns, in a process that has its own to leave.
  int descriptor() const { return namespace_.get(); }
  // A TCP socket in it, not blocking. Empty, errno set, when that fails.
  Fd socket() const;

 private:
  Network() = default;
  Fd namespace_, channel_;
};

// Where a connection may end: at the loopback address of a network, or of this machine's where there is none.
struct Endpoint {
  std::shared_ptr<const Network> network;
  u16 port = 0;
};

// A socket that connects, without waiting for it. Empty, errno set, when that fails at once.
Fd connect_to(const Endpoint& endpoint);

// Listens in a network (null: this machine's) and hands each connection to the endpoint that `choose` gives then;
// closes it when there is none. Ends with its owner; connections that are there go on.
class Forwarder {
 public:
  // Fails with System: the address is taken, or not one's own to take.
  static Result<std::unique_ptr<Forwarder>> open(Loop& loop, const Network* network, const std::string& address,
                                                 u16 port, std::function<std::optional<Endpoint>()> choose);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;

 private:
  Forwarder(Loop& loop, Fd listener, std::function<std::optional<Endpoint>()> choose)
      : loop_(loop), listener_(std::move(listener)), choose_(std::move(choose)) {}
  void accept();

  Loop& loop_;
  Fd listener_;
  std::function<std::optional<Endpoint>()> choose_;
};

}  // namespace berth::play
