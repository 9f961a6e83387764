#include "container/text.h"

namespace berth::container {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::vector<std::string> texts(const json::Value* array) {
  std::vector<std::string> out;
  if (array == nullptr) return out;
  for (const json::Value& item : array->items())
    if (const auto text = item.string()) out.emplace_back(*text);
  return out;
}

json::Array array_of(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

bool matches(std::string_view pattern, std::string_view text) {
  // The place to go back to when the last * must stand for one character more.
  size_t star = std::string_view::npos, after = 0, p = 0, t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace berth::container
