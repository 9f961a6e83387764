// Where bytes of a binary come from in the text it was made from. Plain values.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace berth::text {

// A place in a text, both counted from 1; columns count bytes.
struct LineColumn {
  u32 line = 1;
  u32 column = 1;
  friend bool operator==(LineColumn, LineColumn) = default;
};

// The place of byte `offset` of `source`; past the end, the end. Lines end in LF, CR or both.
LineColumn line_column(std::string_view source, u64 offset);

// Offsets in a binary, with the byte offset in the source of the instruction, type or field that
// starts there.
struct SourceMap {
  struct Entry {
    u32 binary;
    u32 source;
  };
  std::vector<Entry> entries;  // ascending by `binary`

  // Source offset of what the byte at `binary_offset` belongs to, if it is known.
  std::optional<u32> source_offset(u64 binary_offset) const {
    auto after = std::upper_bound(entries.begin(), entries.end(), binary_offset,
                                  [](u64 offset, const Entry& e) { return offset < e.binary; });
    if (after == entries.begin()) return std::nullopt;
    return std::prev(after)->source;
  }
};

}  // namespace berth::text
