// The types of WASI 0.1 (wasi_snapshot_preview1) as they lie in a guest's memory, little-endian and
// with the alignment of C for wasm32, and those of wasi_unstable where they differ. Plain values.
#pragma once

#include <bit>
#include <cstddef>

#include "base/types.h"

namespace berth::wasi_p1 {

static_assert(std::endian::native == std::endian::little, "guest structures are copied as they are");

enum class Errno : u16 {
  Success,
  TooBig,
  Access,
  AddressInUse,
  AddressNotAvailable,
  AddressFamilyNotSupported,
  Again,
  Already,
  BadDescriptor,
  BadMessage,
  Busy,
  Canceled,
  Child,
  ConnectionAborted,
  ConnectionRefused,
  ConnectionReset,
  Deadlock,
  DestinationRequired,
  Domain,
  Quota,
  Exists,
  Fault,
  FileTooBig,
  HostUnreachable,
  IdentifierRemoved,
  IllegalSequence,
  InProgress,
  Interrupted,
  Invalid,
  Io,
  IsConnected,
  IsDirectory,
  Loop,
  TooManyFiles,
  TooManyLinks,
  MessageSize,
  Multihop,
  NameTooLong,
  NetworkDown,
  NetworkReset,
  NetworkUnreachable,
  TooManyFilesInSystem,
  NoBuffers,
  NoDevice,
  NoEntry,
  NoExec,
  NoLocks,
  NoLink,
  NoMemory,
  NoMessage,
  NoProtocolOption,
  NoSpace,
  NotImplemented,
  NotConnected,
  NotDirectory,
  NotEmpty,
  NotRecoverable,
  NotSocket,
  NotSupported,
  NotTerminal,
  NoDeviceAddress,
  Overflow,
  OwnerDead,
  NotPermitted,
  BrokenPipe,
  Protocol,
  ProtocolNotSupported,
  ProtocolType,
  Range,
  ReadOnly,
  NotSeekable,
  NoProcess,
  Stale,
  TimedOut,
  TextBusy,
  CrossDevice,
  NotCapable,
};
static_assert(static_cast<u16>(Errno::NotCapable) == 76);

// Rights of a descriptor: `base` for itself, `inheriting` for what is opened through it.
namespace rights {
inline constexpr u64 kFdDatasync = 1 << 0, kFdRead = 1 << 1, kFdSeek = 1 << 2, kFdFdstatSetFlags = 1 << 3,
                     kFdSync = 1 << 4, kFdTell = 1 << 5, kFdWrite = 1 << 6, kFdAdvise = 1 << 7, kFdAllocate = 1 << 8,
                     kPathCreateDirectory = 1 << 9, kPathCreateFile = 1 << 10, kPathLinkSource = 1 << 11,
                     kPathLinkTarget = 1 << 12, kPathOpen = 1 << 13, kFdReaddir = 1 << 14, kPathReadlink = 1 << 15,
                     kPathRenameSource = 1 << 16, kPathRenameTarget = 1 << 17, kPathFilestatGet = 1 << 18,
                     kPathFilestatSetSize = 1 << 19, kPathFilestatSetTimes = 1 << 20, kFdFilestatGet = 1 << 21,
                     kFdFilestatSetSize = 1 << 22, kFdFilestatSetTimes = 1 << 23, kPathSymlink = 1 << 24,
                     kPathRemoveDirectory = 1 << 25, kPathUnlinkFile = 1 << 26, kPollFdReadwrite = 1 << 27,
                     kSockShutdown = 1 << 28, kSockAccept = 1 << 29;
inline constexpr u64 kAll = (1 << 30) - 1;
// What makes sense for each type of file; a descriptor never has more.
inline constexpr u64 kStream =
    kFdDatasync | kFdRead | kFdFdstatSetFlags | kFdSync | kFdWrite | kFdFilestatGet | kPollFdReadwrite;
inline constexpr u64 kFile =
    kStream | kFdSeek | kFdTell | kFdAdvise | kFdAllocate | kFdFilestatSetSize | kFdFilestatSetTimes;
inline constexpr u64 kDirectory = kFdDatasync | kFdFdstatSetFlags | kFdSync | kFdAdvise | kPathCreateDirectory |
                                  kPathCreateFile | kPathLinkSource | kPathLinkTarget | kPathOpen | kFdReaddir |
                                  kPathReadlink | kPathRenameSource | kPathRenameTarget | kPathFilestatGet |
                                  kPathFilestatSetSize | kPathFilestatSetTimes | kFdFilestatGet | kFdFilestatSetTimes |
                                  kPathSymlink | kPathRemoveDirectory | kPathUnlinkFile;
inline constexpr u64 kBeneathDirectory = kDirectory | kFile;
inline constexpr u64 kConnection = kStream | kSockShutdown;
inline constexpr u64 kListener = kFdFdstatSetFlags | kFdFilestatGet | kPollFdReadwrite | kSockAccept | kFdRead;
}  // namespace rights

namespace fdflags {
inline constexpr u32 kAppend = 1, kDsync = 2, kNonblock = 4, kRsync = 8, kSync = 16, kAll = 31;
}
namespace oflags {
inline constexpr u32 kCreat = 1, kDirectory = 2, kExcl = 4, kTrunc = 8, kAll = 15;
}
namespace fstflags {
inline constexpr u32 kAtim = 1, kAtimNow = 2, kMtim = 4, kMtimNow = 8, kAll = 15;
}
inline constexpr u32 kLookupSymlinkFollow = 1;
inline constexpr u16 kEventHangup = 1;
inline constexpr u16 kSubclockAbstime = 1;
inline constexpr u32 kRecvPeek = 1, kRecvWaitall = 2;
inline constexpr u16 kRecvDataTruncated = 1;
inline constexpr u32 kShutRead = 1, kShutWrite = 2;

enum class Filetype : u8 {
  Unknown,
  BlockDevice,
  CharacterDevice,
  Directory,
  RegularFile,
  SocketDgram,
  SocketStream,
  SymbolicLink,
};
enum class Eventtype : u8 { Clock, FdRead, FdWrite };

struct Iovec {
  u32 buf, buf_len;
};
struct Dirent {
  u64 d_next, d_ino;
  u32 d_namlen;
  Filetype d_type;
  u8 unused[3];
};
static_assert(sizeof(Dirent) == 24);
struct Fdstat {
  Filetype filetype;
  u8 unused1;
  u16 flags;
  u32 unused2;
  u64 rights_base, rights_inheriting;
};
static_assert(sizeof(Fdstat) == 24);
struct Filestat {
  u64 dev, ino;
  Filetype filetype;
  u8 unused[7];
  u64 nlink, size, atim, mtim, ctim;
};
static_assert(sizeof(Filestat) == 64);
struct Prestat {
  u32 tag;  // 0: a directory
  u32 name_len;
};
struct Event {
  u64 userdata;
  Errno error;
  Eventtype type;
  u8 unused1[5];
  u64 nbytes;
  u16 flags;
  u8 unused2[6];
};
static_assert(sizeof(Event) == 32);
struct SubscriptionClock {
  u32 id;
  u32 unused;
  u64 timeout, precision;
  u16 flags;
};
struct Subscription {
  u64 userdata;
  u8 tag;
  u8 unused1[7];
  union {
    SubscriptionClock clock;
    u32 fd;
  };
};
static_assert(sizeof(Subscription) == 48 && offsetof(Subscription, clock) == 16);

// wasi_unstable (snapshot 0).
namespace unstable {
struct Filestat {
  u64 dev, ino;
  Filetype filetype;
  u8 unused[3];
  u32 nlink;
  u64 size, atim, mtim, ctim;
};
static_assert(sizeof(Filestat) == 56);
struct SubscriptionClock {
  u64 identifier;
  u32 id;
  u32 unused;
  u64 timeout, precision;
  u16 flags;
};
struct Subscription {
  u64 userdata;
  u8 tag;
  u8 unused1[7];
  union {
    SubscriptionClock clock;
    u32 fd;
  };
};
static_assert(sizeof(Subscription) == 56);
}  // namespace unstable

}  // namespace berth::wasi_p1
