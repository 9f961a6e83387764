// wasi:filesystem: types, preopens.

#include <algorithm>

#include "hostio/directory_reader.h"
#include "text/utf8.h"
#include "wasi_p2/types.h"

namespace berth::wasi_p2 {

enum class FileError : u8 {
  Access,
  WouldBlock,
  Already,
  BadDescriptor,
  Busy,
  Deadlock,
  Quota,
  Exist,
  FileTooLarge,
  IllegalByteSequence,
  InProgress,
  Interrupted,
  Invalid,
  Io,
  IsDirectory,
  Loop,
  TooManyLinks,
  MessageSize,
  NameTooLong,
  NoDevice,
  NoEntry,
  NoLock,
  InsufficientMemory,
  InsufficientSpace,
  NotDirectory,
  NotEmpty,
  NotRecoverable,
  Unsupported,
  NoTty,
  NoSuchDevice,
  Overflow,
  NotPermitted,
  Pipe,
  ReadOnly,
  InvalidSeek,
  TextFileBusy,
  CrossDevice,
};
enum class DescriptorType : u8 {
  Unknown,
  BlockDevice,
  CharacterDevice,
  Directory,
  Fifo,
  SymbolicLink,
  RegularFile,
  Socket,
};
enum class DescriptorFlags : u8 {
  None = 0,
  Read = 1,
  Write = 2,
  FileIntegritySync = 4,
  DataIntegritySync = 8,
  RequestedWriteSync = 16,
  MutateDirectory = 32,
};
enum class PathFlags : u8 { None = 0, SymlinkFollow = 1 };
enum class OpenFlags : u8 { None = 0, Create = 1, Directory = 2, Exclusive = 4, Truncate = 8 };

template <typename T>
  requires std::is_enum_v<T>
constexpr T operator|(T a, T b) {
  return static_cast<T>(static_cast<u8>(a) | static_cast<u8>(b));
}
template <typename T>
  requires std::is_enum_v<T>
constexpr bool has(T flags, T any_of) {
  return (static_cast<u8>(flags) & static_cast<u8>(any_of)) != 0;
}

struct DescriptorStat {
  DescriptorType type{};
  u64 link_count = 0, size = 0;
  std::optional<Datetime> accessed, modified, changed;
};
struct NewTimestamp {
  using Cases = std::variant<std::monostate, std::monostate, Datetime>;
  Cases value;
};
struct DirectoryEntry {
  DescriptorType type{};
  std::string name;
};
struct MetadataHash {
  u64 lower = 0, upper = 0;
};

}  // namespace berth::wasi_p2

namespace berth::component {

template <>
struct HostTraits<wasi_p2::FileError>
    : EnumTraits<
          "access would-block already bad-descriptor busy deadlock quota exist file-too-large illegal-byte-sequence "
          "in-progress interrupted invalid io is-directory loop too-many-links message-size name-too-long no-device "
          "no-entry no-lock insufficient-memory insufficient-space not-directory not-empty not-recoverable unsupported "
          "no-tty no-such-device overflow not-permitted pipe read-only invalid-seek text-file-busy cross-device"> {};
template <>
struct HostTraits<wasi_p2::DescriptorType>
    : EnumTraits<"unknown block-device character-device directory fifo symbolic-link regular-file socket"> {};
template <>
struct HostTraits<wasi_p2::DescriptorFlags>
    : FlagsTraits<"read write file-integrity-sync data-integrity-sync requested-write-sync mutate-directory"> {};
template <>
struct HostTraits<wasi_p2::PathFlags> : FlagsTraits<"symlink-follow"> {};
template <>
struct HostTraits<wasi_p2::OpenFlags> : FlagsTraits<"create directory exclusive truncate"> {};
template <>
struct HostTraits<hostio::Advice> : EnumTraits<"normal sequential random will-need dont-need no-reuse"> {};
template <>
struct HostTraits<wasi_p2::DescriptorStat>
    : RecordTraits<"type link-count size data-access-timestamp data-modification-timestamp status-change-timestamp",
                   &wasi_p2::DescriptorStat::type, &wasi_p2::DescriptorStat::link_count, &wasi_p2::DescriptorStat::size,
                   &wasi_p2::DescriptorStat::accessed, &wasi_p2::DescriptorStat::modified,
                   &wasi_p2::DescriptorStat::changed> {};
template <>
struct HostTraits<wasi_p2::NewTimestamp> : VariantTraits<"no-change now timestamp"> {};
template <>
struct HostTraits<wasi_p2::DirectoryEntry>
    : RecordTraits<"type name", &wasi_p2::DirectoryEntry::type, &wasi_p2::DirectoryEntry::name> {};
template <>
struct HostTraits<wasi_p2::MetadataHash>
    : RecordTraits<"lower upper", &wasi_p2::MetadataHash::lower, &wasi_p2::MetadataHash::upper> {};

}  // namespace berth::component

