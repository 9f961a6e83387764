#include "text/printer.h"

#include <gtest/gtest.h>

#include "decode/decoder.h"
#include "text/diagnostic.h"
#include "text/parser.h"

namespace berth::text {
namespace {

std::string print(std::string_view source, const PrintOptions& options = {}) {
  auto parsed = parse_module(source);
  if (!parsed) return render("test", source, parsed.error());
  const auto module = decode::decode_module(std::vector(parsed->binary));
  if (!module) return module.error().to_string();
  auto text = print_module(*module, options);
  return text ? *text : text.error().to_string();
}

constexpr std::string_view kExample = R"((module $m
  (type $t (;0;) (func (param i32 i32) (result i32)))
  (rec
    (type $s (;1;) (sub (struct (field $x (mut i8)) (field (ref null $s)))))
    (type (;2;) (sub final $s (struct (field $x (mut i8)) (field (ref null $s))))))
  (import "env" "f" (func $f (;0;) (type $t) (param i32 i32) (result i32)))
  (table (;0;) 1 2 funcref)
  (memory (;0;) i64 1)
  (tag $e (;0;) (type 3))
  (global $g (;0;) (mut f32) (f32.const -0.5))
  (export "main" (func $main))
  (start $main)
  (elem (;0;) (i32.const 0) func $f)
  (func $main (;1;) (type 3)
    (local $a i32)
    (local i64 i64)
    block $out (result i32)
      local.get $a
      i32.const 7
      call $f
      if
        i32.const 1
        br $out
      else
        nop
      end
      i64.const 0
      i32.load offset=4 align=2
    end
    drop)
  (data $d (;0;) "\00ab\ff")
  (@custom "c" "payload"))
)";

TEST(Printer, PrintsWhatItReads) {
  // The fourth type comes from `$main`, whose type use is found again by its number.
  std::string source(kExample);
  source.insert(source.find("  (import"), "  (type (;3;) (func))\n");
  EXPECT_EQ(print(source), source);
}

TEST(Printer, Folds) {
  EXPECT_EQ(print("(func (param i32) (result i32)\n local.get 0\n i32.const 1\n i32.add\n if (result i32) i32.const 2 "
                  "else unreachable "
                  "end)",
                  {.folded = true}),
            "(module\n"
            "  (type (;0;) (func (param i32) (result i32)))\n"
            "  (func (;0;) (type 0) (param i32) (result i32)\n"
            "    (if (result i32)\n"
            "      (i32.add\n"
            "        (local.get 0)\n"
            "        (i32.const 1))\n"
            "      (then\n"
            "        (i32.const 2))\n"
            "      (else\n"
            "        (unreachable)))))\n");
}

TEST(Printer, ExportsWithinAndOffsets) {
  EXPECT_EQ(print("(memory (export \"a\") (export \"b\") 1) (func (export \"f\") nop)",
                  {.inline_exports = true, .offsets = true}),
            "(module\n"
            "  (type (;0;) (func))\n"
            "  (memory (;0;) (export \"a\") (export \"b\") 1)\n"
            "  (func (;0;) (export \"f\") (type 0)\n"
            "    (;@2b;) nop))\n");
}

TEST(Printer, KeepsOddNames) {
  constexpr std::string_view kSource =
      "(module (func (@name \"\")) (func (@name \"a b\")) (func (@name \"a\")) (func (@name \"a\") (call 1) (call 3)))";
  EXPECT_EQ(print(kSource),
            "(module\n"
            "  (type (;0;) (func))\n"
            "  (func (@name \"\") (;0;) (type 0))\n"
            "  (func $\"a b\" (;1;) (type 0))\n"
            "  (func $a (;2;) (type 0))\n"
            "  (func $a.3 (@name \"a\") (;3;) (type 0)\n"
            "    call $\"a b\"\n"
            "    call $a.3))\n");
}

// What is printed means the same binary, in every style; sources that are a text's own normal form.
TEST(Printer, ComesBack) {
  constexpr std::string_view kSources[] = {
      "(module (func (block $a (block $a (br 1) (br 0) (br $a)))))",
      "(module (func (local $x i32) (local f32 f32) (local $y i64)))",
      "(module (table 1 funcref (ref.null func)) (elem (i32.const 0) funcref (ref.null func) (item ref.func 0)) "
      "(func))",
      "(module (elem declare func 0) (elem externref) (func))",
      "(module (memory 1) (memory 2) (data (memory 1) (offset i32.const 1 i32.const 2 i32.add) \"\\22\\5c\\7f\"))",
      "(module (func (param v128) (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 0) (v128.const "
      "f64x2 1 nan)))))",
      "(module (func (f32.const nan:0x1) (f32.const -nan) (f64.const -inf) (f64.const 1e-310) (f32.const 0x1p-149)))",
      "(module (tag $e (param i32)) (func (try $l (do (throw $e (i32.const 1))) (catch $e drop) (catch_all (rethrow "
      "$l)))))",
      "(module (func (try $l (do (try (do) (delegate $l))))))",
      "(module (tag $e) (func (block $h (result exnref) (try_table (catch $e 1) (catch_all_ref $h)) (unreachable)) "
      "(throw_ref)))",
      "(module (func (@metadata.code.branch_hint \"\\00\") (if (i32.const 0) (then (@metadata.code.branch_hint "
      "\"\\01\") (br_if 0 (i32.const 1))))))",
      "(module (type $a (array i8)) (data $d \"x\") (func (array.new_data $a $d (i32.const 0) (i32.const 1)) drop))",
      "(module (@custom \"a\" (before first) \"1\") (type (func)) (@custom \"b\" (after type) \"2\") (@custom \"c\" "
      "\"3\"))",
      "(module (memory 0 (pagesize 1)) (memory 1 2 shared) (func (i32.atomic.load 1 (i32.const 0)) drop atomic.fence))",
  };
  for (const std::string_view source : kSources) {
    const auto parsed = parse_module(source);
    ASSERT_TRUE(parsed) << render("test", source, parsed.error());
    const auto module = decode::decode_module(std::vector(parsed->binary));
    ASSERT_TRUE(module) << source << module.error().to_string();
    for (const bool folded : {false, true}) {
      const auto text = print_module(*module, {.folded = folded});
      ASSERT_TRUE(text);
      const auto again = parse_module(*text);
      ASSERT_TRUE(again) << *text << render("test", *text, again.error());
      EXPECT_EQ(again->binary, parsed->binary) << source << "\n" << *text;
    }
  }
}

}  // namespace
}  // namespace berth::text
