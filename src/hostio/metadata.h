// What is known about a file. Plain values.
#pragma once

#include "hostio/error.h"

struct stat;

namespace berth::hostio {

enum class FileType : u8 {
  Unknown,
  BlockDevice,
  CharacterDevice,
  Directory,
  RegularFile,
  SymbolicLink,
  Fifo,
  SocketStream,
  SocketDatagram,
};

struct Metadata {
  FileType type = FileType::Unknown;
  u64 device = 0, inode = 0, links = 0, size = 0;
  u64 accessed = 0, modified = 0, changed = 0;  // nanoseconds since 1970; earlier times show as 0
};

// A file's type from st_mode; a socket shows as SocketStream.
FileType file_type(unsigned mode);
Metadata to_metadata(const struct ::stat& status);
// Metadata of an open descriptor, O_PATH ones too. Tells datagram sockets from streams.
Io<Metadata> metadata_of(int fd);

// What to do with one of a file's times.
struct TimeChange {
  enum Kind : u8 { Keep, Now, Set } kind = Keep;
  u64 nanoseconds = 0;  // since 1970, when Set
};
// Sets the times of what `fd` refers to, itself never followed; O_PATH descriptors too (Linux 5.8).
Io<> set_times_of(int fd, TimeChange accessed, TimeChange modified);

}  // namespace berth::hostio
