#include "decode/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "text/parser.h"

namespace berth::decode {
namespace {

using wasm::Feature;
using wasm::Module;
using wasm::SectionId;

std::vector<u8> assemble(std::string_view wat) {
  auto parsed = text::parse_module(wat);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().to_string());
  return parsed ? std::move(parsed->binary) : std::vector<u8>{};
}

// A module of the sections given, each with its id and its size.
std::vector<u8> module_of(std::initializer_list<std::vector<u8>> sections) {
  std::vector<u8> out = {0, 'a', 's', 'm', 1, 0, 0, 0};
  for (const auto& s : sections) out.insert(out.end(), s.begin(), s.end());
  return out;
}

constexpr std::string_view kLarge = R"((module
  (type $s (sub (struct (field i32) (field (mut i8)))))
  (rec (type $f (func (param i32 (ref null $s)) (result i64))) (type $a (array (mut f64))))
  (import "env" "f" (func $imp (param i32)))
  (import "env" "m" (memory 1 2))
  (import "env" "g" (global $gi i32))
  (table $t 3 10 funcref)
  (table 2 (ref null $f) (ref.null $f))
  (memory $m i64 1)
  (tag $e (param i32))
  (global $g (mut i32) (i32.add (global.get $gi) (i32.const 2)))
  (export "run" (func $run))
  (export "mem" (memory $m))
  (start $run)
  (elem (table $t) (i32.const 0) func $run $imp)
  (elem declare func $run)
  (elem funcref (ref.func $run) (ref.null func))
  (data (memory $m) (i64.const 8) "hello")
  (data $p "passive")
  (func $run (local i32 f64 v128)
    (local.set 0 (i32.const 1000000))
    (block $b (br_if $b (local.get 0)))
    (memory.init $m $p (i64.const 0) (i32.const 0) (i32.const 7)))
  (func (param i32) (result i32) (local.get 0))
  (@custom "extra" (after func) "payload")
))";

TEST(Decoder, ReadsEverySection) {
  auto m = decode_module(assemble(kLarge));
  ASSERT_TRUE(m.has_value()) << m.error().to_string();
  EXPECT_GE(m->types.size(), 4u);
  EXPECT_FALSE(m->types[0].is_final);
  EXPECT_EQ(m->types[1].group_size, 2u);
  EXPECT_EQ(m->types[2].group_start, 1u);
  EXPECT_EQ(m->types[0].strct.fields[1].packed, wasm::Packed::I8);
  EXPECT_EQ(m->imports.size(), 3u);
  EXPECT_EQ(m->imports[1].kind, wasm::ExternKind::Memory);
  EXPECT_EQ(m->functions.size(), 3u);
  EXPECT_EQ(m->imported_functions, 1u);
  EXPECT_EQ(m->tables.size(), 2u);
  EXPECT_EQ(m->tables[0].type.limits.max, 10u);
  EXPECT_TRUE(m->tables[1].init.has_value());
  EXPECT_TRUE(m->memories[1].type.is_64);
  EXPECT_EQ(m->tags.size(), 1u);
  EXPECT_EQ(m->globals.size(), 2u);
  EXPECT_EQ(m->exports.size(), 2u);
  EXPECT_EQ(m->start, wasm::FuncIdx(1));
  ASSERT_EQ(m->elems.size(), 3u);
  EXPECT_EQ(m->elems[1].mode, wasm::SegmentMode::Declarative);
  EXPECT_EQ(m->elems[2].size(), 2u);
  ASSERT_EQ(m->datas.size(), 2u);
  EXPECT_EQ(m->datas[0].bytes.size, 5u);
  EXPECT_EQ(m->data_count, 2u);
  const auto hello = m->range(m->datas[0].bytes);
  EXPECT_EQ(std::string(hello.begin(), hello.end()), "hello");
  const auto extra = std::ranges::find(m->customs, "extra", &wasm::CustomSection::name);
  ASSERT_NE(extra, m->customs.end());
  EXPECT_EQ(extra->after, SectionId::Function);
  EXPECT_EQ(m->body(wasm::FuncIdx(2)).back(), 0x0B);
}

// Decodes what is given in pieces, whose ends are at `cuts`.
Result<Module> decode_cut(std::span<const u8> bytes, const std::vector<size_t>& cuts,
                          const wasm::ModuleLimits& limits) {
  StreamDecoder decoder({}, limits);
  size_t done = 0;
  for (const size_t cut : cuts) {
    TRY(decoder.push(bytes.subspan(done, cut - done)));
    done = cut;
  }
  TRY(decoder.push(bytes.subspan(done)));
  return decoder.finish();
}

