#include "compiler/metadata.h"

#include <algorithm>
#include <string>

#include "compiler/code_lines.h"
#include "compiler/frame_tables.h"
#include "compiler/symbols.h"

namespace berth::compiler {
namespace {

std::unexpected<Error> mismatch(std::string what) {
  return fail(ErrorCode::CompilerFailed, "image and module do not fit: " + std::move(what));
}

Result<> place_symbols(std::span<const CodeSymbol> symbols, const wasm::Module& module, Metadata& out) {
  out.functions.resize(module.functions.size() - module.imported_functions);
  out.types.resize(module.types.size());
  for (const CodeSymbol& symbol : symbols) {
    u32* place = nullptr;
    switch (symbol.kind) {
      case CodeSymbol::Kind::Function:
        if (symbol.index >= module.imported_functions && symbol.index < module.functions.size()) {
          place = &out.functions[symbol.index - module.imported_functions];
        }
        break;
      case CodeSymbol::Kind::Enter:
        if (symbol.index < out.types.size()) place = &out.types[symbol.index].enter;
        break;
      case CodeSymbol::Kind::Exit:
        if (symbol.index < out.types.size()) place = &out.types[symbol.index].exit;
        break;
      case CodeSymbol::Kind::Loop:
        if (symbol.index < module.functions.size()) {
          place = &out.loops.emplace_back(symbol.index, symbol.wasm_offset, 0, 0).code;
        }
        break;
    }
    if (!place || *place != 0) return mismatch("a symbol of index " + std::to_string(symbol.index));
    *place = symbol.begin;
  }
  std::ranges::sort(out.loops, [](const abi::LoopEntry& a, const abi::LoopEntry& b) {
    return a.function != b.function ? a.function < b.function : a.wasm_offset < b.wasm_offset;
  });
  return {};
}

Result<> complete_types(const wasm::Module& module, Metadata& out) {
  for (u32 t = 0; t < out.types.size(); ++t) {
    if (module.types[t].kind != wasm::CompositeKind::Func) continue;
    if (t < module.canonical.size()) {
      const abi::TypeTrampolines& same = out.types[module.canonical[t].value];
      if (out.types[t].enter == 0) out.types[t].enter = same.enter;
      if (out.types[t].exit == 0) out.types[t].exit = same.exit;
    }
    if (out.types[t].enter == 0 || out.types[t].exit == 0)
      return mismatch("no trampolines for type " + std::to_string(t));
  }
  return {};
}

Result<> check_covered(std::span<const CodeSymbol> symbols, std::span<const CodeRange> covered) {
  size_t at = 0;
  for (const CodeSymbol& symbol : symbols) {
    while (at < covered.size() && covered[at].end <= symbol.begin) ++at;
    if (at == covered.size() || covered[at].begin > symbol.begin || covered[at].end < symbol.end) {
      return mismatch("no frame information for the symbol of index " + std::to_string(symbol.index));
    }
  }
  return {};
}

}  // namespace

Result<Metadata> read_metadata(std::span<const u8> image, const wasm::Module& module, bool partial) {
  const ElfView elf(image);
  const auto symbols = read_symbols(elf);
  Metadata out;
  TRY(place_symbols(symbols, module, out));
  TRY(complete_types(module, out));
  if (!partial) {
    const auto missing = std::ranges::find(out.functions, 0u);
    if (missing != out.functions.end()) {
      return mismatch("no code for function " +
                      std::to_string(missing - out.functions.begin() + module.imported_functions));
    }
  }

  auto frames = TRY(read_frame_tables(elf));
  TRY(check_covered(symbols, frames.covered));
  out.unwind = std::move(frames.rows);
  out.rules = std::move(frames.rules);
  out.landings = std::move(frames.landings);

  auto lines = TRY(read_code_lines(elf, symbols));
  out.line_blocks = std::move(lines.blocks);
  out.line_data = std::move(lines.data);
  out.inlined = std::move(lines.inlined);
  return out;
}

}  // namespace berth::compiler
