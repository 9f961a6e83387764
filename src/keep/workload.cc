#include "keep/workload.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <map>
#include <memory>

#include "attest/crypto.h"
#include "json/json.h"
#include "keep/jwe.h"
#include "keep/launch.h"
#include "keep/problem.h"

namespace berth::keep {
namespace {

constexpr u64 kMostUnpacked = u64{1} << 30;
constexpr std::string_view kKeyAnnotation = "org.opencontainers.image.enc.keys.provider.attestation-agent";
constexpr std::string_view kOptionsAnnotation = "org.opencontainers.image.enc.pubopts";
constexpr std::string_view kEncrypted = "+encrypted";

struct Free {
  void operator()(archive* a) const { archive_read_free(a); }
};

// The regular files of an archive that `wanted` asks for, by name without "./".
Result<std::map<std::string, std::vector<u8>>> unpack(std::span<const u8> bytes, auto&& wanted) {
  const std::unique_ptr<archive, Free> in(archive_read_new());
  archive_read_support_format_tar(in.get());
  archive_read_support_filter_gzip(in.get());
  archive_read_support_filter_zstd(in.get());
  const auto broken = [&] {
    const char* const why = archive_error_string(in.get());
    return problem(std::string("an archive cannot be read: ") + (why ? why : "it is damaged"));
  };
  if (archive_read_open_memory(in.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) return broken();
  std::map<std::string, std::vector<u8>> files;
  u64 left = kMostUnpacked;
  archive_entry* entry = nullptr;
  while (true) {
    const int outcome = archive_read_next_header(in.get(), &entry);
    if (outcome == ARCHIVE_EOF) return files;
    if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) return broken();
    const char* const path = archive_entry_pathname(entry);
    std::string name = path ? path : "";
    while (name.starts_with("./") || name.starts_with('/')) name.erase(0, name.starts_with("./") ? 2 : 1);
    if (archive_entry_filetype(entry) != AE_IFREG || !wanted(name)) continue;
    std::vector<u8>& file = files[name];
    file.clear();
    while (true) {
      const void* block = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int more = archive_read_data_block(in.get(), &block, &size, &offset);
      if (more == ARCHIVE_EOF) break;
      if (more != ARCHIVE_OK) return broken();
      if (size > left || offset < 0 || static_cast<u64>(offset) != file.size())
        return problem("an archive has more than 1 GiB in it, or files with holes");
      left -= size;
      file.insert(file.end(), static_cast<const u8*>(block), static_cast<const u8*>(block) + size);
    }
  }
}

std::string digest_of(std::span<const u8> bytes) { return "sha256:" + attest::to_hex(attest::sha256(bytes)); }

// A module or component; an artifact, too, where these are wanted.
bool is_program(std::span<const u8> bytes, bool native) {
  if (bytes.size() < 8) return false;
  return std::ranges::equal(bytes.first(4), attest::bytes_of(std::string_view("\0asm", 4))) ||
         (native && std::ranges::equal(bytes.first(4), attest::bytes_of("\x7f"
                                                                        "ELF")));
}

// The blobs of a layout; each is checked when it is taken.
class Layout {
 public:
  static Result<Layout> read(std::span<const u8> bytes) {
    return Layout(TRY(unpack(
        bytes, [](std::string_view name) { return name == "index.json" || name.starts_with("blobs/sha256/"); })));
  }

  Result<json::Value> index() const {
    const auto file = files_.find("index.json");
    if (file == files_.end()) return problem("the workload is no archive of an image: it has no index.json");
    return json::parse(attest::text_of(file->second));
  }
  Result<std::span<const u8>> blob(std::string_view digest) const {
    const auto file =
        digest.starts_with("sha256:") ? files_.find("blobs/sha256/" + std::string(digest.substr(7))) : files_.end();
    if (file == files_.end()) return problem("the image lacks " + std::string(digest));
    if (digest_of(file->second) != digest) return problem("the image's " + std::string(digest) + " was changed");
    return std::span<const u8>(file->second);
  }

 private:
  explicit Layout(std::map<std::string, std::vector<u8>> files) : files_(std::move(files)) {}

