#include "text/diagnostic.h"

#include <algorithm>

#include "text/parser.h"
#include "text/utf8.h"

namespace berth::text {

namespace {

constexpr size_t kWidth = 100;  // of the line shown

bool is_separator(char c) { return c == '(' || c == ')' || c == '"' || static_cast<u8>(c) <= ' '; }

// Columns a text takes, counted as characters, and what of it is fit to be printed.
struct Shown {
  std::string text;
  size_t columns = 0;
};
Shown shown(std::string_view s) {
  Shown out;
  while (!s.empty()) {
    const u32 n = utf8_sequence(s);
    if (n == 0) {
      out.text += '?';
    } else if (n == 1) {
      out.text += static_cast<u8>(s[0]) < 0x20 || s[0] == 0x7F ? ' ' : s[0];
    } else {
      out.text += s.substr(0, n);
    }
    ++out.columns;
    s.remove_prefix(std::max<u32>(n, 1));
  }
  return out;
}

}  // namespace

std::string render(std::string_view file, std::string_view source, u64 offset, std::string_view message) {
  const size_t at = static_cast<size_t>(std::min<u64>(offset, source.size()));
  const LineColumn place = line_column(source, at);
  const size_t begin = at - (place.column - 1);
  const size_t end = std::min(source.find_first_of("\r\n", at), source.size());

  // The token at the place gets the carets, or the next character.
  size_t token = at;
  while (token < end && !is_separator(source[token])) ++token;
  token = std::max(token, std::min(at + 1, end));

  size_t from = begin, to = end;
  if (to - from > kWidth) {
    from = at - begin > kWidth / 2 ? at - kWidth / 2 : begin;
    to = std::min(end, from + kWidth);
    const auto continues = [&](size_t i) { return i < end && (static_cast<u8>(source[i]) & 0xC0) == 0x80; };
    while (from > begin && continues(from)) --from;
    while (continues(to)) ++to;
  }
  token = std::min(token, to);
  const Shown before = shown(source.substr(from, at - from));
  const Shown marked = shown(source.substr(at, token - at));
  const Shown after = shown(source.substr(token, to - token));

  std::string number = std::to_string(place.line);
  if (number.size() < 4) number.insert(0, 4 - number.size(), ' ');
  const std::string_view left = from > begin ? "..." : "";
  std::string out =
      std::string(file) + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": error: ";
  out += message;
  out += "\n" + number + " | " + std::string(left) + before.text + marked.text + after.text + (to < end ? "..." : "");
  out += "\n" + std::string(number.size(), ' ') + " | " + std::string(left.size() + before.columns, ' ');
  out += std::string(std::max<size_t>(marked.columns, 1), '^') + "\n";
  return out;
}

std::string render(std::string_view file, std::string_view source, const Error& error, const SourceMap* map) {
  std::string message(error_text(error.code()));
  if (!error.detail().empty()) message += (message.empty() ? "" : ": ") + error.detail();
  std::optional<u64> offset = error.offset();
  if (offset && !is_text_error(error)) offset = map ? map->source_offset(*offset) : std::nullopt;
  for (const auto& c : error.context()) message += "; " + c;
  if (offset) return render(file, source, *offset, message);
  if (error.function()) message += " in function " + std::to_string(*error.function());
  return std::string(file) + ": error: " + message + "\n";
}

}  // namespace berth::text