std::string outcome(const Result<Module>& m) {
  if (!m) return m.error().to_string();
  return "module of " + std::to_string(m->bytes.size()) + " bytes, " + std::to_string(m->functions.size()) +
         " functions, last body at " + std::to_string(m->functions.empty() ? 0 : m->functions.back().body.offset) +
         ", " + std::to_string(m->customs.size()) + " customs, " + std::to_string(m->elems.size()) + " elems";
}

void check_every_cut(const std::vector<u8>& bytes, const wasm::ModuleLimits& limits = {}) {
  const std::string want = outcome(decode_module(std::vector(bytes), {}, limits));
  for (size_t size = 1; size <= bytes.size(); size = size < 16 ? size + 1 : size * 2) {
    std::vector<size_t> cuts;
    for (size_t at = size; at < bytes.size(); at += size) cuts.push_back(at);
    ASSERT_EQ(outcome(decode_cut(bytes, cuts, limits)), want) << "in pieces of " << size;
  }
  for (size_t at = 0; at <= bytes.size(); ++at)
    ASSERT_EQ(outcome(decode_cut(bytes, {at}, limits)), want) << "cut at " << at;
}

TEST(StreamDecoder, DoesNotDependOnHowTheBytesAreCut) { check_every_cut(assemble(kLarge)); }

TEST(DecodeKnownModule, TakesBodiesFromWhereTheyWere) {
  const std::vector<u8> whole = assemble(kLarge);
  const auto module = decode_module(std::vector(whole));
  ASSERT_TRUE(module);
  std::vector<wasm::Range> bodies;
  for (const auto& f : std::span(module->functions).subspan(module->imported_functions)) bodies.push_back(f.body);
  ASSERT_FALSE(bodies.empty());
  EXPECT_EQ(outcome(decode_known_module(std::vector(whole), bodies, {}, {})), outcome(*module));
  auto fewer = bodies;
  fewer.pop_back();
  if (!fewer.empty()) EXPECT_FALSE(decode_known_module(std::vector(whole), fewer, {}, {}));
  auto far = bodies;
  far.back().size += static_cast<u32>(whole.size());
  EXPECT_FALSE(decode_known_module(std::vector(whole), far, {}, {}));
  auto before = bodies;
  before[0].offset = 0;
  EXPECT_FALSE(decode_known_module(std::vector(whole), before, {}, {}));
}

