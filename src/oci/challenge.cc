#include "oci/challenge.h"

#include <algorithm>
#include <cctype>

namespace berth::oci {
namespace {

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  char peek() const { return text_.empty() ? '\0' : text_[0]; }
  void skip(std::string_view characters) {
    text_.remove_prefix(std::min(text_.find_first_not_of(characters), text_.size()));
  }
  bool take(char c) {
    if (peek() != c || text_.empty()) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string token() {
    const auto end = std::ranges::find_if_not(text_, is_token_char);
    std::string out(text_.begin(), end);
    text_.remove_prefix(out.size());
    return out;
  }
  // False when it has no end.
  bool quoted(std::string& out) {
    while (!text_.empty()) {
      char c = text_[0];
      text_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\' && !text_.empty()) {
        c = text_[0];
        text_.remove_prefix(1);
      }
      out += c;
    }
    return false;
  }

 private:
  std::string_view text_;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return text;
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> out;
  Reader in(header);
  while (true) {
    in.skip(" \t,");
    const std::string word = lower(in.token());
    if (word.empty()) return out;
    in.skip(" \t");
    if (!in.take('=')) {
      out.push_back({word, {}});
      continue;
    }
    if (out.empty()) return out;
    in.skip(" \t");
    std::string value;
    if (in.take('"')) {
      if (!in.quoted(value)) return out;
    } else {
      value = in.token();
    }
    out.back().parameters.emplace(word, std::move(value));
  }
}

}  // namespace berth::oci
