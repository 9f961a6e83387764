// Whether a file is still what it was when somebody read all of it, without reading it again.
//
// A stamp is what the file system says about a file: device, number, size, and the times of its last modification
// and change. Whoever writes to a file, renames it or alters its attributes moves the time of change to the present,
// and nobody sets that time back without being allowed to set the machine's clock. So equal stamps mean equal contents,
// provided that
// - the clock had moved on from the time of change when reading began: a write within the same tick would leave the
//   stamp as it is (git knows this as the racy index). `is_settled` says so; other stamps are not kept.
// - this kernel keeps the times, and not a server or a user's program: `has_reliable_stamps`.
// - nobody writes through a shared mapping: of many writes to a page in memory the first one counts, until the kernel
//   writes the page back. This is left open. It takes a program that may write to the file, and by that decides what
//   is run anyway; what follows for modules is in cache.h.
// Any thread.
#pragma once

#include "base/result.h"

namespace berth::engine {

struct FileStamp {
  u64 device = 0, inode = 0, size = 0;
  i64 modified = 0, changed = 0;  // nanoseconds since 1970
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// The stamp of an open file. Fails with System, `name` in the message; also when it is no regular file.
Result<FileStamp> stamp_of(int file, const std::string& name);

// The clock that file systems take their times from, in nanoseconds since 1970.
i64 file_clock();

// Whether every write that comes after `now` will change the stamp.
bool is_settled(const FileStamp& stamp, i64 now);
// Waits until it is, which takes a tick or so; not for a time in the future.
void wait_until_settled(const FileStamp& stamp);

// Whether the file is on a file system whose times are this kernel's doing. Only those known to be are.
bool has_reliable_stamps(int file);

}  // namespace berth::engine
