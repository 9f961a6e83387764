#include "text/source_map.h"

namespace berth::text {

LineColumn line_column(std::string_view source, u64 offset) {
  offset = std::min<u64>(offset, source.size());
  LineColumn at;
  size_t line_start = 0;
  for (size_t i = 0; i < offset; ++i) {
    if (source[i] == '\n' || (source[i] == '\r' && !(i + 1 < source.size() && source[i + 1] == '\n'))) {
      ++at.line;
      line_start = i + 1;
    }
  }
  at.column = static_cast<u32>(offset - line_start + 1);
  return at;
}

}  // namespace berth::text
