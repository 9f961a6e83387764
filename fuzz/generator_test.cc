#include "fuzz/generator.h"

#include <gtest/gtest.h>

#include <random>

#include "decode/decoder.h"
#include "validate/validate.h"

namespace berth::fuzz {
namespace {

std::vector<u8> random_bytes(u32 seed, size_t size) {
  std::mt19937 source(seed);
  std::vector<u8> bytes(size);
  for (u8& byte : bytes) byte = static_cast<u8>(source());
  return bytes;
}

// What is wrong with `binary`; empty for nothing.
std::string fault(std::vector<u8> binary) {
  auto module = decode::decode_module(std::move(binary));
  if (!module) return module.error().to_string();
  const auto valid = validate::validate_module(*module);
  return valid ? std::string() : valid.error().to_string();
}

TEST(ModuleGenerator, MakesAModuleOfNothing) { EXPECT_EQ(fault(generate_module({})), ""); }

TEST(ModuleGenerator, MakesValidModulesOfAnything) {
  for (u32 seed = 0; seed < 2000; ++seed) {
    const std::vector<u8> bytes = random_bytes(seed, seed % 1500);
    ASSERT_EQ(fault(generate_module(bytes)), "") << "seed " << seed;
  }
}

TEST(ModuleGenerator, IsAPureFunction) {
  const std::vector<u8> bytes = random_bytes(7, 900);
  EXPECT_EQ(generate_module(bytes), generate_module(bytes));
  EXPECT_GT(generate_module(bytes).size(), generate_module({}).size());
}

}  // namespace
}  // namespace berth::fuzz
