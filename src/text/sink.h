// Bytes under construction together with where they come from. Plain values.
#pragma once

#include <vector>

#include "text/encoder.h"
#include "text/source_map.h"

namespace berth::text {

// Bytes and where they come from; the map's offsets count from the first of them.
struct Sink {
  Bytes bytes;
  std::vector<SourceMap::Entry> map;

  void mark(u32 source) { map.push_back({static_cast<u32>(bytes.size()), source}); }
  void clear() { bytes.clear(), map.clear(); }
  void append(const Sink& other) {
    const auto base = static_cast<u32>(bytes.size());
    for (const auto& e : other.map) map.push_back({e.binary + base, e.source});
    put_bytes(bytes, other.bytes);
  }
};
struct Section : Sink {
  u32 count = 0;
};

}  // namespace berth::text
