#include <gtest/gtest.h>

#include "decode/decoder.h"
#include "text/parser.h"
#include "validate/validate.h"
#include "wasm/code_reader.h"

namespace berth::validate {
namespace {

using wasm::FuncIdx;
using wasm::ImmOf;
using wasm::Module;
using wasm::Op;

Result<Module> load(std::string_view wat, const Options& options = {}) {
  auto parsed = TRY(text::parse_module(wat));
  auto m = TRY(decode::decode_module(std::move(parsed.binary)));
  TRY(validate_module(m, options));
  return m;
}

struct Printer {
  std::string text;
  template <Op O>
  bool on(const ImmOf<O>& imm) {
    text += (text.empty() ? "" : " ") + std::string(wasm::info(O).mnemonic());
    if constexpr (std::is_same_v<ImmOf<O>, wasm::LabelImm>) text += " " + std::to_string(imm.label.value);
    if constexpr (std::is_same_v<ImmOf<O>, wasm::LocalImm>) text += " " + std::to_string(imm.local.value);
    if constexpr (O == Op::TryTable) {
      wasm::CodeReader clauses(imm.clauses);
      for (u32 i = 0; i < imm.count; ++i) {
        const auto c = clauses.catch_clause();
        constexpr const char* kNames[] = {"catch", "catch_ref", "catch_all", "catch_all_ref"};
        text += std::string(" (") + kNames[c.kind] + " " + std::to_string(c.label.value) + ")";
      }
    }
    return true;
  }
};

// The instructions of a body, with their labels and locals.
std::string body_text(const Module& m, u32 func) {
  wasm::CodeReader reader(m.body(FuncIdx(func)));
  const u32 groups = reader.leb_u32();
  for (u32 i = 0; i < groups; ++i) {
    reader.leb_u32();
    reader.val_type();
  }
  Printer printer;
  while (reader.ok() && !reader.at_end()) wasm::decode_op(reader, printer);
  EXPECT_TRUE(reader.ok());
  return printer.text;
}

TEST(LegacyExceptions, AreRewritten) {
  struct Case {
    std::string_view body;
    std::string_view want;
  };
  const Case cases[] = {
      {"(try (do nop))", "block nop end end"},
      {"(try (do nop) (catch $e drop))", "block block try_table (catch 0) nop end br 1 end drop end end"},
      {"(try (do nop) (catch $e drop) (catch_all nop))",
       "block block block try_table (catch 0) (catch_all 1) nop end br 2 end drop br 1 end nop end end"},
      {"(try (do nop) (catch_all (rethrow 0)))",
       "block block try_table (catch_all_ref 0) nop end br 1 end local.set 1 local.get 1 throw_ref end end"},
      {"(try (do nop) (catch_all (try (do nop) (catch_all (rethrow 1)))))",
       "block block try_table (catch_all_ref 0) nop end br 1 end local.set 1 "
       "block block try_table (catch_all 0) nop end br 1 end local.get 1 throw_ref end end end"},
      {"(try (do nop) (catch_all (try (do nop) (catch_all (rethrow 0)))))",
       "block block try_table (catch_all 0) nop end br 1 end "
       "block block try_table (catch_all_ref 0) nop end br 1 end local.set 1 local.get 1 throw_ref end end end"},
      {"(try (do nop) (delegate 0))", "block try_table (catch_all_ref 0) nop end return end throw_ref end"},
      {"(try (do (block (try (do nop) (delegate 1)))) (catch_all nop))",
       "block block try_table (catch_all 0) block block try_table (catch_all_ref 1) nop end end br 1 end throw_ref end "
       "br 1 end nop end end"},
      // A delegate to a delegate goes where that one goes; one into a clause leaves the try.
      {"(try (do (try (do (try (do nop) (delegate 0))) (delegate 0))) (catch_all nop))",
       "block block try_table (catch_all 0) block try_table (catch_all_ref 0) try_table (catch_all_ref 1) nop end end "
       "br 1 end throw_ref end br 1 end nop end end"},
      {"(try (do nop) (catch_all (try (do nop) (delegate 0))))",
       "block block block try_table (catch_all 0) nop end br 1 end try_table (catch_all_ref 1) nop end end return end "
       "throw_ref end"},
      // Branches count the blocks that were added.
      {"(block $b (try $t (do (br $b)) (catch $e drop (br $t)) (catch_all (br $b))))",
       "block block block block try_table (catch 0) (catch_all 1) br 4 end br 2 end drop br 1 br 1 end br 1 end end "
       "end"},
  };
  for (const Case& c : cases) {
    auto m = load("(tag $e (param i32)) (func (param i32) " + std::string(c.body) + ")");
    ASSERT_TRUE(m.has_value()) << c.body << ": " << m.error().to_string();
    EXPECT_TRUE(m->functions[0].is_translated);
    EXPECT_TRUE(m->functions[0].uses_legacy_exceptions);
    EXPECT_EQ(body_text(*m, 0), c.want) << c.body;
  }
}

TEST(LegacyExceptions, OthersStayAsTheyAre) {
  auto m = load("(func) (func (try (do))) (func)");
  ASSERT_TRUE(m.has_value());
  EXPECT_FALSE(m->functions[0].is_translated);
  EXPECT_TRUE(m->functions[1].is_translated);
  EXPECT_FALSE(m->functions[2].is_translated);
  EXPECT_EQ(m->body(FuncIdx(2)).data(), m->bytes.data() + m->functions[2].body.offset);
  Options options;
  options.translate_legacy_exceptions = false;
  m = load("(func (try (do)))", options);
  ASSERT_TRUE(m.has_value());
  EXPECT_FALSE(m->functions[0].is_translated);
}

TEST(LegacyExceptions, BlocksWithParametersGetTypesOfTheirOwn) {
  auto m = load(R"((tag $e (param i64 f32)) (type $bt (func (param i32) (result f64)))
    (func (result f64)
      (i32.const 1)
      try (type $bt) drop (f64.const 1)
      catch $e drop drop (rethrow 0)
      catch_all (f64.const 2)
      end))");
  ASSERT_TRUE(m.has_value()) << m.error().to_string();
  const size_t types = m->types.size();
  EXPECT_EQ(m->canonical.size(), types);
  EXPECT_EQ(m->subtype_depth.size(), types);
  EXPECT_EQ(to_string(m->types[types - 1].func), "[i32] -> [i64 f32 (ref exn)]");
  EXPECT_EQ(m->functions[0].local_slots, 1u);  // the exception that is rethrown
}

TEST(LegacyExceptions, OffsetsLeadBackToTheOriginal) {
  auto m = load("(tag $e) (func (try (do (throw $e)) (catch $e (rethrow 0))))");
  ASSERT_TRUE(m.has_value());
  const wasm::Function& f = m->functions[0];
  const auto body = m->body(FuncIdx(0));
  u32 checked = 0;
  for (u32 at = 1; at < body.size(); ++at) {
    const u8 op = body[at];
    const u64 original = m->original_offset(FuncIdx(0), at);
    EXPECT_GE(original, f.original_offset);
    if (op == 0x08 || op == 0x0A) {  // throw, throw_ref
      EXPECT_EQ(m->bytes[original], op == 0x08 ? 0x08 : 0x09);
      ++checked;
    }
  }
  EXPECT_EQ(checked, 2u);
  // A function that was not translated is where it is.
  m = load("(func nop)");
  EXPECT_EQ(m->original_offset(FuncIdx(0), 1), m->functions[0].body.offset + 1u);
}

TEST(LegacyExceptions, DeepNestingIsLinear) {
  // Each delegates to the outermost block; quadratic work would take minutes.
  constexpr u32 kDepth = 20'000;
  std::string wat = "(func ";
  for (u32 i = 0; i < kDepth; ++i) wat += "try ";
  for (u32 i = 0; i < kDepth; ++i) wat += "delegate 0 ";
  auto m = load(wat + ")");
  ASSERT_TRUE(m.has_value()) << m.error().to_string();
}

}  // namespace
}  // namespace berth::validate