TEST(StreamDecoder, FailsAlikeHoweverTheBytesAreCut) {
  const std::vector<u8> whole = assemble(kLarge);
  for (size_t size = 0; size < whole.size(); size += 3) {
    const std::vector<u8> truncated(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const std::string want = outcome(decode_module(std::vector(truncated)));
    for (size_t at = 0; at <= size; at += 5)
      ASSERT_EQ(outcome(decode_cut(truncated, {at}, {})), want) << size << " " << at;
  }
  for (size_t at = 8; at < whole.size(); ++at) {
    std::vector<u8> damaged = whole;
    damaged[at] ^= static_cast<u8>(1 + at % 255);
    const std::string want = outcome(decode_module(std::vector(damaged)));
    for (size_t cut = at % 7; cut <= whole.size(); cut += 7) ASSERT_EQ(outcome(decode_cut(damaged, {cut}, {})), want);
    std::vector<size_t> each(damaged.size());
    for (size_t i = 0; i < each.size(); ++i) each[i] = i;
    ASSERT_EQ(outcome(decode_cut(damaged, each, {})), want);
  }
}

TEST(StreamDecoder, AppliesTheSizeLimitAlike) {
  const std::vector<u8> whole = assemble(kLarge);
  wasm::ModuleLimits limits;
  for (const u64 most : {u64{0}, u64{7}, u64{20}, u64{whole.size() - 1}, u64{whole.size()}}) {
    limits.module_bytes = most;
    check_every_cut(whole, limits);
  }
  limits.module_bytes = 20;
  EXPECT_EQ(decode_module(std::vector(whole), {}, limits).error().code(), ErrorCode::LimitExceeded);
}

// Says what it is told.
struct Recorder : DecodeObserver {
  std::string log;
  Result<> on_section(Module&, SectionId id) override {
    log += "s" + std::to_string(static_cast<int>(id)) + " ";
    return {};
  }
  Result<> on_code_start(Module&) override {
    log += "code ";
    return {};
  }
  Result<> on_body(Module& m, wasm::FuncIdx f) override {
    log += "f" + std::to_string(f.value) + " ";
    return m.body(f).empty() ? Result<>(fail(ErrorCode::UnknownFunction)) : Result<>();
  }
  Result<> on_end(Module&) override {
    log += "end";
    return {};
  }
};

TEST(StreamDecoder, TellsOfEachPartInOrder) {
  const std::vector<u8> whole = assemble(kLarge);
  Recorder all;
  ASSERT_TRUE(decode_module(std::vector(whole), {}, {}, &all).has_value());
  EXPECT_EQ(all.log, "s1 s2 s3 s4 s5 s13 s6 s7 s8 s9 s12 code f1 f2 s11 end");
  Recorder bytewise;
  StreamDecoder decoder({}, {}, &bytewise);
  for (const u8& b : whole) ASSERT_TRUE(decoder.push(std::span(&b, 1)).has_value());
  EXPECT_EQ(bytewise.log + "end", all.log);
  ASSERT_TRUE(decoder.finish().has_value());
  EXPECT_EQ(bytewise.log, all.log);
}

TEST(StreamDecoder, TellsOfABodyBeforeTheNextHasArrived) {
  const std::vector<u8> whole = assemble("(module (func) (func))");
  Recorder recorder;
  StreamDecoder decoder({}, {}, &recorder);
  // The second body and all after it are missing.
  ASSERT_TRUE(decoder.push(std::span(whole).first(8 + 6 + 5 + 3 + 3)).has_value());
  EXPECT_EQ(recorder.log, "s1 s3 code f0 ");
}

TEST(Decoder, ReportsWhatIsMalformedAndWhere) {
  struct Case {
    std::vector<u8> bytes;
    ErrorCode code;
    u64 offset;
  };
  const Case cases[] = {
      {{}, ErrorCode::UnexpectedEnd, 0},
      {{0, 'a', 's'}, ErrorCode::UnexpectedEnd, 3},
      {{'w', 'a', 's', 'm'}, ErrorCode::MagicHeader, 0},
      {{0, 'a', 's', 'm', 1, 0}, ErrorCode::UnexpectedEnd, 6},
      {{0, 'a', 's', 'm', 2, 0, 0, 0}, ErrorCode::UnknownVersion, 4},
      {{0, 'a', 's', 'm', 0x0D, 0, 1, 0}, ErrorCode::UnknownVersion, 4},
      {module_of({{14, 0}}), ErrorCode::MalformedSectionId, 8},
      {module_of({{1}}), ErrorCode::UnexpectedEnd, 9},
      {module_of({{1, 0x80}}), ErrorCode::UnexpectedEnd, 10},
      {module_of({{1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}}), ErrorCode::IntegerTooLarge, 13},
      {module_of({{1, 5, 0}}), ErrorCode::LengthOutOfBounds, 9},
      {module_of({{1, 2, 0, 0}}), ErrorCode::SectionSizeMismatch, 11},
      {module_of({{1, 1, 1}}), ErrorCode::UnexpectedEnd, 11},
      {module_of({{1, 2, 1, 0x40}}), ErrorCode::MalformedDefinitionType, 11},
      {module_of({{1, 4, 1, 0x60, 1, 0x20}}), ErrorCode::MalformedValueType, 13},
      {module_of({{1, 4, 1, 0x5E, 0x7F, 2}}), ErrorCode::MalformedMutability, 13},
      {module_of({{1, 5, 1, 0x50, 2, 0, 0}}), ErrorCode::SubTypeFinal, 12},
      {module_of({{2, 1, 0}, {1, 1, 0}}), ErrorCode::SectionOrder, 11},
      {module_of({{1, 1, 0}, {1, 1, 0}}), ErrorCode::SectionOrder, 11},
      {module_of({{6, 1, 0}, {13, 1, 0}}), ErrorCode::SectionOrder, 11},
      {module_of({{2, 4, 1, 0, 0, 5}}), ErrorCode::MalformedImportKind, 13},
      {module_of({{2, 3, 1, 9, 'a'}}), ErrorCode::LengthOutOfBounds, 11},
      {module_of({{2, 4, 1, 1, 0xFF, 0}}), ErrorCode::MalformedUtf8, 12},
      {module_of({{4, 3, 1, 0x70, 8}}), ErrorCode::MalformedLimitsFlags, 12},
      {module_of({{4, 3, 1, 0x7F, 0}}), ErrorCode::MalformedReferenceType, 11},
      {module_of({{4, 3, 1, 0x40, 1}}), ErrorCode::ZeroByteExpected, 12},
      {module_of({{5, 2, 1, 0x10}}), ErrorCode::MalformedLimitsFlags, 11},
      {module_of({{5, 4, 1, 8, 0, 64}}), ErrorCode::MalformedPageSize, 13},
      {module_of({{6, 4, 1, 0x7F, 2, 0}}), ErrorCode::MalformedMutability, 12},
      {module_of({{6, 5, 1, 0x7F, 0, 0x41, 0}}), ErrorCode::UnexpectedEnd, 15},
      {module_of({{6, 5, 1, 0x7F, 0, 0xFF, 0}}), ErrorCode::IllegalOpcode, 13},
      {module_of({{7, 4, 1, 0, 5, 0}}), ErrorCode::MalformedExportKind, 12},
      {module_of({{9, 2, 1, 8}}), ErrorCode::MalformedElementSegment, 11},
      {module_of({{9, 3, 1, 1, 1}}), ErrorCode::MalformedElementSegment, 12},
      {module_of({{11, 2, 1, 3}}), ErrorCode::MalformedDataSegment, 11},
      {module_of({{11, 4, 1, 1, 2, 0}}), ErrorCode::UnexpectedEnd, 14},
      {module_of({{12, 1, 1}}), ErrorCode::DataCountMismatch, 11},
      {module_of({{12, 1, 1}, {11, 1, 0}}), ErrorCode::DataCountMismatch, 13},
      {module_of({{13, 3, 1, 1, 0}}), ErrorCode::MalformedAttribute, 11},
      {module_of({{3, 2, 1, 0}}), ErrorCode::FunctionCodeMismatch, 12},
      {module_of({{10, 1, 1}}), ErrorCode::FunctionCodeMismatch, 10},
      {module_of({{3, 2, 1, 0}, {10, 2, 1, 5}}), ErrorCode::LengthOutOfBounds, 15},
      {module_of({{3, 2, 1, 0}, {10, 9, 1, 2, 0}}), ErrorCode::LengthOutOfBounds, 13},
      {module_of({{3, 2, 1, 0}, {10, 5, 1, 2, 0, 0x0B, 0}}), ErrorCode::SectionSizeMismatch, 18},
      {module_of({{0, 0}}), ErrorCode::UnexpectedEnd, 10},
      {module_of({{0, 2, 1, 0xC0}}), ErrorCode::MalformedUtf8, 11},
      {module_of({{0, 1, 3}}), ErrorCode::LengthOutOfBounds, 10},
  };
  for (const Case& c : cases) {
    auto m = decode_module(std::vector(c.bytes));
    ASSERT_FALSE(m.has_value()) << error_text(c.code);
    EXPECT_EQ(error_text(m.error().code()), error_text(c.code)) << m.error().to_string();
    EXPECT_EQ(m.error().offset(), c.offset) << m.error().to_string();
    check_every_cut(c.bytes);
  }
}

TEST(Decoder, AllocatesNothingForWhatIsOnlyDeclared) {
  // 900,000 of each, none present; the address sanitizer's limit or the clock would tell.
  const std::vector<u8> many = {0xA0, 0xF7, 0x36};
  for (const u8 id : {1, 2, 3, 4, 6, 7, 9, 11}) {
    std::vector<u8> section = {id, 3};
    section.insert(section.end(), many.begin(), many.end());
    auto m = decode_module(module_of({section}));
    ASSERT_FALSE(m.has_value());
  }
}

TEST(Decoder, NamesTheLimitThatWasExceeded) {
  wasm::ModuleLimits limits;
  limits.types = 1;
  auto m = decode_module(assemble("(module (type (func)) (type (func)))"), {}, limits);
  ASSERT_FALSE(m.has_value());
  EXPECT_EQ(m.error().code(), ErrorCode::LimitExceeded);
  EXPECT_EQ(m.error().detail(), "types: at most 1, found 2");
}

TEST(Decoder, NamesTheFeatureThatIsSwitchedOff) {
  const std::pair<Feature, std::string_view> cases[] = {
      {Feature::Gc, "(module (type (struct)))"},
      {Feature::Gc, "(module (rec (type (func)) (type (func))))"},
      {Feature::Memory64, "(module (memory i64 1))"},
      {Feature::Memory64, "(module (table i64 1 funcref))"},
      {Feature::Threads, "(module (memory 1 1 shared))"},
      {Feature::CustomPageSizes, "(module (memory 1 (pagesize 1)))"},
      {Feature::BulkMemory, "(module (data \"x\"))"},
      {Feature::FunctionReferences, "(module (table 1 funcref (ref.null func)))"},
  };
  for (const auto& [feature, wat] : cases) {
    wasm::FeatureSet features;
    ASSERT_TRUE(decode_module(assemble(wat), features).has_value()) << wat;
    features.disable(feature);
    auto m = decode_module(assemble(wat), features);
    ASSERT_FALSE(m.has_value()) << wat;
    EXPECT_EQ(m.error().code(), ErrorCode::FeatureDisabled);
    EXPECT_NE(m.error().detail().find(wasm::feature_name(feature)), std::string::npos) << m.error().to_string();
  }
}

}  // namespace
}  // namespace berth::decode
