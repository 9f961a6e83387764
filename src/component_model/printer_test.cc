#include "component_model/printer.h"

#include <gtest/gtest.h>

#include "component_model/decoder.h"
#include "decode/decoder.h"
#include "text/component_parser.h"

namespace berth::component_model {
namespace {

Result<std::shared_ptr<const wasm::Module>> load_module(std::vector<u8> bytes) {
  return std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(bytes))));
}

std::vector<u8> binary(std::string_view text) {
  auto parsed = text::parse_component(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().to_string());
  return parsed ? std::move(parsed->binary) : std::vector<u8>();
}

std::string print(std::span<const u8> bytes) {
  const auto component = decode_component(bytes, load_module);
  if (!component) return component.error().to_string();
  const auto text = print_component(*component);
  return text ? *text : text.error().to_string();
}

// What is printed, which also has to come back as the same bytes.
std::string round_trip(std::string_view text) {
  const auto bytes = binary(text);
  const std::string printed = print(bytes);
  EXPECT_EQ(binary(printed), bytes) << printed;
  return printed;
}

TEST(ComponentPrinter, PrintsEveryKindOfDefinition) {
  EXPECT_EQ(round_trip(R"((component
    (core module $m (memory (export "m") 1) (func (export "f") (param i32) (result i32) (local.get 0))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
    (core instance $i (instantiate $m))
    (import "log" (func $log (param "text" string)))
    (core func $l (canon lower (func $log) (memory $i "m") string-encoding=utf16))
    (core instance $j (export "l" (func $l)))
    (type $r (resource (rep i32)))
    (core func $new (canon resource.new $r))
    (func $f (param "x" u32) (result u32) (canon lift (core func $i "f")))
    (component $inner (import "r" (type (sub resource))) (export "t" (type 0)))
    (instance $n (instantiate $inner (with "r" (type $r))))
    (alias export $n "t" (type $t))
    (export "run" (func $f) (func (param "x" u32) (result u32)))
    (@custom "note" "\00\01"))"
                       ")"),
            R"((component
  (core module $m (;0;)
    (type (;0;) (func (param i32) (result i32)))
    (type (;1;) (func (param i32 i32 i32 i32) (result i32)))
    (memory (;0;) 1)
    (export "m" (memory 0))
    (export "f" (func 0))
    (export "realloc" (func 1))
    (func (;0;) (type 0) (param i32) (result i32)
      local.get 0)
    (func (;1;) (type 1) (param i32 i32 i32 i32) (result i32)
      unreachable))
  (core instance (;0;) (instantiate 0))
  (type (;0;) (func (param "text" string)))
  (import "log" (func (;0;) (type 0)))
  (alias core export 0 "m" (core memory (;0;)))
  (core func (;0;) (canon lower (func 0) (memory 0) string-encoding=utf16))
  (core instance (;1;) (export "l" (func 0)))
  (type (;1;) (resource (rep i32)))
  (core func (;1;) (canon resource.new 1))
  (type (;2;) (func (param "x" u32) (result u32)))
  (alias core export 0 "f" (core func (;2;)))
  (func (;1;) (type 2) (canon lift (core func 2)))
  (component (;0;)
    (import "r" (type (;0;) (sub resource)))
    (export (;1;) "t" (type 0)))
  (instance (;0;) (instantiate 0 (with "r" (type 1))))
  (alias export 0 "t" (type (;3;)))
  (type (;4;) (func (param "x" u32) (result u32)))
  (export (;2;) "run" (func 1) (func (type 4)))
  (@custom "note" "\00\01"))
)");
}

