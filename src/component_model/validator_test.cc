#include "component_model/validator.h"

#include <gtest/gtest.h>

#include "component_model/decoder.h"
#include "decode/decoder.h"
#include "text/component_parser.h"
#include "validate/validate.h"

namespace berth::component_model {
namespace {

Result<std::shared_ptr<const wasm::Module>> load_module(std::vector<u8> bytes) {
  auto module = std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(bytes))));
  TRY(validate::validate_module(*module));
  return module;
}

std::vector<u8> binary(std::string_view text) {
  auto parsed = text::parse_component(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().to_string());
  return parsed ? std::move(parsed->binary) : std::vector<u8>();
}

Result<Component> validated(std::string_view text) {
  Component c = TRY(decode_component(binary(text), load_module));
  TRY(validate_component(c));
  return c;
}

// The detail of the error, "valid" when there is none.
std::string verdict(std::string_view text) {
  const auto c = validated(text);
  return c ? "valid" : c.error().detail();
}

TEST(ComponentValidator, DescribesWhatIsImportedAndExported) {
  const auto c = validated(R"((component
    (import "fs" (instance $fs
      (export "file" (type $file (sub resource)))
      (export "open" (func (param "path" string) (result (own $file))))))
    (alias export $fs "file" (type $file))
    (export "same" (type $file))
    (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
    (core instance $i (instantiate $m))
    (func (export "f") (param "x" u8) (result char) (canon lift (core func $i "f")))))");
  ASSERT_TRUE(c) << c.error().to_string();
  ASSERT_EQ(c->type->imports.size(), 1u);
  EXPECT_EQ(c->type->imported.size(), 1u);
  const InstanceType& fs = *c->type->imports[0].type.type.instance;
  EXPECT_EQ(fs.find_export("open")->type.func->result->resource.var, fs.find_export("file")->type.resource.var);
  ASSERT_TRUE(c->type->find_export("same"));
  EXPECT_EQ(c->type->find_export("same")->type.resource.var, c->type->imported[0]);
  EXPECT_EQ(c->type->find_export("f")->type.func->result->kind, TypeKind::Char);
}

TEST(ComponentValidator, ResourcesOfTwoInstancesDiffer) {
  constexpr std::string_view kStart = R"((component
    (component $C (type $r (resource (rep i32))) (export "r" (type $r)))
    (component $D (import "a" (type $a (sub resource))) (import "b" (type (eq $a))))
    (instance $c1 (instantiate $C)) (instance $c2 (instantiate $C)) )";
  EXPECT_EQ(verdict(std::string(kStart) +
                    R"((instance (instantiate $D (with "a" (type $c1 "r")) (with "b" (type $c1 "r"))))))"),
            "valid");
  EXPECT_NE(verdict(std::string(kStart) +
                    R"((instance (instantiate $D (with "a" (type $c1 "r")) (with "b" (type $c2 "r"))))))")
                .find("resource types are not the same"),
            std::string::npos);
}

TEST(ComponentValidator, TellsWhatAFunctionLacks) {
  EXPECT_EQ(verdict(R"((component (import "f" (func $f (param "s" string))) (core func (canon lower (func $f)))))"),
            "canonical option `memory` is required");
  EXPECT_NE(verdict(R"((component (core module $m (func (export "f") (param i64))) (core instance $i (instantiate $m))
      (func (param "x" u32) (canon lift (core func $i "f")))))")
                .find("do not match those of core function"),
            std::string::npos);
}

TEST(ComponentValidator, HandlesOfStreamsNeedNoMemory) {
  EXPECT_EQ(verdict(R"((component (import "f" (func $f (param "x" (stream string)) (result (future string))))
      (core func (canon lower (func $f)))))"),
            "valid");
}

TEST(ComponentLayout, FollowsTheCanonicalAbi) {
  const auto c = validated(R"((component
    (type (record (field "a" u8) (field "b" u64) (field "c" string)))
    (type (variant (case "a" u8) (case "b" f64) (case "c")))
    (type (list u16 3))
    (type (flags "a" "b" "c" "d" "e" "f" "g" "h" "i"))))");
  ASSERT_TRUE(c) << c.error().to_string();
  const auto layout = [&](size_t i, PointerSize p) { return c->definitions[i].type.type.value->at(p); };
  EXPECT_EQ(layout(0, PointerSize::P32).size, 24u);
  EXPECT_EQ(layout(0, PointerSize::P64).size, 32u);
  EXPECT_EQ(layout(0, PointerSize::P32).offsets, (std::vector<u32>{0, 8, 16}));
  EXPECT_EQ(layout(1, PointerSize::P32).size, 16u);
  EXPECT_EQ(layout(1, PointerSize::P32).flat, (std::vector{wasm::ValKind::I32, wasm::ValKind::I64}));
  EXPECT_EQ(layout(2, PointerSize::P32).size, 6u);
  EXPECT_EQ(layout(2, PointerSize::P32).flat.size(), 3u);
  EXPECT_EQ(layout(3, PointerSize::P32).size, 2u);
}

