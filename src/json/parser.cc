#include <algorithm>
#include <unordered_set>

#include "json/json.h"

namespace berth::json {
namespace {

// The length of the well-formed UTF-8 sequence that `text` starts with; 0 when there is none (Unicode, table 3-7).
size_t sequence_length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<u8>(text[i]) : u8{0}; };
  auto tail = [&](size_t i, u8 low = 0x80, u8 high = 0xBF) { return byte(i) >= low && byte(i) <= high; };
  const u8 first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const u8 low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return tail(1, low, high) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const u8 low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
    return tail(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::string& out, u32 c) {
  auto put = [&](u32 byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

class Parser {
 public:
  Parser(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  Result<Value> run() {
    if (text_.starts_with("\xEF\xBB\xBF")) return wrong("a byte order mark, which JSON does not have");
    Value value = TRY(read_value(0));
    skip_space();
    if (at_ != text_.size()) return wrong("something after the value");
    return value;
  }

 private:
  std::unexpected<Error> wrong(const std::string& what) const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = 1 + std::ranges::count(before, '\n');
    const size_t column = at_ - (before.rfind('\n') + 1) + 1;
    return fail(ErrorCode::TextSyntax,
                "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }

  Result<Value> read_value(u32 depth) {
    skip_space();
    if (at_ == text_.size()) return wrong("the text ends too early");
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth == limits_.depth) return wrong("nested too deep");
      ++at_;
      return c == '{' ? read_object(depth + 1) : read_array(depth + 1);
    }
    if (c == '"') return Value(TRY(read_string()));
    if (c == '-' || (c >= '0' && c <= '9')) return read_number();
    for (const auto& [word, value] :
         {std::pair<std::string_view, Value>{"null", Value()}, {"true", true}, {"false", false}}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    return wrong("a value was expected");
  }

  Result<Value> read_array(u32 depth) {
    Array items;
    skip_space();
    if (take(']')) return Value(std::move(items));
    while (true) {
      items.push_back(TRY(read_value(depth)));
      skip_space();
      if (take(']')) return Value(std::move(items));
      if (!take(',')) return wrong("',' or ']' was expected");
    }
  }

  Result<Value> read_object(u32 depth) {
    Object members;
    std::unordered_set<std::string> names;
    skip_space();
    if (take('}')) return Value(std::move(members));
    while (true) {
      skip_space();
      if (peek() != '"') return wrong("a name in quotes was expected");
      std::string name = TRY(read_string());
      if (!names.insert(name).second) return wrong("the name " + name + " a second time");
      skip_space();
      if (!take(':')) return wrong("':' was expected");
      members.push_back({std::move(name), TRY(read_value(depth))});
      skip_space();
      if (take('}')) return Value(std::move(members));
      if (!take(',')) return wrong("',' or '}' was expected");
    }
  }

  bool digits() {
    const size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ != start;
  }

  Result<Value> read_number() {
    const size_t start = at_;
    take('-');
    if (!take('0') && !digits()) return wrong("a digit was expected");
    if (take('.') && !digits()) return wrong("a digit was expected");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return wrong("a digit was expected");
    }
    return Value::number(std::string(text_.substr(start, at_ - start)));
  }

  Result<u32> read_hex() {
    u32 value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      const u32 digit = c >= '0' && c <= '9'   ? static_cast<u32>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<u32>(c - 'a' + 10)
                        : c >= 'A' && c <= 'F' ? static_cast<u32>(c - 'A' + 10)
                                               : 16;
      if (digit == 16) return wrong("four hexadecimal digits were expected");
      value = value << 4 | digit;
      ++at_;
    }
    return value;
  }

  Result<> read_escape(std::string& out) {
    const char c = peek();
    static constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (c != '\0' && kEscapes.contains(c)) {
      out += kMeanings[kEscapes.find(c)];
      ++at_;
      return {};
    }
    if (!take('u')) return wrong("an unknown escape");
    u32 code = TRY(read_hex());
    if (code >= 0xD800 && code < 0xDC00) {
      if (!take('\\') || !take('u')) return wrong("half of a surrogate pair");
      const u32 low = TRY(read_hex());
      if (low < 0xDC00 || low > 0xDFFF) return wrong("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return wrong("half of a surrogate pair");
    }
    append_utf8(out, code);
    return {};
  }

  Result<std::string> read_string() {
    ++at_;
    std::string out;
    while (at_ < text_.size()) {
      const auto c = static_cast<u8>(text_[at_]);
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c == '\\') {
        ++at_;
        TRY(read_escape(out));
        continue;
      }
      if (c < 0x20) return wrong("a control character in a string");
      const size_t length = sequence_length(text_.substr(at_));
      if (length == 0) return wrong("bytes that are not UTF-8");
      out += text_.substr(at_, length);
      at_ += length;
    }
    return wrong("a string without an end");
  }

  std::string_view text_;
  const Limits& limits_;
  size_t at_ = 0;
};

}  // namespace

Result<Value> parse(std::string_view text, const Limits& limits) { return Parser(text, limits).run(); }

}  // namespace berth::json
