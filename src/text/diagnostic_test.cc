#include "text/diagnostic.h"

#include <gtest/gtest.h>

#include "text/parser.h"

namespace berth::text {
namespace {

TEST(Diagnostic, ShowsTheLine) {
  constexpr std::string_view kSource = "(module\n  (func (local.get $x)))\n";
  const auto parsed = parse_module(kSource);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(render("a.wat", kSource, parsed.error()),
            "a.wat:2:20: error: unknown local $x\n"
            "   2 |   (func (local.get $x)))\n"
            "     |                    ^^\n");
}

TEST(Diagnostic, LeadsFromTheBinaryToTheText) {
  constexpr std::string_view kSource = "(func (drop\n\t(i32.add)))";
  const auto parsed = parse_module(kSource);
  ASSERT_TRUE(parsed);
  // The addition is the first instruction of the body.
  u64 offset = 0;
  while (parsed->binary[offset] != 0x6A) ++offset;
  const Error error = Error(ErrorCode::TypeMismatch, "wanted i32").at(offset).in_function(0);
  EXPECT_EQ(render("a.wat", kSource, error, &parsed->map),
            "a.wat:2:3: error: type mismatch: wanted i32\n"
            "   2 |  (i32.add)))\n"
            "     |   ^^^^^^^\n");
  EXPECT_EQ(render("a.wat", kSource, error), "a.wat: error: type mismatch: wanted i32 in function 0\n");
}

TEST(Diagnostic, CutsLongLinesAndCountsCharacters) {
  const std::string source = "(; \xC3\xBC ;) " + std::string(200, ' ') + "oops" + std::string(200, ' ');
  const std::string shown = render("a", source, 209, "bad");
  EXPECT_NE(shown.find("a:1:210: error: bad\n   1 | ..."), std::string::npos) << shown;
  EXPECT_NE(shown.find("oops"), std::string::npos);
  EXPECT_NE(shown.find("...\n"), std::string::npos);
  EXPECT_EQ(render("a", "(; \xC3\xBC ;) oops", 9, "bad"),
            "a:1:10: error: bad\n   1 | (; \xC3\xBC ;) oops\n     |         ^^^^\n");
  EXPECT_EQ(render("a", "", 5, "bad"), "a:1:1: error: bad\n   1 | \n     | ^\n");
  EXPECT_EQ(line_column("a\r\nb\rc\nd", 7), (LineColumn{4, 1}));
}

}  // namespace
}  // namespace berth::text
