// Splits WebAssembly text into tokens (specification 3.0: text format, lexical format, and appendix,
// annotations). Pure functions; what they return refers to the source, which must outlive it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/words.h"

namespace berth::text {

enum class TokenKind : u8 {
  End,  // after the last token
  LParen,
  RParen,
  Word,  // starts with a lower-case letter
  Id,    // $x or $"x"
  String,
  Nat,       // an integer without a sign
  Int,       // an integer with a sign
  Float,     // any other number
  Reserved,  // what the grammar sets aside: never legal
};

struct Token {
  u32 offset;        // in the source
  u32 payload : 28;  // by kind; see the accessors of Tokens
  u32 kind_bits : 4;
  TokenKind kind() const { return static_cast<TokenKind>(kind_bits); }
};

// An annotation that this library understands; all others are skipped as the comments they are.
struct Annotation {
  enum Kind : u8 { Custom, Name, Code } kind;
  u32 token;         // index of the token that follows it
  u32 offset;        // in the source, of its parenthesis
  u32 first, last;   // its content: a range of Tokens::annotation_tokens
  std::string name;  // after the @
};

struct Tokens {
  std::string_view source;
  std::vector<Token> tokens;            // ends with an End
  std::vector<Annotation> annotations;  // ascending by `token`
  std::vector<Token> annotation_tokens;

  std::string_view text(Token t) const {
    switch (t.kind()) {
      case TokenKind::End: return {};
      case TokenKind::LParen:
      case TokenKind::RParen: return source.substr(t.offset, 1);
      case TokenKind::Word: return source.substr(t.offset, t.payload & 0xFFF);
      default: return source.substr(t.offset, t.payload);
    }
  }
  // The fixed word that a Word token is; kw::kUnknown for any other token.
  static Word word(Token t) {
    return t.kind() == TokenKind::Word ? static_cast<Word>(t.payload >> 12) : Word{kw::kUnknown};
  }
  // Index of the token that closes an LParen, or of the End.
  static u32 closing(Token t) { return t.payload; }
};

// Limits of a source: bytes in all, and tokens or bytes of one token.
inline constexpr u32 kMaxSource = 0xFFFF'0000;
inline constexpr u32 kMaxPayload = (1u << 28) - 1;

// The tokens of source[begin, end), with offsets into `source`. Fails with TextSyntax at the offset of
// the first thing that is no token, or with LimitExceeded for a source past the limits.
// Parentheses need not balance: that is for the parser to say.
Result<Tokens> lex(std::string_view source, size_t begin = 0, size_t end = std::string_view::npos);

// The bytes that a String token, quotes included, stands for.
std::string string_value(std::string_view literal);
// Appends them.
void append_string(std::string_view literal, std::vector<u8>& out);
// Appends them, and for each byte the offset of what it was written as, `base` being the literal's own.
void append_string(std::string_view literal, u32 base, std::string& out, std::vector<u32>& offsets);
// The name of an Id token without its dollar.
std::string id_value(std::string_view id);

}  // namespace berth::text
