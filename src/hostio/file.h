// Open files that are not directories: regular files, FIFOs, terminals and other devices, sockets.
// Reading and writing may wait, but always in a Waiter, so that a guest which waits can be stopped;
// the only exceptions are disks, and terminals and pipes shared with a process that empties them at
// the same time.
//
// Flags of the descriptor are kept here and not in the system where it is shared with other
// processes (the standard streams): a guest that makes its stdin non-blocking does not do so to the
// shell.
//
// The process must ignore SIGPIPE (ignore_sigpipe); a pipe without a reader then fails with
// BrokenPipe. A File is used by one thread at a time.
#pragma once

#include <sys/uio.h>

#include <span>

#include "hostio/error.h"
#include "hostio/handle.h"
#include "hostio/metadata.h"
#include "hostio/wait.h"

namespace berth::hostio {

struct FileStatus {
  bool append = false;
  bool nonblocking = false;  // fail with Again instead of waiting
  bool sync = false, data_sync = false;
  friend bool operator==(const FileStatus&, const FileStatus&) = default;
};

enum class Whence : u8 { Start, Current, End };
enum class Advice : u8 { Normal, Sequential, Random, WillNeed, DontNeed, NoReuse };

class File {
 public:
  // `status` as the descriptor was opened. Without `may_change` the file's size and times cannot be
  // set (ReadOnly), whatever the descriptor would allow.
  File(Handle handle, FileType type, FileStatus status, bool may_change);
  // A descriptor that the process was started with, which stays the process's. Fails with
  // BadDescriptor when it is not open, and for a directory with IsDirectory.
  static Io<File> inherited(int fd);
  // Always at its end, and swallows what is written; no descriptor behind it.
  static File null() { return File(Handle(), FileType::Unknown, {}, false); }

  // Reads what is there, at least one byte unless the end is reached (0). Waits if nothing is there
  // and the file is not non-blocking.
  Io<size_t> read(std::span<const iovec> buffers, Waiter& waiter);
  // Writes everything, waiting as often as needed; when non-blocking, what can be written at once.
  // Fewer bytes than asked for are written only if an error follows, which the next write reports.
  Io<size_t> write(std::span<const iovec> buffers, Waiter& waiter);
  // At an offset; the file's own is not used or changed, even in append mode. NotSeekable for
  // streams.
  Io<size_t> read_at(std::span<const iovec> buffers, u64 offset);
  Io<size_t> write_at(std::span<const iovec> buffers, u64 offset);
  // At the end as it is then; the file's own offset is not used or changed. NotSeekable for streams.
  Io<size_t> append(std::span<const iovec> buffers);

  Io<u64> seek(i64 offset, Whence whence);
  Io<Metadata> metadata() const;
  Io<> set_size(u64 size);
  Io<> set_times(TimeChange accessed, TimeChange modified);
  Io<> allocate(u64 offset, u64 length);
  Io<> advise(u64 offset, u64 length, Advice advice);
  Io<> sync(bool data_only);

  const FileStatus& status() const { return status_; }
  Io<> set_status(const FileStatus& status);
  bool is_terminal() const;
  // Bytes that a read would yield now, as far as is known.
  u64 available() const;

  FileType type() const { return type_; }
  bool is_socket() const { return type_ == FileType::SocketStream || type_ == FileType::SocketDatagram; }
  // Whether reading or writing can wait for somebody else.
  bool may_wait() const { return handle_ && type_ != FileType::RegularFile && type_ != FileType::BlockDevice; }
  // Whether the file has a position.
  bool may_seek() const;
  int fd() const { return handle_.fd(); }

 private:
  // Whether the system can be asked, call by call, not to wait.
  enum class NoWait : u8 { Unknown, Works, Missing };

  Io<size_t> read_stream(std::span<const iovec> buffers, Waiter& waiter);
  Io<size_t> write_stream(std::span<const iovec> buffers, Waiter& waiter);
  Io<size_t> write_some(std::span<const iovec> buffers);
  int write_flags() const;

  Handle handle_;
  FileType type_;
  FileStatus status_;
  bool may_change_;
  bool descriptor_append_;       // O_APPEND is set on the descriptor
  bool descriptor_nonblocking_;  // O_NONBLOCK is set on the descriptor
  NoWait no_wait_read_ = NoWait::Unknown;
  NoWait no_wait_write_ = NoWait::Unknown;
};

// Makes the whole process ignore SIGPIPE and SIGXFSZ if nothing else was arranged. Once per process is enough.
void ignore_io_signals();

}  // namespace berth::hostio
