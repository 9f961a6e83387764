#include "berth-play/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace berth::play {

namespace {

constexpr size_t kBuffer = 65536;

bool raise_loopback() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!socket || ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags |= IFF_UP;
  return ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

Fd socket_in(const Network* network) {
  return network ? network->socket() : Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// What the process in a network does: a socket for each message, until there is nobody left who could ask.
[[noreturn]] void live_in_network(int channel) {
  // Nothing that others wait for stays open here.
  constexpr int kChannel = STDERR_FILENO + 1;
  dup2(channel, kChannel);
  syscall(SYS_close_range, kChannel + 1, ~0U, 0U);
  prctl(PR_SET_NAME, "berth-network");
  setsid();
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) signal(number, SIG_IGN);
  i32 error = unshare(CLONE_NEWNET) != 0 || !raise_loopback() ? errno : 0;
  if (send(kChannel, &error, sizeof error, MSG_NOSIGNAL) != sizeof error || error != 0) _exit(1);
  char any = 0;
  while (recv(kChannel, &any, 1, 0) == 1) {
    const Fd made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = made ? 0 : errno;
    iovec part{&error, sizeof error};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (made) {
      message.msg_control = room;
      message.msg_controllen = sizeof room;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      const int number = made.get();
      std::memcpy(CMSG_DATA(header), &number, sizeof number);
    }
    if (sendmsg(kChannel, &message, MSG_NOSIGNAL) != sizeof error) break;
  }
  _exit(0);
}

// Both directions of a connection that is handed through; owns itself until both have ended.
class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Loop& loop, Fd client, Fd server) : loop_(loop), ends_{std::move(client), std::move(server)} {}

  void begin() {
    for (size_t side = 0; side < 2; ++side) {
      loop_.watch(ends_[side].get(), 0,
                  [self = shared_from_this(), side](short events) { self->handle(side, events); });
    }
    arrange();
  }

 private:
  // What was read from a side and not yet written to the other.
  struct Way {
    std::array<char, kBuffer> bytes;
    size_t begin = 0, end = 0;
    bool ended = false, shut = false;
  };

  void handle(size_t side, short events) {
    const auto self = shared_from_this();
    if ((events & POLLERR) != 0) {
      if (!connected_) return finish();
      fail_side(side);
    }
    if (!connected_ && side == 1 && (events & (POLLOUT | POLLHUP)) != 0) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(ends_[1].get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return finish();
      connected_ = true;
    }
    for (const size_t from : {side, 1 - side}) {
      do {
        pull(from);
        push(1 - from);
      } while (failed_[from] && !ways_[from].ended && ways_[from].begin == ways_[from].end);
    }
    if (ways_[0].shut && ways_[1].shut) return finish();
    arrange();
  }

  // An end that is gone: nothing can be written to it, but what it said before may still be there to be read. It would
  // be reported again and again, so nobody listens to it any more.
  void fail_side(size_t side) {
    failed_[side] = true;
    Way& way = ways_[1 - side];
    way.begin = way.end = 0;
    way.ended = way.shut = true;
    loop_.forget(ends_[side].get());
  }

  void pull(size_t side) {
    Way& way = ways_[side];
    if (way.ended || way.begin != way.end || !connected_) return;
    const ssize_t n = read(ends_[side].get(), way.bytes.data(), way.bytes.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && !failed_[side]) return;
    way.begin = 0;
    way.end = n > 0 ? static_cast<size_t>(n) : 0;
    way.ended = n <= 0;
  }

  // Writes what came from the other side.
  void push(size_t side) {
    Way& way = ways_[1 - side];
    while (way.begin != way.end) {
      const ssize_t n = send(ends_[side].get(), way.bytes.data() + way.begin, way.end - way.begin, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) return fail_side(side);
      way.begin += static_cast<size_t>(n);
    }
    if (way.ended && !way.shut) {
      way.shut = true;
      shutdown(ends_[side].get(), SHUT_WR);
    }
  }

  void arrange() {
    for (size_t side = 0; side < 2; ++side) {
      if (failed_[side]) continue;
      short events = 0;
      if (!ways_[side].ended && ways_[side].begin == ways_[side].end && connected_) events |= POLLIN;
      if (ways_[1 - side].begin != ways_[1 - side].end || (side == 1 && !connected_)) events |= POLLOUT;
      loop_.change(ends_[side].get(), events);
    }
  }

  void finish() {
    for (const Fd& end : ends_) loop_.forget(end.get());
  }

  Loop& loop_;
  std::array<Fd, 2> ends_;
  std::array<Way, 2> ways_;  // from the client, from the server
  std::array<bool, 2> failed_{};
  bool connected_ = false;
};

}  // namespace

Result<std::shared_ptr<const Network>> Network::make() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(os_error(errno, "cannot make a socket"));
  std::shared_ptr<Network> made(new Network());
  made->channel_ = Fd(ends[0]);
  const Fd theirs(ends[1]);
  const pid_t child = fork();
  if (child < 0) return fail(os_error(errno, "cannot start a process"));
  if (child == 0) live_in_network(theirs.get());
  i32 error = EIO;
  if (recv(ends[0], &error, sizeof error, 0) != sizeof error || error != 0)
    return fail(os_error(error, "cannot make a network namespace"));
  made->namespace_ = Fd(open(("/proc/" + std::to_string(child) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!made->namespace_) return fail(os_error(errno, "cannot open a network namespace"));
  return made;
}

Network::~Network() = default;

Fd Network::socket() const {
  const char any = 0;
  if (send(channel_.get(), &any, 1, MSG_NOSIGNAL) != 1) return {};
  i32 error = 0;
  iovec part{&error, sizeof error};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  if (recvmsg(channel_.get(), &message, MSG_CMSG_CLOEXEC) != sizeof error) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header) {
    errno = error;
    return {};
  }
  int made = -1;
  std::memcpy(&made, CMSG_DATA(header), sizeof made);
  return Fd(made);
}

Fd connect_to(const Endpoint& endpoint) {
  Fd made = socket_in(endpoint.network.get());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (made && connect(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    return {};
  return made;
}

Result<std::unique_ptr<Forwarder>> Forwarder::open(Loop& loop, const Network* network, const std::string& address,
                                                   u16 port, std::function<std::optional<Endpoint>()> choose) {
  Fd listener = socket_in(network);
  const int on = 1;
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  const std::string name = address + ":" + std::to_string(port);
  if (inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1)
    return fail(ErrorCode::BadArgument, address + " is no address of IP version 4");
  if (!listener) return fail(os_error(errno, "cannot listen on " + name));
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 || listen(listener.get(), 512) != 0)
    return fail(os_error(errno, "cannot listen on " + name));
  std::unique_ptr<Forwarder> made(new Forwarder(loop, std::move(listener), std::move(choose)));
  loop.watch(made->listener_.get(), POLLIN, [self = made.get()](short) { self->accept(); });
  return made;
}

Forwarder::~Forwarder() { loop_.forget(listener_.get()); }

void Forwarder::accept() {
  while (true) {
    Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return;
    const auto endpoint = choose_();
    if (!endpoint) continue;
    Fd server = connect_to(*endpoint);
    if (server) std::make_shared<Link>(loop_, std::move(client), std::move(server))->begin();
  }
}

}  // namespace berth::play
