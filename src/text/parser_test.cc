#include "text/parser.h"

#include <gtest/gtest.h>

#include "text/encoder.h"
#include "text/words.h"

namespace berth::text {
namespace {

std::string hex(const std::vector<u8>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const u8 b : bytes) {
    if (!out.empty()) out += ' ';
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

// Everything after the header, without a name section.
std::string binary(std::string_view source) {
  auto parsed = parse_module(source, {.names = false});
  if (!parsed) return parsed.error().to_string();
  return hex({parsed->binary.begin() + 8, parsed->binary.end()});
}

// The body of the only function of a module, as the code section has it.
std::string body(const std::string& code, std::string_view rest = {}) {
  auto parsed = parse_module("(func " + code + ")" + std::string(rest), {.names = false});
  if (!parsed) return parsed.error().detail();
  const std::string all = hex(parsed->binary);
  const size_t at = all.find("0a ", 3 * 8);
  return all.substr(at == std::string::npos ? 0 : at);
}

struct Case {
  std::string_view source, expected;
};

TEST(Parser, WritesSections) {
  constexpr Case kCases[] = {
      {"(module)", ""},
      {"", ""},
      {"(module $m)", ""},
      {"(module (func))", "01 04 01 60 00 00 03 02 01 00 0a 04 01 02 00 0b"},
      {"(func) (func)", "01 04 01 60 00 00 03 03 02 00 00 0a 07 02 02 00 0b 02 00 0b"},
      {"(memory 1)", "05 03 01 00 01"},
      {"(memory i64 1 2)", "05 04 01 05 01 02"},
      {"(memory 1 2 shared)", "05 04 01 03 01 02"},
      {"(memory 0 (pagesize 1))", "05 04 01 08 00 00"},
      {"(memory (data \"ab\" \"c\"))", "05 04 01 01 01 01 0b 09 01 00 41 00 0b 03 61 62 63"},
      {"(memory (pagesize 1) (data \"ab\"))", "05 05 01 09 02 02 00 0b 08 01 00 41 00 0b 02 61 62"},
      {"(memory (export \"m\") (import \"a\" \"b\") 1)", "02 08 01 01 61 01 62 02 00 01 07 05 01 01 6d 02 00"},
      {"(table 1 funcref)", "04 04 01 70 00 01"},
      {"(table i64 1 2 (ref null extern))", "04 05 01 6f 05 01 02"},
      {"(table 1 (ref 0) (ref.func 0))", "04 0a 01 40 00 64 00 00 01 d2 00 0b"},
      {"(table funcref (elem 0 0)) (func)",
       "01 04 01 60 00 00 03 02 01 00 04 05 01 70 01 02 02 09 08 01 00 41 00 0b 02 00 00 0a 04 01 02 00 0b"},
      {"(table (ref null 0) (elem 0)) (type (func))",
       "01 04 01 60 00 00 04 06 01 63 00 01 01 01 09 0c 01 06 00 41 00 0b 63 00 01 d2 00 0b"},
      {"(global (mut i64) (i64.const -1))", "06 06 01 7e 01 42 7f 0b"},
      {"(import \"\" \"\" (tag $t (param i32)))", "01 05 01 60 01 7f 00 02 06 01 00 00 04 00 00"},
      {"(start 0)", "08 01 00"},
      {"(data \"a\") (data (memory 1) (offset (i32.const 0)) \"\")", "0b 0a 02 01 01 61 02 01 41 00 0b 00"},
      {"(elem declare func 0)", "09 05 01 03 00 01 00"},
      {"(elem func)", "09 04 01 01 00 00"},
      {"(elem externref (ref.null extern) (item ref.null extern))", "09 0a 01 05 6f 02 d0 6f 0b d0 6f 0b"},
      {"(elem (table 1) (i32.const 0) func 5)", "09 09 01 02 01 41 00 0b 00 01 05"},
      {"(elem (i32.const 0) funcref)", "09 06 01 04 41 00 0b 00"},
  };
  for (const Case& c : kCases) EXPECT_EQ(binary(c.source), c.expected) << c.source;
}

TEST(Parser, WritesTypes) {
  constexpr Case kCases[] = {
      {"(type (func (param i32 i64) (param f32) (result f64 v128)))", "01 09 01 60 03 7f 7e 7d 02 7c 7b"},
      {"(type (struct (field i8 (mut i16)) (field $x anyref)))", "01 09 01 5f 03 78 00 77 01 6e 00"},
      {"(type (array (mut (ref null 0))))", "01 05 01 5e 63 00 01"},
      {"(type $a (sub (func))) (type (sub final $a (func)))", "01 0c 02 50 00 60 00 00 4f 01 00 60 00 00"},
      {"(type (sub final (func)))", "01 04 01 60 00 00"},
      {"(rec (type $a (struct (field (ref $b)))) (type $b (struct (field (ref $a)))))",
       "01 0d 01 4e 02 5f 01 64 01 00 5f 01 64 00 00"},
      {"(rec (type (func)))", "01 04 01 60 00 00"},
      {"(rec)", "01 03 01 4e 00"},
      {"(type (func (param (ref func) (ref null func) (ref null none) exnref nullexnref (ref i31))))",
       "01 0c 01 60 06 64 70 70 71 69 74 64 6c 00"},
  };
  for (const Case& c : kCases) EXPECT_EQ(binary(c.source), c.expected) << c.source;
}

// Types that type uses leave to the parser are found first and otherwise added behind all others, in
// the order of the text.
TEST(Parser, FindsAndAddsTypes) {
  EXPECT_EQ(binary("(func (param i32) (block (param i32) (result i32 i32) unreachable) drop drop) (func (result i64) "
                   "i64.const 0)"
                   "(type (func (result i64)))"),
            "01 0f 03 60 00 01 7e 60 01 7f 00 60 01 7f 02 7f 7f 03 03 02 01 00 0a 0f 02 08 00 02 02 00 0b 1a 1a 0b "
            "04 00 42 00 0b");
  // A function type in a larger recursion group, or not final, is not one a type use stands for.
  EXPECT_EQ(binary("(rec (type (func)) (type (struct))) (type (sub (func))) (import \"\" \"\" (func))"),
            "01 10 03 4e 02 60 00 00 5f 00 50 00 60 00 00 60 00 00 02 05 01 00 00 00 03");
}

TEST(Parser, WritesInstructions) {
  constexpr Case kCases[] = {
      {"(i32.add (i32.const 1) (i32.const -1))", "0a 09 01 07 00 41 01 41 7f 6a 0b"},
      {"(i32.add i32.const 1 (i32.const -1))", "0a 09 01 07 00 41 01 41 7f 6a 0b"},
      {"i32.const 1 (i32.const 2) i32.sub", "0a 09 01 07 00 41 01 41 02 6b 0b"},
      {"(local i32 i32) (local $x i32) (local f32) local.get $x", "0a 0a 01 08 02 03 7f 01 7d 20 02 0b"},
      {"(block $a (loop $b (br $a) (br $b) (br_table $b $a $b)))",
       "0a 13 01 11 00 02 40 03 40 0c 01 0c 00 0e 02 00 01 00 0b 0b 0b"},
      {"(if $l (i32.const 1) (i32.const 2) (then (br $l)) (else))", "0a 0e 01 0c 00 41 01 41 02 04 40 0c 00 05 0b 0b"},
      {"if $l (result i32) i32.const 1 else $l i32.const 2 end $l", "0a 0c 01 0a 00 04 7f 41 01 05 41 02 0b 0b"},
      {"(i32.load8_u offset=1 (i32.const 0)) i64.load align=1", "0a 0c 01 0a 00 41 00 2d 00 01 29 00 00 0b"},
      {"i32.load 1 offset=0x10", "0a 08 01 06 00 28 42 01 10 0b"},
      {"v128.load8_lane 3 v128.load8_lane 1 3 v128.load8_lane 0 align=1 2",
       "0a 14 01 12 00 fd 54 00 00 03 fd 54 40 01 00 03 fd 54 00 00 02 0b"},
      {"memory.copy memory.copy 1 2 memory.fill 3 memory.size",
       "0a 11 01 0f 00 fc 0a 00 00 fc 0a 01 02 fc 0b 03 3f 00 0b"},
      {"table.init 1 table.init 2 1 table.copy table.get 3",
       "0a 12 01 10 00 fc 0c 01 00 fc 0c 01 02 fc 0e 00 00 25 03 0b"},
      {"select (select (result i32))", "0a 08 01 06 00 1b 1c 01 7f 0b"},
      {"ref.test (ref func) ref.test funcref ref.cast (ref null 0) ref.null none",
       "0a 0f 01 0d 00 fb 14 70 fb 15 70 fb 17 00 d0 71 0b"},
      {"br_on_cast 0 anyref (ref i31)", "0a 0a 01 08 00 fb 18 01 00 6e 6c 0b"},
      {"(try_table (catch_all 0) (catch_all_ref 0))", "0a 0c 01 0a 00 1f 40 02 02 00 03 00 0b 0b"},
      {"f32.const -0x1p0 f64.const inf", "0a 12 01 10 00 43 00 00 80 bf 44 00 00 00 00 00 00 f0 7f 0b"},
      {"v128.const i64x2 1 -1", "0a 16 01 14 00 fd 0c 01 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff 0b"},
      {"atomic.fence", "0a 07 01 05 00 fe 03 00 0b"},
      {"(try (do (nop)) (catch_all (rethrow 0)))", "0a 0b 01 09 00 06 40 01 19 09 00 0b 0b"},
      {"try nop catch_all end (try $a (do (try (do) (delegate $a))))",
       "0a 10 01 0e 00 06 40 01 19 0b 06 40 06 40 18 00 0b 0b"},
  };
  for (const Case& c : kCases) EXPECT_EQ(body(std::string(c.source)), c.expected) << c.source;
}

TEST(Parser, EveryInstructionHasAWord) {
  for (u32 i = 0; i < wasm::kOpCount; ++i) {
    const auto op = static_cast<wasm::Op>(i);
    const Word w = find_word(wasm::info(op).mnemonic());
    ASSERT_TRUE(is_op(w)) << wasm::info(op).mnemonic();
    EXPECT_EQ(wasm::info(as_op(w)).mnemonic(), wasm::info(op).mnemonic());
  }
}

struct Malformed {
  std::string_view source, message;
  u32 line, column;
};

TEST(Parser, PointsAtWhatIsMalformed) {
  constexpr Malformed kCases[] = {
      {"(module\n  (func (local.get $x)))", "unknown local $x", 2, 20},
      {"(func (call $f))", "unknown function $f", 1, 13},
      {"(func (br $l))", "unknown label $l", 1, 11},
      {"(func (block $a) (br $a))", "unknown label $a", 1, 22},
      {"(func (global.get $g))", "unknown global $g", 1, 19},
      {"(func (i32.load $m (i32.const 0)))", "unknown memory $m", 1, 17},
      {"(func (table.get $t))", "unknown table $t", 1, 18},
      {"(func (throw $t))", "unknown tag $t", 1, 14},
      {"(func (elem.drop $e) (data.drop $d))", "unknown elem segment $e", 1, 18},
      {"(func (data.drop $d))", "unknown data segment $d", 1, 18},
      {"(func (type $t))", "unknown type $t", 1, 13},
      {"(type $s (struct)) (func (struct.get $s $f))", "unknown field $f", 1, 41},
      {"(func $f) (func $f)", "duplicate func $f", 1, 17},
      {"(func (param $x i32) (local $x i32))", "duplicate local $x", 1, 29},
      {"(func\n(get_local 0))", "unknown operator get_local", 2, 2},
      {"(func (i32.const 4294967296))", "i32 constant out of range", 1, 18},
      {"(func (f32.const 1e99))", "f32 constant out of range", 1, 18},
      {"(func (i32.load align=3 (i32.const 0)))", "alignment must be a power of two", 1, 17},
      {"(func block $a end $b)", "mismatching label $b", 1, 20},
      {"(func) (import \"\" \"\" (func))", "import after function", 1, 8},
      {"(start 0) (start 0)", "multiple start sections", 1, 11},
      {"(type (func)) (func (type 0) (param i32))", "inline function type does not match type 0", 1, 21},
      {"(func (type 7) (param i32))", "unknown type 7", 1, 7},
      {"(func (type 7) (local $x i32))", "unknown type", 1, 23},
      {"(func", "unexpected token: end of text", 1, 6},
      {"(func (block)", "unexpected token: end of text", 1, 14},
      {"(func))", "unexpected token )", 1, 7},
      {"(func end)", "unexpected token end", 1, 7},
      {"(func block)", "unexpected token )", 1, 12},
      {"(func (block end))", "unexpected token end", 1, 14},
      {"(func (i32.add block end))", "unexpected token block", 1, 16},
      {"(global i32 (i32.add local.get 0))", "unexpected token local.get", 1, 22},
      {"(func (if (then) (then)))", "unexpected token then", 1, 19},
      {"(func (if (i32.const 0)))", "unexpected token )", 1, 24},
      {"(func (then))", "unexpected token then", 1, 8},
      {"(foo)", "unknown operator foo", 1, 2},
      {"(module) (module)", "unexpected token (", 1, 10},
      {"(module (@custom \"a\" (after nowhere)))", "@custom annotation: malformed section kind", 1, 9},
      {"(func (@custom \"a\"))", "misplaced @custom annotation", 1, 7},
      {"(memory 0 (pagesize 3))", "invalid custom page size", 1, 21},
      {"(func (v128.const i32x4 1 2 3))", "wrong number of lane literals", 1, 25},
      {"(func (i32.const \"a\"))", "unexpected token \"a\"", 1, 18},
  };
  for (const Malformed& c : kCases) {
    const auto parsed = parse_module(c.source);
    ASSERT_FALSE(parsed) << c.source;
    EXPECT_EQ(parsed.error().detail(), c.message) << c.source;
    EXPECT_TRUE(is_text_error(parsed.error()));
    EXPECT_EQ(parsed.error().kind(), ErrorKind::Malformed);
    const LineColumn at = line_column(c.source, parsed.error().offset().value());
    EXPECT_EQ(at.line, c.line) << c.source;
    EXPECT_EQ(at.column, c.column) << c.source;
  }
}

TEST(Parser, TakesSizesByFeature) {
  EXPECT_TRUE(parse_module("(memory 0x1_0000_0000)"));
  ParseOptions narrow;
  narrow.features.disable(wasm::Feature::Memory64);
  const auto parsed = parse_module("(memory 0x1_0000_0000)", narrow);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().detail(), "i32 constant out of range");
}

TEST(Parser, MapsOffsetsToTheSource) {
  constexpr std::string_view kSource =
      "(module\n  (func (result i32)\n    (i32.add (i32.const 1)\n      (i64.const 2))))";
  const auto parsed = parse_module(kSource, {.names = false});
  ASSERT_TRUE(parsed);
  ASSERT_EQ(hex(parsed->binary).substr(3 * 8), "01 05 01 60 00 01 7f 03 02 01 00 0a 09 01 07 00 41 01 42 02 6a 0b");
  const auto text_at = [&](u64 offset) { return kSource.substr(parsed->map.source_offset(offset).value(), 9); };
  EXPECT_EQ(text_at(8 + 13), "(func (re");
  EXPECT_EQ(text_at(8 + 16), "i32.const");
  EXPECT_EQ(text_at(8 + 17), "i32.const");
  EXPECT_EQ(text_at(8 + 18), "i64.const");
  EXPECT_EQ(text_at(8 + 20), "i32.add (");
  EXPECT_EQ(text_at(8 + 21), "))");  // the function's end
  EXPECT_EQ(parsed->map.source_offset(3), std::nullopt);
}

TEST(Parser, TakesBinaryAndQuotedModules) {
  const auto binary_module = parse_module("(module $a binary \"\\00asm\" \"\\01\\00\\00\\00\")");
  ASSERT_TRUE(binary_module);
  EXPECT_EQ(hex(binary_module->binary), "00 61 73 6d 01 00 00 00");
  EXPECT_EQ(binary_module->id, "a");
  const auto quoted = parse_module("(module $b quote \"(memory\" \"1)\")");
  ASSERT_TRUE(quoted);
  EXPECT_EQ(quoted->id, "b");
  EXPECT_EQ(quoted->map.source_offset(11), 18u);
  EXPECT_EQ(hex(quoted->binary), "00 61 73 6d 01 00 00 00 05 03 01 00 01");
  const std::string_view source = R"wat(;; quoted
(module quote "(func\u{20}" "(\66oo))"))wat";
  const auto bad = parse_module(source);
  ASSERT_FALSE(bad);
  EXPECT_EQ(source.substr(bad.error().offset().value()), R"wat(\66oo))"))wat");
  EXPECT_TRUE(parse_module("(module definition $m (func))"));
  std::string nested = "(func)";
  for (int i = 0; i < 12; ++i) {
    std::string escaped;
    for (const char c : nested) {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c;
    }
    nested = "(module quote \"" + escaped + "\")";
    if (nested.size() > 100'000) break;
  }
  (void)parse_module(nested);
}

TEST(Parser, WritesNamesAndCustomSections) {
  const auto parsed =
      parse_module("(module $m (func $f (param $x i32) (block $l)) (@custom \"c\" (before first) \"ab\"))");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(hex({parsed->binary.begin() + 8, parsed->binary.end()}),
            "00 04 01 63 61 62 01 05 01 60 01 7f 00 03 02 01 00 0a 07 01 05 00 02 40 0b 0b "
            "00 1f 04 6e 61 6d 65 00 02 01 6d 01 04 01 00 01 66 02 06 01 00 01 00 01 78 03 06 01 00 01 00 01 6c");
}

TEST(Parser, NamesWhatHasNoIdentifier) {
  const auto parsed = parse_module("(func (param (@name \"a\") i32 (@name \"b c\") i64) (local f32 (@name \"\") f64))");
  ASSERT_TRUE(parsed);
  const std::string all = hex(parsed->binary);
  EXPECT_NE(all.find("02 0d 01 00 03 00 01 61 01 03 62 20 63 03 00"), std::string::npos) << all;
}

TEST(Parser, WritesBranchHints) {
  const auto parsed =
      parse_module("(func (@metadata.code.branch_hint \"\\01\") (if (i32.const 0) (then)))", {.names = false});
  ASSERT_TRUE(parsed);
  const std::string all = hex(parsed->binary);
  EXPECT_NE(all.find("62 72 61 6e 63 68 5f 68 69 6e 74 01 00 01 03 01 01 0a"), std::string::npos) << all;
  EXPECT_FALSE(parsed->custom_error);
  const auto wrong = parse_module("(func (@metadata.code.branch_hint \"\\01\") nop)");
  ASSERT_TRUE(wrong);
  ASSERT_TRUE(wrong->custom_error);
  EXPECT_EQ(wrong->custom_error->offset(), 6u);
}

// Nesting as deep as a text of that size can have it: an answer, and no stack used up.
TEST(Parser, SurvivesDeepNesting) {
  constexpr size_t kDeep = 200'000;
  const auto repeat = [](std::string_view s) {
    std::string out;
    for (size_t i = 0; i < kDeep; ++i) out += s;
    return out;
  };
  EXPECT_FALSE(parse_module(repeat("(")));
  EXPECT_FALSE(parse_module("(func " + repeat("(block ")));
  EXPECT_TRUE(parse_module("(func " + repeat("(block ") + repeat(")") + ")"));
  EXPECT_TRUE(parse_module("(func " + repeat("block ") + repeat("end ") + ")"));
  EXPECT_TRUE(parse_module("(func " + repeat("(drop ") + repeat(")") + ")"));
  EXPECT_TRUE(parse_module("(func " + repeat("(if ") + repeat("(then))") + ")"));
  EXPECT_TRUE(parse_module("(func " + repeat("(block $x (br $x) ") + repeat(")") + ")"));
  EXPECT_TRUE(parse_module("(func " + repeat("(try (do ") + repeat("))") + ")"));
  EXPECT_FALSE(parse_module(repeat("(; ")));
  EXPECT_TRUE(parse_module(repeat("(; ") + repeat(";) ")));
  EXPECT_FALSE(parse_module("(@x " + repeat("(")));
}

}  // namespace
}  // namespace berth::text
