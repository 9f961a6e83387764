#include "engine/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "abi/compiler_identity.h"
#include "native/processor.h"

namespace berth::engine {
namespace {

// The payloads of records; their first bytes say which kind and version.
struct StampRecord {
  char magic[8];
  FileStamp stamp;
  Digest digest;
};
struct VoucherRecord {
  char magic[8];
  Digest digest;
  Digest request;
  char name[120];
};
constexpr char kStampMagic[8] = {'s', 't', 'a', 'm', 'p', 0, 0, 1};
constexpr char kVoucherMagic[8] = {'v', 'o', 'u', 'c', 'h', 0, 0, 1};
static_assert(std::has_unique_object_representations_v<StampRecord>);
static_assert(std::has_unique_object_representations_v<VoucherRecord>);

constexpr char kArtifact = 'a', kModule = 'm';
// So often at most it is noted that an artifact is used.
constexpr i64 kSecond = 1'000'000'000, kUseInterval = 600 * kSecond;
// What nobody can be working on any more; how many records there may be before the oldest go.
constexpr i64 kAbandoned = 24 * 3600 * kSecond;
constexpr size_t kMostRecords = 8192;

template <typename Record>
std::optional<Record> read(const CacheFolder& folder, const std::string& name, const char (&magic)[8]) {
  const auto bytes = folder.read_record(name, sizeof(Record));
  if (!bytes) return std::nullopt;
  Record record;
  std::memcpy(&record, bytes->data(), sizeof record);
  if (std::memcmp(record.magic, magic, sizeof magic) != 0) return std::nullopt;
  return record;
}

template <typename Record>
Result<> write(const CacheFolder& folder, const std::string& name, const Record& record, bool durable) {
  return folder.write_record(name, {reinterpret_cast<const u8*>(&record), sizeof record}, durable);
}

std::optional<VoucherRecord> read_voucher(const CacheFolder& folder, const Digest& digest) {
  auto record = read<VoucherRecord>(folder, "vouched/" + to_hex(digest), kVoucherMagic);
  if (record && !equal(record->digest, digest)) record.reset();
  return record;
}

std::string stamp_name(char kind, u64 device, u64 inode) {
  return std::string("stamps/") + kind + "-" + std::to_string(device) + "-" + std::to_string(inode);
}
std::string object_name(const std::string& key) { return "objects/" + key + ".berth"; }

std::unexpected<Error> bad(const std::string& name, const std::string& reason) {
  return fail(ErrorCode::BadArtifact, name + ": " + reason);
}

i64 nanoseconds(const timespec& t) { return i64{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

// When it was last written or touched; nanoseconds since 1970.
i64 time_of_use(const CacheFolder& folder, const std::string& name) {
  struct stat status{};
  if (fstatat(folder.descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return nanoseconds(status.st_mtim);
}

}  // namespace

std::string default_cache_folder() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (auto folder = variable("BERTH_CACHE_DIR"); !folder.empty()) return folder;
  // The specification of these folders has relative ones ignored.
  if (auto folder = variable("XDG_CACHE_HOME"); folder.starts_with('/')) return folder + "/berth";
  if (auto folder = variable("HOME"); folder.starts_with('/')) return folder + "/.cache/berth";
  return {};
}

Result<std::unique_ptr<Cache>> Cache::open(const std::string& folder, u64 most_bytes) {
  if (folder.empty())
    return fail(ErrorCode::System, "there is no place for a cache; $BERTH_CACHE_DIR or $HOME names one");
  // TRY leaves the function: not from within an expression that has allocated.
  auto opened = TRY(CacheFolder::open(folder));
  return std::unique_ptr<Cache>(new Cache(std::move(opened), most_bytes));
}

std::string Cache::key_of(const WantedArtifact& wanted) const {
  std::string text = "berth artifact\n";
  text += to_hex(wanted.module) + "\n" + std::string(abi::compiler_identity()) + "\n";
  text += std::to_string(abi::kArtifactFormat) + " " + std::to_string(abi::kAbiVersion) + "\n";
  text += std::string(native::this_target()) + "\n" + native::processor_features() + "\n";
  text += std::to_string(wanted.options) + "\n";
  return to_hex(sha256({reinterpret_cast<const u8*>(text.data()), text.size()}));
}

// Stamps.

bool Cache::may_stamp(int file, const FileStamp& stamp) const {
  return stamp.device == folder_.device() && has_reliable_stamps(file);
}

std::optional<Digest> Cache::recall(char kind, const FileStamp& stamp) const {
  const auto record = read<StampRecord>(folder_, stamp_name(kind, stamp.device, stamp.inode), kStampMagic);
  if (!record || record->stamp != stamp) return std::nullopt;
  return record->digest;
}

void Cache::remember(char kind, const FileStamp& stamp, i64 read_at, const Digest& digest) const {
  if (!is_settled(stamp, read_at)) return;
  StampRecord record{};
  std::memcpy(record.magic, kStampMagic, sizeof record.magic);
  record.stamp = stamp;
  record.digest = digest;
  // Without it, the file is read again next time.
  static_cast<void>(write(folder_, stamp_name(kind, stamp.device, stamp.inode), record, false));
}

void Cache::note_use(const FileStamp& stamp) const {
  const std::string name = stamp_name(kArtifact, stamp.device, stamp.inode);
  if (file_clock() - time_of_use(folder_, name) < kUseInterval) return;
  utimensat(folder_.descriptor(), name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

std::optional<Digest> Cache::digest_by_stamp(int file) const {
  const auto stamp = stamp_of(file, {});
  if (!stamp || !has_reliable_stamps(file)) return std::nullopt;
  return recall(kModule, *stamp);
}

Result<Digest> Cache::digest_of(int file, const std::string& name) const {
  const FileStamp before = TRY(stamp_of(file, name));
  const bool reliable = has_reliable_stamps(file);
  if (reliable) {
    if (const auto known = recall(kModule, before)) return *known;
  }
  const i64 now = file_clock();
  const Digest digest = TRY(digest_file(file, name));
  if (reliable && TRY(stamp_of(file, name)) == before) remember(kModule, before, now, digest);
  return digest;
}

// Authentication.

Result<> Cache::authenticate(int file, const ArtifactSummary& summary, const std::string& name) const {
  struct stat status{};
  if (fstat(file, &status) != 0) return fail(os_error(errno, "cannot read " + name));
  if (status.st_uid != geteuid() && status.st_uid != 0) return bad(name, "it belongs to another user");
  if ((status.st_mode & 022) != 0) return bad(name, "other users may write to it");
  const FileStamp stamp = TRY(stamp_of(file, name));
  const bool may = may_stamp(file, stamp);
  if (may) {
    if (const auto known = recall(kArtifact, stamp); known && equal(*known, summary.digest())) {
      note_use(stamp);
      return {};
    }
  }
  if (!read_voucher(folder_, summary.digest())) return bad(name, "it was not compiled by this user");
  const i64 now = file_clock();
  if (!equal(TRY(compute_digest(file, summary, name)), summary.digest())) return bad(name, "it is damaged");
  if (TRY(stamp_of(file, name)) != stamp) return bad(name, "it changes");
  if (may) remember(kArtifact, stamp, now, summary.digest());
  return {};
}

Result<std::optional<Descriptor>> Cache::find(const WantedArtifact& wanted) const {
  const std::string object = object_name(key_of(wanted));
  Descriptor file = folder_.open_file(object);
  if (!file.is_open()) return std::nullopt;
  const std::string path = folder_.path_of(object);
  const auto summary = TRY(read_summary(file.get(), path));
  if (const auto why = why_unfit(summary, wanted); !why.empty()) return bad(path, why);
  TRY(authenticate(file.get(), summary, path));
  return file;
}

// Additions.

Result<Digest> Cache::vouch_for(int file, const ArtifactSummary& summary, const std::string& name,
                                const Origin& origin) const {
  const Digest digest = TRY(compute_digest(file, summary, name));
  if (!equal(digest, summary.digest())) return bad(name, "it is damaged");
  VoucherRecord record{};
  std::memcpy(record.magic, kVoucherMagic, sizeof record.magic);
  record.digest = digest;
  record.request = origin.request;
  origin.name.copy(record.name, sizeof record.name);
  TRY(write(folder_, "vouched/" + to_hex(digest), record, true));
  return digest;
}

Result<> Cache::vouch(const std::string& path, const Origin& origin) const {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return fail(os_error(errno, "cannot open " + path));
  const auto summary = TRY(read_summary(file.get(), path));
  TRY(vouch_for(file.get(), summary, path, origin));
  return {};
}

Result<Descriptor> Cache::insert(const std::string& path, const WantedArtifact& wanted, const Origin& origin) const {
  struct Removal {
    const std::string& path;
    ~Removal() { unlink(path.c_str()); }
  } const removal{path};
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return fail(os_error(errno, "cannot open " + path));
  const auto summary = TRY(read_summary(file.get(), path));
  if (const auto why = why_unfit(summary, wanted); !why.empty()) return bad("the compiler's artifact", why);
  // The folder is closed to others, and umask may not be.
  fchmod(file.get(), 0600);
  const Digest digest = TRY(vouch_for(file.get(), summary, path, origin));
  const std::string object = folder_.path_of(object_name(key_of(wanted)));
  if (rename(path.c_str(), object.c_str()) != 0)
    return fail(os_error(errno, "cannot write to the cache folder " + folder_.path()));
  TRY(folder_.sync("objects"));
  auto stamp = TRY(stamp_of(file.get(), object));
  if (may_stamp(file.get(), stamp)) {
    // Nobody else writes here, so this is still what was read.
    wait_until_settled(stamp);
    remember(kArtifact, stamp, file_clock(), digest);
  }
  prune(most_bytes_);
  return file;
}

bool Cache::was_made_for(const WantedArtifact& wanted, const Digest& request) const {
  const auto file = find(wanted);
  if (!file || !*file) return false;
  const auto summary = read_summary((*file)->get(), {});
  if (!summary) return false;
  const auto voucher = read_voucher(folder_, summary->digest());
  return voucher && equal(voucher->request, request);
}

Result<Cache::Lock> Cache::lock(const WantedArtifact& wanted) const {
  std::string name = "locks/" + key_of(wanted);
  for (;;) {
    Descriptor file(openat(folder_.descriptor(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.is_open()) return fail(os_error(errno, "cannot write to the cache folder " + folder_.path()));
    while (flock(file.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return fail(os_error(errno, "cannot lock a file in the cache folder " + folder_.path()));
    }
    // Whoever held it before has removed it.
    struct stat mine{}, there{};
    if (fstat(file.get(), &mine) == 0 && fstatat(folder_.descriptor(), name.c_str(), &there, 0) == 0 &&
        mine.st_ino == there.st_ino)
      return Lock(&folder_, std::move(name), std::move(file));
  }
}

Cache::Lock::~Lock() {
  if (file_.is_open()) folder_->remove(name_);
}

// Housekeeping.

std::vector<Cache::Entry> Cache::list() const {
  std::vector<Entry> out;
  for (const std::string& name : folder_.names("objects")) {
    const std::string object = "objects/" + name;
    Entry entry;
    if (!name.ends_with(".berth")) continue;
    entry.key = name.substr(0, name.size() - 6);
    const Descriptor file = folder_.open_file(object);
    struct stat status{};
    if (!file.is_open() || fstat(file.get(), &status) != 0) continue;
    entry.bytes = static_cast<u64>(status.st_blocks) * 512;
    entry.last_used = std::max(nanoseconds(status.st_mtim),
                               time_of_use(folder_, stamp_name(kArtifact, status.st_dev, status.st_ino)));
    if (auto summary = read_summary(file.get(), folder_.path_of(object))) {
      entry.why_not = why_unfit(*summary);
      if (const auto voucher = read_voucher(folder_, summary->digest())) {
        entry.name.assign(voucher->name, strnlen(voucher->name, sizeof voucher->name));
      } else {
        entry.why_not = "it was not compiled by this user";
      }
      entry.summary = std::move(*summary);
    } else {
      entry.why_not = "it is damaged";
    }
    out.push_back(std::move(entry));
  }
  std::ranges::sort(out, std::greater(), &Entry::last_used);
  return out;
}

Result<> Cache::verify(const Entry& entry) const {
  const std::string path = folder_.path_of(object_name(entry.key));
  const Descriptor file = folder_.open_file(object_name(entry.key));
  if (!file.is_open()) return {};  // pruned meanwhile
  const auto summary = TRY(read_summary(file.get(), path));
  if (!read_voucher(folder_, summary.digest())) return bad(path, "it was not compiled by this user");
  if (!equal(TRY(compute_digest(file.get(), summary, path)), summary.digest())) return bad(path, "it is damaged");
  return {};
}

void Cache::remove(const Entry& entry) const {
  const std::string object = object_name(entry.key);
  struct stat status{};
  if (fstatat(folder_.descriptor(), object.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    folder_.remove(stamp_name(kArtifact, status.st_dev, status.st_ino));
  folder_.remove(object);
  // What vouches for it stays: there may be copies.
}

Cache::Pruned Cache::prune(u64 most_bytes) const {
  remove_left_behind();
  Pruned pruned;
  u64 kept = 0;
  bool first = true;
  for (const Entry& entry : list()) {
    // The last one used stays, however large, unless nothing is to stay.
    if (kept + entry.bytes <= most_bytes || (first && most_bytes != 0)) {
      kept += entry.bytes;
      first = false;
      continue;
    }
    remove(entry);
    ++pruned.artifacts;
    pruned.bytes += entry.bytes;
  }
  return pruned;
}

Cache::Pruned Cache::clear() const {
  const Pruned pruned = prune(0);
  for (const char* folder : {"vouched", "stamps"}) {
    for (const std::string& name : folder_.names(folder)) folder_.remove(std::string(folder) + "/" + name);
  }
  return pruned;
}

void Cache::remove_left_behind() const {
  const i64 now = file_clock();
  for (const std::string& name : folder_.names("tmp")) {
    if (now - time_of_use(folder_, "tmp/" + name) > kAbandoned) folder_.remove("tmp/" + name);
  }
  for (const std::string folder : {"vouched", "stamps"}) {
    const auto names = folder_.names(folder);
    if (names.size() <= kMostRecords) continue;
    std::vector<std::pair<i64, std::string>> by_age;
    for (const std::string& name : names) by_age.emplace_back(time_of_use(folder_, folder + "/" + name), name);
    std::ranges::sort(by_age);
    for (size_t i = 0; i < by_age.size() - kMostRecords / 2; ++i) folder_.remove(folder + "/" + by_age[i].second);
  }
}

}  // namespace berth::engine
