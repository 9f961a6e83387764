#include "text/script.h"

#include <gtest/gtest.h>

namespace berth::text {
namespace {

TEST(Script, ReadsEveryCommand) {
  constexpr std::string_view kSource = R"wast(
(module $a (func (export "f")))
(module definition $d (memory 1))
(module instance $i $d)
(module binary "\00asm")
(module quote "(foo)")
(register "r" $a)
(invoke $a "f" (i32.const -1) (i64.const 2) (f32.const 1) (f64.const nan) (v128.const i8x16 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1)
  (ref.null func) (ref.extern 3) (ref.host 4))
(get "g")
(assert_return (invoke "f") (f32.const nan:canonical) (v128.const f32x4 0 nan:arithmetic 1 nan:canonical)
  (ref.null) (ref.null any) (ref.func) (ref.extern) (ref.extern 7) (ref.host 1) (ref.i31) (ref.eq) (ref.any) (ref.struct)
  (ref.array) (either (i32.const 1) (i32.const 2)))
(assert_trap (invoke "f") "unreachable")
(assert_trap (module (func unreachable) (start 0)) "unreachable")
(assert_exhaustion (invoke "f") "call stack exhausted")
(assert_exception (invoke "f"))
(assert_malformed (module quote "(") "unexpected token")
(assert_invalid (module (func (i32.add))) "type mismatch")
(assert_unlinkable (module (import "a" "b" (func))) "unknown import")
(assert_malformed_custom (module quote "(@custom)") "x")
(assert_invalid_custom (module) "x")
(thread $t (shared (module $a)) (invoke "f"))
(wait $t)
(script $s (invoke "f"))
(input $n "file.wast")
(output $n)
(assert_return_canonical_nan (invoke "f"))
)wast";
  const auto script = parse_script(kSource);
  ASSERT_TRUE(script) << script.error().to_string();
  std::string names;
  for (const Command& c : script->commands) names += std::string(command_name(c)) + " ";
  EXPECT_EQ(names,
            "module module module instance module module register invoke get assert_return assert_trap assert_trap "
            "assert_exhaustion assert_exception assert_malformed assert_invalid assert_unlinkable "
            "assert_malformed_custom assert_invalid_custom thread wait script input output assert_return ");
  EXPECT_EQ(script->commands[0].at, (LineColumn{2, 1}));
  EXPECT_EQ(script->commands[8].at, (LineColumn{11, 1}));

  EXPECT_TRUE(std::get<ScriptModule>(script->commands[1].body).is_definition);
  const auto& instance = std::get<ScriptInstance>(script->commands[2].body);
  EXPECT_EQ(instance.id, "i");
  EXPECT_EQ(instance.definition, "d");
  EXPECT_EQ(std::get<ScriptModule>(script->commands[3].body).form, ScriptModule::Form::Binary);
  const auto& quoted = std::get<ScriptModule>(script->commands[4].body);
  EXPECT_EQ(quoted.form, ScriptModule::Form::Quote);
  EXPECT_FALSE(quoted.parse(kSource));
  const auto& a = std::get<ScriptModule>(script->commands[0].body);
  EXPECT_EQ(a.id, "a");
  EXPECT_EQ(kSource.substr(a.begin, a.end - a.begin), "(module $a (func (export \"f\")))");
  EXPECT_TRUE(a.parse(kSource));

  const auto& invoke = std::get<Action>(script->commands[6].body);
  ASSERT_EQ(invoke.arguments.size(), 8u);
  EXPECT_EQ(invoke.module, "a");
  EXPECT_EQ(invoke.arguments[0].bits, 0xFFFFFFFFu);
  EXPECT_EQ(invoke.arguments[4].vector.bytes[15], 1);
  EXPECT_EQ(invoke.arguments[5].heap, wasm::HeapType(wasm::HeapType::kFunc));
  EXPECT_EQ(invoke.arguments[7].kind, Constant::Kind::RefHost);

  const auto& results = std::get<AssertReturn>(script->commands[8].body).results;
  ASSERT_EQ(results.size(), 14u);
  EXPECT_EQ(results[0].nan[0], NanPattern::Canonical);
  EXPECT_EQ(results[1].lane_bits, 32);
  EXPECT_EQ(results[1].nan[1], NanPattern::Arithmetic);
  EXPECT_EQ(results[1].nan[2], NanPattern::None);
  EXPECT_EQ(results[2].heap, std::nullopt);
  EXPECT_EQ(results[5].number, std::nullopt);
  EXPECT_EQ(results[6].number, 7u);
  EXPECT_EQ(results[13].alternatives.size(), 2u);
}

// A source of fields alone is one module.
TEST(Script, FieldsAreAModule) {
  constexpr std::string_view kSource = "(func (export \"f\")) (memory 1)";
  const auto script = parse_script(kSource);
  ASSERT_TRUE(script);
  ASSERT_EQ(script->commands.size(), 1u);
  const auto& module = std::get<ScriptModule>(script->commands[0].body);
  EXPECT_EQ(module.begin, 0u);
  EXPECT_EQ(module.end, kSource.size());
  const auto parsed = module.parse(kSource);
  ASSERT_TRUE(parsed);
  EXPECT_GT(parsed->binary.size(), 20u);
  const auto broken = parse_script("(elem");
  ASSERT_TRUE(broken);
  EXPECT_FALSE(std::get<ScriptModule>(broken->commands[0].body).parse("(elem"));
}

TEST(Script, TakesModuleFieldsAlone) {
  constexpr std::string_view kSource = ";; no module\n(func) (memory 0)";
  const auto script = parse_script(kSource);
  ASSERT_TRUE(script);
  ASSERT_EQ(script->commands.size(), 1u);
  EXPECT_EQ(script->commands[0].at, (LineColumn{2, 1}));
  EXPECT_TRUE(std::get<ScriptModule>(script->commands[0].body).parse(kSource));
  EXPECT_TRUE(parse_script("")->commands.empty());
}

TEST(Script, PointsAtErrors) {
  struct Case {
    std::string_view source, message;
    u32 offset;
  };
  constexpr Case kCases[] = {
      {"(assert_foo)", "unknown operator assert_foo", 1},
      {"(invoke \"f\" (i32.add))", "unexpected token i32.add", 13},
      {"(assert_return (module))", "unexpected token module", 16},
      {"(module", "unexpected token: end of text", 7},
      {"nop", "unexpected token nop", 0},
      {"(module) )", "unexpected token )", 9},
  };
  for (const Case& c : kCases) {
    const auto script = parse_script(c.source);
    ASSERT_FALSE(script) << c.source;
    EXPECT_EQ(script.error().detail(), c.message) << c.source;
    EXPECT_EQ(script.error().offset(), c.offset) << c.source;
  }
}

TEST(Script, SurvivesDeepNesting) {
  std::string scripts, either = "(assert_return (invoke \"f\") ";
  for (int i = 0; i < 100'000; ++i) scripts += "(script ", either += "(either ";
  EXPECT_FALSE(parse_script(scripts));
  EXPECT_FALSE(parse_script(either));
}

}  // namespace
}  // namespace berth::text
