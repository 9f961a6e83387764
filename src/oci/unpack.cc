#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "oci/layer.h"
#include "oci/problem.h"

namespace berth::oci {
namespace {

constexpr size_t kChunk = size_t{256} << 10;
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq";

struct Free {
  void operator()(archive* a) const { archive_read_free(a); }
};
using ArchiveReader = std::unique_ptr<archive, Free>;

// A blob as it is read, digested on the way.
struct Source {
  int file;
  Hasher hasher;
  std::string buffer = std::string(kChunk, '\0');
  int error = 0;

  static la_ssize_t read(archive*, void* self, const void** out) {
    auto& source = *static_cast<Source*>(self);
    ssize_t n = 0;
    do {
      n = ::read(source.file, source.buffer.data(), source.buffer.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
      source.error = errno;
      return -1;
    }
    source.hasher.update(std::string_view(source.buffer.data(), static_cast<size_t>(n)));
    *out = source.buffer.data();
    return n;
  }
};

// The archive, decompressed, and digested too.
struct Inner {
  archive* outer;
  Hasher hasher;
  std::string buffer = std::string(kChunk, '\0');
  u64 left;  // bytes that may come
  bool too_large = false;

  static la_ssize_t read(archive* a, void* self, const void** out) {
    auto& inner = *static_cast<Inner*>(self);
    const la_ssize_t n = archive_read_data(inner.outer, inner.buffer.data(), inner.buffer.size());
    if (n < 0) {
      archive_set_error(a, EIO, "%s", archive_error_string(inner.outer));
      return -1;
    }
    if (static_cast<u64>(n) > inner.left) {
      inner.too_large = true;
      archive_set_error(a, EFBIG, "it unpacks to more than is allowed");
      return -1;
    }
    inner.left -= static_cast<u64>(n);
    inner.hasher.update(std::string_view(inner.buffer.data(), static_cast<size_t>(n)));
    *out = inner.buffer.data();
    return n;
  }
};

// Opens within a folder: neither ".." nor any symbolic link leads out of it, or anywhere else.
File open_within(int root, const std::string& path, int flags, u32 mode = 0) {
  open_how how{};
  how.flags = static_cast<u64>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return File(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

class Unpacker {
 public:
  explicit Unpacker(File root) : root_(std::move(root)) {}

  Result<> take(archive* a, archive_entry* entry);

 private:
  std::unexpected<Error> wrong(const std::string& what) const {
    return problem("the layer cannot be unpacked: " + path_ + " " + what);
  }
  std::unexpected<Error> failed(const char* what) const {
    return wrong("cannot be " + std::string(what) + ": " + std::strerror(errno));
  }
  Result<File> parent_folder();
  Result<> white_out(const File& parent, const std::string& name);
  Result<> write_file(archive* a, const File& parent, const std::string& name, u32 mode);

  const File root_;
  std::string path_;  // of the entry at hand, relative
};

// Removes a file, or a folder with all that is in it.
bool remove_tree(int parent, const std::string& name) {
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return false;
  const int folder = openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* open = folder < 0 ? nullptr : fdopendir(folder);
  if (!open) return false;
  bool good = true;
  while (const dirent* entry = readdir(open)) {
    const std::string_view inner = entry->d_name;
    if (inner != "." && inner != "..") good = remove_tree(folder, entry->d_name) && good;
  }
  closedir(open);
  return good && unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0;
}

// The folder that the entry lies in, made if need be; a file or a link in the way gives way, as layers have it.
Result<File> Unpacker::parent_folder() {
  const size_t slash = path_.rfind('/');
  File at(dup(root_.get()));
  if (slash == std::string::npos) return at;
  std::string_view rest = std::string_view(path_).substr(0, slash);
  while (!rest.empty()) {
    const std::string part(rest.substr(0, rest.find('/')));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    File next = open_within(at.get(), part, O_RDONLY | O_DIRECTORY);
    if (!next.is_open()) {
      if (errno != ENOENT && unlinkat(at.get(), part.c_str(), 0) != 0) return failed("put there");
      if (mkdirat(at.get(), part.c_str(), 0755) != 0) return failed("put there");
      next = open_within(at.get(), part, O_RDONLY | O_DIRECTORY);
      if (!next.is_open()) return failed("put there");
    }
    at = std::move(next);
  }
  return at;
}

Result<> Unpacker::white_out(const File& parent, const std::string& name) {
  if (name != kOpaque) {
    const std::string hidden = name.substr(kWhiteout.size());
    if (hidden.empty() || hidden == "." || hidden == "..") return wrong("is no name");
    if (!remove_tree(parent.get(), hidden)) return failed("taken away");
    return {};
  }
  const int folder = openat(parent.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* open = folder < 0 ? nullptr : fdopendir(folder);
  if (!open) return failed("emptied");
  bool good = true;
  while (const dirent* entry = readdir(open)) {
    const std::string_view inner = entry->d_name;
    if (inner != "." && inner != "..") good = remove_tree(folder, entry->d_name) && good;
  }
  closedir(open);
  if (!good) return wrong("cannot be emptied");
  return {};
}

Result<> Unpacker::write_file(archive* a, const File& parent, const std::string& name, u32 mode) {
  const File file(openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return failed("made");
  std::string buffer(kChunk, '\0');
  while (true) {
    const la_ssize_t n = archive_read_data(a, buffer.data(), buffer.size());
    if (n < 0) return wrong(std::string("is damaged: ") + archive_error_string(a));
    if (n == 0) break;
    for (std::string_view rest(buffer.data(), static_cast<size_t>(n)); !rest.empty();) {
      const ssize_t written = write(file.get(), rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("written");
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }
  if (fchmod(file.get(), mode) != 0) return failed("made");
  return {};
}

Result<> Unpacker::take(archive* a, archive_entry* entry) {
  const char* named = archive_entry_pathname(entry);
  path_ = named ? named : "";
  while (path_.starts_with("./") || path_.starts_with('/')) path_.erase(0, path_.find('/') + 1);
  while (path_.ends_with('/')) path_.pop_back();
  if (path_.empty() || path_ == ".") return {};
  for (size_t at = 0; at <= path_.size();) {
    const size_t end = std::min(path_.find('/', at), path_.size());
    const std::string_view part = std::string_view(path_).substr(at, end - at);
    if (part == "..") return wrong("leads out of the image");
    at = end + 1;
  }
  const File parent = TRY(parent_folder());
  const std::string name = path_.substr(path_.rfind('/') + 1);
  if (name.starts_with(kWhiteout)) return white_out(parent, name);
  const u32 type = archive_entry_filetype(entry);
  // Who runs a module from here is not its owner; set-user-ID bits would mean nothing good.
  const u32 mode = archive_entry_perm(entry) & 0777;
  if (const char* target = archive_entry_hardlink(entry)) {
    std::string other = target;
    while (other.starts_with("./") || other.starts_with('/')) other.erase(0, other.find('/') + 1);
    const File file = open_within(root_.get(), other, O_PATH | O_NOFOLLOW);
    if (!file.is_open()) return wrong("is a link to " + other + ", which is not in the image");
    if (!remove_tree(parent.get(), name)) return failed("replaced");
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    if (linkat(AT_FDCWD, self.c_str(), parent.get(), name.c_str(), AT_SYMLINK_FOLLOW) != 0) return failed("linked");
    return {};
  }
  if (type == AE_IFDIR) {
    struct stat status{};
    const bool there = fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISDIR(status.st_mode) && unlinkat(parent.get(), name.c_str(), 0) != 0) return failed("replaced");
    if ((!there || !S_ISDIR(status.st_mode)) && mkdirat(parent.get(), name.c_str(), 0755) != 0) return failed("made");
    // What others may not look into, its owner here still may.
    if (fchmodat(parent.get(), name.c_str(), mode | 0700, 0) != 0) return failed("made");
    return {};
  }
  if (!remove_tree(parent.get(), name)) return failed("replaced");
  if (type == AE_IFLNK) {
    const char* target = archive_entry_symlink(entry);
    if (!target || symlinkat(target, parent.get(), name.c_str()) != 0) return failed("made");
    return {};
  }
  // Devices, FIFOs and sockets are of no use to a module.
  if (type != AE_IFREG) return {};
  return write_file(a, parent, name, mode | 0400);
}

}  // namespace

Result<> unpack(const Store& store, const Descriptor& layer, const Digest* diff_id, const std::string& folder,
                const UnpackLimits& limits) {
  const std::string what = "the layer " + layer.digest.to_string() + " cannot be unpacked: ";
  if (!media::is_tar(layer.media_type)) return problem(what + "it is of the type " + layer.media_type);
  const File blob = TRY(store.open_blob(layer));
  Unpacker unpacker(File(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (access(folder.c_str(), W_OK | X_OK) != 0) return problem("cannot write " + folder + ": " + std::strerror(errno));
  Source source{blob.get(), Hasher(layer.digest.algorithm)};
  const ArchiveReader outer(archive_read_new()), tar(archive_read_new());
  auto broken = [&](archive* a) {
    const char* text = archive_error_string(a);
    return problem(what + (text ? text : "it is damaged"));
  };
  archive_entry* entry = nullptr;
  archive_read_support_filter_gzip(outer.get());
  archive_read_support_filter_zstd(outer.get());
  archive_read_support_format_raw(outer.get());
  archive_read_support_format_empty(outer.get());
  if (archive_read_open(outer.get(), &source, nullptr, Source::read, nullptr) != ARCHIVE_OK ||
      archive_read_next_header(outer.get(), &entry) != ARCHIVE_OK)
    return broken(outer.get());
  Inner inner{outer.get(), Hasher(diff_id ? diff_id->algorithm : Algorithm::Sha256), std::string(kChunk, '\0'),
              limits.bytes};
  archive_read_support_filter_none(tar.get());
  archive_read_support_format_tar(tar.get());
  if (archive_read_open(tar.get(), &inner, nullptr, Inner::read, nullptr) != ARCHIVE_OK) return broken(tar.get());
  u64 entries = 0;
  while (true) {
    const int status = archive_read_next_header(tar.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return broken(tar.get());
    if (++entries > limits.entries) return problem(what + "it has more files than is allowed");
    TRY(unpacker.take(tar.get(), entry));
  }
  // To the end of both, behind what the archive's reader took.
  const void* rest = nullptr;
  while (Inner::read(tar.get(), &inner, &rest) > 0) continue;
  while (Source::read(outer.get(), &source, &rest) > 0) continue;
  if (source.error != 0)
    return problem("cannot read " + store.blob_path(layer.digest) + ": " + std::strerror(source.error));
  if (source.hasher.finish() != layer.digest)
    return problem(store.blob_path(layer.digest) + " is damaged",
                   "`berth image rm` and `berth image pull` get it anew");
  if (diff_id && inner.hasher.finish() != *diff_id)
    return problem(what + "its contents are not those that the image's configuration names");
  return {};
}

}  // namespace berth::oci
