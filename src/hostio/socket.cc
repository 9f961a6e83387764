#include "hostio/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

namespace berth::hostio {

namespace {

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

Result<Address> parse_address(std::string_view text) {
  auto bad = [&] {
    return fail(ErrorCode::BadArgument,
                "\"" + std::string(text) + "\" is not an address to listen on; write 127.0.0.1:8080 or [::1]:8080");
  };
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string host(text.substr(0, colon));
  std::string_view port_text = text.substr(colon + 1);
  u16 port = 0;
  auto [end, error] = std::from_chars(port_text.begin(), port_text.end(), port);
  if (error != std::errc() || end != port_text.end()) return bad();
  if (host == "localhost") host = "127.0.0.1";
  Address a;
  std::memset(&a, 0, sizeof a);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &a.v6.sin6_addr) != 1) return bad();
    a.v6.sin6_family = AF_INET6;
    a.v6.sin6_port = htons(port);
  } else {
    if (::inet_pton(AF_INET, host.c_str(), &a.v4.sin_addr) != 1) return bad();
    a.v4.sin_family = AF_INET;
    a.v4.sin_port = htons(port);
  }
  return a;
}

}  // namespace

Result<File> listen_tcp(std::string_view address) {
  Address a = TRY(parse_address(address));
  auto refused = [&] { return fail(os_error(errno, "cannot listen on " + std::string(address))); };
  Handle h(::socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!h) return refused();
  int one = 1;
  // A server that restarts must not wait for old connections to be forgotten.
  ::setsockopt(h.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  socklen_t length = a.any.sa_family == AF_INET6 ? sizeof a.v6 : sizeof a.v4;
  if (::bind(h.fd(), &a.any, length) != 0 || ::listen(h.fd(), SOMAXCONN) != 0) return refused();
  return File(std::move(h), FileType::SocketStream, {}, false);
}

Result<File> adopt_listener(int fd) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) {
    return fail(ErrorCode::BadArgument, "descriptor " + std::to_string(fd) + " is not a listening socket");
  }
  int flags = ::fcntl(fd, F_GETFL);
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
    return fail(os_error(errno, "cannot take over descriptor " + std::to_string(fd)));
  return File(Handle(fd), FileType::SocketStream, {}, false);
}

u16 local_port(const File& socket) {
  Address a;
  std::memset(&a, 0, sizeof a);
  socklen_t length = sizeof a;
  if (::getsockname(socket.fd(), &a.any, &length) != 0) return 0;
  if (a.any.sa_family == AF_INET) return ntohs(a.v4.sin_port);
  if (a.any.sa_family == AF_INET6) return ntohs(a.v6.sin6_port);
  return 0;
}

Io<File> accept(const File& listener, FileStatus status, Waiter& waiter) {
  if (!listener.is_socket()) return io_fail(Errno::NotSocket);
  for (;;) {
    int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return File(Handle(fd), FileType::SocketStream, status, false);
    switch (errno) {
      // A connection that ended before it was accepted is nobody's error.
      case EINTR:
      case ECONNABORTED: continue;
      case EAGAIN: break;
      default: return io_fail_errno();
    }
    if (listener.status().nonblocking) return io_fail(Errno::Again);
    TRY(waiter.wait_for(listener.fd(), POLLIN));
  }
}

Io<Received> receive(const File& socket, std::span<const iovec> buffers, ReceiveOptions options, Waiter& waiter) {
  if (!socket.is_socket()) return io_fail(Errno::NotSocket);
  std::vector<iovec> rest(buffers.begin(),
                          buffers.begin() + static_cast<ptrdiff_t>(std::min<size_t>(buffers.size(), IOV_MAX)));
  std::span<iovec> left = rest;
  Received result;
  size_t wanted = 0;
  for (const iovec& b : left) wanted += b.iov_len;
  for (;;) {
    msghdr message{};
    message.msg_iov = left.data();
    message.msg_iovlen = left.size();
    ssize_t n = ::recvmsg(socket.fd(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (options.peek ? MSG_PEEK : 0));
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN || socket.status().nonblocking) {
        if (result.bytes > 0) return result;
        return io_fail_errno();
      }
      TRY(waiter.wait_for(socket.fd(), POLLIN));
      continue;
    }
    result.bytes += static_cast<size_t>(n);
    result.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    // Waiting for the rest of a peek would see the same bytes again and again.
    if (!options.wait_all || options.peek || n == 0 || result.bytes >= wanted) return result;
    if (socket.type() == FileType::SocketDatagram) return result;
    for (size_t done = static_cast<size_t>(n); done > 0;) {
      size_t step = std::min(done, left.front().iov_len);
      left.front().iov_base = static_cast<char*>(left.front().iov_base) + step;
      left.front().iov_len -= step;
      done -= step;
      if (left.front().iov_len == 0) left = left.subspan(1);
    }
  }
}

Io<> shutdown(const File& socket, bool reading, bool writing) {
  if (!socket.is_socket()) return io_fail(Errno::NotSocket);
  if (!reading && !writing) return io_fail(Errno::Invalid);
  int how = reading && writing ? SHUT_RDWR : reading ? SHUT_RD : SHUT_WR;
  if (::shutdown(socket.fd(), how) != 0) return io_fail_errno();
  return {};
}

}  // namespace berth::hostio
