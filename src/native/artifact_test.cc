#include "native/artifact.h"

#include <gtest/gtest.h>

#include <fstream>

#include "native/testing.h"

namespace berth::native {
namespace {

using testing::ArtifactParts;
using testing::TemporaryFile;

constexpr u32 kText = ArtifactParts::kTextStart;

ArtifactParts small() {
  ArtifactParts parts;
  parts.code.assign(256, 0xC3);
  parts.functions = {kText, 0, kText + 32};
  parts.types = {{kText + 64, kText + 80}, {0, 0}};
  parts.rules = {{7, 8, {}}, {6, 16, {0, -16}}};
  parts.unwind = {{kText, 0}, {kText + 32, 1}, {kText + 64, abi::kNoRule}};
  parts.landings = {{kText + 40, kText + 45, kText + 50}};
  parts.lines = {{kText, 100, 0, 0}, {kText + 8, 200, 1, 1}, {kText + 16, abi::kNoLine, abi::kNoLine, 0}};
  parts.inlined = {{105, 0, 0}};
  parts.loops = {{0, 100, kText + 4, 0}, {2, 50, kText + 36, 0}};
  return parts;
}

std::string refusal(const std::vector<u8>& image, const ExpectedArtifact& expected = {}) {
  const TemporaryFile file(image);
  auto opened = Artifact::open(file.path(), expected);
  return opened ? "" : opened.error().to_string();
}
std::string refusal(const ArtifactParts& parts, const ExpectedArtifact& expected = {}) {
  return refusal(parts.image(), expected);
}

TEST(Artifact, AnswersWhatItsTablesSay) {
  const TemporaryFile file(small().image());
  auto opened = Artifact::open(file.descriptor(), "it", {});
  ASSERT_TRUE(opened) << opened.error().to_string();
  const Artifact& a = **opened;
  EXPECT_EQ(reinterpret_cast<u64>(a.function_code(0)), a.base() + kText);
  EXPECT_EQ(a.function_code(1), nullptr);
  EXPECT_EQ(reinterpret_cast<u64>(a.exit(0)), a.base() + kText + 80);
  EXPECT_EQ(a.enter(1), nullptr);
  EXPECT_EQ(*static_cast<const u8*>(a.function_code(2)), 0xC3);

  EXPECT_EQ(a.unwind_rule(a.base() + kText + 31)->cfa_register, 7u);
  EXPECT_EQ(a.unwind_rule(a.base() + kText + 32)->saved[1], -16);
  EXPECT_EQ(a.unwind_rule(a.base() + kText + 64), nullptr);
  EXPECT_EQ(a.unwind_rule(a.base()), nullptr);
  EXPECT_EQ(a.landing(a.base() + kText + 40), 0u);
  EXPECT_EQ(a.landing(a.base() + kText + 41), a.base() + kText + 50);
  EXPECT_EQ(a.landing(a.base() + kText + 45), a.base() + kText + 50);
  EXPECT_EQ(a.landing(a.base() + kText + 46), 0u);

  auto module = std::make_shared<wasm::Module>();
  module->functions.resize(3);
  std::vector<runtime::Frame> frames;
  a.append_frames(a.base() + kText + 9, false, module, frames);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].function, 1u);
  EXPECT_EQ(frames[0].code_offset, 200u);
  EXPECT_EQ(frames[1].function, 0u);
  EXPECT_EQ(frames[1].code_offset, 105u);
  frames.clear();
  a.append_frames(a.base() + kText + 8, true, module, frames);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].code_offset, 100u);
  frames.clear();
  a.append_frames(a.base() + kText + 20, false, module, frames);
  EXPECT_TRUE(frames.empty());

  EXPECT_EQ(reinterpret_cast<u64>(a.loop_code(2, 50)), a.base() + kText + 36);
  EXPECT_EQ(a.loop_code(2, 51), nullptr);
  EXPECT_EQ(a.loop_code(1, 50), nullptr);

  EXPECT_EQ(Artifact::containing(a.base() + kText), nullptr);
  Artifact::publish(*opened);
  EXPECT_EQ(Artifact::containing(a.base() + kText), &a);
  EXPECT_EQ(Artifact::containing(a.base() + kText + 256), nullptr);
  EXPECT_EQ(Artifact::containing(a.base()), nullptr);
}

TEST(Artifact, IsNeverWritableAndNeverAnonymous) {
  const TemporaryFile file(small().image());
  auto opened = Artifact::open(file.path(), {});
  ASSERT_TRUE(opened);
  std::ifstream maps("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(file.path()) == std::string::npos) continue;
    const std::string flags = line.substr(line.find(' ') + 1, 4);
    EXPECT_EQ(flags[1], '-') << line;
    found |= flags == "r-xp";
  }
#ifdef BERTH_EMULATED
  found = true;  // qemu keeps to itself what may be executed
#endif
  EXPECT_TRUE(found);
}

TEST(Artifact, ModulesWithoutFunctionsHaveNoText) {
  ArtifactParts parts;
  parts.segment_flags = PF_R;
  parts.code.assign(16, 0);
  const TemporaryFile file(parts.image());
  auto opened = Artifact::open(file.path(), {});
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_FALSE((*opened)->in_text((*opened)->base()));
}

TEST(Artifact, SpaceIsUsedAgain) {
  const TemporaryFile file(small().image());
  u64 base = 0;
  for (int i = 0; i < 3; ++i) {
    auto opened = Artifact::open(file.path(), {});
    ASSERT_TRUE(opened);
    if (base != 0) EXPECT_EQ((*opened)->base(), base);
    base = (*opened)->base();
  }
}

