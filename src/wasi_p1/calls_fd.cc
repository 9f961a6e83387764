#include <algorithm>

#include "wasi_p1/calls.h"

namespace berth::wasi_p1 {

Expected<Descriptor*> Calls::descriptor(u32 fd, u64 needed) {
  Descriptor* d = TRY(state_.descriptors.find(fd));
  if ((d->rights_base & needed) != needed) return std::unexpected(Errno::NotCapable);
  return d;
}

// The type is asked first: a directory has no right to be read, but the reason is that it is one.
Expected<Descriptor*> Calls::file(u32 fd, u64 needed) {
  Descriptor* d = TRY(state_.descriptors.find(fd));
  if (d->file() == nullptr) return std::unexpected(Errno::IsDirectory);
  return descriptor(fd, needed);
}

Expected<Descriptor*> Calls::directory(u32 fd, u64 needed) {
  Descriptor* d = TRY(state_.descriptors.find(fd));
  if (d->directory() == nullptr) return std::unexpected(Errno::NotDirectory);
  return descriptor(fd, needed);
}

static Expected<hostio::TimeChange> time_change(u64 time, u32 flags, u32 set, u32 now) {
  if ((flags & set) != 0 && (flags & now) != 0) return std::unexpected(Errno::Invalid);
  if ((flags & now) != 0) return hostio::TimeChange{hostio::TimeChange::Now, 0};
  if ((flags & set) != 0) return hostio::TimeChange{hostio::TimeChange::Set, time};
  return hostio::TimeChange{};
}

Expected<TimeChanges> time_changes(u64 atim, u64 mtim, u32 flags) {
  if ((flags & ~fstflags::kAll) != 0) return std::unexpected(Errno::Invalid);
  TimeChanges c;
  c.accessed = TRY(time_change(atim, flags, fstflags::kAtim, fstflags::kAtimNow));
  c.modified = TRY(time_change(mtim, flags, fstflags::kMtim, fstflags::kMtimNow));
  return c;
}

Expected<hostio::FileStatus> to_status(u32 flags) {
  if ((flags & ~fdflags::kAll) != 0) return std::unexpected(Errno::Invalid);
  hostio::FileStatus s;
  s.append = (flags & fdflags::kAppend) != 0;
  s.nonblocking = (flags & fdflags::kNonblock) != 0;
  // Linux makes no difference between reading and writing synchronously.
  s.sync = (flags & (fdflags::kSync | fdflags::kRsync)) != 0;
  s.data_sync = (flags & fdflags::kDsync) != 0;
  return s;
}

static u16 to_fdflags(const hostio::FileStatus& s) {
  u32 flags = 0;
  if (s.append) flags |= fdflags::kAppend;
  if (s.nonblocking) flags |= fdflags::kNonblock;
  if (s.sync) flags |= fdflags::kSync;
  if (s.data_sync) flags |= fdflags::kDsync;
  return static_cast<u16>(flags);
}

Filestat to_filestat(const hostio::Metadata& m) {
  Filestat s{};
  s.dev = m.device;
  s.ino = m.inode;
  s.filetype = to_filetype(m.type);
  s.nlink = m.links;
  s.size = m.size;
  s.atim = m.accessed;
  s.mtim = m.modified;
  s.ctim = m.changed;
  return s;
}

unstable::Filestat to_unstable_filestat(const hostio::Metadata& m) {
  unstable::Filestat s{};
  s.dev = m.device;
  s.ino = m.inode;
  s.filetype = to_filetype(m.type);
  s.nlink = static_cast<u32>(std::min<u64>(m.links, UINT32_MAX));
  s.size = m.size;
  s.atim = m.accessed;
  s.mtim = m.modified;
  s.ctim = m.changed;
  return s;
}

Expected<> Calls::fd_advise(u32 fd, u64 offset, u64 length, u32 advice) {
  Descriptor* d = TRY(file(fd, rights::kFdAdvise));
  if (advice > static_cast<u32>(hostio::Advice::NoReuse)) return std::unexpected(Errno::Invalid);
  TRY(d->file()->advise(offset, length, static_cast<hostio::Advice>(advice)));
  return {};
}

Expected<> Calls::fd_allocate(u32 fd, u64 offset, u64 length) {
  Descriptor* d = TRY(file(fd, rights::kFdAllocate));
  TRY(d->file()->allocate(offset, length));
  return {};
}

Expected<> Calls::fd_close(u32 fd) { return state_.descriptors.close(fd); }

Expected<> Calls::fd_datasync(u32 fd) {
  Descriptor* d = TRY(descriptor(fd, rights::kFdDatasync));
  TRY(d->file() != nullptr ? d->file()->sync(true) : d->directory()->sync(true));
  return {};
}

Expected<> Calls::fd_sync(u32 fd) {
  Descriptor* d = TRY(descriptor(fd, rights::kFdSync));
  TRY(d->file() != nullptr ? d->file()->sync(false) : d->directory()->sync(false));
  return {};
}

Expected<> Calls::fd_fdstat_get(u32 fd, Pointer<Fdstat> out) {
  Descriptor* d = TRY(descriptor(fd, 0));
  Fdstat s{};
  s.filetype = Filetype::Directory;
  if (hostio::File* f = d->file()) {
    s.filetype = to_filetype(f->type());
    s.flags = to_fdflags(f->status());
  }
  s.rights_base = d->rights_base;
  s.rights_inheriting = d->rights_inheriting;
  return memory_.write(out, s);
}

Expected<> Calls::fd_fdstat_set_flags(u32 fd, u32 flags) {
  Descriptor* d = TRY(descriptor(fd, rights::kFdFdstatSetFlags));
  hostio::FileStatus status = TRY(to_status(flags));
  // Directories have no flags that mean anything.
  if (d->file() != nullptr) TRY(d->file()->set_status(status));
  return {};
}

Expected<> Calls::fd_fdstat_set_rights(u32 fd, u64 base, u64 inheriting) {
  Descriptor* d = TRY(descriptor(fd, 0));
  if ((base & ~d->rights_base) != 0 || (inheriting & ~d->rights_inheriting) != 0)
    return std::unexpected(Errno::NotCapable);
  d->rights_base = base;
  d->rights_inheriting = inheriting;
  return {};
}

static hostio::Io<hostio::Metadata> metadata(Descriptor& d) {
  return d.file() != nullptr ? d.file()->metadata() : d.directory()->metadata();
}

Expected<> Calls::fd_filestat_get(u32 fd, Pointer<Filestat> out) {
  Descriptor* d = TRY(descriptor(fd, rights::kFdFilestatGet));
  return memory_.write(out, to_filestat(TRY(metadata(*d))));
}

Expected<> Calls::fd_filestat_get_unstable(u32 fd, Pointer<unstable::Filestat> out) {
  Descriptor* d = TRY(descriptor(fd, rights::kFdFilestatGet));
  return memory_.write(out, to_unstable_filestat(TRY(metadata(*d))));
}

Expected<> Calls::fd_filestat_set_size(u32 fd, u64 size) {
  Descriptor* d = TRY(file(fd, rights::kFdFilestatSetSize));
  TRY(d->file()->set_size(size));
  return {};
}

Expected<> Calls::fd_filestat_set_times(u32 fd, u64 atim, u64 mtim, u32 flags) {
  Descriptor* d = TRY(descriptor(fd, rights::kFdFilestatSetTimes));
  TimeChanges c = TRY(time_changes(atim, mtim, flags));
  TRY(d->file() != nullptr ? d->file()->set_times(c.accessed, c.modified)
                           : d->directory()->set_own_times(c.accessed, c.modified));
  return {};
}

Expected<> Calls::fd_read(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, Pointer<u32> nread) {
  Descriptor* d = TRY(file(fd, rights::kFdRead));
  TRY(memory_.check(nread));
  Buffers buffers = TRY(memory_.buffers(iovs, iovs_len));
  size_t n = TRY(d->file()->read(buffers.span(), state_.waiter));
  return memory_.write(nread, static_cast<u32>(n));
}

Expected<> Calls::fd_pread(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, u64 offset, Pointer<u32> nread) {
  Descriptor* d = TRY(file(fd, rights::kFdRead));
  if (d->file()->may_seek()) TRY(descriptor(fd, rights::kFdSeek));
  TRY(memory_.check(nread));
  Buffers buffers = TRY(memory_.buffers(iovs, iovs_len));
  size_t n = TRY(d->file()->read_at(buffers.span(), offset));
  return memory_.write(nread, static_cast<u32>(n));
}

Expected<> Calls::fd_write(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, Pointer<u32> nwritten) {
  Descriptor* d = TRY(file(fd, rights::kFdWrite));
  TRY(memory_.check(nwritten));
  Buffers buffers = TRY(memory_.buffers(iovs, iovs_len));
  size_t n = TRY(d->file()->write(buffers.span(), state_.waiter));
  return memory_.write(nwritten, static_cast<u32>(n));
}

Expected<> Calls::fd_pwrite(u32 fd, Pointer<Iovec> iovs, u32 iovs_len, u64 offset, Pointer<u32> nwritten) {
  Descriptor* d = TRY(file(fd, rights::kFdWrite));
  if (d->file()->may_seek()) TRY(descriptor(fd, rights::kFdSeek));
  TRY(memory_.check(nwritten));
  Buffers buffers = TRY(memory_.buffers(iovs, iovs_len));
  size_t n = TRY(d->file()->write_at(buffers.span(), offset));
  return memory_.write(nwritten, static_cast<u32>(n));
}

Expected<> Calls::fd_prestat_get(u32 fd, Pointer<Prestat> out) {
  Descriptor* d = TRY(descriptor(fd, 0));
  if (!d->preopen_name) return std::unexpected(Errno::BadDescriptor);
  return memory_.write(out, Prestat{0, static_cast<u32>(d->preopen_name->size())});
}

Expected<> Calls::fd_prestat_dir_name(u32 fd, Pointer<u8> path, u32 path_len) {
  Descriptor* d = TRY(descriptor(fd, 0));
  if (!d->preopen_name) return std::unexpected(Errno::BadDescriptor);
  if (path_len < d->preopen_name->size()) return std::unexpected(Errno::NameTooLong);
  std::span<u8> out = TRY(memory_.range(path.address, d->preopen_name->size()));
  std::memcpy(out.data(), d->preopen_name->data(), out.size());
  return {};
}

Expected<u32> Calls::read_entries(Descriptor& d, std::span<u8> out, u64 cookie) {
  if (!d.reader) d.reader = TRY(hostio::DirectoryReader::open(*d.directory()));
  size_t used = 0;
  // What does not fit is cut; that the buffer is full tells the guest to ask again from the last
  // whole entry.
  auto append = [&](const void* from, size_t length) {
    length = std::min(length, out.size() - used);
    std::memcpy(out.data() + used, from, length);
    used += length;
  };
  while (used < out.size()) {
    std::optional<hostio::DirectoryEntry> e = TRY(d.reader->read(cookie));
    if (!e) break;
    Dirent head{};
    head.d_next = e->next;
    head.d_ino = e->inode;
    head.d_namlen = static_cast<u32>(e->name.size());
    head.d_type = to_filetype(e->type);
    append(&head, sizeof head);
    append(e->name.data(), e->name.size());
    cookie = e->next;
  }
  return static_cast<u32>(used);
}

Expected<> Calls::fd_readdir(u32 fd, Pointer<u8> buf, u32 buf_len, u64 cookie, Pointer<u32> used) {
  Descriptor* d = TRY(directory(fd, rights::kFdReaddir));
  TRY(memory_.check(used));
  std::span<u8> out = TRY(memory_.range(buf.address, buf_len));
  return memory_.write(used, TRY(read_entries(*d, out, cookie)));
}

Expected<> Calls::fd_renumber(u32 from, u32 to) { return state_.descriptors.renumber(from, to); }

Expected<> Calls::seek(u32 fd, i64 offset, hostio::Whence whence, Pointer<u64> position) {
  // Asking for the position needs only the right to tell it.
  bool tells = offset == 0 && whence == hostio::Whence::Current;
  Descriptor* d = TRY(file(fd, 0));
  u64 either = tells ? rights::kFdSeek | rights::kFdTell : rights::kFdSeek;
  if (d->file()->may_seek() && (d->rights_base & either) == 0) return std::unexpected(Errno::NotCapable);
  TRY(memory_.check(position));
  return memory_.write(position, TRY(d->file()->seek(offset, whence)));
}

Expected<> Calls::fd_seek(u32 fd, i64 offset, u32 whence, Pointer<u64> position) {
  static constexpr hostio::Whence kWhence[] = {hostio::Whence::Start, hostio::Whence::Current, hostio::Whence::End};
  if (whence >= std::size(kWhence)) return std::unexpected(Errno::Invalid);
  return seek(fd, offset, kWhence[whence], position);
}

Expected<> Calls::fd_seek_unstable(u32 fd, i64 offset, u32 whence, Pointer<u64> position) {
  static constexpr hostio::Whence kWhence[] = {hostio::Whence::Current, hostio::Whence::End, hostio::Whence::Start};
  if (whence >= std::size(kWhence)) return std::unexpected(Errno::Invalid);
  return seek(fd, offset, kWhence[whence], position);
}

Expected<> Calls::fd_tell(u32 fd, Pointer<u64> position) { return seek(fd, 0, hostio::Whence::Current, position); }

}  // namespace berth::wasi_p1
