#include "oci/reference.h"

#include <algorithm>

namespace berth::oci {
namespace {

constexpr size_t kLongestName = 255, kLongestTag = 128;

bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_component(std::string_view text) {
  while (true) {
    const auto word = std::ranges::find_if_not(text, is_lower);
    if (word == text.begin()) return false;
    text.remove_prefix(static_cast<size_t>(word - text.begin()));
    if (text.empty()) return true;
    if (text[0] == '-') {
      text.remove_prefix(std::min(text.find_first_not_of('-'), text.size()));
    } else if (text.starts_with("__")) {
      text.remove_prefix(2);
    } else if (text[0] == '.' || text[0] == '_') {
      text.remove_prefix(1);
    } else {
      return false;
    }
  }
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_registry(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    const std::string_view address = text.substr(1, end - 1), rest = text.substr(end + 1);
    const bool is_address = std::ranges::all_of(address, [](char c) {
      return c == ':' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    });
    return is_address && (rest.empty() || (rest[0] == ':' && is_port(rest.substr(1))));
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return false;
  text = text.substr(0, colon);
  while (true) {
    const std::string_view label = text.substr(0, text.find('.'));
    const bool good = !label.empty() && label.front() != '-' && label.back() != '-' &&
                      std::ranges::all_of(label, [](char c) { return is_letter(c) || c == '-'; });
    if (!good) return false;
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

bool names_registry(std::string_view first) {
  return first == kLocal || first.find_first_of(".:[") != std::string_view::npos;
}

}  // namespace

bool is_repository(std::string_view text) {
  while (true) {
    const std::string_view part = text.substr(0, text.find('/'));
    if (!is_component(part)) return false;
    if (part.size() == text.size()) return true;
    text.remove_prefix(part.size() + 1);
  }
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= kLongestTag && (is_letter(text[0]) || text[0] == '_') &&
         std::ranges::all_of(text, [](char c) { return is_letter(c) || c == '_' || c == '.' || c == '-'; });
}

std::string Reference::to_string() const {
  return name() + (tag.empty() ? "" : ":" + tag) + (digest ? "@" + digest->to_string() : "");
}

Result<Reference> parse_reference(std::string_view text) {
  const std::string shown = "\"" + std::string(text.substr(0, 300)) + "\"";
  auto wrong = [&](const std::string& what) {
    return fail(ErrorCode::BadArgument, shown + " names no image: " + what);
  };
  Reference out;
  std::string_view rest = text;
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    auto digest = parse_digest(rest.substr(at + 1));
    if (!digest) return wrong(digest.error().detail());
    out.digest = std::move(*digest);
    rest = rest.substr(0, at);
  }
  if (rest.find("://") != std::string_view::npos) return wrong("it is written without the https://");
  const size_t slash = rest.find('/');
  out.registry = kLocal;
  if (slash != std::string_view::npos && names_registry(rest.substr(0, slash))) {
    out.registry = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
    if (!is_registry(out.registry)) return wrong(out.registry + " is no name of a registry");
    if (out.registry == "index.docker.io" || out.registry == "registry-1.docker.io") out.registry = "docker.io";
  }
  if (const size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
    out.tag = rest.substr(colon + 1);
    if (!is_tag(out.tag)) return wrong("\"" + out.tag + "\" is no tag");
    rest = rest.substr(0, colon);
  } else if (!out.digest) {
    out.tag = "latest";
  }
  out.repository = rest;
  if (!is_repository(out.repository)) {
    const bool upper = std::ranges::any_of(out.repository, [](char c) { return c >= 'A' && c <= 'Z'; });
    return wrong(upper ? "names are lower case"
                       : "\"" + out.repository.substr(0, 100) + "\" is no name of a repository");
  }
  if (out.registry == "docker.io" && out.repository.find('/') == std::string::npos)
    out.repository = "library/" + out.repository;
  if (out.name().size() > kLongestName) return wrong("it is longer than 255 characters");
  return out;
}

}  // namespace berth::oci
