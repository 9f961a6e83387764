#include "validate/validate.h"

#include <gtest/gtest.h>

#include "decode/decoder.h"
#include "text/parser.h"

namespace berth::validate {
namespace {

using wasm::Feature;
using wasm::FuncIdx;
using wasm::Module;

std::vector<u8> assemble(std::string_view wat) {
  auto parsed = text::parse_module(wat);
  EXPECT_TRUE(parsed.has_value()) << wat << (parsed ? "" : parsed.error().to_string());
  return parsed ? std::move(parsed->binary) : std::vector<u8>{};
}

Result<Module> load(std::string_view wat, const Options& options = {}, const wasm::FeatureSet& features = {}) {
  auto m = TRY(decode::decode_module(assemble(wat), features));
  TRY(validate_module(m, options));
  return m;
}

std::string error_of(std::string_view wat, const wasm::FeatureSet& features = {}) {
  auto m = load(wat, {}, features);
  return m ? "valid" : m.error().to_string();
}

struct Case {
  std::string_view wat;
  std::string_view error;  // the beginning of it
};

void check(std::span<const Case> cases) {
  for (const Case& c : cases) {
    const std::string error = error_of(c.wat);
    EXPECT_TRUE(error.starts_with(c.error)) << c.wat << "\n  got: " << error << "\n  not: " << c.error;
  }
}

TEST(FunctionValidator, SaysWhatWasExpectedAndFound) {
  const Case cases[] = {
      {"(func (result i32) (i32.add (i32.const 1) (f32.const 2)))",
       "type mismatch: instruction requires [i32 i32] but stack has [i32 f32] (i32.add) in function 0 at offset 0x"},
      {"(func (i32.add (i32.const 1)) drop)",
       "type mismatch: instruction requires [i32 i32] but stack has [i32] (i32.add)"},
      {"(func (result i32))", "type mismatch: instruction requires [i32] but stack has [] (end)"},
      {"(func (i32.const 1))", "type mismatch: block requires [] but stack has [i32] (end)"},
      {"(func drop)", "type mismatch: instruction requires a value but stack has [] (drop)"},
      {"(func (local i32) local.get 1 drop)", "unknown local: 1 (the function has 1)"},
      {"(func br 1)", "unknown label: 1 (there are 1 labels here)"},
      {"(func call 7)", "unknown function: 7 (there are 1 functions)"},
      {"(func global.get 0 drop)", "unknown global: 0 (there are 0 globals)"},
      {"(func (i32.load (i32.const 0)) drop)", "unknown memory: 0 (there are 0 memories)"},
      {"(memory 1) (func (i32.load align=8 (i32.const 0)) drop)",
       "alignment must not be larger than natural: i32.load"},
      {"(memory 1 1 shared) (func (i32.atomic.load align=2 (i32.const 0)) drop)", "atomic alignment must be natural"},
      {"(memory 1) (func (i32.load offset=4294967296 (i32.const 0)) drop)", "offset out of range: 4294967296"},
      {"(memory i64 1) (func (i32.load (i32.const 0)) drop)",
       "type mismatch: instruction requires [i64] but stack has [i32] (i32.load)"},
      {"(global i32 (i32.const 0)) (func (global.set 0 (i32.const 1)))", "immutable global: 0"},
      {"(func (select (ref.null func) (ref.null func) (i32.const 0)) drop)", "type mismatch: select without a type"},
      {"(func (select (i32.const 1) (i64.const 1) (i32.const 0)) drop)",
       "type mismatch: select takes two values of one type, found [i32 i64]"},
      {"(func $f (ref.func $f) drop)", "undeclared function reference: function 0"},
      {"(func (v128.const i32x4 0 0 0 0) (i8x16.extract_lane_s 16) drop)", "invalid lane index: 16"},
      {"(func (if (result i32) (i32.const 1) (then (i32.const 1))) drop)",
       "type mismatch: block requires [i32] but stack has [] (end)"},
      {"(func (block $a (result i32) (block $b (br_table $a $b (i32.const 1) (i32.const 0))) unreachable) drop)",
       "type mismatch: br_table's labels differ in arity"},
      {"(func (throw 0))", "unknown tag: 0"},
      {"(table 1 funcref) (elem (i32.const 0) 4)", "unknown function: 4; in element segment 0"},
      {"(type (func)) (func (call_indirect (type 0) (i32.const 0)))", "unknown table: 0"},
  };
  check(cases);
}

TEST(FunctionValidator, GivesTheOffsetOfTheInstruction) {
  // magic 8, types 6, functions 4, code: id, size, count, body size, no locals: the body starts at 22
  auto m = load("(func (i32.const 1) (i64.const 2) i32.add drop)");
  ASSERT_FALSE(m.has_value());
  EXPECT_EQ(m.error().offset(), 8u + 6 + 4 + 5 + 4);
  EXPECT_EQ(m.error().function(), 0u);
}

TEST(FunctionValidator, UnreachableCodeTakesAnything) {
  const Case cases[] = {
      {"(func (result i32) unreachable)", "valid"},
      {"(func (result i32) unreachable i32.add)", "valid"},
      {"(func (result i32) unreachable f32.const 1 i32.add)",
       "type mismatch: instruction requires [i32 i32] but stack has [f32]"},
      {"(func unreachable drop drop select drop)", "valid"},
      {"(func (result i64) (return (i64.const 1)) select)", "valid"},
      {"(func unreachable ref.as_non_null drop ref.is_null drop)", "valid"},
      {"(func (block (result i32) br 0) drop)", "type mismatch"},
      {"(func (block (result i32) unreachable br_if 0) drop)", "valid"},
      {"(func unreachable any.convert_extern extern.convert_any drop)", "valid"},
      {"(type $a (array i32)) (func unreachable array.get $a i64.eqz drop)", "type mismatch"},
  };
  check(cases);
}

TEST(FunctionValidator, TracksLocalsWithoutDefault) {
  const Case cases[] = {
      {"(type $t (func)) (func (local (ref $t)) local.get 0 drop)", "uninitialized local: 0"},
      {"(type $t (func)) (func (param (ref $t)) (local (ref $t)) local.get 0 local.set 1 local.get 1 drop)", "valid"},
      {"(type $t (func)) (func (param (ref $t)) (local (ref $t)) (block local.get 0 local.set 1) local.get 1 drop)",
       "uninitialized local: 1"},
      {"(type $t (func)) (func (param (ref $t)) (local (ref $t)) (block local.get 0 local.tee 1 drop local.get 1 "
       "drop))",
       "valid"},
      {"(type $t (func)) (func (param (ref $t)) (local (ref $t)) "
       "(if (i32.const 1) (then local.get 0 local.set 1) (else local.get 1 drop)))",
       "uninitialized local: 1"},
  };
  check(cases);
}

TEST(FunctionValidator, FindsTypesOfManyLocals) {
  // More than are kept one by one.
  std::string wat = "(func (param i64) (result f32) (local ";
  for (int i = 0; i < 600; ++i) wat += "i32 ";
  wat += ") (local f32 f64) ";
  const Case cases[] = {{"local.get 601)", "valid"},
                        {"local.get 600)", "type mismatch: instruction requires [f32] but stack has [i32]"},
                        {"local.get 602)", "type mismatch: instruction requires [f32] but stack has [f64]"},
                        {"local.get 0)", "type mismatch: instruction requires [f32] but stack has [i64]"},
                        {"local.get 603)", "unknown local: 603 (the function has 603)"}};
  for (const Case& c : cases) {
    const std::string whole = wat + std::string(c.wat);
    const Case one[] = {{whole, c.error}};
    check(one);
  }
}

TEST(FunctionValidator, MeasuresFrames) {
  auto m = load(R"((func (param i32 v128) (local i64 i64)
      (i32.const 1) (i32.const 2) (i32.const 3) drop drop drop)
    (func (v128.const i32x4 0 0 0 0) drop))");
  ASSERT_TRUE(m.has_value()) << m.error().to_string();
  EXPECT_EQ(m->functions[0].local_slots, 5u);
  EXPECT_EQ(m->functions[0].stack_slots, 3u);
  EXPECT_EQ(m->functions[1].local_slots, 0u);
  EXPECT_EQ(m->functions[1].stack_slots, 2u);
}

TEST(FunctionValidator, LimitsFrames) {
  Options options;
  options.limits.function_slots = 5;
  EXPECT_TRUE(load("(func (local i32 i32) i32.const 1 i32.const 1 i32.const 1 drop drop drop)", options).has_value());
  auto m = load("(func (local i32 i32 i32) i32.const 1 i32.const 1 i32.const 1 drop drop drop)", options);
  ASSERT_FALSE(m.has_value());
  EXPECT_EQ(m.error().code(), ErrorCode::LimitExceeded);
  EXPECT_EQ(m.error().detail(), "slots of a function's frame: at most 5, found 6");

  // A stack that grows as fast as it can.
  std::string wat = "(type $f (func (result";
  for (int i = 0; i < 1000; ++i) wat += " i64";
  wat += "))) (func $f (type $f) unreachable) (func ";
  for (int i = 0; i < 100; ++i) wat += "call $f ";
  EXPECT_TRUE(error_of(wat + ")").starts_with("limit exceeded: operands of a function: at most 60000"))
      << error_of(wat + ")");
  options = {};
  options.limits.nesting_depth = 3;
  EXPECT_TRUE(load("(func (block (block)))", options).has_value());
  EXPECT_FALSE(load("(func (block (block (block))))", options).has_value());
}

TEST(FunctionValidator, ChecksReferenceInstructions) {
  const Case cases[] = {
      {"(type $s (struct (field i32))) (func (result (ref $s)) (struct.new $s (i32.const 1)))", "valid"},
      {"(type $s (struct (field i32))) (func (struct.set $s 0 (ref.null $s) (i32.const 1)))", "immutable field: 0"},
      {"(type $s (struct (field i8))) (func (param (ref $s)) (result i32) (struct.get $s 0 (local.get 0)))",
       "field is packed: 0"},
      {"(type $s (struct (field i32))) (func (param (ref $s)) (result i32) (struct.get_s $s 0 (local.get 0)))",
       "field is unpacked: 0"},
      {"(type $s (struct (field (ref func)))) (func (struct.new_default $s) drop)", "type is not defaultable: field 0"},
      {"(type $s (struct)) (func (struct.get $s 0 (ref.null $s)) drop)", "unknown field: 0"},
      {"(type $f (func)) (func (struct.new $f) drop)",
       "type mismatch: type 0 is a function type, expected a struct type"},
      {"(type $a (array i32)) (func (array.set $a (ref.null $a) (i32.const 0) (i32.const 0)))", "immutable array: 0"},
      {"(type $a (array (mut i32))) (type $b (array i64)) (func (array.copy $a $b (ref.null $a) (i32.const 0) "
       "(ref.null $b) (i32.const 0) (i32.const 0)))",
       "array types do not match: 1 cannot be copied into 0"},
      {"(type $a (array (ref null func))) (data \"x\") (func (array.new_data $a 0 (i32.const 0) (i32.const 0)) drop)",
       "array type is not numeric or vector"},
      {"(func (param anyref) (result i32) (ref.test (ref i31) (local.get 0)))", "valid"},
      {"(func (param funcref) (result i32) (ref.test (ref i31) (local.get 0)))", "type mismatch"},
      {"(func (param anyref) (block (result (ref i31)) (br_on_cast 0 anyref (ref i31) (local.get 0)) unreachable) "
       "drop)",
       "valid"},
      {"(func (param anyref) (block (result (ref i31)) (br_on_cast 0 (ref i31) anyref (local.get 0)) unreachable) "
       "drop)",
       "type mismatch: br_on_cast casts to anyref"},
      {"(func (param anyref) (result (ref any)) (block (result anyref) (br_on_cast_fail 0 anyref (ref any) (local.get "
       "0)) return) "
       "unreachable)",
       "valid"},
      {"(func (param funcref) (block (br_on_null 0 (local.get 0)) drop))", "valid"},
      {"(func (param funcref) (block (result (ref func)) (br_on_non_null 0 (local.get 0)) unreachable) drop)", "valid"},
  };
  check(cases);
}

TEST(FunctionValidator, ChecksExceptionsAndTailCalls) {
  const Case cases[] = {
      {"(tag (param i32)) (func (result i32) (block (result i32) (try_table (catch 0 0) unreachable) unreachable))",
       "valid"},
      {"(tag (param i32)) (func (block (try_table (catch 0 0))))",
       "type mismatch: catch clause 0 passes [i32] but label 0 takes []"},
      {"(func (result exnref) (block (result (ref exn)) (try_table (catch_all_ref 0)) unreachable))", "valid"},
      {"(func (throw_ref (ref.null func)))", "type mismatch: instruction requires [exnref] but stack has [funcref]"},
      {"(func $f (result i32) (return_call $g)) (func $g (result i32) (i32.const 0))", "valid"},
      {"(func $f (result i32) (return_call $g)) (func $g)",
       "type mismatch: the function returns [i32] but the one called []"},
      {"(func (rethrow 0))", "invalid rethrow label"},
      {"(func (try (do) (catch 0)))", "unknown tag: 0"},
  };
  check(cases);
}

TEST(ModuleValidator, ChecksDeclarations) {
  const Case cases[] = {
      {"(memory 65537)", "memory size must be at most 65536 pages (4GiB): 65537; in memory 0"},
      {"(memory i64 0x1000000000001)", "memory size must be at most 2^48 pages"},
      {"(memory 2 1)", "size minimum must not be greater than maximum: 2 and 1"},
      {"(memory 1 shared)", "shared memory must have maximum"},
      {"(memory 1 (pagesize 2))", "invalid custom page size: 2^1"},
      {"(table 1 (ref func))", "type mismatch: elements of type (ref func) need an initial value; in table 0"},
      {"(func) (export \"a\" (func 0)) (export \"a\" (func 0))", "duplicate export name: \"a\""},
      {"(export \"a\" (func 0))", "unknown function: 0; in export \"a\""},
      {"(func (param i32)) (start 0)", "start function: 0 has the type [i32] -> []"},
      {"(type $t (func (result i32))) (tag (type $t))", "non-empty tag result type: [i32]"},
      {"(global i32 (i64.const 0))", "type mismatch"},
      {"(global i32 (i32.ctz (i32.const 0)))", "constant expression required: i32.ctz is not constant"},
      {"(global (mut i32) (i32.const 0)) (global i32 (global.get 0))",
       "constant expression required: global 0 is mutable"},
      {"(global i32 (global.get 1)) (global i32 (i32.const 0))", "unknown global: 1"},
      {"(global i32 (i32.const 0)) (global i32 (i32.add (global.get 0) (i32.const 1)))", "valid"},
      {"(func $f) (global funcref (ref.func $f)) (func (ref.func $f) drop)", "valid"},
      {"(data (i32.const 0) \"x\")", "unknown memory: 0; in data segment 0"},
      {"(type (sub 1 (func))) (type (func))", "unknown type: 1"},
      {"(type (func)) (type (sub 0 (func)))", "sub type: 1 does not match super type 0, which is final"},
      {"(type (sub (func))) (type (sub 0 (func (param i32))))", "sub type: 1 does not match super type 0"},
      {"(type (sub (struct (field (mut anyref))))) (type (sub 0 (struct (field (mut eqref)))))", "sub type"},
      {"(type (sub (struct (field anyref)))) (type (sub 0 (struct (field eqref) (field i32))))", "valid"},
      {"(type (struct (field (ref 1)))) (type (struct))", "unknown type: 1; in type 0"},
  };
  check(cases);
}

TEST(ModuleValidator, NamesTheFeatureThatIsSwitchedOff) {
  const std::pair<Feature, std::string_view> cases[] = {
      {Feature::SignExtension, "(func (i32.extend8_s (i32.const 0)) drop)"},
      {Feature::SaturatingFloatToInt, "(func (i32.trunc_sat_f32_s (f32.const 0)) drop)"},
      {Feature::MultiValue, "(func (result i32 i32) unreachable)"},
      {Feature::MultiValue, "(func (i32.const 0) (block (param i32) drop))"},
      {Feature::BulkMemory, "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))"},
      {Feature::ReferenceTypes, "(func (param externref))"},
      {Feature::Simd, "(func (param v128))"},
      {Feature::RelaxedSimd, "(func (param v128) (f32x4.relaxed_min (local.get 0) (local.get 0)) drop)"},
      {Feature::TailCall, "(func return_call 0)"},
      {Feature::Gc, "(func (param anyref))"},
      {Feature::Exceptions, "(func (param exnref))"},
      {Feature::LegacyExceptions, "(func (try (do)))"},
      {Feature::Threads, "(func atomic.fence)"},
      {Feature::WideArithmetic, "(func (i64.mul_wide_s (i64.const 0) (i64.const 0)) drop drop)"},
      {Feature::MutableGlobal, "(import \"a\" \"b\" (global (mut i32)))"},
      {Feature::MutableGlobal, "(global (export \"a\") (mut i32) (i32.const 0))"},
  };
  for (const auto& [feature, wat] : cases) {
    EXPECT_EQ(error_of(wat), "valid");
    wasm::FeatureSet features;
    features.disable(feature);
    const std::string error = error_of(wat, features);
    EXPECT_TRUE(error.starts_with("feature is switched off")) << wat << ": " << error;
    EXPECT_NE(error.find("needs the feature " + std::string(wasm::feature_name(feature))), std::string::npos) << error;
  }
  wasm::FeatureSet features;
  features.disable(Feature::MultiMemory);
  EXPECT_TRUE(error_of("(memory 1) (memory 1)", features).starts_with("multiple memories"));
  features = {};
  features.disable(Feature::ExtendedConst);
  EXPECT_TRUE(error_of("(global i32 (i32.add (i32.const 0) (i32.const 0)))", features)
                  .starts_with("constant expression required: i32.add needs the feature extended-const"));
}

std::string many_functions(int count, std::initializer_list<int> bad) {
  std::string wat;
  for (int i = 0; i < count; ++i)
    wat += std::ranges::count(bad, i) != 0 ? "(func (result i32) i64.const 0)" : "(func (result i32) i32.const 0)";
  return wat;
}

TEST(ModuleValidator, FindsTheFirstErrorWithAnyNumberOfThreads) {
  Options options;
  for (const u32 threads : {1u, 2u, 8u}) {
    options.threads = threads;
    EXPECT_TRUE(load(many_functions(2000, {}), options).has_value());
    auto m = load(many_functions(2000, {777, 778, 1500, 1999}), options);
    ASSERT_FALSE(m.has_value());
    EXPECT_EQ(m.error().function(), 777u);
  }
}

// Validates each part as it is decoded.
struct Loader : decode::DecodeObserver {
  std::optional<ModuleValidator> validator;
  ModuleValidator& at(Module& m) {
    if (!validator) validator.emplace(m, Options{});
    return *validator;
  }
  Result<> on_section(Module& m, wasm::SectionId id) override {
    return id == wasm::SectionId::Type ? at(m).types() : Result<>();
  }
  Result<> on_code_start(Module& m) override { return at(m).declarations(); }
  Result<> on_body(Module& m, FuncIdx f) override { return at(m).function(f); }
  Result<> on_end(Module& m) override { return at(m).finish(); }
};

TEST(ModuleValidator, WorksWhileTheModuleArrives) {
  for (std::string_view wat : {"(memory 1) (global i32 (i32.const 1)) (func (export \"f\") (result i32) (global.get "
                               "0)) (data (i32.const 0) \"x\")",
                               "(func (result i32) i64.const 0) (func)", "(memory 1) (data (i64.const 0) \"x\")",
                               "(type (func)) (type (sub 0 (func)))", "(global i32 (i64.const 0)) (func)",
                               "(tag) (func (try (do (throw 0)) (catch 0 (rethrow 0))))", ""}) {
    const std::vector<u8> bytes = assemble(wat);
    const std::string want = error_of(wat);
    for (const size_t piece : {size_t{1}, size_t{3}, bytes.size()}) {
      Loader loader;
      decode::StreamDecoder decoder({}, {}, &loader);
      Result<> pushed;
      for (size_t at = 0; at < bytes.size() && pushed; at += piece)
        pushed = decoder.push(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
      std::string got = "valid";
      if (!pushed) {
        got = pushed.error().to_string();
      } else if (auto m = decoder.finish(); !m) {
        got = m.error().to_string();
      }
      EXPECT_EQ(got, want) << wat;
    }
  }
}

}  // namespace
}  // namespace berth::validate
