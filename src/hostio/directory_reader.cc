#include "hostio/directory_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <limits>

namespace berth::hostio {

namespace {

FileType entry_type(unsigned char type) {
  switch (type) {
    case DT_BLK: return FileType::BlockDevice;
    case DT_CHR: return FileType::CharacterDevice;
    case DT_DIR: return FileType::Directory;
    case DT_REG: return FileType::RegularFile;
    case DT_LNK: return FileType::SymbolicLink;
    case DT_FIFO: return FileType::Fifo;
    case DT_SOCK: return FileType::SocketStream;
    default: return FileType::Unknown;
  }
}

}  // namespace

Io<DirectoryReader> DirectoryReader::open(const Directory& directory) {
  return DirectoryReader(TRY(directory.open_for_reading()));
}

Io<> DirectoryReader::fill(u64 offset) {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  filled_ = false;
  if (::lseek(handle_.fd(), static_cast<off_t>(offset), SEEK_SET) < 0) return io_fail_errno();
  ssize_t n = ::getdents64(handle_.fd(), buffer_.get(), kBufferBytes);
  if (n < 0) {
    // A directory that was removed has no entries left.
    if (errno != ENOENT) return io_fail_errno();
    n = 0;
  }
  size_ = static_cast<size_t>(n);
  at_ = last_at_ = 0;
  next_ = last_ = offset;
  filled_ = true;
  return {};
}

Io<std::optional<DirectoryEntry>> DirectoryReader::read(u64 cookie) {
  if (cookie == kStart || cookie == kDotDot) {
    Metadata self = TRY(metadata_of(handle_.fd()));
    filled_ = false;
    bool dot = cookie == kStart;
    return DirectoryEntry{dot ? "." : "..", self.inode, FileType::Directory, dot ? kDotDot : kFirst};
  }
  u64 offset = cookie == kFirst ? 0 : cookie;
  if (offset > static_cast<u64>(std::numeric_limits<off_t>::max())) return io_fail(Errno::Invalid);

  for (;;) {
    if (filled_ && last_ == offset && size_ > 0) {
      at_ = last_at_;
    } else if (!filled_ || next_ != offset || at_ == size_) {
      TRY(fill(offset));
    }
    if (size_ == 0) return std::optional<DirectoryEntry>();
    // The kernel's records: what lies between the fields is not ours to assume, so they are copied
    // out.
    const char* record = buffer_.get() + at_;
    dirent64 head;
    std::memcpy(&head, record, offsetof(dirent64, d_name));
    const char* name = record + offsetof(dirent64, d_name);
    last_at_ = at_;
    last_ = offset;
    at_ += head.d_reclen;
    next_ = offset = static_cast<u64>(head.d_off);
    std::string_view text(name);
    if (text == "." || text == "..") continue;
    DirectoryEntry entry{text, head.d_ino, entry_type(head.d_type), next_};
    if (head.d_type == DT_UNKNOWN) {
      struct ::stat s;
      if (::fstatat(handle_.fd(), name, &s, AT_SYMLINK_NOFOLLOW) == 0) entry.type = file_type(s.st_mode);
    }
    return entry;
  }
}

}  // namespace berth::hostio
