#include "oci/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "oci/problem.h"
#include "os/file.h"

namespace berth::oci {
namespace {

constexpr std::string_view kLayout = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr size_t kChunk = size_t{1} << 20;
constexpr u64 kMostIndex = u64{64} << 20;
constexpr int kDeepest = 8;

std::unexpected<Error> cannot(const std::string& what, const std::string& path, int error) {
  std::string hint;
  if (error == ENOSPC || error == EDQUOT)
    hint = "make room there, or name another folder in $BERTH_IMAGES; `berth image rm` frees what images take";
  if (error == EACCES || error == EPERM || error == EROFS || error == ENOENT || error == ENOTDIR)
    hint = "name a folder that you may write to in $BERTH_IMAGES";
  return problem("cannot " + what + " " + path + ": " + std::strerror(error), hint);
}

Result<> make_folder(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0755);
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return cannot("make", path, errno);
  return {};
}

Result<> sync_folder(const std::string& path) {
  const File folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || (fsync(folder.get()) != 0 && errno != EINVAL)) return cannot("write", path, errno);
  return {};
}

Result<File> open_locked(const std::string& path, int how) {
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.is_open()) return cannot("open", path, errno);
  while (flock(file.get(), how) != 0) {
    if (errno != EINTR) return cannot("lock", path, errno);
  }
  return file;
}

int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> out;
  DIR* folder = opendir(path.c_str());
  if (!folder) return out;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  closedir(folder);
  return out;
}

std::string_view ref_name(const json::Value& entry) { return entry.text_at({"annotations", kRefName}); }

}  // namespace

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<std::string> default_store_folder() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (std::string named = variable("BERTH_IMAGES"); !named.empty()) return named;
  if (geteuid() == 0) return std::string("/var/lib/berth/images");
  if (const std::string data = variable("XDG_DATA_HOME"); !data.empty()) return data + "/berth/images";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.local/share/berth/images";
  return problem("there is no place for images: neither $HOME nor $XDG_DATA_HOME is set",
                 "name a folder in $BERTH_IMAGES");
}

Result<Store> Store::open(const std::string& folder) {
  TRY(make_folder(folder));
  File lock = TRY(open_locked(folder + "/lock", LOCK_SH));
  for (const char* part : {"/blobs", "/blobs/sha256", "/blobs/sha512", "/ingest"}) TRY(make_folder(folder + part));
  const std::string layout = folder + "/oci-layout";
  if (access(layout.c_str(), F_OK) != 0) {
    auto done = os::replace_file(layout, {reinterpret_cast<const u8*>(kLayout.data()), kLayout.size()});
    if (!done) return problem(done.error().to_string());
  }
  return Store(folder, std::move(lock));
}

std::string Store::blob_path(const Digest& digest) const {
  return folder_ + "/blobs/" + std::string(to_string(digest.algorithm)) + "/" + digest.hex;
}

bool Store::has(const Descriptor& descriptor) const {
  struct stat status{};
  return stat(blob_path(descriptor.digest).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         static_cast<u64>(status.st_size) == descriptor.size;
}

Result<File> Store::open_blob(const Descriptor& descriptor) const {
  const std::string path = blob_path(descriptor.digest);
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open() && errno == ENOENT)
    return problem("the blob " + descriptor.digest.to_string() + " is not in " + folder_,
                   "`berth image pull` gets what is missing");
  if (!file.is_open()) return cannot("open", path, errno);
  return file;
}

Result<std::string> Store::read(const Descriptor& descriptor, u64 most) const {
  if (descriptor.size > most)
    return problem("the blob " + descriptor.digest.to_string() + " is said to have " + std::to_string(descriptor.size) +
                   " bytes, more than its kind may");
  const File file = TRY(open_blob(descriptor));
  auto bytes = os::read_descriptor(file.get(), blob_path(descriptor.digest), descriptor.size);
  const std::string hint = "`berth image rm` and `berth image pull` get it anew";
  const std::string damaged = blob_path(descriptor.digest) + " is damaged";
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::LimitExceeded) return problem(damaged, hint);
    return problem(bytes.error().to_string());
  }
  std::string text(bytes->begin(), bytes->end());
  if (text.size() != descriptor.size || digest_of(text, descriptor.digest.algorithm) != descriptor.digest)
    return problem(damaged, hint);
  return text;
}

