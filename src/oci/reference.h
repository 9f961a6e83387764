// Names of images: HOST[:PORT]/REPOSITORY[:TAG][@DIGEST] (OCI distribution specification, Pulling manifests). Values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/digest.h"

namespace berth::oci {

// What names without a registry belong to, as podman has it: images that were made here.
inline constexpr std::string_view kLocal = "localhost";

struct Reference {
  std::string registry;    // "docker.io", "localhost:5000"; kLocal without a port: no registry at all
  std::string repository;  // "library/alpine"
  std::string tag;         // empty only when there is a digest
  std::optional<Digest> digest;

  bool is_local() const { return registry == kLocal; }
  // "docker.io/library/alpine"
  std::string name() const { return registry + "/" + repository; }
  // The name with tag and digest.
  std::string to_string() const;
  // What a registry is asked for: the digest if there is one, else the tag.
  std::string target() const { return digest ? digest->to_string() : tag; }
  friend bool operator==(const Reference&, const Reference&) = default;
};

// A name without tag and digest gets the tag "latest"; the first part names a registry when it has a dot or a colon or
// is "localhost". Fails with BadArgument, saying what is wrong with it.
Result<Reference> parse_reference(std::string_view text);
// Whether text can be the name of a repository, or a tag.
bool is_repository(std::string_view text);
bool is_tag(std::string_view text);

}  // namespace berth::oci
