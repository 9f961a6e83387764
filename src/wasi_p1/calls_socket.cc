#include "hostio/socket.h"

#include "wasi_p1/calls.h"

namespace berth::wasi_p1 {

Expected<hostio::File*> Calls::socket(u32 fd, u64 needed) {
  Descriptor* d = TRY(state_.descriptors.find(fd));
  if (d->file() == nullptr || !d->file()->is_socket()) return std::unexpected(Errno::NotSocket);
  TRY(descriptor(fd, needed));
  return d->file();
}

Expected<> Calls::sock_accept(u32 fd, u32 flags, Pointer<u32> connection) {
  hostio::File* listener = TRY(socket(fd, rights::kSockAccept));
  hostio::FileStatus status = TRY(to_status(flags));
  if ((flags & ~fdflags::kNonblock) != 0) return std::unexpected(Errno::Invalid);
  TRY(memory_.check(connection));
  hostio::File accepted = TRY(hostio::accept(*listener, status, state_.waiter));
  Descriptor made{std::move(accepted), rights::kConnection, 0, {}, {}};
  return memory_.write(connection, TRY(state_.descriptors.insert(std::move(made))));
}

Expected<> Calls::sock_recv(u32 fd, Pointer<Iovec> data, u32 data_len, u32 flags, Pointer<u32> received,
                            Pointer<u16> out_flags) {
  hostio::File* s = TRY(socket(fd, rights::kFdRead));
  if ((flags & ~(kRecvPeek | kRecvWaitall)) != 0) return std::unexpected(Errno::Invalid);
  TRY(memory_.check(received));
  TRY(memory_.check(out_flags));
  Buffers buffers = TRY(memory_.buffers(data, data_len));
  hostio::ReceiveOptions options{(flags & kRecvPeek) != 0, (flags & kRecvWaitall) != 0};
  hostio::Received r = TRY(hostio::receive(*s, buffers.span(), options, state_.waiter));
  TRY(memory_.write(received, static_cast<u32>(r.bytes)));
  return memory_.write(out_flags, r.truncated ? kRecvDataTruncated : u16{0});
}

Expected<> Calls::sock_send(u32 fd, Pointer<Iovec> data, u32 data_len, u32 flags, Pointer<u32> sent) {
  hostio::File* s = TRY(socket(fd, rights::kFdWrite));
  if (flags != 0) return std::unexpected(Errno::Invalid);
  TRY(memory_.check(sent));
  Buffers buffers = TRY(memory_.buffers(data, data_len));
  size_t n = TRY(s->write(buffers.span(), state_.waiter));
  return memory_.write(sent, static_cast<u32>(n));
}

Expected<> Calls::sock_shutdown(u32 fd, u32 how) {
  hostio::File* s = TRY(socket(fd, rights::kSockShutdown));
  if (how == 0 || (how & ~(kShutRead | kShutWrite)) != 0) return std::unexpected(Errno::Invalid);
  TRY(hostio::shutdown(*s, (how & kShutRead) != 0, (how & kShutWrite) != 0));
  return {};
}

}  // namespace berth::wasi_p1
