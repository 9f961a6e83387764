#include "oci/manifest.h"

#include <algorithm>

namespace berth::oci {

namespace media {

bool is_index(std::string_view type) { return type == kIndex || type == kDockerIndex; }
bool is_manifest(std::string_view type) { return type == kManifest || type == kDockerManifest; }
bool is_tar(std::string_view type) {
  return type == kTar || type == kTarGzip || type == kTarZstd || type == kDockerTarGzip ||
         type == "application/vnd.docker.image.rootfs.diff.tar" ||
         type == "application/vnd.docker.image.rootfs.diff.tar.zstd" ||
         type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

}  // namespace media

namespace {

using json::Kind;
using json::Value;

constexpr size_t kMostLayers = 1000;
// Some registries give sizes that are no file's.
constexpr u64 kMostSize = u64{1} << 50;

std::unexpected<Error> wrong(const std::string& where, const std::string& what) {
  return fail(ErrorCode::TextSyntax, where + ": " + what);
}

Result<std::string> read_string(const Value& object, std::string_view name, const std::string& where) {
  const Value* value = object.find(name);
  if (!value || value->is(Kind::Null)) return std::string();
  const auto text = value->string();
  if (!text) return wrong(where, std::string(name) + " is no string");
  return std::string(*text);
}

Result<std::vector<std::string>> read_strings(const Value& object, std::string_view name, const std::string& where) {
  std::vector<std::string> out;
  const Value* value = object.find(name);
  if (!value || value->is(Kind::Null)) return out;
  if (!value->is(Kind::Array)) return wrong(where, std::string(name) + " is no array");
  for (const Value& item : value->items()) {
    if (!item.is(Kind::String)) return wrong(where, std::string(name) + " has an item that is no string");
    out.emplace_back(*item.string());
  }
  return out;
}

Result<Annotations> read_annotations(const Value& object, std::string_view name, const std::string& where) {
  Annotations out;
  const Value* value = object.find(name);
  if (!value || value->is(Kind::Null)) return out;
  if (!value->is(Kind::Object)) return wrong(where, std::string(name) + " is no object");
  for (const json::Member& member : value->members()) {
    const auto text = member.value.string();
    if (!text) return wrong(where, std::string(name) + " has " + member.name + ", which is no string");
    out.emplace(member.name, *text);
  }
  return out;
}

Result<std::vector<Descriptor>> read_descriptors(const Value& object, std::string_view name) {
  const Value* value = object.find(name);
  if (!value || !value->is(Kind::Array)) return wrong("manifest", std::string(name) + " is no array");
  if (value->items().size() > kMostLayers) return wrong("manifest", "more than 1000 " + std::string(name));
  std::vector<Descriptor> out;
  for (const Value& item : value->items())
    out.push_back(TRY(parse_descriptor(item, std::string(name) + "[" + std::to_string(out.size()) + "]")));
  return out;
}

Value to_json(const Annotations& annotations) {
  Value out = json::Object();
  for (const auto& [name, value] : annotations) out.set(name, value);
  return out;
}

Value to_json(const std::vector<std::string>& items) {
  Value out = json::Array();
  for (const std::string& item : items) out.append(item);
  return out;
}

Value descriptors(const std::vector<Descriptor>& all) {
  Value out = json::Array();
  for (const Descriptor& one : all) out.append(oci::to_json(one));
  return out;
}

}  // namespace

std::string Platform::to_string() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }

Result<Platform> parse_platform(std::string_view text) {
  Platform out;
  std::string* parts[] = {&out.os, &out.architecture, &out.variant};
  std::string_view rest = text;
  for (std::string* part : parts) {
    *part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), part->size() + 1));
  }
  auto is_word = [](const std::string& word) {
    return std::ranges::all_of(
        word, [](char c) { return std::isalnum(static_cast<u8>(c)) || c == '.' || c == '_' || c == '-'; });
  };
  if (out.os.empty() || out.architecture.empty() || !rest.empty() || !is_word(out.os) || !is_word(out.architecture) ||
      !is_word(out.variant))
    return fail(ErrorCode::BadArgument,
                "a platform is written OS/ARCHITECTURE, as linux/amd64, not " + std::string(text));
  return out;
}