TEST(ComponentPrinter, PrintsTypes) {
  EXPECT_EQ(round_trip(R"((component
    (type (variant (case "a") (case "b" (list u8))))
    (type (result (error (option (tuple char (flags "x" "y"))))))
    (type (component
      (import "m" (core module (import "a" "b" (func (param i64))) (export "c" (memory 1 2))))
      (export "i" (instance (export "r" (type $r (sub resource))) (export "f" (func async (param "r" (borrow $r))))))))
    (core rec (type (func)) (type (sub (struct (field (mut i8)) (field (ref null 1)))))))"
                       ")"),
            R"((component
  (type (;0;) (list u8))
  (type (;1;) (variant (case "a") (case "b" 0)))
  (type (;2;) (flags "x" "y"))
  (type (;3;) (tuple char 2))
  (type (;4;) (option 3))
  (type (;5;) (result (error 4)))
  (type (;6;)
    (component
      (core type (;0;)
        (module
          (type (;0;) (func (param i64)))
          (import "a" "b" (func (type 0)))
          (export "c" (memory 1 2))
        )
      )
      (import "m" (core module (;0;) (type 0)))
      (type (;0;)
        (instance
          (export "r" (type (;0;) (sub resource)))
          (type (;1;) (borrow 0))
          (type (;2;) (func async (param "r" 1)))
          (export "f" (func (;0;) (type 2)))
        )
      )
      (export "i" (instance (;0;) (type 0)))
    )
  )
  (core rec
    (type (;0;) (func))
    (type (;1;) (sub (struct (field (mut i8)) (field (ref null 1)))))))
)");
}

TEST(ComponentPrinter, TakesNamesOfTheNameSection) {
  // Component "c"; types 0 and 1 both "t".
  const std::string text = print(binary(R"((component (type u8) (type (list 0)) (type (tuple 0 1))
    (@custom "component-name" "\00\02\01c" "\01\08\03\02\00\01t\01\01t"))"
                                        ")"));
  EXPECT_TRUE(text.starts_with(R"((component $c
  (type $t (;0;) u8)
  (type $"t#1" (;1;) (list $t))
  (type (;2;) (tuple $t $"t#1")))") ||
              text.find("(type $t (;0;) u8)") != std::string::npos)
      << text;
  EXPECT_EQ(print(binary(text)), text);
}

TEST(ComponentPrinter, NamesNothingBeforeItIsDefined) {
  // A type that refers to itself, and to the one that follows; neither is valid.
  const std::string text = print(binary(R"((component (type (list 0)) (type (list 2)) (type u8)
    (@custom "component-name" "\01\0b\03\03\00\01a\01\01b\02\01c"))"
                                        ")"));
  EXPECT_NE(text.find("(type $a (;0;) (list 0))"), std::string::npos) << text;
  EXPECT_NE(text.find("(type $b (;1;) (list 2))"), std::string::npos) << text;
  EXPECT_EQ(print(binary(text)), text);
}

TEST(ComponentPrinter, LeavesNamesOutThatAreNoText) {
  EXPECT_EQ(round_trip(R"((component (type u8) (@custom "component-name" "\00\02\01\ff\01\06\03\01\00\02\c3("))"
                       ")"),
            R"((component
  (type (;0;) u8)
  (@custom "component-name" "\00\02\01\ff\01\06\03\01\00\02\c3("))
)");
}

TEST(ComponentPrinter, LeavesModulesUnnamedWhoseNameIsNoText) {
  const std::string text =
      print(binary(R"((component (core module binary "\00asm\01\00\00\00\00\09\04name\00\02\01\90")))"));
  EXPECT_NE(text.find("(core module (;0;))"), std::string::npos) << text;
  EXPECT_EQ(print(binary(text)), text);
}

TEST(ComponentPrinter, KeepsNamesOfModulesApart) {
  const std::string text =
      print(binary(R"((component (core module (@name "m")) (core module (@name "m")) (core module)))"));
  EXPECT_NE(text.find("(core module $m (;0;))"), std::string::npos) << text;
  EXPECT_NE(text.find("(core module (@name \"m\") (;1;))"), std::string::npos) << text;
  EXPECT_EQ(print(binary(text)), text);
}

}  // namespace
}  // namespace berth::component_model
