// Walks over tokens for a recursive-descent parser. Used by one thread; refers to the tokens.
//
// Errors are sticky: the first failure is kept and the cursor moves to the end, where every further
// read yields nothing. A loop therefore only has to stop at the end.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/lexer.h"

namespace berth::text {

class Cursor {
 public:
  explicit Cursor(const Tokens& tokens)
      : tokens_(tokens), list_(tokens.tokens.data()), last_(static_cast<u32>(tokens.tokens.size()) - 1) {}

  bool ok() const { return !failed_; }
  Error take_error() { return std::move(*error_); }

 protected:
  u32 pos() const { return pos_; }
  void move_to(u32 pos) {
    if (!failed_) pos_ = pos;
  }
  const Tokens& tokens() const { return tokens_; }
  Token peek() const { return list_[pos_]; }
  Token peek(u32 ahead) const { return list_[pos_ + ahead < last_ ? pos_ + ahead : last_]; }
  TokenKind kind() const { return peek().kind(); }
  Word word() const { return Tokens::word(peek()); }
  std::string_view text(Token t) const { return tokens_.text(t); }
  bool at_end() const { return pos_ == last_; }
  void advance() {
    if (pos_ != last_) ++pos_;
  }
  Token take() {
    const Token t = peek();
    advance();
    return t;
  }

  // Whether "(word" comes next.
  bool at_list(Word w) const { return kind() == TokenKind::LParen && Tokens::word(list_[pos_ + 1]) == w; }
  // The word after the parenthesis that comes next; kw::kUnknown if there is none.
  Word list_word() const { return kind() == TokenKind::LParen ? Tokens::word(list_[pos_ + 1]) : Word{kw::kUnknown}; }
  bool at_close() const { return kind() == TokenKind::RParen || at_end(); }
  // Takes "(word" if it comes next.
  bool take_list(Word w) {
    if (!at_list(w)) return false;
    advance();
    advance();
    return true;
  }
  bool take_word(Word w) {
    if (word() != w) return false;
    advance();
    return true;
  }
  void expect_list(Word w) {
    if (!take_list(w)) unexpected();
  }
  void expect_close() {
    if (kind() == TokenKind::RParen) {
      advance();
    } else {
      unexpected();
    }
  }
  void expect_open() {
    if (kind() == TokenKind::LParen) {
      advance();
    } else {
      unexpected();
    }
  }

  // Takes a string that must be UTF-8.
  std::string take_name();
  // Takes an unsigned number below 2^bits.
  u64 take_nat(u32 bits);
  // Takes a signed or unsigned number of `bits` bits, as its bits.
  u64 take_int(u32 bits);
  // Takes a number as the bits of a float of 32 or 64 bits.
  u64 take_float(u32 bits);
  // Takes what follows `v128.const`: a shape and its lanes.
  V128 take_vector();
  bool at_number() const { return kind() == TokenKind::Nat || kind() == TokenKind::Int || kind() == TokenKind::Float; }
  // The lanes of the shape that comes next; fails unless it is one.
  struct Shape {
    u32 lanes = 0;
    u32 bits = 0;
    bool is_float = false;
  };
  Shape take_shape();

  void fail(u32 source_offset, std::string message, ErrorCode code = ErrorCode::TextSyntax);
  void fail(Token t, std::string message) { fail(t.offset, std::move(message)); }
  // The next token does not belong here.
  void unexpected() { unexpected(peek()); }
  void unexpected(Token t);
  void out_of_range(Token t, char kind, u32 bits) {
    fail(t, std::string(1, kind) + std::to_string(bits) + " constant out of range");
  }
  // A token as messages show it.
  std::string shown(Token t) const;

 private:
  const Tokens& tokens_;
  const Token* list_;
  u32 last_;
  u32 pos_ = 0;
  bool failed_ = false;
  std::optional<Error> error_;
};

}  // namespace berth::text
