// Source lines of code offsets, read from the DWARF line tables that a module carries in its custom
// sections (DWARF versions 2 to 5, section 6.2; "DWARF for WebAssembly"). Pure functions over
// untrusted bytes: whatever is malformed yields fewer answers, never an error. Time is linear in
// the size of the line section, memory does not depend on it. Safe from any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "wasm/module.h"

namespace berth::engine {

struct SourceLine {
  std::string file;
  u32 line = 0;
  u32 column = 0;  // 0 when not known
  friend bool operator==(const SourceLine&, const SourceLine&) = default;
};

struct DwarfLineSections {
  std::span<const u8> line;          // .debug_line
  std::span<const u8> line_strings;  // .debug_line_str
  std::span<const u8> strings;       // .debug_str
};

// One answer for each of `addresses`, which count from the start of the code section's contents, in
// the order given.
std::vector<std::optional<SourceLine>> find_source_lines(const DwarfLineSections& sections,
                                                         std::span<const u64> addresses);

// The same for byte offsets in the module, as runtime::Frame has them.
std::vector<std::optional<SourceLine>> find_source_lines(const wasm::Module& module, std::span<const u64> code_offsets);

}  // namespace berth::engine
