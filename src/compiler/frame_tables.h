// From the frame information of an image (.eh_frame, .gcc_except_table) to the tables of an artifact. Pure; linear
// in the size of the sections.
#pragma once

#include <vector>

#include "abi/artifact.h"
#include "base/result.h"
#include "compiler/elf_view.h"

namespace berth::compiler {

// A range of code with frame information.
struct CodeRange {
  u32 begin, end;
};

struct FrameTables {
  std::vector<CodeRange> covered;  // ascending
  std::vector<abi::UnwindRow> rows;
  std::vector<abi::UnwindRule> rules;
  std::vector<abi::LandingPad> landings;
};

// Fails with CompilerFailed when a frame cannot be described by an UnwindRule, or what is read makes no sense.
Result<FrameTables> read_frame_tables(const ElfView& image);

}  // namespace berth::compiler
