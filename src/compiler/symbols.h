// What the symbols of an image say: which code is whose. Naming: `<name>[i]` is function i of the module's function
// index space, `.enter[t]` and `.exit[t]` are the trampolines of type t, `.loop[i][o]` the entry into the loop of
// function i at byte o of the module. A function's name does not begin with a dot. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "compiler/elf_view.h"

namespace berth::compiler {

struct CodeSymbol {
  enum class Kind : u8 { Function, Enter, Exit, Loop };
  Kind kind;
  u32 index;        // of the function or the type
  u32 wasm_offset;  // of a loop
  u32 begin, end;   // code offsets
};

// Kind and indices of a symbol, no place; nullopt when it is none of ours.
std::optional<CodeSymbol> parse_symbol(std::string_view name);

// All of the image's, ascending by `begin`.
std::vector<CodeSymbol> read_symbols(const ElfView& image);

}  // namespace berth::compiler
