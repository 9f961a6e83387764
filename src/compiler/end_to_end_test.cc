// From text to artifacts: that what the code generator makes is what the reader of its objects expects.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "abi/line_table.h"
#include "compiler/compiler.h"
#include "compiler/cpu_features.h"
#include "compiler/elf_view.h"
#include "compiler/link.h"
#include "compiler/metadata.h"
#include "compiler/symbols.h"
#include "decode/decoder.h"
#include "text/parser.h"
#include "validate/validate.h"

namespace berth::compiler {
namespace {

constexpr const char* kCatches = R"((module
  (import "host" "f" (func $host (param i32) (result i32)))
  (memory 1)
  (tag $tag (param i32))
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func $throw (param i32) (throw $tag (local.get 0)))
  (func (export "main") (param i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $tag $caught)
        (drop (call $host (call $load (local.get 0))))
        (call $throw (local.get 0)))
      (i32.const 5)))))";

wasm::Module read(const char* source) {
  wasm::FeatureSet features;
  for (const auto& f : wasm::all_features()) features.enable(f.feature);
  text::ParseOptions options;
  options.features = features;
  auto parsed = text::parse_module(source, options);
  EXPECT_TRUE(parsed);
  auto module = decode::decode_module(std::move(parsed->binary), features, {});
  EXPECT_TRUE(module);
  EXPECT_TRUE(validate::validate_module(*module));
  return std::move(*module);
}

class EndToEnd : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Targets, EndToEnd, ::testing::Values("x86_64-linux", "aarch64-linux"), [](const auto& info) {
  return std::string(info.param).substr(0, std::string(info.param).find('-'));
});

TEST_P(EndToEnd, MetadataOfAModuleThatCatches) {
  const wasm::Module module = read(kCatches);
  for (const u32 level : {0u, 1u, 2u}) {
    Options options;
    options.target = GetParam();
    options.cpu = "generic";
    options.optimization = level;
    const auto objects = compile_objects(module, options);
    ASSERT_TRUE(objects) << objects.error().to_string();
    const auto image = link_image(*objects);
    ASSERT_TRUE(image) << image.error().to_string();
    const auto metadata = read_metadata(*image, module, false);
    ASSERT_TRUE(metadata) << metadata.error().to_string();
    EXPECT_EQ(metadata->functions.size(), 3u);
    EXPECT_FALSE(metadata->landings.empty());
    EXPECT_EQ(metadata->types.size(), module.types.size());
    // Some instruction stems from the load, and says so, inlined or not.
    bool load = false, inlined = false;
    const auto symbols = read_symbols(ElfView(*image));
    for (const CodeSymbol& symbol : symbols) {
      for (u32 at = symbol.begin; at < symbol.end; ++at) {
        const auto line = abi::find_line(metadata->line_blocks, metadata->line_data, at);
        if (line.function != 1) continue;
        const auto body = module.functions[1].body;
        EXPECT_GE(line.wasm_offset, body.offset);
        EXPECT_LT(line.wasm_offset, body.offset + body.size);
        load = true;
        inlined |= line.inlined_at != 0 && metadata->inlined.at(line.inlined_at - 1).function == 3;
      }
    }
    EXPECT_TRUE(load) << level;
    EXPECT_EQ(inlined, level > 1);
  }
}

// A deadline may find code anywhere.
TEST_P(EndToEnd, AllCodeOfAFunctionIsKnownToBeOfIt) {
  const wasm::Module module = read(R"((module
    (func (param i32) (loop (br_if 1 (local.get 0)) (br 0)))
    (func (loop (br 0)))
    (func (param i32) (result i32)
      (loop (result i32)
        (local.set 0 (i32.mul (local.get 0) (i32.const 5)))
        (br_if 0 (i32.rem_u (local.get 0) (i32.const 7)))
        (local.get 0)))))");
  for (const u32 level : {0u, 1u, 2u}) {
    Options options;
    options.target = GetParam();
    options.cpu = "generic";
    options.optimization = level;
    const auto objects = compile_objects(module, options);
    ASSERT_TRUE(objects) << objects.error().to_string();
    const auto image = link_image(*objects);
    ASSERT_TRUE(image) << image.error().to_string();
    const auto metadata = read_metadata(*image, module, false);
    ASSERT_TRUE(metadata) << metadata.error().to_string();
    u32 functions = 0;
    for (const CodeSymbol& symbol : read_symbols(ElfView(*image))) {
      if (symbol.kind != CodeSymbol::Kind::Function) continue;
      ++functions;
      const auto body = module.functions[symbol.index].body;
      for (u32 at = symbol.begin; at < symbol.end; ++at) {
        const auto line = abi::find_line(metadata->line_blocks, metadata->line_data, at);
        EXPECT_EQ(line.function, symbol.index) << at - symbol.begin << " at level " << level;
        EXPECT_GE(line.wasm_offset, body.offset);
        EXPECT_LT(line.wasm_offset, body.offset + body.size);
      }
    }
    EXPECT_EQ(functions, 3u);
  }
}

TEST_P(EndToEnd, PartialCodeLacksFunctions) {
  const wasm::Module module = read(kCatches);
  Options options;
  options.target = GetParam();
  options.cpu = "generic";
  options.functions = {2};
  const auto objects = compile_objects(module, options);
  ASSERT_TRUE(objects) << objects.error().to_string();
  const auto image = link_image(*objects);
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_FALSE(read_metadata(*image, module, false));
  const auto metadata = read_metadata(*image, module, true);
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_EQ(metadata->functions[0], 0u);
  EXPECT_NE(metadata->functions[1], 0u);
}

TEST_P(EndToEnd, AModuleOfNothingHasAnImage) {
  const wasm::Module module = read("(module)");
  Options options;
  options.target = GetParam();
  options.cpu = "generic";
  const auto objects = compile_objects(module, options);
  ASSERT_TRUE(objects) << objects.error().to_string();
  const auto image = link_image(*objects);
  ASSERT_TRUE(image) << image.error().to_string();
  const auto metadata = read_metadata(*image, module, false);
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_TRUE(metadata->functions.empty());
}

TEST(NeededCpu, ListsFeaturesThatCanBeAskedFor) {
  const auto baseline = needed_cpu({"x86_64-linux", "x86-64-v2", ""});
  ASSERT_TRUE(baseline);
  EXPECT_TRUE(baseline->starts_with("x86-64-v2 +"));
  EXPECT_NE(baseline->find("+sse4.2"), std::string::npos);
  EXPECT_EQ(baseline->find("avx"), std::string::npos);
  EXPECT_EQ(baseline->find("slow"), std::string::npos);
  EXPECT_NE(needed_cpu({"x86_64-linux", "x86-64-v2", "+avx2"})->find("+avx2"), std::string::npos);
  EXPECT_EQ(*needed_cpu({"aarch64-linux", "generic", ""}), "generic +fp-armv8 +neon");
  EXPECT_FALSE(needed_cpu({"x86_64-linux", "pentium-of-mine", ""}));
}

}  // namespace
}  // namespace berth::compiler
