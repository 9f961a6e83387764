#include "oci/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "oci/problem.h"

namespace berth::oci {
namespace {

constexpr size_t kChunk = size_t{256} << 10;
constexpr u64 kMostIndex = u64{16} << 20;
constexpr const char* kRefName = "org.opencontainers.image.ref.name";
constexpr const char* kImageName = "io.containerd.image.name";

struct Free {
  void operator()(archive* a) const { archive_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};

class ArchiveWriter {
 public:
  static Result<ArchiveWriter> open(const std::string& path) {
    ArchiveWriter out(path);
    archive* const a = out.archive_.get();
    if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
        archive_write_open_filename(a, out.scratch_.c_str()) != ARCHIVE_OK)
      return out.failed();
    return out;
  }
  ArchiveWriter(ArchiveWriter&& other) noexcept = default;
  ~ArchiveWriter() {
    if (archive_) unlink(scratch_.c_str());
  }

  Result<> start(const std::string& name, u64 size) {
    const std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    archive_entry_set_mtime(entry.get(), 0, 0);
    if (archive_write_header(archive_.get(), entry.get()) != ARCHIVE_OK) return failed();
    return {};
  }
  Result<> write(std::string_view bytes) {
    if (archive_write_data(archive_.get(), bytes.data(), bytes.size()) < 0) return failed();
    return {};
  }
  Result<> finish() {
    if (archive_write_close(archive_.get()) != ARCHIVE_OK) return failed();
    if (rename(scratch_.c_str(), path_.c_str()) != 0)
      return problem("cannot write " + path_ + ": " + std::strerror(errno));
    archive_.reset();
    return {};
  }

 private:
  explicit ArchiveWriter(const std::string& path)
      : path_(path), scratch_(path + ".berth-" + std::to_string(getpid())), archive_(archive_write_new()) {}
  std::unexpected<Error> failed() const {
    const int error = archive_errno(archive_.get());
    const char* text = error > 0 ? std::strerror(error) : archive_error_string(archive_.get());
    return problem("cannot write " + path_ + ": " + (text ? text : "no memory"));
  }

