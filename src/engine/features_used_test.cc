#include "engine/features_used.h"

#include <gtest/gtest.h>

#include "engine/engine.h"

namespace berth::engine {
namespace {

std::string used(std::string_view text) {
  auto module = read_module({text.begin(), text.end()}, "t", {});
  if (!module) return module.error().message;
  std::string out;
  const auto features = features_used(**module);
  for (const auto& f : wasm::all_features()) {
    if (features.has(f.feature)) out += (out.empty() ? "" : " ") + std::string(f.name);
  }
  return out;
}

TEST(FeaturesUsed, SeesInstructionsTypesAndSegments) {
  EXPECT_EQ(used("(module (func (export \"f\") (result i32) (i32.const 1)))"), "");
  EXPECT_EQ(used("(module (func (drop (i32.extend8_s (i32.const 1)))))"), "sign-extension");
  EXPECT_EQ(used("(module (func (result i32 i32) (i32.const 1) (i32.const 2)))"), "multi-value");
  EXPECT_EQ(used("(module (func (local v128)))"), "simd");
  EXPECT_EQ(used("(module (memory 1) (memory 1))"), "multi-memory");
  EXPECT_EQ(used("(module (memory i64 1))"), "memory64");
  EXPECT_EQ(used("(module (memory 1 1 shared))"), "threads");
  EXPECT_EQ(used("(module (global (export \"g\") (mut i32) (i32.const 0)))"), "mutable-global");
  EXPECT_EQ(used("(module (global i32 (i32.add (i32.const 0) (i32.const 1))))"), "extended-const");
  EXPECT_EQ(used("(module (memory 1) (data \"x\"))"), "bulk-memory");
  EXPECT_EQ(used("(module (type (struct)))"), "gc");
  EXPECT_EQ(used("(module (tag))"), "exceptions");
  EXPECT_EQ(used("(module (func $f return_call $f))"), "tail-call");
}

}  // namespace
}  // namespace berth::engine
