#include "wasi_p1/descriptors.h"

#include <algorithm>

#include "base/result.h"

namespace berth::wasi_p1 {

Expected<Descriptor*> Descriptors::find(u32 fd) {
  if (fd >= slots_.size() || !slots_[fd]) return std::unexpected(Errno::BadDescriptor);
  return slots_[fd].get();
}

Expected<u32> Descriptors::insert(Descriptor descriptor) {
  while (first_free_ < slots_.size() && slots_[first_free_]) ++first_free_;
  if (first_free_ >= limit_) return std::unexpected(Errno::TooManyFiles);
  if (first_free_ == slots_.size()) slots_.emplace_back();
  slots_[first_free_] = std::make_unique<Descriptor>(std::move(descriptor));
  return static_cast<u32>(first_free_++);
}

Expected<u32> Descriptors::append(Descriptor descriptor) {
  if (slots_.size() >= limit_) return std::unexpected(Errno::TooManyFiles);
  slots_.push_back(std::make_unique<Descriptor>(std::move(descriptor)));
  return static_cast<u32>(slots_.size() - 1);
}

Expected<> Descriptors::close(u32 fd) {
  TRY(find(fd));
  slots_[fd].reset();
  first_free_ = std::min<size_t>(first_free_, fd);
  return {};
}

Expected<> Descriptors::renumber(u32 from, u32 to) {
  TRY(find(from));
  TRY(find(to));
  if (from == to) return {};
  slots_[to] = std::move(slots_[from]);
  first_free_ = std::min<size_t>(first_free_, from);
  return {};
}

Filetype to_filetype(hostio::FileType type) {
  switch (type) {
    case hostio::FileType::BlockDevice: return Filetype::BlockDevice;
    case hostio::FileType::CharacterDevice: return Filetype::CharacterDevice;
    case hostio::FileType::Directory: return Filetype::Directory;
    case hostio::FileType::RegularFile: return Filetype::RegularFile;
    case hostio::FileType::SymbolicLink: return Filetype::SymbolicLink;
    case hostio::FileType::SocketStream: return Filetype::SocketStream;
    case hostio::FileType::SocketDatagram: return Filetype::SocketDgram;
    case hostio::FileType::Fifo:
    case hostio::FileType::Unknown: break;
  }
  return Filetype::Unknown;
}

u64 rights_for(const hostio::File& file) {
  switch (file.type()) {
    case hostio::FileType::RegularFile:
    case hostio::FileType::BlockDevice: return rights::kFile;
    // C libraries take a character device that cannot seek for a terminal.
    case hostio::FileType::CharacterDevice: return file.is_terminal() ? rights::kStream : rights::kFile;
    case hostio::FileType::SocketStream:
    case hostio::FileType::SocketDatagram: return rights::kConnection;
    default: return rights::kStream;
  }
}

}  // namespace berth::wasi_p1