  std::string path_, scratch_;
  std::unique_ptr<archive, Free> archive_;
};

Result<> copy_blob(const Store& store, const Descriptor& blob, ArchiveWriter& out) {
  const File file = TRY(store.open_blob(blob));
  TRY(out.start("blobs/" + std::string(to_string(blob.digest.algorithm)) + "/" + blob.digest.hex, blob.size));
  Hasher hasher(blob.digest.algorithm);
  std::string buffer(kChunk, '\0');
  while (true) {
    const ssize_t n = read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return problem("cannot read " + store.blob_path(blob.digest) + ": " + std::strerror(errno));
    if (n == 0) break;
    const std::string_view piece(buffer.data(), static_cast<size_t>(n));
    hasher.update(piece);
    TRY(out.write(piece));
  }
  if (hasher.finish() != blob.digest)
    return problem(store.blob_path(blob.digest) + " is damaged", "`berth image rm` and `berth image pull` get it anew");
  return {};
}

// The blobs of an image that are here, its own manifests too.
Result<> gather(const Store& store, const Descriptor& image, std::vector<Descriptor>& blobs, bool all_needed) {
  auto add = [&](const Descriptor& blob) {
    if (std::ranges::find(blobs, blob.digest, &Descriptor::digest) == blobs.end()) blobs.push_back(blob);
  };
  add(image);
  const auto parsed = TRY(store.read_manifest(image));
  if (const auto* index = std::get_if<Index>(&parsed)) {
    for (const Descriptor& child : index->manifests) {
      if (store.has(child) && media::is_manifest(child.media_type)) TRY(gather(store, child, blobs, all_needed));
    }
    return {};
  }
  const auto& manifest = std::get<Manifest>(parsed);
  std::vector<Descriptor> parts = manifest.layers;
  parts.push_back(manifest.config);
  for (const Descriptor& part : parts) {
    if (all_needed && !store.has(part)) return problem("a part is missing: " + part.digest.to_string());
    add(part);
  }
  return {};
}

Result<std::string> read_entry(archive* a, const std::string& what) {
  std::string out, buffer(kChunk, '\0');
  while (true) {
    const la_ssize_t n = archive_read_data(a, buffer.data(), buffer.size());
    if (n < 0 || out.size() > kMostIndex) return problem(what + ": " + (n < 0 ? archive_error_string(a) : "too large"));
    if (n == 0) return out;
    out.append(buffer, 0, static_cast<size_t>(n));
  }
}

Result<> take_blob(const Store& store, archive* a, archive_entry* entry, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {};
  auto digest = parse_digest(std::string(name.substr(0, slash)) + ":" + std::string(name.substr(slash + 1)));
  if (!digest) return problem(digest.error().detail());
  const Descriptor blob{{}, *digest, static_cast<u64>(std::max<la_int64_t>(archive_entry_size(entry), 0)), {}, {}};
  if (store.has(blob)) return {};
  BlobWriter writer = TRY(BlobWriter::open(store, blob));
  TRY(writer.restart());
  std::string buffer(kChunk, '\0');
  while (true) {
    const la_ssize_t n = archive_read_data(a, buffer.data(), buffer.size());
    if (n < 0) {
      writer.discard();
      return problem(archive_error_string(a));
    }
    if (n == 0) break;
    TRY(writer.write({buffer.data(), static_cast<size_t>(n)}));
  }
  return writer.finish();
}

}  // namespace

Result<> save_archive(const Store& store, const std::vector<Store::Entry>& images, const std::string& path) {
  std::vector<Descriptor> blobs;
  Index index;
  index.media_type = media::kIndex;
  for (const Store::Entry& image : images) {
    TRY(gather(store, image.descriptor, blobs, true));
    Descriptor named = image.descriptor;
    named.annotations = {{kImageName, image.name}, {kRefName, image.name}};
    index.manifests.push_back(std::move(named));
  }
  ArchiveWriter out = TRY(ArchiveWriter::open(path));
  const std::pair<std::string, std::string> texts[] = {{"oci-layout", R"({"imageLayoutVersion":"1.0.0"})"},
                                                       {"index.json", to_text(index)}};
  for (const auto& [name, text] : texts) {
    TRY(out.start(name, text.size()));
    TRY(out.write(text));
  }
  for (const Descriptor& blob : blobs) TRY(copy_blob(store, blob, out));
  return out.finish();
}

Result<std::vector<Store::Entry>> load_archive(const Store& store, const std::string& path) {
  const std::unique_ptr<archive, Free> reader(archive_read_new());
  archive* const a = reader.get();
  archive_read_support_filter_all(a);
  archive_read_support_format_tar(a);
  auto damaged = [&](const std::string& why) {
    return problem("cannot load " + path + ": " + why,
                   "it should be an OCI archive, as `berth image save`, `podman save --format oci-archive` and "
                   "`skopeo copy … oci-archive:` make them");
  };
  auto last_error = [a] {
    const char* text = archive_error_string(a);
    return std::string(text ? text : "it is damaged");
  };
  if (archive_read_open_filename(a, path.c_str(), kChunk) != ARCHIVE_OK) return damaged(last_error());
  std::string index_text;
  archive_entry* entry = nullptr;
  while (true) {
    const int status = archive_read_next_header(a, &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return damaged(last_error());
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const char* named = archive_entry_pathname(entry);
    std::string_view name = named ? named : "";
    if (name.starts_with("./")) name.remove_prefix(2);
    if (name == "index.json") {
      index_text = TRY(read_entry(a, path));
    } else if (name.starts_with("blobs/")) {
      if (auto done = take_blob(store, a, entry, name.substr(6)); !done) return damaged(done.error().detail());
    }
  }
  if (index_text.empty()) return damaged("it has no index.json");
  const auto parsed = parse_manifest(index_text, media::kIndex);
  if (!parsed) return damaged("index.json: " + parsed.error().detail());
  std::vector<Store::Entry> out;
  for (const Descriptor& image : std::get<Index>(*parsed).manifests) {
    std::string name;
    for (const char* annotation : {kRefName, kImageName}) {
      if (const auto found = image.annotations.find(annotation); found != image.annotations.end()) name = found->second;
    }
    const auto reference = parse_reference(name);
    if (!reference || reference->digest) continue;
    std::vector<Descriptor> blobs;
    if (auto complete = gather(store, image, blobs, true); !complete) return damaged(complete.error().detail());
    out.push_back({reference->to_string(), image});
  }
  if (out.empty()) return damaged("none of its images has a name");
  for (const Store::Entry& image : out) TRY(store.set_name(image.name, image.descriptor));
  return out;
}

}  // namespace berth::oci
