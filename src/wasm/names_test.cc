#include "wasm/names.h"

#include <gtest/gtest.h>

namespace berth::wasm {
namespace {

Module with_custom(std::string name, std::vector<u8> payload) {
  Module m;
  m.bytes = std::move(payload);
  m.customs.push_back({std::move(name), {0, static_cast<u32>(m.bytes.size())}, SectionId::Custom});
  return m;
}

TEST(Names, ReadsEachSubsection) {
  const Module m = with_custom("name", {
                                           0,  4, 3, 'm', 'o', 'd',               // module
                                           1,  7, 2, 0,   1,   'a', 5, 1,   'b',  // functions 0 and 5
                                           2,  6, 1, 5,   1,   0,   1, 'x',       // local 0 of function 5
                                           4,  4, 1, 3,   1,   't',               // type 3
                                           42, 1, 0,                              // of a later specification
                                           10, 6, 1, 3,   1,   1,   1, 'f',       // field 1 of type 3
                                           11, 4, 1, 0,   1,   'e',               // tag 0
                                       });
  const Names names = Names::parse(m);
  EXPECT_EQ(names.module(), "mod");
  EXPECT_EQ(names.function(FuncIdx(0)), "a");
  EXPECT_EQ(names.function(FuncIdx(5)), "b");
  EXPECT_EQ(names.function(FuncIdx(1)), std::nullopt);
  EXPECT_EQ(names.local(FuncIdx(5), LocalIdx(0)), "x");
  EXPECT_EQ(names.local(FuncIdx(0), LocalIdx(0)), std::nullopt);
  EXPECT_EQ(names.type(TypeIdx(3)), "t");
  EXPECT_EQ(names.field(TypeIdx(3), 1), "f");
  EXPECT_EQ(names.tag(TagIdx(0)), "e");
}

TEST(Names, KeepsWhatPrecedesADefect) {
  const std::vector<u8> whole = {0, 4, 3, 'm', 'o', 'd', 1, 7, 2, 0, 1, 'a', 5, 1, 'b'};
  for (size_t size = 0; size <= whole.size(); ++size) {
    const Module m = with_custom("name", {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)});
    const Names names = Names::parse(m);
    EXPECT_EQ(names.module().has_value(), size >= 6) << size;
    EXPECT_EQ(names.function(FuncIdx(0)).has_value(), size >= 12) << size;
    EXPECT_EQ(names.function(FuncIdx(5)).has_value(), size >= 15) << size;
  }
}

TEST(Names, SortsWhatIsOutOfOrder) {
  const Module m = with_custom("name", {1, 10, 3, 7, 1, 'a', 2, 1, 'b', 7, 1, 'c'});
  const Names names = Names::parse(m);
  EXPECT_EQ(names.function(FuncIdx(7)), "a");
  EXPECT_EQ(names.function(FuncIdx(2)), "b");
}

TEST(BranchHints, AreReadAndMarked) {
  Module m = with_custom(std::string(kBranchHintSection), {1, 1, 2, 3, 1, 0, 9, 1, 1});
  m.functions.resize(2);
  mark_branch_hints(m);
  EXPECT_FALSE(m.functions[0].has_branch_hints);
  EXPECT_TRUE(m.functions[1].has_branch_hints);
  const auto hints = branch_hints(m);
  ASSERT_EQ(hints.size(), 1u);
  ASSERT_EQ(hints[0].hints.size(), 2u);
  EXPECT_EQ(hints[0].hints[0].offset, 3u);
  EXPECT_FALSE(hints[0].hints[0].likely);
  EXPECT_TRUE(hints[0].hints[1].likely);
}

TEST(BranchHints, OfFunctionsThatDoNotExistAreLeftOut) {
  const Module m = with_custom(std::string(kBranchHintSection), {1, 1, 1, 3, 1, 0});
  EXPECT_TRUE(branch_hints(m).empty());
  EXPECT_FALSE(check_branch_hints(m).has_value());
}

}  // namespace
}  // namespace berth::wasm
