#include "compiler/symbols.h"

#include <algorithm>
#include <charconv>

namespace berth::compiler {
namespace {

// Takes "[number]" off the end of a name.
std::optional<u32> take_index(std::string_view& name) {
  if (!name.ends_with(']')) return std::nullopt;
  const size_t open = name.rfind('[');
  if (open == std::string_view::npos) return std::nullopt;
  u32 value = 0;
  const char* last = name.data() + name.size() - 1;
  const auto [end, error] = std::from_chars(name.data() + open + 1, last, value);
  if (error != std::errc() || end != last) return std::nullopt;
  name = name.substr(0, open);
  return value;
}

}  // namespace

std::optional<CodeSymbol> parse_symbol(std::string_view name) {
  using Kind = CodeSymbol::Kind;
  const auto index = take_index(name);
  if (!index) return std::nullopt;
  if (!name.starts_with('.')) return CodeSymbol{Kind::Function, *index, 0, 0, 0};
  if (name == ".enter") return CodeSymbol{Kind::Enter, *index, 0, 0, 0};
  if (name == ".exit") return CodeSymbol{Kind::Exit, *index, 0, 0, 0};
  const auto function = take_index(name);
  if (function && name == ".loop") return CodeSymbol{Kind::Loop, *function, *index, 0, 0};
  return std::nullopt;
}

std::vector<CodeSymbol> read_symbols(const ElfView& image) {
  std::vector<CodeSymbol> out;
  const auto symbols = image.symbols();
  if (symbols.empty()) return out;
  const Elf64_Shdr& names = image.sections()[image.section(".symtab")->sh_link];
  const char* strings = reinterpret_cast<const char*>(image.contents(names).data());
  for (const Elf64_Sym& symbol : symbols) {
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
    auto parsed = parse_symbol(strings + symbol.st_name);
    if (!parsed) continue;
    parsed->begin = static_cast<u32>(symbol.st_value);
    parsed->end = static_cast<u32>(symbol.st_value + symbol.st_size);
    out.push_back(*parsed);
  }
  std::ranges::sort(out, {}, &CodeSymbol::begin);
  return out;
}

}  // namespace berth::compiler
