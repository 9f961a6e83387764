#include "text/lexer.h"

#include <algorithm>
#include <array>

#include "text/literals.h"
#include "text/utf8.h"

namespace berth::text {

namespace {

constexpr std::string_view kIdSymbols = "!#$%&'*+-./:<=>?@\\^_`|~";

struct CharSet {
  std::array<bool, 256> has{};
};
constexpr CharSet kIdChars = [] {
  CharSet s;
  for (int c = 0; c < 256; ++c) {
    const char ch = static_cast<char>(c);
    s.has[static_cast<size_t>(c)] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                    (c < 128 && kIdSymbols.find(ch) != std::string_view::npos);
  }
  return s;
}();
constexpr bool is_idchar(char c) { return kIdChars.has[static_cast<u8>(c)]; }
constexpr bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Lexer {
 public:
  Lexer(std::string_view source, u32 begin, u32 end) : src_(source.substr(0, end)), pos_(begin) {
    out_.source = source;
    out_.tokens.reserve((end - begin) / 5 + 16);
  }

  Result<Tokens> run() {
    while (step()) {
    }
    if (failed_) return std::unexpected(Error(ErrorCode::TextSyntax, message_).at(error_));
    if (too_large_ || out_.tokens.size() >= kMaxPayload) {
      return std::unexpected(Error(ErrorCode::LimitExceeded, "text with too many tokens, or one too long"));
    }
    const auto last = static_cast<u32>(out_.tokens.size());
    for (const u32 open : open_) out_.tokens[open].payload = last;
    push(TokenKind::End, size(), 0);
    return std::move(out_);
  }

 private:
  u32 size() const { return static_cast<u32>(src_.size()); }
  char at(u32 i) const { return i < src_.size() ? src_[i] : '\0'; }
  bool fail(u32 offset, const char* message) {
    if (!failed_) failed_ = true, error_ = offset, message_ = message;
    return false;
  }
  void push(TokenKind kind, u32 offset, u32 payload) {
    if (payload > kMaxPayload) too_large_ = true;
    (annotation_ ? out_.annotation_tokens : out_.tokens)
        .push_back(Token{offset, payload & kMaxPayload, static_cast<u32>(kind)});
  }

  // Reads one token or piece of space; false at the end or after an error.
  bool step() {
    if (pos_ >= src_.size()) return finish();
    const u32 start = pos_;
    const char c = src_[pos_];
    switch (c) {
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        ++pos_;
        while (pos_ < src_.size() && (src_[pos_] == ' ' || src_[pos_] == '\n')) ++pos_;
        return true;
      case ';':
        if (at(pos_ + 1) == ';') return line_comment();
        ++pos_;
        push(TokenKind::Reserved, start, 1);
        return true;
      case ',':
      case '[':
      case ']':
      case '{':
      case '}':
        ++pos_;
        push(TokenKind::Reserved, start, 1);
        return true;
      case '(':
        if (at(pos_ + 1) == ';') return block_comment();
        if (at(pos_ + 1) == '@' && !annotation_) return open_annotation();
        ++pos_;
        if (annotation_) {
          ++annotation_depth_;
        } else {
          open_.push_back(static_cast<u32>(out_.tokens.size()));
        }
        push(TokenKind::LParen, start, 0);
        return true;
      case ')':
        ++pos_;
        if (annotation_) {
          if (annotation_depth_ == 0) return close_annotation();
          --annotation_depth_;
        } else if (!open_.empty()) {
          out_.tokens[open_.back()].payload = static_cast<u32>(out_.tokens.size()) & kMaxPayload;
          open_.pop_back();
        }
        push(TokenKind::RParen, start, 1);
        return true;
      case '"':
        if (!skip_string()) return false;
        if (pos_ < src_.size() && (is_idchar(src_[pos_]) || src_[pos_] == '"')) return reserved(start);
        push(TokenKind::String, start, pos_ - start);
        return true;
      default:
        if (is_idchar(c)) return word();
        if (static_cast<u8>(c) >= 0x80 && utf8_sequence(src_.substr(pos_)) == 0) {
          return fail(pos_, "malformed UTF-8 encoding");
        }
        return fail(pos_, "illegal character");
    }
  }

  bool finish() {
    if (annotation_) fail(annotation_start_, "unclosed annotation");
    return false;
  }

  bool skip_utf8() {
    const u32 n = utf8_sequence(src_.substr(pos_));
    if (n == 0) return fail(pos_, "malformed UTF-8 encoding");
    pos_ += n;
    return true;
  }

  bool line_comment() {
    while (pos_ < src_.size() && src_[pos_] != '\n' && src_[pos_] != '\r') {
      if (static_cast<u8>(src_[pos_]) < 0x80) {
        ++pos_;
      } else if (!skip_utf8()) {
        return false;
      }
    }
    return true;
  }

  bool block_comment() {
    const u32 start = pos_;
    u32 depth = 0;
    while (pos_ < src_.size()) {
      const char c = src_[pos_];
      if (c == '(' && at(pos_ + 1) == ';') {
        ++depth, pos_ += 2;
      } else if (c == ';' && at(pos_ + 1) == ')') {
        pos_ += 2;
        if (--depth == 0) return true;
      } else if (static_cast<u8>(c) < 0x80) {
        ++pos_;
      } else if (!skip_utf8()) {
        return false;
      }
    }
    return fail(start, "unclosed comment");
  }

  // Moves past the string that starts here.
  bool skip_string() {
    const u32 start = pos_++;
    while (true) {
      if (pos_ >= src_.size()) return fail(start, "unclosed string");
      const char c = src_[pos_];
      if (c == '"') {
        ++pos_;
        return true;
      }
      if (c == '\\') {
        if (!skip_escape()) return false;
      } else if (c == '\n' || c == '\r') {
        return fail(start, "unclosed string");
      } else if (static_cast<u8>(c) < 0x20 || c == 0x7F) {
        return fail(pos_, "illegal control character in string");
      } else if (static_cast<u8>(c) < 0x80) {
        ++pos_;
      } else if (!skip_utf8()) {
        return false;
      }
    }
  }

  bool skip_escape() {
    const char c = at(pos_ + 1);
    if (c != '\0' && std::string_view("tnr\"'\\").find(c) != std::string_view::npos) {
      pos_ += 2;
      return true;
    }
    if (is_hex(c) && is_hex(at(pos_ + 2))) {
      pos_ += 3;
      return true;
    }
    if (c != 'u' || at(pos_ + 2) != '{') return fail(pos_, "illegal escape");
    u32 i = pos_ + 3;
    u64 value = 0;
    bool digit = false;  // whether the last character was one, as an underscore must have on both sides
    for (; at(i) != '}'; ++i) {
      if (at(i) == '_' && digit && is_hex(at(i + 1))) {
        digit = false;
        continue;
      }
      if (!is_hex(at(i))) return fail(pos_, "illegal escape");
      value = std::min<u64>(value * 16 + hex_digit(at(i)), 0x110000);
      digit = true;
    }
    if (!digit || value >= 0x110000 || (value >= 0xD800 && value < 0xE000)) return fail(pos_, "illegal escape");
    pos_ = i + 1;
    return true;
  }

  // The rest of a token that has run together with another.
  bool reserved(u32 start) {
    while (pos_ < src_.size()) {
      if (is_idchar(src_[pos_])) {
        ++pos_;
      } else if (src_[pos_] == '"') {
        if (!skip_string()) return false;
      } else {
        break;
      }
    }
    push(TokenKind::Reserved, start, pos_ - start);
    return true;
  }

  // A name in quotes, of an identifier or annotation that starts at `start`; `message` when it is none.
  bool quoted_name(u32 start, const char* message) {
    const u32 quote = pos_;
    if (!skip_string()) {
      if (message_ != std::string_view("malformed UTF-8 encoding")) error_ = start, message_ = message;
      return false;
    }
    if (pos_ - quote == 2) return fail(start, message);
    if (!is_utf8(string_value(src_.substr(quote, pos_ - quote)))) return fail(start, "malformed UTF-8 encoding");
    return true;
  }

  bool word() {
    const u32 start = pos_;
    const char first = src_[pos_];
    ++pos_;
    if (first == '$' && at(pos_) == '"') {
      if (!quoted_name(start, "empty identifier")) return false;
      if (pos_ < src_.size() && (is_idchar(src_[pos_]) || src_[pos_] == '"')) return reserved(start);
      push(TokenKind::Id, start, pos_ - start);
      return true;
    }
    while (pos_ < src_.size() && is_idchar(src_[pos_])) ++pos_;
    if (at(pos_) == '"') return reserved(start);
    const std::string_view text = src_.substr(start, pos_ - start);
    if (first == '$') {
      if (text.size() == 1 && !annotation_) return fail(start, "empty identifier");
      push(TokenKind::Id, start, pos_ - start);
      return true;
    }
    if ((first >= '0' && first <= '9') || first == '+' || first == '-') {
      push(number_kind(text), start, pos_ - start);
      return true;
    }
    if (first < 'a' || first > 'z' || text.size() > 0xFFF) {
      push(TokenKind::Reserved, start, pos_ - start);
      return true;
    }
    const Word w = find_word(text);
    if (w == kw::kUnknown && (first == 'n' || first == 'i')) {
      if (const TokenKind kind = number_kind(text); kind == TokenKind::Float) {
        push(kind, start, pos_ - start);
        return true;
      }
    }
    push(TokenKind::Word, start, u32{w} << 12 | (pos_ - start));
    return true;
  }

  bool open_annotation() {
    annotation_start_ = pos_;
    pos_ += 2;
    const u32 start = pos_;
    std::string name;
    if (at(pos_) == '"') {
      if (!quoted_name(start, "empty annotation id")) return false;
      name = string_value(src_.substr(start, pos_ - start));
    } else {
      while (pos_ < src_.size() && is_idchar(src_[pos_])) ++pos_;
      name = src_.substr(start, pos_ - start);
    }
    if (name.empty()) return fail(annotation_start_, "empty annotation id");
    Annotation a{};
    a.token = static_cast<u32>(out_.tokens.size());
    a.offset = annotation_start_;
    a.first = static_cast<u32>(out_.annotation_tokens.size());
    annotation_known_ = true;
    if (name == "custom") {
      a.kind = Annotation::Custom;
    } else if (name == "name") {
      a.kind = Annotation::Name;
    } else if (name.starts_with("metadata.code.")) {
      a.kind = Annotation::Code;
    } else {
      annotation_known_ = false;
    }
    a.name = std::move(name);
    out_.annotations.push_back(std::move(a));
    annotation_ = true;
    annotation_depth_ = 0;
    return true;
  }

  bool close_annotation() {
    annotation_ = false;
    Annotation& a = out_.annotations.back();
    a.last = static_cast<u32>(out_.annotation_tokens.size());
    if (!annotation_known_) {
      out_.annotation_tokens.resize(a.first);
      out_.annotations.pop_back();
    }
    return true;
  }

  std::string_view src_;
  u32 pos_;
  Tokens out_;
  std::vector<u32> open_;  // LParens not yet closed
  bool annotation_ = false, annotation_known_ = false;
  u32 annotation_start_ = 0, annotation_depth_ = 0;
  bool failed_ = false, too_large_ = false;
  u32 error_ = 0;
  const char* message_ = "";
};

}  // namespace

Result<Tokens> lex(std::string_view source, size_t begin, size_t end) {
  end = std::min(end, source.size());
  if (end > kMaxSource) return fail(ErrorCode::LimitExceeded, "text of more than 4 GiB");
  return Lexer(source, static_cast<u32>(begin), static_cast<u32>(end)).run();
}

namespace {

// Takes a literal apart: `text(s, at)` for what stands for itself and `escape(s, at)` for the bytes of one
// escape, `at` being where each starts in the literal.
template <typename OnText, typename OnEscape>
void unescape(std::string_view literal, OnText&& text, OnEscape&& escape) {
  const std::string_view s = literal.substr(0, literal.size() - 1);
  for (size_t at = 1; at < s.size();) {
    const size_t plain = std::min(s.find('\\', at), s.size());
    if (plain != at) text(s.substr(at, plain - at), at);
    at = plain;
    if (at == s.size()) break;
    std::string bytes;
    size_t used = 2;
    switch (s[at + 1]) {
      case 't': bytes = '\t'; break;
      case 'n': bytes = '\n'; break;
      case 'r': bytes = '\r'; break;
      case '"':
      case '\'':
      case '\\': bytes = s[at + 1]; break;
      case 'u': {
        u32 value = 0;
        for (used = 3; s[at + used] != '}'; ++used) {
          if (s[at + used] != '_') value = value * 16 + hex_digit(s[at + used]);
        }
        ++used;
        append_utf8(bytes, value);
        break;
      }
      default: bytes = static_cast<char>(hex_digit(s[at + 1]) * 16 + hex_digit(s[at + 2])); used = 3;
    }
    escape(bytes, at);
    at += used;
  }
}

}  // namespace

std::string string_value(std::string_view literal) {
  std::string out;
  out.reserve(literal.size());
  const auto append = [&](std::string_view s, size_t) { out += s; };
  unescape(literal, append, append);
  return out;
}

void append_string(std::string_view literal, u32 base, std::string& out, std::vector<u32>& offsets) {
  unescape(
      literal,
      [&](std::string_view s, size_t at) {
        out += s;
        for (size_t i = 0; i < s.size(); ++i) offsets.push_back(base + static_cast<u32>(at + i));
      },
      [&](std::string_view s, size_t at) {
        out += s;
        offsets.insert(offsets.end(), s.size(), base + static_cast<u32>(at));
      });
}

void append_string(std::string_view literal, std::vector<u8>& out) {
  const auto append = [&](std::string_view s) {
    const auto* bytes = reinterpret_cast<const u8*>(s.data());
    out.insert(out.end(), bytes, bytes + s.size());
  };
  if (literal.find('\\') == std::string_view::npos) {
    append(literal.substr(1, literal.size() - 2));
  } else {
    append(string_value(literal));
  }
}

std::string id_value(std::string_view id) {
  return id[1] == '"' ? string_value(id.substr(1)) : std::string(id.substr(1));
}

}  // namespace berth::text