  std::map<std::string, std::vector<u8>> files_;
};

// A manifest, through indexes: of an index the one for WebAssembly, else the only one, else Linux on x86-64. With a
// digest the search begins at that, since anybody may have written the layout's own index.
Result<json::Value> find_manifest(const Layout& layout, const std::string& digest) {
  json::Value document;
  if (digest.empty()) {
    document = TRY(layout.index());
  } else {
    TRY(layout.index());
    const auto blob = layout.blob(digest);
    if (!blob) return problem(blob.error().detail() + "; that is the image that is to run");
    document = TRY(json::parse(attest::text_of(*blob)));
  }
  for (int depth = 0; depth < 4 && document.find("manifests"); ++depth) {
    const json::Array& manifests = document.find("manifests")->items();
    const json::Value* best = nullptr;
    int best_score = -1;
    for (const json::Value& manifest : manifests) {
      const auto architecture = manifest.text_at({"platform", "architecture"});
      const int score = architecture == "wasm"                 ? 3
                        : manifest.find("platform") == nullptr ? 2
                        : architecture == "amd64"              ? 1
                                                               : 0;
      if (score > best_score) best = &manifest;
      best_score = std::max(best_score, score);
    }
    if (!best) return problem("the image's index is empty");
    const std::span<const u8> blob = TRY(layout.blob(best->text_at({"digest"})));
    document = TRY(json::parse(attest::text_of(blob)));
  }
  if (!document.find("layers")) return problem("the image has no manifest with layers");
  return document;
}

std::string annotation(const json::Value& layer, std::string_view name) {
  const json::Value* const annotations = layer.find("annotations");
  return annotations ? std::string(annotations->text_at({name})) : std::string();
}

Result<json::Value> json_of_base64(std::string_view text, std::string_view what) {
  const auto bytes = attest::from_base64(text);
  if (!bytes || text.empty()) return problem("a layer's " + std::string(what) + " is missing, or no base64");
  return json::parse(attest::text_of(*bytes));
}

Result<std::vector<u8>> base64_at(const json::Value& value, std::initializer_list<std::string_view> path) {
  auto bytes = attest::from_base64(value.text_at(path));
  if (!bytes) return problem("a layer's options have a value that is no base64");
  return std::move(*bytes);
}

// The options of a layer's encryption, which are encrypted themselves.
Result<json::Value> private_options(const json::Value& layer, std::string_view key_name, const KeySource& keys) {
  const std::string wrapped = annotation(layer, kKeyAnnotation);
  if (wrapped.empty())
    return problem("a layer is not encrypted for a broker: it lacks the annotation " + std::string(kKeyAnnotation));
  const json::Value packet = TRY(json_of_base64(wrapped.substr(0, wrapped.find(',')), "key"));
  if (const auto type = packet.text_at({"wrap_type"}); type != "A256GCM")
    return problem("a layer's key is wrapped by \"" + std::string(type) + "\"; A256GCM is known");
  std::string_view name = packet.text_at({"kid"});
  // kbs://[host]/default/key/1
  if (const size_t scheme = name.find("://"); scheme != std::string_view::npos) {
    name.remove_prefix(scheme + 3);
    name.remove_prefix(std::min(name.size(), name.find('/') + 1));
  }
  if (!is_resource_name(name)) return problem("a layer's key has no name of a broker's resource");
  // Whoever knows another of the broker's keys could have made this layer.
  if (!key_name.empty() && name != key_name)
    return problem("a layer is encrypted by " + std::string(name) + ", and its owner says " + std::string(key_name));
  const std::vector<u8> key = TRY(keys(name));
  const std::vector<u8> data = TRY(base64_at(packet, {"wrapped_data"})), nonce = TRY(base64_at(packet, {"iv"}));
  if (data.size() < 16) return problem("a layer's key is cut off");
  const std::span<const u8> all = data;
  auto text = decrypt_gcm(key, nonce, {}, all.first(all.size() - 16), all.last(16));
  if (!text)
    return fail(std::move(text.error()).with_context("while unwrapping a layer's key with " + std::string(name)));
  return json::parse(attest::text_of(*text));
}

Result<std::vector<u8>> decrypt_layer(const json::Value& layer, std::span<const u8> blob, std::string_view key_name,
                                      const KeySource& keys) {
  const json::Value open = TRY(json_of_base64(annotation(layer, kOptionsAnnotation), "options"));
  if (const auto cipher = open.text_at({"cipher"}); cipher != "AES_256_CTR_HMAC_SHA256")
    return problem("a layer is encrypted by \"" + std::string(cipher) + "\"; AES_256_CTR_HMAC_SHA256 is known");
  const json::Value options = TRY(private_options(layer, key_name, keys));
  const std::vector<u8> key = TRY(base64_at(options, {"symkey"})),
                        counter = TRY(base64_at(options, {"cipheroptions", "nonce"}));
  const std::vector<u8> expected = TRY(base64_at(open, {"hmac"})), mac = TRY(hmac_sha256(key, blob));
  u8 difference = expected.size() != mac.size();
  for (size_t i = 0; i < mac.size() && i < expected.size(); ++i) difference |= mac[i] ^ expected[i];
  if (difference != 0) return problem("an encrypted layer was changed");
  return crypt_ctr(key, counter, blob);
}

// The module that an image's command names, or its only one.
Result<std::vector<u8>> module_of(const json::Value& config, std::map<std::string, std::vector<u8>> files,
                                  bool native) {
  const json::Value* const inner = config.find("config");
  for (const std::string_view list : {"Entrypoint", "Cmd"}) {
    const json::Value* const words = inner ? inner->find(list) : nullptr;
    if (!words || words->items().empty()) continue;
    std::string name(words->items()[0].string().value_or(""));
    while (name.starts_with('/')) name.erase(0, 1);
    if (const auto file = files.find(name); file != files.end() && is_program(file->second, native))
      return std::move(file->second);
    break;
  }
  std::vector<u8>* only = nullptr;
  for (auto& [name, contents] : files) {
    if (!is_program(contents, native)) continue;
    if (only) return problem("the image has more than one module, and its command names none of them");
    only = &contents;
  }
  if (!only) return problem("the image has no WebAssembly in it");
  return std::move(*only);
}

Result<std::vector<u8>> open_image(std::span<const u8> bytes, const Config& config, const KeySource& keys) {
  const Layout layout = TRY(Layout::read(bytes));
  const json::Value manifest = TRY(find_manifest(layout, config.digest));
  std::map<std::string, std::vector<u8>> files;
  for (const json::Value& layer : manifest.find("layers")->items()) {
    std::string_view type = layer.text_at({"mediaType"});
    const std::span<const u8> blob = TRY(layout.blob(layer.text_at({"digest"})));
    std::vector<u8> contents(blob.begin(), blob.end());
    if (type.ends_with(kEncrypted)) {
      contents = TRY(decrypt_layer(layer, blob, config.key, keys));
      type.remove_suffix(kEncrypted.size());
    } else if (!config.key.empty()) {
      return problem("a layer of the image is not encrypted, and its owner says that they all are");
    }
    if (is_program(contents, config.native)) {
      files["module " + std::to_string(files.size())] = std::move(contents);
      continue;
    }
    for (auto& [name, file] : TRY(unpack(contents, [](std::string_view) { return true; })))
      files[name] = std::move(file);
  }
  // A module's own configuration says nothing of a command, and need not be there.
  const auto settings = layout.blob(manifest.text_at({"config", "digest"}));
  const auto parsed = settings ? json::parse(attest::text_of(*settings)) : Result<json::Value>(json::Value());
  return module_of(parsed ? *parsed : json::Value(), std::move(files), config.native);
}

}  // namespace

Result<std::vector<u8>> open_workload(std::span<const u8> bytes, const Config& config, const KeySource& keys) {
  if (config.kind == Config::Kind::Image) return open_image(bytes, config, keys);
  if (const std::string digest = digest_of(bytes); digest != config.digest)
    return problem("the file on the disk is " + digest + "; " + config.digest + " is to run");
  return std::vector<u8>(bytes.begin(), bytes.end());
}

}  // namespace berth::keep
