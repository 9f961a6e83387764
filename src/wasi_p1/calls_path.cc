#include <algorithm>

#include "wasi_p1/calls.h"

namespace berth::wasi_p1 {

Expected<bool> follows(u32 lookup) {
  if ((lookup & ~kLookupSymlinkFollow) != 0) return std::unexpected(Errno::Invalid);
  return lookup != 0;
}

Expected<> Calls::path_create_directory(u32 fd, Pointer<u8> path, u32 path_len) {
  Descriptor* d = TRY(directory(fd, rights::kPathCreateDirectory));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  TRY(d->directory()->create_directory(name));
  return {};
}

Expected<hostio::Metadata> Calls::path_metadata(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len) {
  Descriptor* d = TRY(directory(fd, rights::kPathFilestatGet));
  bool follow = TRY(follows(lookup));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  return TRY(d->directory()->stat(name, follow));
}

Expected<> Calls::path_filestat_get(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len, Pointer<Filestat> out) {
  return memory_.write(out, to_filestat(TRY(path_metadata(fd, lookup, path, path_len))));
}

Expected<> Calls::path_filestat_get_unstable(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len,
                                             Pointer<unstable::Filestat> out) {
  return memory_.write(out, to_unstable_filestat(TRY(path_metadata(fd, lookup, path, path_len))));
}

Expected<> Calls::path_filestat_set_times(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len, u64 atim, u64 mtim,
                                          u32 flags) {
  Descriptor* d = TRY(directory(fd, rights::kPathFilestatSetTimes));
  bool follow = TRY(follows(lookup));
  TimeChanges c = TRY(time_changes(atim, mtim, flags));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  TRY(d->directory()->set_times(name, follow, c.accessed, c.modified));
  return {};
}

Expected<> Calls::path_link(u32 old_fd, u32 old_lookup, Pointer<u8> old_path, u32 old_len, u32 new_fd,
                            Pointer<u8> new_path, u32 new_len) {
  Descriptor* from = TRY(directory(old_fd, rights::kPathLinkSource));
  Descriptor* to = TRY(directory(new_fd, rights::kPathLinkTarget));
  // As wasmtime: what a link of a symbolic link's target would need is not race-free everywhere.
  if (TRY(follows(old_lookup))) return std::unexpected(Errno::Invalid);
  std::string_view source = TRY(memory_.string(old_path.address, old_len));
  std::string_view target = TRY(memory_.string(new_path.address, new_len));
  TRY(hostio::Directory::link(*from->directory(), source, *to->directory(), target));
  return {};
}

Expected<> Calls::path_open(u32 fd, u32 lookup, Pointer<u8> path, u32 path_len, u32 open_flags, u64 base,
                            u64 inheriting, u32 fd_flags, Pointer<u32> opened) {
  Descriptor* d = TRY(directory(fd, rights::kPathOpen));
  bool follow = TRY(follows(lookup));
  if ((open_flags & ~oflags::kAll) != 0) return std::unexpected(Errno::Invalid);
  hostio::FileStatus status = TRY(to_status(fd_flags));
  TRY(memory_.check(opened));
  std::string_view name = TRY(memory_.string(path.address, path_len));

  // Rights of the directory for what is asked of it, and rights that what it opens may have.
  u64 needed = 0, needed_inheriting = base & (rights::kFdRead | rights::kFdWrite);
  if ((open_flags & oflags::kCreat) != 0) needed |= rights::kPathCreateFile;
  if ((open_flags & oflags::kTrunc) != 0) needed |= rights::kPathFilestatSetSize;
  if (status.data_sync) needed_inheriting |= rights::kFdDatasync;
  if (status.sync) needed_inheriting |= rights::kFdSync;
  if ((d->rights_base & needed) != needed || (d->rights_inheriting & needed_inheriting) != needed_inheriting)
    return std::unexpected(Errno::NotCapable);

  hostio::OpenOptions o;
  o.read = (base & rights::kFdRead) != 0;
  o.write = (base & rights::kFdWrite) != 0;
  o.append = status.append;
  o.create = (open_flags & oflags::kCreat) != 0;
  o.exclusive = (open_flags & oflags::kExcl) != 0;
  o.truncate = (open_flags & oflags::kTrunc) != 0;
  o.directory = (open_flags & oflags::kDirectory) != 0;
  o.follow = follow;
  o.sync = status.sync;
  o.data_sync = status.data_sync;
  std::variant<hostio::Directory, hostio::File> object = TRY(d->directory()->open(name, o));

  u64 possible = rights::kDirectory, possible_inheriting = rights::kBeneathDirectory;
  if (hostio::File* f = std::get_if<hostio::File>(&object)) {
    TRY(f->set_status(status));
    possible = rights_for(*f);
    possible_inheriting = 0;
  }
  Descriptor made{std::move(object),
                  base & d->rights_inheriting & possible,
                  inheriting & d->rights_inheriting & possible_inheriting,
                  {},
                  {}};
  return memory_.write(opened, TRY(state_.descriptors.insert(std::move(made))));
}

Expected<> Calls::path_readlink(u32 fd, Pointer<u8> path, u32 path_len, Pointer<u8> buf, u32 buf_len,
                                Pointer<u32> used) {
  Descriptor* d = TRY(directory(fd, rights::kPathReadlink));
  TRY(memory_.check(used));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  std::span<u8> out = TRY(memory_.range(buf.address, buf_len));
  std::string target = TRY(d->directory()->read_link(name));
  size_t length = std::min(out.size(), target.size());
  std::memcpy(out.data(), target.data(), length);
  return memory_.write(used, static_cast<u32>(length));
}

Expected<> Calls::path_remove_directory(u32 fd, Pointer<u8> path, u32 path_len) {
  Descriptor* d = TRY(directory(fd, rights::kPathRemoveDirectory));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  TRY(d->directory()->remove_directory(name));
  return {};
}

Expected<> Calls::path_rename(u32 old_fd, Pointer<u8> old_path, u32 old_len, u32 new_fd, Pointer<u8> new_path,
                              u32 new_len) {
  Descriptor* from = TRY(directory(old_fd, rights::kPathRenameSource));
  Descriptor* to = TRY(directory(new_fd, rights::kPathRenameTarget));
  std::string_view source = TRY(memory_.string(old_path.address, old_len));
  std::string_view target = TRY(memory_.string(new_path.address, new_len));
  TRY(hostio::Directory::rename(*from->directory(), source, *to->directory(), target));
  return {};
}

Expected<> Calls::path_symlink(Pointer<u8> target, u32 target_len, u32 fd, Pointer<u8> path, u32 path_len) {
  Descriptor* d = TRY(directory(fd, rights::kPathSymlink));
  std::string_view to = TRY(memory_.string(target.address, target_len));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  TRY(d->directory()->symlink(to, name));
  return {};
}

Expected<> Calls::path_unlink_file(u32 fd, Pointer<u8> path, u32 path_len) {
  Descriptor* d = TRY(directory(fd, rights::kPathUnlinkFile));
  std::string_view name = TRY(memory_.string(path.address, path_len));
  TRY(d->directory()->unlink_file(name));
  return {};
}

}  // namespace berth::wasi_p1
