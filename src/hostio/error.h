// Errors of the operating system as plain values: cheap enough to return on every EAGAIN, and none
// is lost on the way to a guest. No state; usable from any thread.
#pragma once

#include <cerrno>
#include <expected>

#include "base/types.h"

namespace berth::hostio {

// Values are those of the C library, so that converting costs nothing; Escape is our own.
enum class Errno : u16 {
  Perm = EPERM,
  NoEntry = ENOENT,
  Interrupted = EINTR,
  Io = EIO,
  NoDeviceAddress = ENXIO,
  TooBig = E2BIG,
  BadDescriptor = EBADF,
  Again = EAGAIN,
  NoMemory = ENOMEM,
  Access = EACCES,
  Fault = EFAULT,
  Busy = EBUSY,
  Exists = EEXIST,
  CrossDevice = EXDEV,
  NoDevice = ENODEV,
  NotDirectory = ENOTDIR,
  IsDirectory = EISDIR,
  Invalid = EINVAL,
  TooManyFiles = EMFILE,
  TooManyFilesInSystem = ENFILE,
  NotTerminal = ENOTTY,
  TooLarge = EFBIG,
  NoSpace = ENOSPC,
  NotSeekable = ESPIPE,
  ReadOnly = EROFS,
  TooManyLinks = EMLINK,
  BrokenPipe = EPIPE,
  Range = ERANGE,
  NameTooLong = ENAMETOOLONG,
  NotImplemented = ENOSYS,
  NotEmpty = ENOTEMPTY,
  Loop = ELOOP,
  Overflow = EOVERFLOW,
  NotSocket = ENOTSOCK,
  NotSupported = EOPNOTSUPP,
  AddressInUse = EADDRINUSE,
  AddressNotAvailable = EADDRNOTAVAIL,
  ConnectionAborted = ECONNABORTED,
  ConnectionReset = ECONNRESET,
  NotConnected = ENOTCONN,
  TimedOut = ETIMEDOUT,
  ConnectionRefused = ECONNREFUSED,
  InProgress = EINPROGRESS,
  // A wait ended because someone asked the guest to stop (see wait.h).
  Canceled = ECANCELED,
  // Not the system's: a path leads out of the directory that was granted.
  Escape = 4096,
};

template <typename T = void>
using Io = std::expected<T, Errno>;

// The calling thread's errno; every value is kept, named above or not.
inline Errno last_errno() { return static_cast<Errno>(errno); }
inline std::unexpected<Errno> io_fail(Errno e) { return std::unexpected(e); }
inline std::unexpected<Errno> io_fail_errno() { return std::unexpected(last_errno()); }

// What strerror says, or our own words; static storage or thread-local, as strerror's.
const char* describe(Errno e);

}  // namespace berth::hostio
