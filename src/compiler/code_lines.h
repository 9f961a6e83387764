// From the line tables and inlined calls of an image's debug information to the lines of an artifact. The debug
// information is LLVM's: a line number is a byte offset in the module, a DISubprogram's name ends like the symbol of
// its function, in `[i]`. (Its linkage name will do, but LLVM leaves that out of debug information of kind
// LineTablesOnly.) Pure.
#pragma once

#include <span>
#include <vector>

#include "abi/artifact.h"
#include "base/result.h"
#include "compiler/symbols.h"

namespace berth::compiler {

struct CodeLines {
  std::vector<abi::LineBlock> blocks;
  std::vector<u8> data;
  std::vector<abi::InlinedCall> inlined;
};

// `symbols` as read_symbols gives them. Without debug information there are no lines. Fails with CompilerFailed
// when the debug information makes no sense.
Result<CodeLines> read_code_lines(const ElfView& image, std::span<const CodeSymbol> symbols);

}  // namespace berth::compiler
