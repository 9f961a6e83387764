#include "component_model/names.h"

#include <algorithm>

namespace berth::component_model {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Splits at each `by`.
template <typename Check>
bool all_parts(std::string_view s, char by, Check&& check) {
  for (bool first = true;; first = false) {
    const size_t end = s.find(by);
    if (!check(s.substr(0, end), first)) return false;
    if (end == std::string_view::npos) return true;
    s.remove_prefix(end + 1);
  }
}

bool is_fragment(std::string_view s, bool first, bool lower_only) {
  if (s.empty() || (first && is_digit(s[0]))) return false;
  if (std::ranges::all_of(s, [](char c) { return is_lower(c) || is_digit(c); })) return true;
  return !lower_only && std::ranges::all_of(s, [](char c) { return is_upper(c) || is_digit(c); });
}

bool is_words(std::string_view s) {
  return all_parts(s, '-', [](std::string_view part, bool first) { return is_fragment(part, first, true); });
}

bool is_number(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, is_digit) && (s.size() == 1 || s[0] != '0');
}

bool is_identifiers(std::string_view s, bool numbers_are_plain) {
  return all_parts(s, '.', [&](std::string_view part, bool) {
    if (part.empty()) return false;
    if (!std::ranges::all_of(part, [](char c) { return is_lower(c) || is_upper(c) || is_digit(c) || c == '-'; }))
      return false;
    return !numbers_are_plain || !std::ranges::all_of(part, is_digit) || is_number(part);
  });
}

bool is_interface(std::string_view s) {
  const size_t colon = s.find(':');
  const size_t slash = s.find('/');
  if (colon == std::string_view::npos || slash == std::string_view::npos || slash < colon) return false;
  return is_words(s.substr(0, colon)) && is_words(s.substr(colon + 1, slash - colon - 1)) &&
         is_label(s.substr(slash + 1));
}

bool is_canonical_version(std::string_view s) {
  if (s == "0.0.0") return true;
  if (s.starts_with("0.0.")) return is_number(s.substr(4)) && s[4] != '0';
  if (s.starts_with("0.")) return is_number(s.substr(2)) && s[2] != '0';
  return is_number(s) && s[0] != '0';
}

}  // namespace

bool is_label(std::string_view s) {
  return all_parts(s, '-', [](std::string_view part, bool first) { return is_fragment(part, first, false); });
}

bool is_semver(std::string_view s) {
  const size_t plus = s.find('+');
  if (plus != std::string_view::npos && !is_identifiers(s.substr(plus + 1), false)) return false;
  s = s.substr(0, plus);
  const size_t dash = s.find('-');
  if (dash != std::string_view::npos && !is_identifiers(s.substr(dash + 1), true)) return false;
  s = s.substr(0, dash);
  return std::ranges::count(s, '.') == 2 &&
         all_parts(s, '.', [](std::string_view part, bool) { return is_number(part); });
}

std::string compatible_version(std::string_view semver) {
  const std::string_view release = semver.substr(0, semver.find_first_of("-+"));
  if (semver.substr(0, semver.find('+')).find('-') != std::string_view::npos) return std::string(semver);
  const size_t minor = release.find('.') + 1;
  if (!release.starts_with("0.")) return std::string(release.substr(0, minor - 1));
  const size_t patch = release.find('.', minor) + 1;
  if (release.substr(minor, patch - minor - 1) != "0") return std::string(release.substr(0, patch - 1));
  return std::string(release);
}

std::optional<ParsedName> parse_name(std::string_view name, std::optional<std::string_view> version_suffix) {
  ParsedName out;
  using Kind = ParsedName::Kind;
  const auto annotated = [&](std::string_view prefix, Kind kind) {
    if (!name.starts_with(prefix)) return false;
    out.kind = kind;
    out.resource = name.substr(prefix.size());
    if (kind != Kind::Constructor) {
      const size_t dot = out.resource.find('.');
      out.label = dot == std::string_view::npos ? std::string_view() : out.resource.substr(dot + 1);
      out.resource = out.resource.substr(0, dot);
    }
    return true;
  };
  if (annotated("[constructor]", Kind::Constructor)) {
    if (!is_label(out.resource)) return std::nullopt;
    return out;
  }
  if (annotated("[method]", Kind::Method) || annotated("[static]", Kind::Static)) {
    if (!is_label(out.resource) || !is_label(out.label)) return std::nullopt;
    return out;
  }
  if (name.find(':') != std::string_view::npos) {
    out.kind = Kind::Interface;
    const size_t at = name.find('@');
    out.interface = name.substr(0, at);
    if (!is_interface(out.interface)) return std::nullopt;
    if (at != std::string_view::npos) {
      out.version = name.substr(at + 1);
      if (version_suffix) {
        if (!is_canonical_version(out.version) || !is_semver(std::string(out.version) + std::string(*version_suffix)))
          return std::nullopt;
      } else if (!is_semver(out.version) && !is_canonical_version(out.version)) {
        return std::nullopt;
      }
    } else if (version_suffix) {
      return std::nullopt;
    }
    return out;
  }
  if (!is_label(name)) return std::nullopt;
  out.label = name;
  return out;
}

std::string uniqueness_key(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view prefix : {"[method]", "[static]"}) {
    if (!out.starts_with(prefix)) continue;
    out.erase(0, prefix.size());
    const size_t dot = out.find('.');
    if (dot != std::string::npos && out.substr(0, dot) == out.substr(dot + 1)) out.resize(dot);
  }
  return out;
}

}  // namespace berth::component_model
