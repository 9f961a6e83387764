// The entries of a directory, from any position. A position is a cookie; entries that exist
// throughout are seen exactly once however the directory changes meanwhile, as far as the file
// system keeps that promise: cookies are its own offsets.
//
// "." and ".." always come first and are our own, so that ".." of a granted directory tells nothing
// about its parent. Belongs to one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "hostio/directory.h"

namespace berth::hostio {

struct DirectoryEntry {
  std::string_view name;  // valid until the next call
  u64 inode = 0;
  FileType type = FileType::Unknown;
  u64 next = 0;  // the cookie of what follows this entry
};

class DirectoryReader {
 public:
  static constexpr u64 kStart = 0;

  static Io<DirectoryReader> open(const Directory& directory);

  // The entry at `cookie`, which is kStart or an earlier entry's `next`; nothing at the end.
  // Starting over sees the directory as it is now. A made-up cookie yields entries or fails with
  // Invalid.
  Io<std::optional<DirectoryEntry>> read(u64 cookie);
  int fd() const { return handle_.fd(); }

 private:
  static constexpr size_t kBufferBytes = 32768;
  static constexpr u64 kDotDot = u64{1} << 63 | 1;
  static constexpr u64 kFirst = u64{1} << 63 | 2;  // the first entry that is neither "." nor ".."

  explicit DirectoryReader(Handle handle) : handle_(std::move(handle)) {}
  Io<> fill(u64 offset);

  Handle handle_;
  std::unique_ptr<char[]> buffer_;
  size_t size_ = 0;     // bytes of entries in the buffer
  size_t at_ = 0;       // the entry that is at next_
  u64 next_ = 0;        // offset in the directory of the entry at at_
  size_t last_at_ = 0;  // the entry returned last, which callers with a full buffer ask for again
  u64 last_ = 0;
  bool filled_ = false;
};

}  // namespace berth::hostio
