#include "engine/cache_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace berth::engine {
namespace {

constexpr char kKey[] = "key";
constexpr const char* kFolders[] = {"objects", "vouched", "stamps", "locks", "tmp"};

// Makes the folder at `path` and those above it; 0 or the errno.
int make_folders(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    if (mkdir(path.substr(0, slash).c_str(), 0777) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
      return errno;
  }
  return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
}

int write_all(int file, std::span<const u8> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return 0;
}

bool read_all(int file, std::span<u8> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

void fill_random(std::span<u8> bytes) {
  while (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) continue;
}

}  // namespace

Result<CacheFolder> CacheFolder::open(const std::string& path) {
  auto root = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open() && errno == ENOENT) {
    if (const int error = make_folders(path)) return fail(os_error(error, "cannot make the cache folder " + path));
    root = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!root.is_open()) return fail(os_error(errno, "cannot open the cache folder " + path));
  struct stat status{};
  if (fstat(root.get(), &status) != 0) return fail(os_error(errno, "cannot open the cache folder " + path));
  if (status.st_uid != geteuid())
    return fail(ErrorCode::System, "the cache folder " + path + " belongs to another user");
  if ((status.st_mode & 077) != 0)
    return fail(ErrorCode::System, "the cache folder " + path + " is open to other users; chmod 700 closes it");
  CacheFolder folder(path, std::move(root), status.st_dev);
  TRY(folder.prepare());
  return folder;
}

Result<> CacheFolder::prepare() {
  auto key = read_key();
  if (!key && key.error().code() != ErrorCode::BadArgument) return key;
  for (const char* folder : kFolders) {
    // A folder that cannot be written to is still good for reading.
    if (mkdirat(root_.get(), folder, 0700) != 0 && errno != EEXIST && !key)
      return fail(os_error(errno, "cannot write to the cache folder " + path_));
  }
  if (key) return {};
  TRY(make_key());
  return read_key();
}

// Fails with BadArgument when there is none.
Result<> CacheFolder::read_key() {
  const std::string path = path_of(kKey);
  const Descriptor file(openat(root_.get(), kKey, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open() && errno == ENOENT) return fail(ErrorCode::BadArgument);
  if (!file.is_open()) return fail(os_error(errno, "cannot read the cache's key " + path));
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return fail(os_error(errno, "cannot read the cache's key " + path));
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
    return fail(ErrorCode::System,
                "the cache's key " + path + " is not this user's alone; remove it, a new one is made");
  if (status.st_size != static_cast<off_t>(key_.size()) || !read_all(file.get(), key_))
    return fail(ErrorCode::System, "the cache's key " + path + " is damaged; remove it, a new one is made");
  return {};
}

// The first of several processes wins; the key appears when it is complete and on disk.
Result<> CacheFolder::make_key() {
  Digest key;
  fill_random(key);
  const std::string name = new_name();
  const Descriptor file(openat(root_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  int error = file.is_open() ? write_all(file.get(), key) : errno;
  if (error == 0 && fsync(file.get()) != 0) error = errno;
  if (error == 0 && linkat(root_.get(), name.c_str(), root_.get(), kKey, 0) != 0 && errno != EEXIST) error = errno;
  unlinkat(root_.get(), name.c_str(), 0);
  if (error != 0) return fail(os_error(error, "cannot write to the cache folder " + path_));
  fsync(root_.get());
  return {};
}

Descriptor CacheFolder::open_file(const std::string& name) const {
  return Descriptor(openat(root_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
}

std::vector<std::string> CacheFolder::names(const std::string& folder) const {
  std::vector<std::string> out;
  const int descriptor = openat(root_.get(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const directory = descriptor < 0 ? nullptr : fdopendir(descriptor);
  if (directory == nullptr) return out;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  closedir(directory);
  return out;
}

// The name is part of it, so that a record cannot take the place of another.
Digest CacheFolder::authenticate(const std::string& name, std::span<const u8> payload) const {
  std::vector<u8> message(name.begin(), name.end());
  message.push_back(0);
  message.insert(message.end(), payload.begin(), payload.end());
  return hmac_sha256(key_, message);
}

std::optional<std::vector<u8>> CacheFolder::read_record(const std::string& name, size_t size) const {
  const Descriptor file = open_file(name);
  if (!file.is_open()) return std::nullopt;
  std::vector<u8> payload(size + sizeof(Digest));
  if (!read_all(file.get(), payload)) return std::nullopt;
  Digest mac;
  std::ranges::copy(std::span(payload).last(mac.size()), mac.begin());
  payload.resize(size);
  if (!equal(mac, authenticate(name, payload))) return std::nullopt;
  return payload;
}

Result<> CacheFolder::write_record(const std::string& name, std::span<const u8> payload, bool durable) const {
  const Digest mac = authenticate(name, payload);
  std::vector<u8> bytes(payload.begin(), payload.end());
  bytes.insert(bytes.end(), mac.begin(), mac.end());
  const std::string temporary = new_name();
  const Descriptor file(openat(root_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  int error = file.is_open() ? write_all(file.get(), bytes) : errno;
  if (error == 0 && durable && fsync(file.get()) != 0) error = errno;
  if (error == 0 && renameat(root_.get(), temporary.c_str(), root_.get(), name.c_str()) != 0) error = errno;
  if (error != 0) {
    if (file.is_open()) remove(temporary);
    return fail(os_error(error, "cannot write to the cache folder " + path_));
  }
  return durable ? sync(name.substr(0, name.find('/'))) : Result<>{};
}

void CacheFolder::remove(const std::string& name) const { unlinkat(root_.get(), name.c_str(), 0); }

Result<> CacheFolder::sync(const std::string& folder) const {
  const Descriptor opened(openat(root_.get(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open() || (fsync(opened.get()) != 0 && errno != EINVAL))
    return fail(os_error(errno, "cannot write to the cache folder " + path_));
  return {};
}

std::string CacheFolder::new_name() const {
  u8 random[12];
  fill_random(random);
  std::string name = "tmp/";
  for (const u8 byte : random) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    name += digits;
  }
  return name;
}

}  // namespace berth::engine
