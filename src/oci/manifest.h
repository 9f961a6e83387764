// Manifests, indexes and image configurations (OCI image specification: descriptor.md, manifest.md, image-index.md,
// config.md), with Docker's schema 2 and the CNCF's artifact of WebAssembly read as well. What is read is checked: what
// comes out can be relied upon to have the form it should. Values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "json/json.h"
#include "oci/digest.h"

namespace berth::oci {

namespace media {
inline constexpr std::string_view kManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kTar = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kTarGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kTarZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerTarGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kWasmConfig = "application/vnd.wasm.config.v0+json";
inline constexpr std::string_view kWasm = "application/wasm";
inline constexpr std::string_view kSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";

bool is_index(std::string_view type);
bool is_manifest(std::string_view type);
// A layer that is a tar archive, compressed or not.
bool is_tar(std::string_view type);
}  // namespace media

// The most bytes a manifest or an index may have, as registries have it; of a configuration.
inline constexpr u64 kMostManifest = u64{4} << 20, kMostConfig = u64{8} << 20;

using Annotations = std::map<std::string, std::string>;

struct Platform {
  std::string os, architecture, variant;

  // "linux/amd64", "linux/arm64/v8"
  std::string to_string() const;
  friend bool operator==(const Platform&, const Platform&) = default;
};
// Fails with BadArgument.
Result<Platform> parse_platform(std::string_view text);

struct Descriptor {
  std::string media_type;
  Digest digest;
  u64 size = 0;
  Annotations annotations;
  std::optional<Platform> platform;  // in indexes
};

struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  Annotations annotations;

  // Whether it is an artifact of WebAssembly as the CNCF lays it out.
  bool is_wasm_artifact() const { return config.media_type == media::kWasmConfig; }
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests;
  Annotations annotations;
};

// Fail with TextSyntax, saying which member is wrong. `media_type` is what the registry, or a descriptor, calls the
// text; empty when nobody does. It must agree with what the text says itself.
Result<std::variant<Manifest, Index>> parse_manifest(std::string_view text, std::string_view media_type = {});
std::string to_text(const Manifest& manifest);
std::string to_text(const Index& index);
// A descriptor of bytes.
Descriptor describe(std::string_view bytes, std::string_view media_type);
json::Value to_json(const Descriptor& descriptor);
// Fails with TextSyntax; `where` is for its message.
Result<Descriptor> parse_descriptor(const json::Value& value, const std::string& where);

// What an image says about itself, as far as it concerns Berth.
struct ImageConfig {
  Platform platform;
  std::string created, author;
  std::vector<std::string> entrypoint, command, environment;
  std::string user, working_folder, stop_signal;
  Annotations labels;
  std::vector<std::string> exposed_ports;  // "8080/tcp"
  std::vector<Digest> diff_ids;            // of the layers, unpacked
  std::vector<std::string> history;        // one a layer, what made it; may be empty
};

// Fails with TextSyntax. Reads the configuration of an artifact of WebAssembly, too, whose layers are its diff_ids.
Result<ImageConfig> parse_config(std::string_view text);
std::string to_text(const ImageConfig& config);

}  // namespace berth::oci