Result<std::variant<Manifest, Index>> Store::read_manifest(const Descriptor& descriptor) const {
  const std::string text = TRY(read(descriptor, kMostManifest));
  auto manifest = parse_manifest(text, descriptor.media_type);
  if (!manifest) return problem(descriptor.digest.to_string() + ": " + manifest.error().detail());
  return manifest;
}

Result<> Store::add(std::string_view bytes, const Digest& digest) const {
  CHECK(digest_of(bytes, digest.algorithm) == digest);
  const Descriptor descriptor{{}, digest, bytes.size(), {}, {}};
  if (has(descriptor)) return {};
  auto done = os::replace_file(blob_path(digest), {reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, 0644);
  if (done) return {};
  const bool full = done.error().detail().ends_with(std::strerror(ENOSPC));
  return problem(done.error().to_string(), full ? "make room there, or name another folder in $BERTH_IMAGES" : "");
}

Result<json::Value> Store::read_index() const {
  const std::string path = folder_ + "/index.json";
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    json::Value empty = json::Object();
    empty.set("schemaVersion", 2);
    empty.set("mediaType", media::kIndex);
    empty.set("manifests", json::Array());
    return empty;
  }
  auto bytes = os::read_file(path, kMostIndex);
  if (!bytes) return problem(bytes.error().to_string());
  auto value = json::parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!value || !value->is(json::Kind::Object))
    return problem(path + " is damaged" + (value ? "" : ": " + value.error().detail()),
                   "remove " + folder_ + ", and pull the images anew");
  value->set("manifests", value->find("manifests") ? *value->find("manifests") : json::Value(json::Array()));
  return value;
}

Result<> Store::change_index(const std::function<Result<>(json::Value&)>& change) const {
  const File lock = TRY(open_locked(folder_ + "/index.lock", LOCK_EX));
  json::Value index = TRY(read_index());
  TRY(change(index));
  const std::string text = json::to_text(index, 1) + "\n";
  auto done = os::replace_file(folder_ + "/index.json", {reinterpret_cast<const u8*>(text.data()), text.size()}, 0644);
  if (!done) return problem(done.error().to_string(), "nothing was changed");
  return {};
}

Result<std::vector<Store::Entry>> Store::entries() const {
  const json::Value index = TRY(read_index());
  std::vector<Entry> out;
  for (const json::Value& item : index.find("manifests")->items()) {
    auto descriptor = parse_descriptor(item, folder_ + "/index.json");
    if (!descriptor) return problem(descriptor.error().detail(), "remove " + folder_ + ", and pull the images anew");
    const std::string_view name = ref_name(item);
    if (!name.empty()) out.push_back({std::string(name), std::move(*descriptor)});
  }
  return out;
}

Result<std::optional<Descriptor>> Store::find(const Reference& reference) const {
  Reference wanted = reference;
  wanted.digest.reset();
  const std::string name = wanted.to_string();
  for (const Entry& entry : TRY(entries())) {
    const bool same_name = !reference.tag.empty()
                               ? entry.name == name
                               : entry.name.starts_with(name + ":") || entry.name.starts_with(name + "@");
    if (same_name && (!reference.digest || *reference.digest == entry.descriptor.digest)) return entry.descriptor;
  }
  return std::nullopt;
}

Result<> Store::set_name(const std::string& name, const Descriptor& descriptor) const {
  return change_index([&](json::Value& index) -> Result<> {
    json::Array& items = index.find("manifests")->edit_items();
    std::erase_if(items, [&](const json::Value& item) { return ref_name(item) == name; });
    Descriptor named = descriptor;
    named.platform.reset();
    named.annotations = {{std::string(kRefName), name}};
    items.push_back(to_json(named));
    return {};
  });
}

Result<bool> Store::remove_name(const std::string& name) const {
  bool found = false;
  TRY(change_index([&](json::Value& index) -> Result<> {
    found = std::erase_if(index.find("manifests")->edit_items(),
                          [&](const json::Value& item) { return ref_name(item) == name; }) != 0;
    return {};
  }));
  return found;
}

// Appends the paths of a manifest's blobs and its own. What is missing or damaged leads to nothing.
Result<> Store::mark(const Descriptor& root, std::vector<std::string>& reached) const {
  std::vector<std::pair<Descriptor, int>> queue = {{root, 0}};
  while (!queue.empty()) {
    const auto [descriptor, depth] = std::move(queue.back());
    queue.pop_back();
    reached.push_back(blob_path(descriptor.digest));
    const std::string& type = descriptor.media_type;
    if (depth == kDeepest || (!media::is_index(type) && !media::is_manifest(type)) || !has(descriptor)) continue;
    const auto manifest = read_manifest(descriptor);
    if (!manifest) continue;
    if (const auto* index = std::get_if<Index>(&*manifest)) {
      for (const Descriptor& child : index->manifests) queue.emplace_back(child, depth + 1);
    } else {
      const auto& image = std::get<Manifest>(*manifest);
      reached.push_back(blob_path(image.config.digest));
      for (const Descriptor& layer : image.layers) reached.push_back(blob_path(layer.digest));
    }
  }
  return {};
}

