// A look into an ELF file of this machine's word size and byte order that our own linker made: its offsets are
// trusted, it is not for files from elsewhere. Refers to the bytes that it was made of. Plain values.
#pragma once

#include <elf.h>

#include <span>
#include <string_view>

#include "base/types.h"

namespace berth::compiler {

class ElfView {
 public:
  explicit ElfView(std::span<const u8> file) : file_(file) {}

  std::span<const u8> file() const { return file_; }
  const Elf64_Ehdr& header() const { return *at<Elf64_Ehdr>(0); }
  std::span<const Elf64_Phdr> segments() const { return {at<Elf64_Phdr>(header().e_phoff), header().e_phnum}; }
  std::span<const Elf64_Shdr> sections() const { return {at<Elf64_Shdr>(header().e_shoff), header().e_shnum}; }
  std::string_view name(const Elf64_Shdr& section) const {
    return text(sections()[header().e_shstrndx], section.sh_name);
  }
  // Null when there is none of that name.
  const Elf64_Shdr* section(std::string_view wanted) const {
    for (const Elf64_Shdr& s : sections()) {
      if (name(s) == wanted) return &s;
    }
    return nullptr;
  }
  std::span<const u8> contents(const Elf64_Shdr& section) const {
    return section.sh_type == SHT_NOBITS ? std::span<const u8>() : file_.subspan(section.sh_offset, section.sh_size);
  }
  // Empty when there is none of that name.
  std::span<const u8> contents(std::string_view wanted) const {
    const Elf64_Shdr* found = section(wanted);
    return found ? contents(*found) : std::span<const u8>();
  }
  // Of section `.symtab`.
  std::span<const Elf64_Sym> symbols() const {
    const Elf64_Shdr* table = section(".symtab");
    if (!table) return {};
    return {at<Elf64_Sym>(table->sh_offset), table->sh_size / sizeof(Elf64_Sym)};
  }
  std::string_view name(const Elf64_Sym& symbol) const {
    return text(sections()[section(".symtab")->sh_link], symbol.st_name);
  }

 private:
  template <typename T>
  const T* at(u64 offset) const {
    return reinterpret_cast<const T*>(file_.data() + offset);
  }
  std::string_view text(const Elf64_Shdr& strings, u64 offset) const {
    return reinterpret_cast<const char*>(file_.data() + strings.sh_offset + offset);
  }

  std::span<const u8> file_;
};

}  // namespace berth::compiler