TEST(Artifact, ForeignOnesAreRefused) {
  EXPECT_NE(refusal(std::vector<u8>(100)), "");
  EXPECT_NE(refusal(std::vector<u8>()), "");
  EXPECT_NE(Artifact::open("/nonexistent", {}).error().to_string().find("/nonexistent"), std::string::npos);
  EXPECT_FALSE(Artifact::open("/tmp", {}));

  auto parts = small();
  parts.target = "pdp11-linux";
  EXPECT_NE(refusal(parts).find("pdp11-linux"), std::string::npos);
  parts = small();
  parts.cpu = "future +sse2 +xop +fma4 +tbm";
  EXPECT_NE(refusal(parts).find("needs the processor"), std::string::npos);
  parts = small();
  parts.segment_flags = PF_R | PF_W | PF_X;
  EXPECT_NE(refusal(parts), "");
  parts.segment_flags = PF_R;
  EXPECT_NE(refusal(parts), "");  // functions, but no text that they could lie in

  ExpectedArtifact expected;
  expected.module_digest.emplace();
  EXPECT_EQ(refusal(small(), expected), "");
  (*expected.module_digest)[31] = 1;
  EXPECT_NE(refusal(small(), expected).find("another module"), std::string::npos);
  expected = {};
  expected.options = abi::kCountsFuel;
  EXPECT_EQ(refusal(small(), expected), "");
  expected.option_mask = abi::kCountsFuel;
  EXPECT_NE(refusal(small(), expected), "");
  wasm::Module module;
  expected = {};
  expected.module = &module;
  EXPECT_NE(refusal(small(), expected), "");
}

TEST(Artifact, DamagedTablesAreRefused) {
  auto damaged = [](auto change) {
    auto image = small().image();
    change(ArtifactParts::header_of(image));
    return refusal(image);
  };
  EXPECT_NE(damaged([](auto& h) { h.magic[3] ^= 1; }), "");
  EXPECT_NE(damaged([](auto& h) { ++h.format; }), "");
  EXPECT_NE(damaged([](auto& h) { ++h.abi; }), "");
  EXPECT_NE(damaged([](auto& h) { ++h.file_bytes; }), "");
  EXPECT_NE(damaged([](auto& h) { ++h.defined_functions; }), "");
  for (auto table : {&abi::ArtifactHeader::target, &abi::ArtifactHeader::functions, &abi::ArtifactHeader::types,
                     &abi::ArtifactHeader::unwind, &abi::ArtifactHeader::rules, &abi::ArtifactHeader::landings,
                     &abi::ArtifactHeader::line_blocks, &abi::ArtifactHeader::line_data, &abi::ArtifactHeader::inlined,
                     &abi::ArtifactHeader::loops}) {
    EXPECT_NE(damaged([&](auto& h) { (h.*table).count = u64{1} << 62; }), "");
    EXPECT_NE(damaged([&](auto& h) { (h.*table).offset = u64{1} << 62; }), "");
    EXPECT_NE(damaged([&](auto& h) { ++(h.*table).offset; }), "");
  }
  auto wrong = [](auto change) {
    auto parts = small();
    change(parts);
    return refusal(parts);
  };
  EXPECT_NE(wrong([](auto& p) { p.functions[0] = kText - 1; }), "");
  EXPECT_NE(wrong([](auto& p) { p.functions[0] = kText + 256; }), "");
  EXPECT_NE(wrong([](auto& p) { p.types[0].enter = 1; }), "");
  EXPECT_NE(wrong([](auto& p) { p.unwind[1].begin = kText; }), "");
  EXPECT_NE(wrong([](auto& p) { p.unwind[1].rule = 2; }), "");
  EXPECT_NE(wrong([](auto& p) { p.landings[0].landing = 5; }), "");
  EXPECT_NE(wrong([](auto& p) { p.landings[0].end = kText + 40; }), "");
  EXPECT_NE(wrong([](auto& p) { p.landings.push_back({kText + 44, kText + 46, kText}); }), "");
  EXPECT_NE(wrong([](auto& p) { std::swap(p.loops[0], p.loops[1]); }), "");
  EXPECT_NE(wrong([](auto& p) { p.loops[0].code = 4; }), "");
}

TEST(Artifact, NoPrefixIsTaken) {
  const auto image = small().image();
  for (size_t size = 0; size < image.size(); size += size < 8192 ? 61 : 7)
    EXPECT_NE(refusal({image.begin(), image.begin() + static_cast<long>(size)}), "") << size;
}

TEST(Artifact, SurvivesAnyFlippedByte) {
  const auto image = small().image();
  for (size_t at = 0; at < image.size(); at += at >= 512 && at < 8192 ? 97 : 1) {
    auto changed = image;
    changed[at] ^= 0x81;
    const TemporaryFile file(changed);
    auto opened = Artifact::open(file.path(), {});
    if (!opened) continue;
    const Artifact& a = **opened;
    auto module = std::make_shared<wasm::Module>();
    module->functions.resize(3);
    std::vector<runtime::Frame> frames;
    for (u32 pc = 0; pc < 300; pc += 3) {
      (void)a.unwind_rule(a.base() + kText + pc);
      (void)a.landing(a.base() + kText + pc);
      a.append_frames(a.base() + kText + pc, true, module, frames);
    }
  }
}

}  // namespace
}  // namespace berth::native
