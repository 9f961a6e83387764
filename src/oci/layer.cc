#include "oci/layer.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>
#include <set>

namespace berth::oci {
namespace {

struct Free {
  void operator()(archive* a) const { archive_write_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Writer = std::unique_ptr<archive, Free>;

std::unexpected<Error> failed(archive* a) {
  const char* text = archive_error_string(a);
  return fail(ErrorCode::System, std::string("cannot make a layer: ") + (text ? text : "no memory"));
}

la_ssize_t append(archive*, void* out, const void* data, size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

Result<> check_path(const std::string& path) {
  auto wrong = [&](const char* what) {
    return fail(ErrorCode::BadArgument, "\"" + path + "\" can be no path in an image: " + what);
  };
  if (!path.starts_with('/') || path.ends_with('/')) return wrong("it must start with / and name a file");
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view part = std::string_view(path).substr(at + 1, end - at - 1);
    if (part.empty() || part == "." || part == "..") return wrong("it must not have empty parts, . or ..");
    if (part.starts_with(".wh.")) return wrong("names that start with .wh. take files away in layers");
    at = end;
  }
  return {};
}

Result<std::string> make_tar(const std::vector<LayerFile>& files, u64 time) {
  std::string out;
  const Writer writer(archive_write_new());
  archive* const a = writer.get();
  if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK || archive_write_add_filter_none(a) != ARCHIVE_OK ||
      archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
      archive_write_open(a, &out, nullptr, append, nullptr) != ARCHIVE_OK)
    return failed(a);
  std::set<std::string> folders;
  const std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
  archive_entry* const e = entry.get();
  auto start = [&](const std::string& path, u32 type, u32 mode, u64 size) {
    archive_entry_clear(e);
    archive_entry_set_pathname(e, path.c_str() + 1);
    archive_entry_set_filetype(e, type);
    archive_entry_set_perm(e, static_cast<__LA_MODE_T>(mode));
    archive_entry_set_size(e, static_cast<la_int64_t>(size));
    archive_entry_set_mtime(e, static_cast<time_t>(time), 0);
    archive_entry_set_uid(e, 0);
    archive_entry_set_gid(e, 0);
  };
  for (const LayerFile& file : files) {
    for (size_t slash = file.path.find('/', 1); slash != std::string::npos; slash = file.path.find('/', slash + 1)) {
      const std::string folder = file.path.substr(0, slash);
      if (!folders.insert(folder).second) continue;
      start(folder + "/", AE_IFDIR, 0755, 0);
      if (archive_write_header(a, e) != ARCHIVE_OK) return failed(a);
    }
    start(file.path, file.link.empty() ? AE_IFREG : AE_IFLNK, file.mode, file.contents.size());
    if (!file.link.empty()) archive_entry_set_symlink(e, file.link.c_str());
    if (archive_write_header(a, e) != ARCHIVE_OK) return failed(a);
    if (!file.contents.empty() && archive_write_data(a, file.contents.data(), file.contents.size()) < 0)
      return failed(a);
  }
  if (archive_write_close(a) != ARCHIVE_OK) return failed(a);
  return out;
}

Result<std::string> compress(const std::string& tar, Compression compression) {
  std::string out;
  const Writer writer(archive_write_new());
  archive* const a = writer.get();
  const bool gzip = compression == Compression::Gzip;
  // Gzip's header would have the time of day.
  if (archive_write_set_format_raw(a) != ARCHIVE_OK ||
      (gzip ? archive_write_add_filter_gzip(a) : archive_write_add_filter_zstd(a)) != ARCHIVE_OK ||
      archive_write_set_options(a, gzip ? "gzip:!timestamp,gzip:compression-level=9" : "zstd:compression-level=19") !=
          ARCHIVE_OK ||
      archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
      archive_write_open(a, &out, nullptr, append, nullptr) != ARCHIVE_OK)
    return failed(a);
  const std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  if (archive_write_header(a, entry.get()) != ARCHIVE_OK) return failed(a);
  if (archive_write_data(a, tar.data(), tar.size()) < 0) return failed(a);
  if (archive_write_close(a) != ARCHIVE_OK) return failed(a);
  return out;
}

}  // namespace

Result<Layer> make_layer(std::vector<LayerFile> files, u64 time, Compression compression) {
  std::ranges::sort(files, {}, &LayerFile::path);
  for (size_t i = 0; i < files.size(); ++i) {
    TRY(check_path(files[i].path));
    if (i == 0) continue;
    const std::string& before = files[i - 1].path;
    if (before == files[i].path)
      return fail(ErrorCode::BadArgument, "two files are called " + before + " in the image");
    if (files[i].path.starts_with(before + "/"))
      return fail(ErrorCode::BadArgument, before + " is a file and a folder in the image");
  }
  std::string tar = TRY(make_tar(files, time));
  Layer layer;
  layer.diff_id = digest_of(tar);
  if (compression == Compression::None) {
    layer.bytes = std::move(tar);
    layer.descriptor = describe(layer.bytes, media::kTar);
    return layer;
  }
  layer.bytes = TRY(compress(tar, compression));
  layer.descriptor = describe(layer.bytes, compression == Compression::Gzip ? media::kTarGzip : media::kTarZstd);
  return layer;
}

}  // namespace berth::oci