Result<Store::Collected> Store::collect() {
  Collected out;
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    out.busy = true;
    return out;
  }
  std::vector<std::string> reached;
  const auto named = entries();
  if (named) {
    for (const Entry& entry : *named) TRY(mark(entry.descriptor, reached));
    std::ranges::sort(reached);
    for (const char* part : {"/blobs/sha256", "/blobs/sha512", "/ingest"}) {
      for (const std::string& name : names_in(folder_ + part)) {
        const std::string path = folder_ + part + "/" + name;
        struct stat status{};
        if (std::ranges::binary_search(reached, path) || stat(path.c_str(), &status) != 0) continue;
        if (unlink(path.c_str()) != 0) continue;
        ++out.blobs;
        out.bytes += static_cast<u64>(status.st_size);
      }
    }
  }
  flock(lock_.get(), LOCK_SH);
  if (!named) return fail(Error(named.error().code(), named.error().detail()));
  return out;
}

Result<BlobWriter> BlobWriter::open(const Store& store, const Descriptor& descriptor) {
  std::string path =
      store.folder() + "/ingest/" + std::string(to_string(descriptor.digest.algorithm)) + "-" + descriptor.digest.hex;
  while (true) {
    File file = TRY(open_locked(path, LOCK_EX));
    // Whoever had it may have put it in its place meanwhile.
    struct stat mine{}, there{};
    if (fstat(file.get(), &mine) != 0) return cannot("read", path, errno);
    if (stat(path.c_str(), &there) != 0 || mine.st_ino != there.st_ino || mine.st_dev != there.st_dev) continue;
    BlobWriter writer(store, path, store.blob_path(descriptor.digest), descriptor, std::move(file));
    writer.hasher_ = Hasher(descriptor.digest.algorithm);
    std::string buffer(kChunk, '\0');
    while (true) {
      const ssize_t n = ::read(writer.file_.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return cannot("read", path, errno);
      if (n == 0) break;
      writer.hasher_.update(std::string_view(buffer.data(), static_cast<size_t>(n)));
      writer.size_ += static_cast<u64>(n);
    }
    if (writer.size_ > descriptor.size) TRY(writer.restart());
    return writer;
  }
}

Result<> BlobWriter::write(std::string_view bytes) {
  if (bytes.size() > descriptor_.size - size_) {
    discard();
    return problem("the blob " + descriptor_.digest.to_string() + " is larger than the " +
                   std::to_string(descriptor_.size) + " bytes it should have; it was discarded");
  }
  if (const int error = write_all(file_.get(), bytes); error != 0) {
    // So that what is there stays a start of the blob.
    if (ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) discard();
    return cannot("write", path_, error);
  }
  hasher_.update(bytes);
  size_ += bytes.size();
  return {};
}

Result<> BlobWriter::restart() {
  if (ftruncate(file_.get(), 0) != 0 || lseek(file_.get(), 0, SEEK_SET) != 0) return cannot("write", path_, errno);
  hasher_ = Hasher(descriptor_.digest.algorithm);
  size_ = 0;
  return {};
}

Result<> BlobWriter::finish() {
  const std::string name = "the blob " + descriptor_.digest.to_string();
  if (size_ != descriptor_.size) {
    return problem(name + " has " + std::to_string(size_) + " bytes, but should have " +
                   std::to_string(descriptor_.size));
  }
  if (const Digest digest = hasher_.finish(); digest != descriptor_.digest) {
    discard();
    return problem(name + " is not what it should be: its digest is " + digest.to_string() + "; it was discarded",
                   "somebody changed it on the way or in the registry: do not use this image before you know who");
  }
  if (fsync(file_.get()) != 0) return cannot("write", path_, errno);
  if (rename(path_.c_str(), target_.c_str()) != 0) return cannot("write", target_, errno);
  return sync_folder(target_.substr(0, target_.rfind('/')));
}

void BlobWriter::discard() {
  unlink(path_.c_str());
  size_ = 0;
}

}  // namespace berth::oci