Result<Descriptor> parse_descriptor(const Value& value, const std::string& where) {
  if (!value.is(Kind::Object)) return wrong(where, "it is no object");
  Descriptor out;
  out.media_type = TRY(read_string(value, "mediaType", where));
  auto digest = parse_digest(TRY(read_string(value, "digest", where)));
  if (!digest) return wrong(where, digest.error().detail());
  out.digest = std::move(*digest);
  const Value* size = value.find("size");
  if (!size || !size->size() || *size->size() > kMostSize) return wrong(where, "size is no size");
  out.size = *size->size();
  out.annotations = TRY(read_annotations(value, "annotations", where));
  if (const Value* platform = value.find("platform"); platform && platform->is(Kind::Object)) {
    out.platform =
        Platform{TRY(read_string(*platform, "os", where)), TRY(read_string(*platform, "architecture", where)),
                 TRY(read_string(*platform, "variant", where))};
  }
  return out;
}

Result<std::variant<Manifest, Index>> parse_manifest(std::string_view text, std::string_view media_type) {
  auto parsed = json::parse(text);
  if (!parsed) return wrong("manifest", "it is no JSON: " + parsed.error().detail());
  const Value& value = *parsed;
  if (!value.is(Kind::Object)) return wrong("manifest", "it is no object");
  const Value* version = value.find("schemaVersion");
  if (version && version->integer() == 1)
    return wrong("manifest", "it is of Docker's schema 1, which nobody has written for years; push the image anew");
  if (!version || version->integer() != 2) return wrong("manifest", "schemaVersion is not 2");
  std::string type = TRY(read_string(value, "mediaType", "manifest"));
  const std::string_view given = media_type.substr(0, media_type.find(';'));
  const bool known = media::is_index(given) || media::is_manifest(given);
  if (!type.empty() && known && type != given)
    return wrong("manifest", "mediaType is " + type + ", but it came as " + std::string(given));
  const bool has_layers = value.find("layers") != nullptr || value.find("config") != nullptr;
  const bool has_manifests = value.find("manifests") != nullptr;
  // A text that two readers take for two things is an attack (CVE-2021-41190).
  if (has_layers && has_manifests) return wrong("manifest", "it has both layers and manifests");
  if (type.empty()) type = known ? std::string(given) : std::string(has_manifests ? media::kIndex : media::kManifest);
  if (media::is_index(type)) {
    Index out;
    out.media_type = std::move(type);
    out.manifests = TRY(read_descriptors(value, "manifests"));
    out.annotations = TRY(read_annotations(value, "annotations", "index"));
    return out;
  }
  if (!media::is_manifest(type)) return wrong("manifest", type + " is nothing that Berth knows");
  Manifest out;
  out.media_type = std::move(type);
  const Value* config = value.find("config");
  if (!config) return wrong("manifest", "it has no config");
  out.config = TRY(parse_descriptor(*config, "config"));
  out.layers = TRY(read_descriptors(value, "layers"));
  out.annotations = TRY(read_annotations(value, "annotations", "manifest"));
  return out;
}

Value to_json(const Descriptor& descriptor) {
  Value out = json::Object();
  out.set("mediaType", descriptor.media_type);
  out.set("digest", descriptor.digest.to_string());
  out.set("size", descriptor.size);
  if (descriptor.platform) {
    Value& platform = out.object_at("platform");
    platform.set("architecture", descriptor.platform->architecture);
    platform.set("os", descriptor.platform->os);
    if (!descriptor.platform->variant.empty()) platform.set("variant", descriptor.platform->variant);
  }
  if (!descriptor.annotations.empty()) out.set("annotations", to_json(descriptor.annotations));
  return out;
}

std::string to_text(const Manifest& manifest) {
  Value out = json::Object();
  out.set("schemaVersion", 2);
  out.set("mediaType", manifest.media_type);
  out.set("config", to_json(manifest.config));
  out.set("layers", descriptors(manifest.layers));
  if (!manifest.annotations.empty()) out.set("annotations", to_json(manifest.annotations));
  return json::to_text(out);
}

std::string to_text(const Index& index) {
  Value out = json::Object();
  out.set("schemaVersion", 2);
  out.set("mediaType", index.media_type);
  out.set("manifests", descriptors(index.manifests));
  if (!index.annotations.empty()) out.set("annotations", to_json(index.annotations));
  return json::to_text(out);
}

