#include "hostio/metadata.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace berth::hostio {

FileType file_type(unsigned mode) {
  switch (mode & S_IFMT) {
    case S_IFBLK: return FileType::BlockDevice;
    case S_IFCHR: return FileType::CharacterDevice;
    case S_IFDIR: return FileType::Directory;
    case S_IFREG: return FileType::RegularFile;
    case S_IFLNK: return FileType::SymbolicLink;
    case S_IFIFO: return FileType::Fifo;
    case S_IFSOCK: return FileType::SocketStream;
    default: return FileType::Unknown;
  }
}

static u64 to_nanoseconds(const timespec& t) {
  return t.tv_sec < 0 ? 0 : static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}

Metadata to_metadata(const struct ::stat& s) {
  return {file_type(s.st_mode),
          s.st_dev,
          s.st_ino,
          s.st_nlink,
          static_cast<u64>(s.st_size),
          to_nanoseconds(s.st_atim),
          to_nanoseconds(s.st_mtim),
          to_nanoseconds(s.st_ctim)};
}

Io<Metadata> metadata_of(int fd) {
  struct ::stat s;
  if (::fstat(fd, &s) != 0) return io_fail_errno();
  Metadata m = to_metadata(s);
  if (m.type == FileType::SocketStream) {
    int type = 0;
    socklen_t length = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM)
      m.type = FileType::SocketDatagram;
  }
  return m;
}

static timespec to_timespec(TimeChange t) {
  switch (t.kind) {
    case TimeChange::Keep: return {0, UTIME_OMIT};
    case TimeChange::Now: return {0, UTIME_NOW};
    case TimeChange::Set: break;
  }
  return {static_cast<time_t>(t.nanoseconds / 1'000'000'000), static_cast<long>(t.nanoseconds % 1'000'000'000)};
}

Io<> set_times_of(int fd, TimeChange accessed, TimeChange modified) {
  timespec times[2] = {to_timespec(accessed), to_timespec(modified)};
  if (::utimensat(fd, "", times, AT_EMPTY_PATH) != 0) return io_fail_errno();
  return {};
}

}  // namespace berth::hostio
