#include "wasi_p1/failure.h"

#include <array>

namespace berth::wasi_p1 {

namespace {

constexpr size_t kTableSize = 134;

constexpr std::array<Errno, kTableSize> make_table() {
  std::array<Errno, kTableSize> t;
  t.fill(Errno::Io);
  struct Row {
    int host;
    Errno guest;
  };
  constexpr Row kRows[] = {
      {0, Errno::Success},
      {E2BIG, Errno::TooBig},
      {EACCES, Errno::Access},
      {EADDRINUSE, Errno::AddressInUse},
      {EADDRNOTAVAIL, Errno::AddressNotAvailable},
      {EAFNOSUPPORT, Errno::AddressFamilyNotSupported},
      {EAGAIN, Errno::Again},
      {EALREADY, Errno::Already},
      {EBADF, Errno::BadDescriptor},
      {EBADMSG, Errno::BadMessage},
      {EBUSY, Errno::Busy},
      {ECANCELED, Errno::Canceled},
      {ECHILD, Errno::Child},
      {ECONNABORTED, Errno::ConnectionAborted},
      {ECONNREFUSED, Errno::ConnectionRefused},
      {ECONNRESET, Errno::ConnectionReset},
      {EDEADLK, Errno::Deadlock},
      {EDESTADDRREQ, Errno::DestinationRequired},
      {EDOM, Errno::Domain},
      {EDQUOT, Errno::Quota},
      {EEXIST, Errno::Exists},
      {EFAULT, Errno::Fault},
      {EFBIG, Errno::FileTooBig},
      {EHOSTUNREACH, Errno::HostUnreachable},
      {EIDRM, Errno::IdentifierRemoved},
      {EILSEQ, Errno::IllegalSequence},
      {EINPROGRESS, Errno::InProgress},
      {EINTR, Errno::Interrupted},
      {EINVAL, Errno::Invalid},
      {EIO, Errno::Io},
      {EISCONN, Errno::IsConnected},
      {EISDIR, Errno::IsDirectory},
      {ELOOP, Errno::Loop},
      {EMFILE, Errno::TooManyFiles},
      {EMLINK, Errno::TooManyLinks},
      {EMSGSIZE, Errno::MessageSize},
      {EMULTIHOP, Errno::Multihop},
      {ENAMETOOLONG, Errno::NameTooLong},
      {ENETDOWN, Errno::NetworkDown},
      {ENETRESET, Errno::NetworkReset},
      {ENETUNREACH, Errno::NetworkUnreachable},
      {ENFILE, Errno::TooManyFilesInSystem},
      {ENOBUFS, Errno::NoBuffers},
      {ENODEV, Errno::NoDevice},
      {ENOENT, Errno::NoEntry},
      {ENOEXEC, Errno::NoExec},
      {ENOLCK, Errno::NoLocks},
      {ENOLINK, Errno::NoLink},
      {ENOMEM, Errno::NoMemory},
      {ENOMSG, Errno::NoMessage},
      {ENOPROTOOPT, Errno::NoProtocolOption},
      {ENOSPC, Errno::NoSpace},
      {ENOSYS, Errno::NotImplemented},
      {ENOTCONN, Errno::NotConnected},
      {ENOTDIR, Errno::NotDirectory},
      {ENOTEMPTY, Errno::NotEmpty},
      {ENOTRECOVERABLE, Errno::NotRecoverable},
      {ENOTSOCK, Errno::NotSocket},
      {EOPNOTSUPP, Errno::NotSupported},
      {ENOTTY, Errno::NotTerminal},
      {ENXIO, Errno::NoDeviceAddress},
      {EOVERFLOW, Errno::Overflow},
      {EOWNERDEAD, Errno::OwnerDead},
      {EPERM, Errno::NotPermitted},
      {EPIPE, Errno::BrokenPipe},
      {EPROTO, Errno::Protocol},
      {EPROTONOSUPPORT, Errno::ProtocolNotSupported},
      {EPROTOTYPE, Errno::ProtocolType},
      {ERANGE, Errno::Range},
      {EROFS, Errno::ReadOnly},
      {ESPIPE, Errno::NotSeekable},
      {ESRCH, Errno::NoProcess},
      {ESTALE, Errno::Stale},
      {ETIMEDOUT, Errno::TimedOut},
      {ETXTBSY, Errno::TextBusy},
      {EXDEV, Errno::CrossDevice},
  };
  for (Row r : kRows) t[static_cast<size_t>(r.host)] = r.guest;
  return t;
}

constexpr std::array<Errno, kTableSize> kTable = make_table();

}  // namespace

Errno to_errno(hostio::Errno e) {
  // As wasmtime answers paths that lead out.
  if (e == hostio::Errno::Escape) return Errno::NotPermitted;
  size_t i = static_cast<size_t>(e);
  return i < kTable.size() ? kTable[i] : Errno::Io;
}

}  // namespace berth::wasi_p1