Descriptor describe(std::string_view bytes, std::string_view media_type) {
  return {std::string(media_type), digest_of(bytes), bytes.size(), {}, {}};
}

Result<ImageConfig> parse_config(std::string_view text) {
  auto parsed = json::parse(text);
  const std::string where = "image configuration";
  if (!parsed) return wrong(where, "it is no JSON: " + parsed.error().detail());
  const Value& value = *parsed;
  if (!value.is(Kind::Object)) return wrong(where, "it is no object");
  ImageConfig out;
  out.platform = {TRY(read_string(value, "os", where)), TRY(read_string(value, "architecture", where)),
                  TRY(read_string(value, "variant", where))};
  out.created = TRY(read_string(value, "created", where));
  out.author = TRY(read_string(value, "author", where));
  if (const Value* config = value.find("config"); config && !config->is(Kind::Null)) {
    if (!config->is(Kind::Object)) return wrong(where, "config is no object");
    out.entrypoint = TRY(read_strings(*config, "Entrypoint", where));
    out.command = TRY(read_strings(*config, "Cmd", where));
    out.environment = TRY(read_strings(*config, "Env", where));
    out.user = TRY(read_string(*config, "User", where));
    out.working_folder = TRY(read_string(*config, "WorkingDir", where));
    out.stop_signal = TRY(read_string(*config, "StopSignal", where));
    out.labels = TRY(read_annotations(*config, "Labels", where));
    if (const Value* ports = config->find("ExposedPorts"); ports && ports->is(Kind::Object)) {
      for (const json::Member& port : ports->members()) out.exposed_ports.push_back(port.name);
    }
  }
  const Value* rootfs = value.find("rootfs");
  const bool is_wasm = rootfs == nullptr && value.find("layerDigests") != nullptr;
  if (rootfs != nullptr && !rootfs->is(Kind::Object)) return wrong(where, "rootfs is no object");
  const auto ids = is_wasm  ? TRY(read_strings(value, "layerDigests", where))
                   : rootfs ? TRY(read_strings(*rootfs, "diff_ids", where))
                            : std::vector<std::string>();
  if (ids.size() > kMostLayers) return wrong(where, "more than 1000 layers");
  for (const std::string& id : ids) {
    auto digest = parse_digest(id);
    if (!digest) return wrong(where, digest.error().detail());
    out.diff_ids.push_back(std::move(*digest));
  }
  if (const Value* history = value.find("history"); history && history->is(Kind::Array)) {
    for (const Value& step : history->items()) {
      const Value* empty = step.find("empty_layer");
      if (!empty || empty->boolean() != true) out.history.push_back(TRY(read_string(step, "created_by", where)));
    }
  }
  return out;
}

std::string to_text(const ImageConfig& config) {
  Value out = json::Object();
  out.set("created", config.created);
  if (!config.author.empty()) out.set("author", config.author);
  out.set("architecture", config.platform.architecture);
  out.set("os", config.platform.os);
  if (!config.platform.variant.empty()) out.set("variant", config.platform.variant);
  Value& inner = out.object_at("config");
  if (!config.user.empty()) inner.set("User", config.user);
  if (!config.exposed_ports.empty()) {
    Value& ports = inner.object_at("ExposedPorts");
    for (const std::string& port : config.exposed_ports) ports.set(port, json::Object());
  }
  if (!config.environment.empty()) inner.set("Env", to_json(config.environment));
  if (!config.entrypoint.empty()) inner.set("Entrypoint", to_json(config.entrypoint));
  if (!config.command.empty()) inner.set("Cmd", to_json(config.command));
  if (!config.working_folder.empty()) inner.set("WorkingDir", config.working_folder);
  if (!config.labels.empty()) inner.set("Labels", to_json(config.labels));
  if (!config.stop_signal.empty()) inner.set("StopSignal", config.stop_signal);
  Value& rootfs = out.object_at("rootfs");
  rootfs.set("type", "layers");
  Value& ids = rootfs.set("diff_ids", json::Array());
  for (const Digest& id : config.diff_ids) ids.append(id.to_string());
  Value& history = out.set("history", json::Array());
  for (const std::string& step : config.history) {
    Value& entry = history.append(json::Object());
    entry.set("created", config.created);
    entry.set("created_by", step);
  }
  return json::to_text(out);
}

}  // namespace berth::oci
