#include "abi/line_table.h"

#include <gtest/gtest.h>

namespace berth::abi {
namespace {

TEST(LineTable, FindsWhatWasEncoded) {
  std::vector<CodeLine> lines;
  u32 begin = 64;
  for (u32 i = 0; i < 1000; ++i) {
    const bool nowhere = i % 17 == 5;
    lines.push_back(
        {begin, nowhere ? kNoLine : 50'000'000 + i * 977 % 4000, nowhere ? kNoLine : i / 100, i % 7 / 5 * i});
    begin += 1 + i % 40 * 9;
  }
  LineEncoder encoder;
  for (const CodeLine& line : lines) encoder.add(line);
  for (size_t i = 0; i < lines.size(); ++i) {
    const u32 last = i + 1 < lines.size() ? lines[i + 1].begin - 1 : lines[i].begin;
    for (const u32 offset : {lines[i].begin, last}) {
      const CodeLine found = find_line(encoder.blocks(), encoder.data(), offset);
      EXPECT_EQ(found.begin, lines[i].begin);
      EXPECT_EQ(found.wasm_offset, lines[i].wasm_offset);
      EXPECT_EQ(found.function, lines[i].function);
      EXPECT_EQ(found.inlined_at, lines[i].inlined_at);
    }
  }
  EXPECT_EQ(find_line(encoder.blocks(), encoder.data(), 63).function, kNoLine);
  EXPECT_EQ(find_line({}, {}, 5).function, kNoLine);
}

TEST(LineTable, SurvivesDamage) {
  const LineBlock blocks[] = {{0, 0}, {10, 1'000'000}, {20, 2}};
  const u8 data[] = {0x80, 0x80, 0xFF, 0xFF};
  for (u32 offset = 0; offset < 40; ++offset) find_line(blocks, data, offset);
}

}  // namespace
}  // namespace berth::abi
