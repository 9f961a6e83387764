#include "fuzz/generator.h"

#include <gtest/gtest.h>

#include <array>
#include <iostream>
#include <random>

#include "decode/decoder.h"
#include "validate/validate.h"
#include "wasm/code_reader.h"

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

// Counts the instructions of function bodies.
struct OpCounter {
  std::array<u64, wasm::kOpCount> counts{};
  u32 open = 0;  // blocks, the function's own among them
  template <wasm::Op op>
  bool on(const wasm::ImmOf<op>&) {
    using wasm::Op;
    ++counts[static_cast<u32>(op)];
    if (op == Op::Block || op == Op::Loop || op == Op::If || op == Op::Try || op == Op::TryTable) ++open;
    if (op == Op::End || op == Op::Delegate) --open;
    return true;
  }
};

// Of the table of instructions, all.
TEST(ModuleGenerator, MakesEveryInstruction) {
  OpCounter counter;
  for (u32 seed = 0; seed < 3000; ++seed) {
    const auto module = decode::decode_module(generate_module(random_bytes(seed, 1500)));
    ASSERT_TRUE(module);
    for (const wasm::Function& function : module->functions) {
      if (function.body.size == 0) continue;
      // As it was made: decoding rewrites the older form of exception handling.
      wasm::CodeReader reader(
          std::span(module->bytes).subspan(function.is_translated ? function.original_offset : function.body.offset));
      for (u32 groups = reader.leb_u32(); groups > 0; --groups) {
        reader.leb_u32();
        reader.val_type();
      }
      counter.open = 1;
      while (counter.open > 0 && reader.ok()) wasm::decode_op(reader, counter);
      ASSERT_TRUE(reader.ok());
    }
  }
  u32 made = 0;
  for (u32 i = 0; i < wasm::kOpCount; ++i) {
    made += counter.counts[i] != 0;
    EXPECT_NE(counter.counts[i], 0) << wasm::kOpInfo[i].mnemonic();
  }
  std::cout << made << " of " << wasm::kOpCount << " instructions were made\n";
}

}  // namespace
}  // namespace berth::fuzz
