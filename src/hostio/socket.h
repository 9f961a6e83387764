// Sockets that a workload was given: listening ones, and the connections they accept. Making
// sockets is no part of this header's capability. All sockets made here are close-on-exec and
// non-blocking underneath; whoever waits does so in a Waiter.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "hostio/file.h"

namespace berth::hostio {

// Listens on "HOST:PORT": an IPv4 address, an IPv6 address in brackets, or localhost. Port 0 lets
// the system choose. Fails with Usage for anything else, and with Io if the system refuses.
Result<File> listen_tcp(std::string_view address);
// Takes over a descriptor that is already listening, as systemd or a supervisor passes it on.
Result<File> adopt_listener(int fd);
// The port that a listening socket is bound to; 0 if it has none.
u16 local_port(const File& socket);

// The next connection; waits for one unless the listener is non-blocking (Again).
Io<File> accept(const File& listener, FileStatus status, Waiter& waiter);

struct ReceiveOptions {
  bool peek = false;      // leave the data in the queue
  bool wait_all = false;  // wait until the buffers are full or the stream ends
};
struct Received {
  size_t bytes = 0;
  bool truncated = false;  // a datagram was longer than the buffers
};
// Fails with NotSocket for other files.
Io<Received> receive(const File& socket, std::span<const iovec> buffers, ReceiveOptions options, Waiter& waiter);
Io<> shutdown(const File& socket, bool reading, bool writing);

}  // namespace berth::hostio
