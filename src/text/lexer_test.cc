#include "text/lexer.h"

#include <gtest/gtest.h>

namespace berth::text {
namespace {

std::string kinds(std::string_view source) {
  const auto tokens = lex(source);
  if (!tokens) return tokens.error().detail() + " @" + std::to_string(tokens.error().offset().value_or(999));
  std::string out;
  for (const Token t : tokens->tokens) {
    switch (t.kind()) {
      case TokenKind::End: break;
      case TokenKind::LParen: out += '('; break;
      case TokenKind::RParen: out += ')'; break;
      case TokenKind::Word: out += Tokens::word(t) == kw::kUnknown ? 'w' : 'W'; break;
      case TokenKind::Id: out += '$'; break;
      case TokenKind::String: out += 's'; break;
      case TokenKind::Nat: out += 'n'; break;
      case TokenKind::Int: out += 'i'; break;
      case TokenKind::Float: out += 'f'; break;
      case TokenKind::Reserved: out += 'r'; break;
    }
  }
  return out;
}

struct Case {
  std::string_view source, expected;
};

TEST(Lexer, SplitsTokens) {
  constexpr Case kCases[] = {
      {"", ""},
      {"(module $m)", "(W$)"},
      {"func(nop)nop", "W(W)W"},
      {"i32.const offset=4 align=8 anyfunc", "Wwww"},
      {"0 12 1_000 0xFf 0x1_f", "nnnnn"},
      {"+1 -0 +0x1 -0x8_0", "iiii"},
      {"1. 1.5 1e3 1.e-3 0x1.8 0x1p4 0x1.p+4 -inf +nan nan:0x7_f inf nan", "ffffffffffff"},
      {"1_ 1__0 0x 0x_1 .5 1.5_ 1e 1e+ 0x1p 0x1pf +", "rrrrrrrrrrr"},
      {"nan:0x nan:canonical infinity -nan:1", "wWwr"},
      {"\"a\" \"\\\"\" \"\\u{1F600}\"", "sss"},
      {"$a $\"a b\" $\"\\41\"", "$$$"},
      {"\"a\"\"b\" \"a\"0 0\"a\" $\"l\"0 $l\"x\" data\"a\"", "rrrrrr"},
      {"Abc _x , ; [ ] { }", "rrrrrrrr"},
      {"; ;; comment ;; (\n(; (; nested ;) ;; ;) a", "rw"},
      {";; ends with a carriage return\rnop", "W"},
      {"((@a)module (@b (x) \"(\" ; , $) $m)", "(W$)"},
  };
  for (const Case& c : kCases) EXPECT_EQ(kinds(c.source), c.expected) << c.source;
}

TEST(Lexer, SaysWhatIsNoToken) {
  constexpr Case kCases[] = {
      {"a \"b", "unclosed string @2"},
      {"\"a\nb\"", "unclosed string @0"},
      {"\"a\tb\"", "illegal control character in string @2"},
      {"\"\\x\"", "illegal escape @1"},
      {"\"\\u{d800}\"", "illegal escape @1"},
      {"\"\\u{110000}\"", "illegal escape @1"},
      {"\"\\u{}\"", "illegal escape @1"},
      {"\"\\u{1__0}\"", "illegal escape @1"},
      {"\"\xC0\x80\"", "malformed UTF-8 encoding @1"},
      {";; \xFF", "malformed UTF-8 encoding @3"},
      {"(; \xED\xA0\x80 ;)", "malformed UTF-8 encoding @3"},
      {"x (; (; ;)", "unclosed comment @2"},
      {"\x01", "illegal character @0"},
      {"\xC3\xBC", "illegal character @0"},
      {"$", "empty identifier @0"},
      {"$\"\"", "empty identifier @0"},
      {"$\"a\nb\"", "empty identifier @0"},
      {"$\"\\ef\"", "malformed UTF-8 encoding @0"},
      {"(@)", "empty annotation id @0"},
      {"(@ x)", "empty annotation id @0"},
      {"(@\"\")", "empty annotation id @2"},
      {" (@a (b)", "unclosed annotation @1"},
      {"(@a \x7F)", "illegal character @4"},
  };
  for (const Case& c : kCases) EXPECT_EQ(kinds(c.source), c.expected) << c.source;
}

TEST(Lexer, MatchesParentheses) {
  const auto t = lex("(a (b) c) (d (e");
  ASSERT_TRUE(t);
  EXPECT_EQ(Tokens::closing(t->tokens[0]), 6u);
  EXPECT_EQ(Tokens::closing(t->tokens[2]), 4u);
  EXPECT_EQ(Tokens::closing(t->tokens[7]), t->tokens.size() - 1);
  EXPECT_EQ(Tokens::closing(t->tokens[9]), t->tokens.size() - 1);
  EXPECT_TRUE(lex(")))"));
}

TEST(Lexer, KeepsTheAnnotationsItKnows) {
  const auto t = lex("(@other 1) (a (@custom \"x\" (after type)) b (@name \"n\"))");
  ASSERT_TRUE(t);
  ASSERT_EQ(t->annotations.size(), 2u);
  EXPECT_EQ(t->annotations[0].kind, Annotation::Custom);
  EXPECT_EQ(t->annotations[0].token, 2u);
  EXPECT_EQ(t->annotations[0].offset, 14u);
  EXPECT_EQ(t->annotations[0].last - t->annotations[0].first, 5u);
  EXPECT_EQ(t->annotations[1].kind, Annotation::Name);
}

TEST(Lexer, TakesApartStrings) {
  EXPECT_EQ(string_value(R"("a\t\n\r\"\'\\\41\u{42}\u{1_F600}")"), "a\t\n\r\"'\\AB\xF0\x9F\x98\x80");
  EXPECT_EQ(id_value("$ab"), "ab");
  EXPECT_EQ(id_value(R"($"a\20b")"), "a b");
  std::vector<u8> bytes;
  append_string(R"("\00\ff")", bytes);
  append_string("\"x\"", bytes);
  EXPECT_EQ(bytes, (std::vector<u8>{0, 0xFF, 'x'}));
}

}  // namespace
}  // namespace berth::text
