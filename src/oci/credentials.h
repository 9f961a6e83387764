// Who we are to a registry: the files and helpers that podman and docker keep credentials in (containers-auth.json(5),
// docker's config.json). Called from one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/reference.h"

namespace berth::oci {

struct Credentials {
  std::string user, password;
  std::string identity_token;  // instead of both: an OAuth2 refresh token
};

// The files that are looked into, in this order: `named` alone if it is not empty, or $REGISTRY_AUTH_FILE; else
// ${XDG_RUNTIME_DIR}/containers/auth.json (/run/containers/UID/auth.json), $XDG_CONFIG_HOME/containers/auth.json,
// $DOCKER_CONFIG/config.json, ~/.docker/config.json.
std::vector<std::string> auth_files(const std::string& named);

struct Found {
  Credentials credentials;
  std::string source;  // the file, or the helper, for messages
};
// The credentials for a repository: those of its longest prefix ("host/team" before "host"). Nothing when there are
// none. Fails when a file cannot be read or a helper fails.
Result<std::optional<Found>> find_credentials(const Reference& reference, const std::string& named_file);

// Keeps credentials for a registry, or HOST/PREFIX, where podman would: in the file named, $REGISTRY_AUTH_FILE, or
// ${XDG_RUNTIME_DIR}/containers/auth.json; what else it says stays. Gives the file's name.
Result<std::string> keep_credentials(const std::string& registry, const Credentials& credentials,
                                     const std::string& named_file);
// Removes them from each file; the files in which they were.
Result<std::vector<std::string>> forget_credentials(const std::string& registry, const std::string& named_file);

// RFC 4648, with padding. Nothing for what is not base64.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace berth::oci
