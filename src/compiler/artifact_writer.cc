#include "compiler/artifact_writer.h"

#include <algorithm>
#include <cstring>

#include "abi/artifact.h"
#include "compiler/digest.h"
#include "compiler/elf_view.h"
#include "compiler/link.h"
#include "compiler/metadata.h"

namespace berth::compiler {
namespace {

constexpr u64 align_up(u64 value, u64 alignment) { return (value + alignment - 1) / alignment * alignment; }

// The contents of section `.berth`, with `digest`, `file_bytes` and `module_offset` left open.
std::vector<u8> make_section(const Metadata& metadata, const wasm::Module& module, const ArtifactOptions& options) {
  std::vector<u8> out(sizeof(abi::ArtifactHeader));
  auto table = [&]<typename T>(std::span<const T> items) {
    out.resize(align_up(out.size(), 8));
    const abi::ArtifactTable place{out.size(), items.size()};
    const auto* bytes = reinterpret_cast<const u8*>(items.data());
    out.insert(out.end(), bytes, bytes + items.size_bytes());
    return place;
  };
  auto items = [&]<typename T>(const std::vector<T>& v) { return table(std::span<const T>(v)); };
  auto chars = [&](const std::string& text) { return table(std::span<const char>(text)); };

  abi::ArtifactHeader header{};
  std::memcpy(header.magic, abi::kArtifactMagic, sizeof header.magic);
  header.format = abi::kArtifactFormat;
  header.abi = abi::kAbiVersion;
  const auto digest = sha256(module.bytes);
  std::ranges::copy(digest, header.module_digest);
  header.module_bytes = options.embed_module ? module.bytes.size() : 0;
  header.options = options.options;
  header.defined_functions = static_cast<u32>(metadata.functions.size());
  header.facts = (module.translated.empty() ? 0 : u32{abi::kTranslatedBodies}) |
                 (module.features_allowed == wasm::FeatureSet() ? 0 : u32{abi::kUnusualFeatures});
  header.target = chars(options.target);
  header.cpu = chars(options.cpu);
  header.compiler = chars(options.compiler);
  header.functions = items(metadata.functions);
  header.types = items(metadata.types);
  header.unwind = items(metadata.unwind);
  header.rules = items(metadata.rules);
  header.landings = items(metadata.landings);
  header.line_blocks = items(metadata.line_blocks);
  header.line_data = items(metadata.line_data);
  header.inlined = items(metadata.inlined);
  header.loops = items(metadata.loops);
  std::vector<abi::BodyPlace> bodies;
  if (module.translated.empty()) {
    for (const wasm::Function& f : std::span(module.functions).subspan(module.imported_functions))
      bodies.push_back({f.body.offset, f.body.size});
  }
  header.bodies = items(bodies);
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

// Lays a file out anew: what is loaded stays in place, sections of other kinds follow.
class FileWriter {
 public:
  explicit FileWriter(const ElfView& image) : image_(image) {
    u64 loaded = 0;
    for (const Elf64_Phdr& segment : image.segments()) {
      if (segment.p_type == PT_LOAD) loaded = std::max(loaded, segment.p_offset + segment.p_filesz);
    }
    const auto bytes = image.file().first(loaded);
    out_.assign(bytes.begin(), bytes.end());
    new_index_.resize(image.sections().size());
  }

  // Keeps a section of the image, its contents where they are if they are loaded.
  void keep(u32 index) {
    Elf64_Shdr section = image_.sections()[index];
    new_index_[index] = static_cast<u32>(sections_.size());
    if (!(section.sh_flags & SHF_ALLOC) && section.sh_type != SHT_NULL) {
      section.sh_offset = place(image_.contents(section), std::max<u64>(section.sh_addralign, 1));
    }
    add(section, image_.name(section));
  }

  // Adds a section; its place in the file.
  u64 add(std::string_view name, std::span<const u8> contents) {
    Elf64_Shdr section{};
    section.sh_type = SHT_PROGBITS;
    section.sh_addralign = abi::kSectionAlignment;
    section.sh_offset = place(contents, abi::kSectionAlignment);
    section.sh_size = contents.size();
    add(section, name);
    return section.sh_offset;
  }

  std::vector<u8> finish() {
    Elf64_Shdr names{};
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    add(names, ".shstrtab");
    sections_.back().sh_size = names_.size();
    sections_.back().sh_offset = place({reinterpret_cast<const u8*>(names_.data()), names_.size()}, 1);
    for (Elf64_Shdr& section : sections_) {
      section.sh_link = new_index_.at(section.sh_link < new_index_.size() ? section.sh_link : 0);
      if (section.sh_type == SHT_SYMTAB) renumber(section);
    }
    Elf64_Ehdr header = image_.header();
    header.e_shoff = place({reinterpret_cast<const u8*>(sections_.data()), sections_.size() * sizeof(Elf64_Shdr)}, 8);
    header.e_shnum = static_cast<u16>(sections_.size());
    header.e_shstrndx = static_cast<u16>(sections_.size() - 1);
    std::memcpy(out_.data(), &header, sizeof header);
    return std::move(out_);
  }

 private:
  u64 place(std::span<const u8> contents, u64 alignment) {
    out_.resize(align_up(out_.size(), alignment));
    const u64 offset = out_.size();
    out_.insert(out_.end(), contents.begin(), contents.end());
    return offset;
  }
  void add(Elf64_Shdr section, std::string_view name) {
    section.sh_name = static_cast<u32>(names_.size());
    names_ += name;
    names_ += '\0';
    sections_.push_back(section);
  }
  void renumber(const Elf64_Shdr& table) {
    for (u64 at = table.sh_offset; at < table.sh_offset + table.sh_size; at += sizeof(Elf64_Sym)) {
      u16& section = reinterpret_cast<Elf64_Sym*>(out_.data() + at)->st_shndx;
      if (section < SHN_LORESERVE) section = static_cast<u16>(new_index_[section]);
    }
  }

  const ElfView& image_;
  std::vector<u8> out_;
  std::vector<u32> new_index_;  // of the image's sections
  std::vector<Elf64_Shdr> sections_;
  std::string names_;
};

std::vector<u8> assemble(const ElfView& image, std::span<const u8> section, const wasm::Module& module,
                         const ArtifactOptions& options) {
  FileWriter writer(image);
  const auto sections = image.sections();
  for (u32 i = 0; i < sections.size(); ++i) {
    if (sections[i].sh_type == SHT_NULL || (sections[i].sh_flags & SHF_ALLOC)) writer.keep(i);
  }
  const u64 place = writer.add(abi::kArtifactSection, section);
  for (u32 i = 0; i < sections.size(); ++i) {
    const std::string_view name = image.name(sections[i]);
    const bool wanted = name == ".symtab" || name == ".strtab" || (options.debug_info && name.starts_with(".debug_"));
    if (wanted && !(sections[i].sh_flags & SHF_ALLOC)) writer.keep(i);
  }
  const u64 module_place = options.embed_module ? writer.add(abi::kModuleSection, module.bytes) : 0;
  auto file = writer.finish();

  abi::ArtifactHeader header;
  std::memcpy(&header, section.data(), sizeof header);
  header.file_bytes = file.size();
  header.module_offset = module_place;
  std::memcpy(file.data() + place, &header, sizeof header);
  const auto digest = sha256(file);
  std::memcpy(file.data() + place + offsetof(abi::ArtifactHeader, digest), digest.data(), digest.size());
  return file;
}

}  // namespace

Result<std::vector<u8>> make_artifact(std::span<const std::vector<u8>> objects, const wasm::Module& module,
                                      const ArtifactOptions& options) {
  const auto image = TRY(link_image(objects));
  const auto metadata = TRY(read_metadata(image, module, (options.options & abi::kPartial) != 0));
  return assemble(ElfView(image), make_section(metadata, module, options), module, options);
}

}  // namespace berth::compiler
