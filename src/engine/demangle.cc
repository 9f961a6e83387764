#include "engine/demangle.h"

#include <algorithm>
#include <optional>

#include "base/types.h"

namespace berth::engine {
namespace {

// A <source-name>: a decimal length and as many bytes. Advances `rest` past it.
std::optional<std::string_view> source_name(std::string_view& rest) {
  size_t length = 0, digits = 0;
  while (digits < rest.size() && digits < 6 && rest[digits] >= '0' && rest[digits] <= '9') {
    length = length * 10 + static_cast<size_t>(rest[digits++] - '0');
  }
  if (digits == 0 || length == 0 || length > rest.size() - digits) return std::nullopt;
  const auto name = rest.substr(digits, length);
  rest.remove_prefix(digits + length);
  return name;
}

// "h" and sixteen hexadecimal digits, which Rust appends to tell instances apart.
bool is_rust_hash(std::string_view part) {
  return part.size() == 17 && part[0] == 'h' && std::ranges::all_of(part.substr(1), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// Rust's escapes in a part of a name: $LT$ and the like, and ".." for "::".
std::string unescape(std::string_view part) {
  static constexpr struct {
    std::string_view code, text;
  } kEscapes[] = {{"$SP$", "@"},  {"$BP$", "*"},  {"$RF$", "&"},  {"$LT$", "<"},  {"$GT$", ">"},
                  {"$LP$", "("},  {"$RP$", ")"},  {"$C$", ","},   {"$u20$", " "}, {"$u22$", "\""},
                  {"$u27$", "'"}, {"$u2b$", "+"}, {"$u3b$", ";"}, {"$u5b$", "["}, {"$u5d$", "]"},
                  {"$u7b$", "{"}, {"$u7d$", "}"}, {"$u7e$", "~"}, {"..", "::"}};
  if (part.starts_with("_$")) part.remove_prefix(1);
  std::string out;
  while (!part.empty()) {
    const auto* escape =
        std::ranges::find_if(kEscapes, [&](const auto& e) { return part.starts_with(e.code); });
    if (escape != std::end(kEscapes)) {
      out += escape->text;
      part.remove_prefix(escape->code.size());
    } else {
      out += part.front();
      part.remove_prefix(1);
    }
  }
  return out;
}

// Length of the well-formed UTF-8 sequence that `text` starts with; 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<u8>(text[0]);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || text.size() < length) return 0;
  u32 code = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto b = static_cast<u8>(text[i]);
    if ((b & 0xC0) != 0x80) return 0;
    code = code << 6 | (b & 0x3Fu);
  }
  const u32 least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0;
  // C1 controls, and marks that reorder or hide what surrounds them.
  if (code < 0xA0 || (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
      (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF) {
    return 0;
  }
  return length;
}

}  // namespace

std::string demangle(std::string_view name) {
  std::string_view rest = name;
  if (!rest.starts_with("_Z")) return std::string(name);
  rest.remove_prefix(2);
  const bool nested = rest.starts_with('N');
  if (nested) {
    rest.remove_prefix(1);
    while (!rest.empty() && (rest[0] == 'K' || rest[0] == 'V' || rest[0] == 'r'))
      rest.remove_prefix(1);
  }
  std::string out;
  std::string_view last;
  for (;;) {
    if (nested && rest.starts_with('E')) break;
    if (nested && out.size() &&
        (rest.starts_with("C1") || rest.starts_with("C2") || rest.starts_with("D0") ||
         rest.starts_with("D1") || rest.starts_with("D2"))) {
      out += std::string("::") + (rest[0] == 'D' ? "~" : "") + std::string(last);
      rest.remove_prefix(2);
      continue;
    }
    if (rest.starts_with('L')) rest.remove_prefix(1);  // internal linkage
    const auto part = source_name(rest);
    if (!part) return std::string(name);
    if (nested && (rest == "E" || rest.starts_with("E.")) && is_rust_hash(*part)) break;
    if (!out.empty()) out += "::";
    out += *part == "_GLOBAL__N_1" ? "(anonymous namespace)" : unescape(*part);
    last = *part;
    if (!nested) break;
  }
  // What follows are parameter types; template arguments would belong to the name.
  if (out.empty() || (!nested && rest.starts_with('I'))) return std::string(name);
  return out;
}

std::string printable(std::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= max_bytes) return out + "…";
    const auto c = static_cast<u8>(text[0]);
    const size_t length = c < 0x20 || c == 0x7F ? 0 : utf8_length(text);
    if (length == 0) {
      static constexpr char kHex[] = "0123456789abcdef";
      out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace berth::engine
