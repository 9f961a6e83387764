// Names of imports and exports (component model, Explainer: import and export definitions, name uniqueness).
// Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth::component_model {

struct ParsedName {
  enum class Kind { Label, Constructor, Method, Static, Interface } kind = Kind::Label;
  std::string_view resource;  // Constructor, Method, Static
  std::string_view label;     // Method, Static; Label: all of it
  // Interface: what precedes the version, and the version without its at sign.
  std::string_view interface, version;
};

// Whether `s` is a label, in kebab case.
bool is_label(std::string_view s);
// A name taken apart; nothing for one that is malformed. A canonical version ("0.2") is taken for a version only
// with `version_suffix`, which completes it.
std::optional<ParsedName> parse_name(std::string_view name, std::optional<std::string_view> version_suffix = {});
// What two names of one scope must not have in common.
std::string uniqueness_key(std::string_view name);
// Whether `s` is a version as Semantic Versioning 2.0 has them.
bool is_semver(std::string_view s);
// The part of a version within which releases are compatible: "1" of 1.2.3, "0.2" of 0.2.6, all of a pre-release.
std::string compatible_version(std::string_view semver);

}  // namespace berth::component_model
