// The lines of an artifact (CodeLine): delta-encoded in blocks, which takes about a fifth of the plain table's
// room. Pure functions over bytes that the reader has authenticated; damaged data gives a wrong line, never an
// access outside of it.
//
// A line is, with numbers in LEB128: what `begin` grew by since the line before; then the zigzag difference of
// `wasm_offset` times 2, plus 1 when the scope changed, in which case `function` and `inlined_at` follow. Every
// block starts from {its `begin`, 0, kNoLine, 0}. A line of no origin has `function` kNoLine.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "abi/artifact.h"

namespace berth::abi {

inline constexpr u32 kLinesPerBlock = 64;

// Lines in ascending order become the two tables.
class LineEncoder {
 public:
  void add(const CodeLine& line) {
    if (count_++ % kLinesPerBlock == 0) {
      blocks_.push_back({line.begin, static_cast<u32>(data_.size())});
      last_ = {line.begin, 0, kNoLine, 0};
    }
    const bool scope = line.function != last_.function || line.inlined_at != last_.inlined_at;
    const i64 difference = i64{line.wasm_offset} - i64{last_.wasm_offset};
    const u64 zigzag = (static_cast<u64>(difference) << 1) ^ static_cast<u64>(difference >> 63);
    leb(line.begin - last_.begin);
    leb(zigzag << 1 | (scope ? 1 : 0));
    if (scope) {
      leb(line.function);
      leb(line.inlined_at);
    }
    last_ = line;
  }
  const std::vector<LineBlock>& blocks() const { return blocks_; }
  const std::vector<u8>& data() const { return data_; }

 private:
  void leb(u64 value) {
    for (; value >= 0x80; value >>= 7) data_.push_back(static_cast<u8>(value | 0x80));
    data_.push_back(static_cast<u8>(value));
  }

  std::vector<LineBlock> blocks_;
  std::vector<u8> data_;
  CodeLine last_{};
  u32 count_ = 0;
};

// The line that `offset` lies in; its `function` is kNoLine when there is none.
inline CodeLine find_line(std::span<const LineBlock> blocks, std::span<const u8> data, u32 offset) {
  constexpr CodeLine kNowhere = {0, kNoLine, kNoLine, 0};
  const auto after = std::ranges::upper_bound(blocks, offset, {}, &LineBlock::begin);
  if (after == blocks.begin()) return kNowhere;
  size_t at = (after - 1)->data;
  const size_t end = after == blocks.end() ? data.size() : std::min<size_t>(after->data, data.size());
  auto leb = [&] {
    u64 value = 0;
    for (u32 shift = 0; at < end && shift < 64; shift += 7) {
      const u8 byte = data[at++];
      value |= u64{byte & 0x7Fu} << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  CodeLine line = {(after - 1)->begin, 0, kNoLine, 0}, found = kNowhere;
  while (at < end) {
    line.begin += static_cast<u32>(leb());
    if (line.begin > offset) break;
    const u64 packed = leb();
    const u64 zigzag = packed >> 1;
    line.wasm_offset += static_cast<u32>((zigzag >> 1) ^ (0 - (zigzag & 1)));
    if (packed & 1) {
      line.function = static_cast<u32>(leb());
      line.inlined_at = static_cast<u32>(leb());
    }
    found = line;
  }
  return found;
}

}  // namespace berth::abi
