#include "engine/demangle.h"

#include <algorithm>
#include <optional>

#include "base/types.h"
#include "text/utf8.h"

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
  return part.size() == 17 && part[0] == 'h' &&
         std::ranges::all_of(part.substr(1), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
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
    const auto* escape = std::ranges::find_if(kEscapes, [&](const auto& e) { return part.starts_with(e.code); });
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

// Bytes of the character that `text` starts with; 0 for what is no character, and for those that control,
// reorder or hide what surrounds them.
u32 printable_length(std::string_view text) {
  const u32 length = text::utf8_sequence(text);
  const auto byte = [&](size_t i) { return static_cast<u8>(text[i]); };
  if (length == 1) return byte(0) < 0x20 || byte(0) == 0x7F ? 0 : 1;
  if (length == 2) return byte(0) == 0xC2 && byte(1) < 0xA0 ? 0 : 2;
  if (length == 3) {
    const u32 code = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    const bool hides = (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                       (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF;
    return hides ? 0 : 3;
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
    while (!rest.empty() && (rest[0] == 'K' || rest[0] == 'V' || rest[0] == 'r')) rest.remove_prefix(1);
  }
  std::string out;
  std::string_view last;
  for (;;) {
    if (nested && rest.starts_with('E')) break;
    if (nested && out.size() &&
        (rest.starts_with("C1") || rest.starts_with("C2") || rest.starts_with("D0") || rest.starts_with("D1") ||
         rest.starts_with("D2"))) {
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
    const u32 length = printable_length(text);
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