// Every change of one byte, and every cut, is an error or another component; neither crashes.
TEST(ComponentDecoder, SurvivesMutations) {
  const std::vector<u8> good = binary(R"((component
    (import "wasi:io/streams@0.2.0" (instance $s (export "s" (type $t (sub resource)))
      (export "[method]s.read" (func (param "self" (borrow $t)) (param "n" u64) (result (result (list u8)))))))
    (core type (module (type (func (param i32))) (import "a" "f" (func (type 0))) (export "m" (memory 1))))
    (type $v (variant (case "x" (tuple u8 string)) (case "y")))
    (component $C (type $r (resource (rep i32))) (export "r" (type $r)))
    (instance $c (instantiate $C))
    (core module $m (func (export "f") (result i32) (i32.const 1)))
    (core instance $i (instantiate $m))
    (func $f (result u32) (canon lift (core func $i "f")))
    (export "f" (func $f))))");
  ASSERT_TRUE(decode_component(good, load_module));
  const auto attempt = [](const std::vector<u8>& bytes) {
    auto c = decode_component(bytes, load_module);
    if (!c) return;
    // What is decoded is validated or refused with a reason.
    const auto valid = validate_component(*c);
    EXPECT_TRUE(valid || !valid.error().to_string().empty());
  };
  for (size_t i = 0; i < good.size(); ++i) {
    attempt({good.begin(), good.begin() + static_cast<ptrdiff_t>(i)});
    for (const u8 change : {0x00, 0x01, 0x02, 0x05, 0x40, 0x7F, 0x80, 0xFF}) {
      std::vector<u8> bytes = good;
      bytes[i] = change;
      attempt(bytes);
      bytes[i] = static_cast<u8>(good[i] + change);
      attempt(bytes);
    }
  }
}

// A component that is one section of `count` items, each of the same bytes.
std::vector<u8> repeated(u8 section, u32 count, const std::vector<u8>& item) {
  std::vector<u8> content;
  const auto leb = [](std::vector<u8>& out, u64 v) {
    for (; v >= 0x80; v >>= 7) out.push_back(static_cast<u8>(v | 0x80));
    out.push_back(static_cast<u8>(v));
  };
  leb(content, count);
  for (u32 i = 0; i < count; ++i) content.insert(content.end(), item.begin(), item.end());
  std::vector<u8> out = {0, 'a', 's', 'm', 0x0D, 0, 1, 0, section};
  leb(out, content.size());
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

TEST(ComponentDecoder, TakesManyCoreTypes) {
  // Time that grows with the square of their number would be noticed.
  const auto component = decode_component(repeated(3, 200'000, {0x60, 0, 0}), load_module);
  ASSERT_TRUE(component) << component.error().to_string();
  EXPECT_EQ(component->definitions.size(), 200'000u);
}

TEST(ComponentDecoder, FindsTheCoreTypeThatIsWrong) {
  // The second one refers to one that follows.
  const auto c = decode_component(
      {{0, 'a', 's', 'm', 0x0D, 0, 1, 0, 3, 14, 3, 0x60, 0, 0, 0x60, 1, 0x64, 2, 0, 0x60, 1, 0x64, 0, 0}}, load_module);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().offset(), 14u) << c.error().to_string();
}

TEST(ComponentDecoder, LimitsWhatAliasesStandFor) {
  // A function type of 200 parameters in an outer component, and in an inner one an alias after another.
  std::string params;
  for (int i = 0; i < 200; ++i) params += " i64";
  std::string aliases;
  for (int i = 0; i < 100'000; ++i) aliases += "(alias outer 1 0 (core type))";
  const auto bytes = binary("(component (core type (func (param" + params + "))) (component " + aliases + "))");
  const auto c = decode_component(bytes, load_module);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code(), ErrorCode::LimitExceeded) << c.error().to_string();
}

}  // namespace
}  // namespace berth::component_model