namespace berth::wasi_p2 {

using component::host_function;
using component::HostDefinition;
using component::HostInterface;
using component::HostResource;

namespace {

using hostio::Errno;
using Bytes = std::span<const u8>;
template <typename T = void>
using Filed = std::expected<T, FileError>;

FileError to_file_error(Errno e) {
  switch (static_cast<int>(e)) {
    case EACCES: return FileError::Access;
    case EAGAIN: return FileError::WouldBlock;
    case EALREADY: return FileError::Already;
    case EBADF: return FileError::BadDescriptor;
    case EBUSY: return FileError::Busy;
    case EDEADLK: return FileError::Deadlock;
    case EDQUOT: return FileError::Quota;
    case EEXIST: return FileError::Exist;
    case EFBIG: return FileError::FileTooLarge;
    case EILSEQ: return FileError::IllegalByteSequence;
    case EINPROGRESS: return FileError::InProgress;
    case EINTR: return FileError::Interrupted;
    case EINVAL: return FileError::Invalid;
    case EISDIR: return FileError::IsDirectory;
    case ELOOP: return FileError::Loop;
    case EMLINK: return FileError::TooManyLinks;
    case EMSGSIZE: return FileError::MessageSize;
    case ENAMETOOLONG: return FileError::NameTooLong;
    case ENODEV: return FileError::NoDevice;
    case ENOENT: return FileError::NoEntry;
    case ENOLCK: return FileError::NoLock;
    case ENOMEM: return FileError::InsufficientMemory;
    case ENOSPC: return FileError::InsufficientSpace;
    case ENOTDIR: return FileError::NotDirectory;
    case ENOTEMPTY: return FileError::NotEmpty;
    case ENOTRECOVERABLE: return FileError::NotRecoverable;
    case ENOSYS:
    case EOPNOTSUPP: return FileError::Unsupported;
    case ENOTTY: return FileError::NoTty;
    case ENXIO: return FileError::NoSuchDevice;
    case EOVERFLOW: return FileError::Overflow;
    case EPERM:
    case static_cast<int>(Errno::Escape): return FileError::NotPermitted;
    case EPIPE: return FileError::Pipe;
    case EROFS: return FileError::ReadOnly;
    case ESPIPE: return FileError::InvalidSeek;
    case ETXTBSY: return FileError::TextFileBusy;
    case EXDEV: return FileError::CrossDevice;
    default: return FileError::Io;
  }
}

std::unexpected<FileError> refuse(FileError e) { return std::unexpected(e); }
template <typename T>
Filed<T> filed(hostio::Io<T> result) {
  if (!result) return refuse(to_file_error(result.error()));
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(*result);
  }
}

// The file, where it is one (else bad-descriptor), and the directory (else not-directory).
Filed<hostio::File*> file_of(const Descriptor& d) {
  if (!d.file()) return refuse(FileError::BadDescriptor);
  return &d.file()->file;
}
Filed<const hostio::Directory*> directory_of(const Descriptor& d) {
  if (d.directory() == nullptr) return refuse(FileError::NotDirectory);
  return d.directory();
}

DescriptorType to_type(hostio::FileType type) {
  switch (type) {
    case hostio::FileType::BlockDevice: return DescriptorType::BlockDevice;
    case hostio::FileType::CharacterDevice: return DescriptorType::CharacterDevice;
    case hostio::FileType::Directory: return DescriptorType::Directory;
    case hostio::FileType::Fifo: return DescriptorType::Fifo;
    case hostio::FileType::SymbolicLink: return DescriptorType::SymbolicLink;
    case hostio::FileType::RegularFile: return DescriptorType::RegularFile;
    case hostio::FileType::SocketStream:
    case hostio::FileType::SocketDatagram: return DescriptorType::Socket;
    case hostio::FileType::Unknown: break;
  }
  return DescriptorType::Unknown;
}

DescriptorStat to_stat(const hostio::Metadata& m) {
  DescriptorStat s;
  s.type = to_type(m.type);
  s.link_count = m.links;
  s.size = m.size;
  s.accessed = to_datetime(m.accessed);
  s.modified = to_datetime(m.modified);
  s.changed = to_datetime(m.changed);
  return s;
}

Filed<hostio::TimeChange> to_change(const NewTimestamp& t) {
  hostio::TimeChange c;
  if (t.value.index() == 1) c.kind = hostio::TimeChange::Now;
  if (const auto* time = std::get_if<2>(&t.value)) {
    c.kind = hostio::TimeChange::Set;
    if (time->nanoseconds >= 1'000'000'000) return refuse(FileError::Invalid);
    if (__builtin_mul_overflow(time->seconds, u64{1'000'000'000}, &c.nanoseconds) ||
        __builtin_add_overflow(c.nanoseconds, u64{time->nanoseconds}, &c.nanoseconds))
      return refuse(FileError::Overflow);
  }
  return c;
}

// --- files

Filed<Own<InputStream>> read_via_stream(State& state, Borrow<Descriptor> self, u64 offset) {
  TRY(file_of(*self));
  if (!self->reads()) return refuse(FileError::BadDescriptor);
  if (self->file()->file.may_seek()) return state.give(Ref<InputStream>(new FileInput(self->file(), offset)));
  return state.give(Ref<InputStream>(new DescriptorInput(self->file(), state.waiter, Domain::Filesystem)));
}
Filed<Own<OutputStream>> output_stream(State& state, const Descriptor& d, std::optional<u64> offset) {
  TRY(file_of(d));
  if (!d.writes()) return refuse(FileError::BadDescriptor);
  if (d.file()->file.may_seek()) return state.give(Ref<OutputStream>(new FileOutput(d.file(), offset)));
  return state.give(Ref<OutputStream>(new DescriptorOutput(d.file(), state.waiter, Domain::Filesystem)));
}
Filed<Own<OutputStream>> write_via_stream(State& state, Borrow<Descriptor> self, u64 offset) {
  return output_stream(state, *self, offset);
}
Filed<Own<OutputStream>> append_via_stream(State& state, Borrow<Descriptor> self) {
  return output_stream(state, *self, std::nullopt);
}

Filed<> advise(State&, Borrow<Descriptor> self, u64 offset, u64 length, hostio::Advice advice) {
  return filed(TRY(file_of(*self))->advise(offset, length, advice));
}

Filed<> sync_any(const Descriptor& d, bool data_only) {
  if (d.directory() != nullptr) return filed(d.directory()->sync(data_only));
  // What was not opened for writing, there is nothing of to write.
  if (!d.writes()) return {};
  return filed(d.file()->file.sync(data_only));
}
Filed<> sync_data(State&, Borrow<Descriptor> self) { return sync_any(*self, true); }
Filed<> sync(State&, Borrow<Descriptor> self) { return sync_any(*self, false); }

Filed<DescriptorFlags> get_flags(State&, Borrow<Descriptor> self) {
  DescriptorFlags f = DescriptorFlags::None;
  if (self->directory() != nullptr)
    return self->directory()->rights().writable ? DescriptorFlags::Read | DescriptorFlags::MutateDirectory
                                                : DescriptorFlags::Read;
  const hostio::FileStatus& s = self->file()->file.status();
  if (self->reads()) f = f | DescriptorFlags::Read;
  if (self->writes()) f = f | DescriptorFlags::Write;
  if (s.sync) f = f | DescriptorFlags::FileIntegritySync;
  if (s.data_sync) f = f | DescriptorFlags::DataIntegritySync;
  return f;
}
Filed<DescriptorType> get_type(State&, Borrow<Descriptor> self) {
  return self->directory() != nullptr ? DescriptorType::Directory : to_type(self->file()->file.type());
}

Filed<> set_size(State&, Borrow<Descriptor> self, u64 size) {
  hostio::File* file = TRY(file_of(*self));
  if (!self->may_change()) return refuse(FileError::ReadOnly);
  if (!self->writes()) return refuse(FileError::NotPermitted);
  return filed(file->set_size(size));
}
Filed<> set_times(State&, Borrow<Descriptor> self, NewTimestamp accessed, NewTimestamp modified) {
  const auto a = TRY(to_change(accessed)), m = TRY(to_change(modified));
  if (self->directory() != nullptr) return filed(self->directory()->set_own_times(a, m));
  if (!self->may_change()) return refuse(FileError::ReadOnly);
  if (!self->writes()) return refuse(FileError::NotPermitted);
  return filed(self->file()->file.set_times(a, m));
}

constexpr u64 kMaxRead = u64{1} << 20;

Filed<std::tuple<Bytes, bool>> read(State& state, Borrow<Descriptor> self, u64 length, u64 offset) {
  hostio::File* file = TRY(file_of(*self));
  if (!self->reads()) return refuse(FileError::BadDescriptor);
  const auto buffer = state.scratch(std::min(length, kMaxRead));
  const iovec part{buffer.data(), buffer.size()};
  const size_t n = TRY(filed(file->read_at(std::span(&part, 1), offset)));
  return std::tuple(Bytes(buffer.first(n)), n == 0 && length != 0);
}
Filed<u64> write(State&, Borrow<Descriptor> self, Bytes contents, u64 offset) {
  hostio::File* file = TRY(file_of(*self));
  if (!self->writes()) return refuse(FileError::BadDescriptor);
  const iovec part{const_cast<u8*>(contents.data()), contents.size()};
  return TRY(filed(file->write_at(std::span(&part, 1), offset)));
}

hostio::Io<hostio::Metadata> metadata_of(const Descriptor& d) {
  return d.directory() != nullptr ? d.directory()->metadata() : d.file()->file.metadata();
}
Filed<DescriptorStat> stat(State&, Borrow<Descriptor> self) { return to_stat(TRY(filed(metadata_of(*self)))); }

bool is_same_object(State&, Borrow<Descriptor> self, Borrow<Descriptor> other) {
  const auto a = metadata_of(*self), b = metadata_of(*other);
  return a && b && a->device == b->device && a->inode == b->inode;
}

// Two keyed mixes of what changes with a file's contents or identity.
MetadataHash hash(const State& state, const hostio::Metadata& m) {
  const u64 parts[] = {m.device, m.inode, m.size, m.modified, m.changed};
  u64 out[2];
  for (size_t which = 0; which < 2; ++which) {
    u64 h = state.hash_key[which];
    for (const u64 part : parts) {
      h = (h ^ part) * 0x9FB21C651E98DF25;
      h ^= h >> 32;
      h = (h ^ state.hash_key[1 - which]) * 0xD6E8FEB86659FD93;
      h ^= h >> 29;
    }
    out[which] = h;
  }
  return {out[0], out[1]};
}
Filed<MetadataHash> metadata_hash(State& state, Borrow<Descriptor> self) {
  return hash(state, TRY(filed(metadata_of(*self))));
}

// --- directories

bool follows(PathFlags flags) { return has(flags, PathFlags::SymlinkFollow); }

class EntryStream final : public Resource {
 public:
  explicit EntryStream(hostio::DirectoryReader reader) : reader(std::move(reader)) {}
  hostio::DirectoryReader reader;
  u64 cookie = hostio::DirectoryReader::kStart;
};

Filed<Own<EntryStream>> read_directory(State& state, Borrow<Descriptor> self) {
  const hostio::Directory* d = TRY(directory_of(*self));
  auto reader = TRY(filed(hostio::DirectoryReader::open(*d)));
  TRY(filed(state.check_descriptor(reader.fd())));
  return state.give(make<EntryStream>(std::move(reader)));
}
Filed<std::optional<DirectoryEntry>> read_directory_entry(State&, Borrow<EntryStream> self) {
  for (;;) {
    const auto entry = TRY(filed(self->reader.read(self->cookie)));
    if (!entry) return std::nullopt;
    self->cookie = entry->next;
    if (entry->name == "." || entry->name == "..") continue;
    if (!text::is_utf8(entry->name)) return refuse(FileError::IllegalByteSequence);
    return DirectoryEntry{to_type(entry->type), std::string(entry->name)};
  }
}

Filed<> create_directory_at(State&, Borrow<Descriptor> self, std::string_view path) {
  return filed(TRY(directory_of(*self))->create_directory(path));
}
Filed<DescriptorStat> stat_at(State&, Borrow<Descriptor> self, PathFlags flags, std::string_view path) {
  const hostio::Directory* d = TRY(directory_of(*self));
  return to_stat(TRY(filed(d->stat(path, follows(flags)))));
}
Filed<> set_times_at(State&, Borrow<Descriptor> self, PathFlags flags, std::string_view path, NewTimestamp accessed,
                     NewTimestamp modified) {
  const hostio::Directory* d = TRY(directory_of(*self));
  const auto a = TRY(to_change(accessed)), m = TRY(to_change(modified));
  return filed(d->set_times(path, follows(flags), a, m));
}
Filed<> link_at(State&, Borrow<Descriptor> self, PathFlags flags, std::string_view old_path, Borrow<Descriptor> to,
                std::string_view new_path) {
  const hostio::Directory* from = TRY(directory_of(*self));
  const hostio::Directory* target = TRY(directory_of(*to));
  // As wasmtime: what a link of a symbolic link's target would need is not race-free everywhere.
  if (follows(flags)) return refuse(FileError::Invalid);
  return filed(hostio::Directory::link(*from, old_path, *target, new_path));
}

Filed<Own<Descriptor>> open_at(State& state, Borrow<Descriptor> self, PathFlags path_flags, std::string_view path,
                               OpenFlags open_flags, DescriptorFlags flags) {
  const hostio::Directory* d = TRY(directory_of(*self));
  if (has(flags, DescriptorFlags::MutateDirectory) && !d->rights().writable) return refuse(FileError::ReadOnly);
  const bool makes = has(open_flags, OpenFlags::Create | OpenFlags::Exclusive | OpenFlags::Truncate);
  if (has(open_flags, OpenFlags::Directory) && makes) return refuse(FileError::Invalid);
  hostio::OpenOptions o;
  o.read = has(flags, DescriptorFlags::Read);
  o.write = has(flags, DescriptorFlags::Write);
  o.create = has(open_flags, OpenFlags::Create);
  o.exclusive = has(open_flags, OpenFlags::Exclusive);
  o.truncate = has(open_flags, OpenFlags::Truncate);
  o.directory = has(open_flags, OpenFlags::Directory);
  o.follow = follows(path_flags);
  o.sync = has(flags, DescriptorFlags::FileIntegritySync | DescriptorFlags::RequestedWriteSync);
  o.data_sync = has(flags, DescriptorFlags::DataIntegritySync);
  const bool reads = o.read || !o.write, writes = o.write;
  if (o.truncate) o.write = true;
  auto object = TRY(filed(d->open(path, o)));
  TRY(filed(state.check_descriptor(std::visit([](const auto& opened) { return opened.fd(); }, object))));
  if (auto* directory = std::get_if<hostio::Directory>(&object))
    return state.give(make<Descriptor>(make<SharedDirectory>(std::move(*directory))));
  return state.give(make<Descriptor>(make<SharedFile>(std::get<hostio::File>(std::move(object))), reads, writes,
                                     d->rights().writable));
}

Filed<std::string> readlink_at(State&, Borrow<Descriptor> self, std::string_view path) {
  const hostio::Directory* d = TRY(directory_of(*self));
  std::string target = TRY(filed(d->read_link(path)));
  if (target.starts_with('/')) return refuse(FileError::NotPermitted);
  if (!text::is_utf8(target)) return refuse(FileError::IllegalByteSequence);
  return target;
}
Filed<> remove_directory_at(State&, Borrow<Descriptor> self, std::string_view path) {
  return filed(TRY(directory_of(*self))->remove_directory(path));
}
Filed<> rename_at(State&, Borrow<Descriptor> self, std::string_view old_path, Borrow<Descriptor> to,
                  std::string_view new_path) {
  const hostio::Directory* from = TRY(directory_of(*self));
  return filed(hostio::Directory::rename(*from, old_path, *TRY(directory_of(*to)), new_path));
}
Filed<> symlink_at(State&, Borrow<Descriptor> self, std::string_view target, std::string_view path) {
  return filed(TRY(directory_of(*self))->symlink(target, path));
}
Filed<> unlink_file_at(State&, Borrow<Descriptor> self, std::string_view path) {
  return filed(TRY(directory_of(*self))->unlink_file(path));
}
Filed<MetadataHash> metadata_hash_at(State& state, Borrow<Descriptor> self, PathFlags flags, std::string_view path) {
  const hostio::Directory* d = TRY(directory_of(*self));
  return hash(state, TRY(filed(d->stat(path, follows(flags)))));
}

// ---

std::optional<FileError> filesystem_error_code(State&, Borrow<IoError> error) {
  if (error->domain != Domain::Filesystem) return std::nullopt;
  return to_file_error(error->code);
}

std::vector<std::tuple<Own<Descriptor>, std::string>> get_directories(State& state) {
  std::vector<std::tuple<Own<Descriptor>, std::string>> out;
  for (const Preopen& p : state.preopens) out.emplace_back(state.give(make<Descriptor>(p.directory)), p.path);
  return out;
}

constexpr HostResource kResources[] = {resource<Descriptor>("descriptor"),
                                       resource<EntryStream>("directory-entry-stream")};
constexpr HostDefinition kTypes[] = {
    host_function<read_via_stream>("[method]descriptor.read-via-stream"),
    host_function<write_via_stream>("[method]descriptor.write-via-stream"),
    host_function<append_via_stream>("[method]descriptor.append-via-stream"),
    host_function<advise>("[method]descriptor.advise"),
    host_function<sync_data>("[method]descriptor.sync-data"),
    host_function<get_flags>("[method]descriptor.get-flags"),
    host_function<get_type>("[method]descriptor.get-type"),
    host_function<set_size>("[method]descriptor.set-size"),
    host_function<set_times>("[method]descriptor.set-times"),
    host_function<read>("[method]descriptor.read"),
    host_function<write>("[method]descriptor.write"),
    host_function<read_directory>("[method]descriptor.read-directory"),
    host_function<sync>("[method]descriptor.sync"),
    host_function<create_directory_at>("[method]descriptor.create-directory-at"),
    host_function<stat>("[method]descriptor.stat"),
    host_function<stat_at>("[method]descriptor.stat-at"),
    host_function<set_times_at>("[method]descriptor.set-times-at"),
    host_function<link_at>("[method]descriptor.link-at"),
    host_function<open_at>("[method]descriptor.open-at"),
    host_function<readlink_at>("[method]descriptor.readlink-at"),
    host_function<remove_directory_at>("[method]descriptor.remove-directory-at"),
    host_function<rename_at>("[method]descriptor.rename-at"),
    host_function<symlink_at>("[method]descriptor.symlink-at"),
    host_function<unlink_file_at>("[method]descriptor.unlink-file-at"),
    host_function<is_same_object>("[method]descriptor.is-same-object"),
    host_function<metadata_hash>("[method]descriptor.metadata-hash"),
    host_function<metadata_hash_at>("[method]descriptor.metadata-hash-at"),
    host_function<read_directory_entry>("[method]directory-entry-stream.read-directory-entry"),
    host_function<filesystem_error_code>("filesystem-error-code"),
};
constexpr HostDefinition kPreopens[] = {host_function<get_directories>("get-directories")};
constexpr HostInterface kInterfaces[] = {
    {"wasi:filesystem/types@0.2.12", kResources, kTypes},
    {"wasi:filesystem/preopens@0.2.12", {}, kPreopens},
};

}  // namespace

std::span<const HostInterface> filesystem_interfaces() { return kInterfaces; }

}  // namespace berth::wasi_p2
