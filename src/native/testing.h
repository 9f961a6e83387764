// For this library's tests only: artifacts put together from code and tables.
#pragma once

#include <elf.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "abi/artifact.h"
#include "abi/line_table.h"
#include "base/result.h"
#include "native/processor.h"

namespace berth::native::testing {

// Fill in, then `image`. Code offsets count from the start of `code` with kTextStart added.
struct ArtifactParts {
  static constexpr u32 kTextStart = 4096;
  std::vector<u8> code;
  std::string target{this_target()}, cpu = "generic", compiler = "test";
  u32 options = 0;
  std::array<u8, 32> module_digest{};
  std::vector<u32> functions;
  std::vector<abi::TypeTrampolines> types;
  std::vector<abi::UnwindRow> unwind;
  std::vector<abi::UnwindRule> rules;
  std::vector<abi::LandingPad> landings;
  std::vector<abi::CodeLine> lines;
  std::vector<abi::InlinedCall> inlined;
  std::vector<abi::LoopEntry> loops;
  u32 segment_flags = PF_R | PF_X;

  std::vector<u8> image() const {
    std::vector<u8> file(kTextStart + ((code.size() + 4095) & ~size_t{4095}));
    std::memcpy(file.data() + kTextStart, code.data(), code.size());

    const size_t section = file.size();
    abi::ArtifactHeader header{};
    std::memcpy(header.magic, abi::kArtifactMagic, sizeof header.magic);
    header.format = abi::kArtifactFormat;
    header.abi = abi::kAbiVersion;
    std::memcpy(header.module_digest, module_digest.data(), 32);
    header.options = options;
    header.defined_functions = static_cast<u32>(functions.size());
    file.resize(section + sizeof header);
    auto add = [&](const auto& items) {
      file.resize((file.size() + 7) & ~size_t{7});
      const abi::ArtifactTable table{file.size() - section, items.size()};
      const auto* bytes = reinterpret_cast<const u8*>(items.data());
      file.insert(file.end(), bytes, bytes + items.size() * sizeof(items[0]));
      return table;
    };
    abi::LineEncoder encoder;
    for (const abi::CodeLine& line : lines) encoder.add(line);
    header.target = add(target);
    header.cpu = add(cpu);
    header.compiler = add(compiler);
    header.functions = add(functions);
    header.types = add(types);
    header.unwind = add(unwind);
    header.rules = add(rules);
    header.landings = add(landings);
    header.line_blocks = add(encoder.blocks());
    header.line_data = add(encoder.data());
    header.inlined = add(inlined);
    header.loops = add(loops);
    const size_t section_end = file.size();

    const std::string names = std::string("\0.berth\0.shstrtab\0", 18);
    const size_t names_at = file.size();
    file.insert(file.end(), names.begin(), names.end());
    file.resize((file.size() + 7) & ~size_t{7});
    Elf64_Shdr sections[3] = {};
    sections[1] = {1, SHT_PROGBITS, 0, 0, section, section_end - section, 0, 0, 8, 0};
    sections[2] = {8, SHT_STRTAB, 0, 0, names_at, names.size(), 0, 0, 1, 0};
    Elf64_Ehdr elf{};
    std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS64;
    elf.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.e_ident[EI_VERSION] = EV_CURRENT;
    elf.e_type = ET_DYN;
#if defined(__x86_64__)
    elf.e_machine = EM_X86_64;
#else
    elf.e_machine = EM_AARCH64;
#endif
    elf.e_version = EV_CURRENT;
    elf.e_phoff = sizeof elf;
    elf.e_shoff = file.size();
    elf.e_ehsize = sizeof elf;
    elf.e_phentsize = sizeof(Elf64_Phdr);
    elf.e_phnum = 2;
    elf.e_shentsize = sizeof(Elf64_Shdr);
    elf.e_shnum = 3;
    elf.e_shstrndx = 2;
    const Elf64_Phdr segments[2] = {
        {PT_LOAD, PF_R, 0, 0, 0, sizeof elf + 2 * sizeof(Elf64_Phdr), sizeof elf + 2 * sizeof(Elf64_Phdr), 4096},
        {PT_LOAD, segment_flags, kTextStart, kTextStart, kTextStart, code.size(), code.size(), 4096},
    };
    const auto* bytes = reinterpret_cast<const u8*>(sections);
    file.insert(file.end(), bytes, bytes + sizeof sections);
    std::memcpy(file.data(), &elf, sizeof elf);
    std::memcpy(file.data() + sizeof elf, segments, sizeof segments);
    header.file_bytes = file.size();
    std::memcpy(file.data() + section, &header, sizeof header);
    return file;
  }
  static abi::ArtifactHeader& header_of(std::vector<u8>& image) {
    u64 shoff;
    std::memcpy(&shoff, image.data() + offsetof(Elf64_Ehdr, e_shoff), sizeof shoff);
    Elf64_Shdr section;
    std::memcpy(&section, image.data() + shoff + sizeof section, sizeof section);
    return *reinterpret_cast<abi::ArtifactHeader*>(image.data() + section.sh_offset);
  }
};

// A file with the bytes, gone with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<u8>& bytes) {
    descriptor_ = mkstemp(path_);
    CHECK(descriptor_ >= 0 && write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~TemporaryFile() {
    close(descriptor_);
    unlink(path_);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  std::string path() const { return path_; }
  int descriptor() const { return descriptor_; }

 private:
  char path_[32] = "/tmp/berth-artifact-XXXXXX";
  int descriptor_;
};

}  // namespace berth::native::testing
