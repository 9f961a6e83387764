#include "attest/json_span.h"

namespace berth::attest {
namespace {

size_t skip_space(std::string_view text, size_t at) {
  const size_t next = text.find_first_not_of(" \t\r\n", at);
  return next == std::string_view::npos ? text.size() : next;
}

// Behind the string that starts at `at`.
size_t skip_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at < text.size() ? at + 1 : text.size();
}

// Behind the value that starts at `at`.
size_t skip_value(std::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      --depth;
      ++at;
    } else if (depth == 0) {
      // A number or a word; whatever follows it.
      const size_t end = text.find_first_of(",}] \t\r\n", at);
      return end == std::string_view::npos ? text.size() : end;
    } else {
      ++at;
    }
    if (depth == 0) return at;
  }
  return at;
}

}  // namespace

std::string_view member_span(std::string_view text, std::string_view name) {
  size_t at = skip_space(text, 0);
  if (at >= text.size() || text[at] != '{') return {};
  ++at;
  while (true) {
    at = skip_space(text, at);
    if (at >= text.size() || text[at] != '"') return {};
    const size_t end = skip_string(text, at);
    const std::string_view key = text.substr(at + 1, end - at - 2);
    at = skip_space(text, end);
    if (at >= text.size() || text[at] != ':') return {};
    at = skip_space(text, at + 1);
    const size_t after = skip_value(text, at);
    if (key == name) return text.substr(at, after - at);
    at = skip_space(text, after);
    if (at >= text.size() || text[at] != ',') return {};
    ++at;
  }
}

}  // namespace berth::attest
