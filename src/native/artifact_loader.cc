// Reading and checking of artifacts. Nothing is believed before it has been compared with the size of the file.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "native/artifact.h"
#include "native/artifact_modules.h"
#include "native/code_space.h"
#include "native/processor.h"

namespace berth::native {

using abi::ArtifactHeader;
using abi::ArtifactTable;

namespace {

#if defined(__x86_64__)
constexpr u16 kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr u16 kMachine = EM_AARCH64;
#endif
constexpr u32 kMaxHeaders = 64, kMaxSections = 4096;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

class Artifact::Loader {
 public:
  Loader(int file, const std::string& name, const ExpectedArtifact& expected, Artifact& out)
      : file_(file), name_(name), expected_(expected), out_(out) {}

  Result<> run() {
    struct stat status{};
    if (fstat(file_, &status) != 0) return fail(os_error(errno, name_));
    if (!S_ISREG(status.st_mode)) return bad("it is not a regular file");
    file_bytes_ = static_cast<u64>(status.st_size);
    TRY(read_elf());
    TRY(map_section());
    TRY(check_header());
    TRY(map_image());
    TRY(take_tables());
    return {};
  }

 private:
  std::unexpected<Error> bad(std::string reason) const {
    return fail(ErrorCode::BadArtifact, name_ + ": " + std::move(reason));
  }
  bool in_file(u64 offset, u64 bytes) const { return bytes <= file_bytes_ && offset <= file_bytes_ - bytes; }

  Result<> read(void* to, u64 offset, u64 bytes) {
    if (!in_file(offset, bytes)) return bad("it is cut off");
    for (u64 done = 0; done < bytes;) {
      const ssize_t n = pread(file_, static_cast<u8*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(os_error(errno, name_));
      if (n == 0) return bad("it is cut off");
      done += static_cast<u64>(n);
    }
    return {};
  }

  Result<> read_elf() {
    Elf64_Ehdr elf;
    TRY(read(&elf, 0, sizeof elf));
    if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_type != ET_DYN)
      return bad("it is not an ELF shared object");
    if (elf.e_machine != kMachine) return bad("it is for another machine");
    if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum > kMaxHeaders)
      return bad("its program headers are malformed");
    segments_.resize(elf.e_phnum);
    TRY(read(segments_.data(), elf.e_phoff, segments_.size() * sizeof(Elf64_Phdr)));
    if (elf.e_shentsize != sizeof(Elf64_Shdr) || elf.e_shnum > kMaxSections || elf.e_shstrndx >= elf.e_shnum)
      return bad("its section headers are malformed");
    std::vector<Elf64_Shdr> sections(elf.e_shnum);
    TRY(read(sections.data(), elf.e_shoff, sections.size() * sizeof(Elf64_Shdr)));
    TRY(find_section(sections, sections[elf.e_shstrndx]));
    return check_segments();
  }

  Result<> find_section(const std::vector<Elf64_Shdr>& sections, const Elf64_Shdr& names) {
    constexpr size_t kNameBytes = sizeof abi::kArtifactSection;
    for (const Elf64_Shdr& section : sections) {
      char name[kNameBytes];
      if (section.sh_name > names.sh_size || names.sh_size - section.sh_name < kNameBytes) continue;
      TRY(read(name, names.sh_offset + section.sh_name, kNameBytes));
      if (std::memcmp(name, abi::kArtifactSection, kNameBytes) != 0) continue;
      if (section.sh_type == SHT_NOBITS || (section.sh_flags & SHF_ALLOC) != 0 || section.sh_offset % 8 != 0)
        return bad("its section .berth is malformed");
      if (!in_file(section.sh_offset, section.sh_size)) return bad("it is cut off");
      section_ = section;
      return {};
    }
    return bad("it has no section .berth, so it is no artifact");
  }

  Result<> check_segments() {
    const u64 page = os::page_size();
    u64 low = ~u64{0}, high = 0;
    for (const Elf64_Phdr& s : segments_) {
      if (s.p_type == PT_DYNAMIC) TRY(check_dynamic(s));
      if (s.p_type == PT_INTERP || s.p_type == PT_TLS) return bad("it needs a dynamic linker");
      if (s.p_type != PT_LOAD || s.p_memsz == 0) continue;
      if ((s.p_flags & PF_W) != 0 || (s.p_flags & PF_R) == 0) return bad("it has a segment that is not just readable");
      if (s.p_memsz != s.p_filesz || !in_file(s.p_offset, s.p_filesz)) return bad("it is cut off");
      if (s.p_vaddr % page != s.p_offset % page) return bad("its segments are not aligned");
      if (s.p_vaddr >= u64{1} << 32 || s.p_memsz >= u64{1} << 32) return bad("its segments are too large");
      if (s.p_vaddr < high) return bad("its segments overlap or are not in order");
      low = std::min(low, s.p_vaddr & ~(page - 1));
      high = os::round_to_pages(s.p_vaddr + s.p_memsz);
      if ((s.p_flags & PF_X) == 0) continue;
      if (text_bytes_ != 0) return bad("it has more than one executable segment");
      text_ = s.p_vaddr;
      text_bytes_ = s.p_memsz;
    }
    if (high == 0) return bad("it has no segments");
    low_ = low;  // a module without functions has no text
    out_.image_bytes_ = high - low;
    if (out_.image_bytes_ >= u64{1} << 32) return bad("its segments are too large");
    return {};
  }

  // Nothing to do for a dynamic linker, since there will be none.
  Result<> check_dynamic(const Elf64_Phdr& segment) {
    if (!in_file(segment.p_offset, segment.p_filesz) || segment.p_filesz > 4096)
      return bad("its dynamic section is malformed");
    std::vector<Elf64_Dyn> entries(segment.p_filesz / sizeof(Elf64_Dyn));
    TRY(read(entries.data(), segment.p_offset, entries.size() * sizeof(Elf64_Dyn)));
    for (const Elf64_Dyn& entry : entries) {
      switch (entry.d_tag) {
        case DT_NULL: return {};
        case DT_NEEDED:
        case DT_INIT:
        case DT_FINI:
        case DT_TEXTREL:
        case DT_JMPREL:
        case DT_RELR: return bad("it needs a dynamic linker");
        case DT_RELSZ:
        case DT_RELASZ:
        case DT_INIT_ARRAYSZ:
        case DT_PLTRELSZ:
          if (entry.d_un.d_val != 0) return bad("it needs a dynamic linker");
          break;
        default: break;
      }
    }
    return {};
  }

  Result<> map_section() {
    if (section_.sh_size < sizeof(ArtifactHeader)) return bad("its section .berth is malformed");
    const u64 inside = section_.sh_offset % os::page_size();
    out_.section_map_bytes_ = section_.sh_size + inside;
    void* map = mmap(nullptr, out_.section_map_bytes_, PROT_READ, MAP_PRIVATE, file_,
                     static_cast<off_t>(section_.sh_offset - inside));
    if (map == MAP_FAILED) return fail(os_error(errno, name_));
    out_.section_map_ = static_cast<const u8*>(map);
    contents_ = {out_.section_map_ + inside, section_.sh_size};
    out_.header_ = reinterpret_cast<const ArtifactHeader*>(contents_.data());
    return {};
  }

  template <typename T>
  Result<std::span<const T>> table(const ArtifactTable& t, const char* what) const {
    static_assert(alignof(T) <= 8);
    if (t.offset % 8 != 0 || t.offset > contents_.size() || t.count > (contents_.size() - t.offset) / sizeof(T))
      return bad("its table of " + std::string(what) + " is cut off");
    return std::span(reinterpret_cast<const T*>(contents_.data() + t.offset), t.count);
  }
  Result<std::string_view> text(const ArtifactTable& t, const char* what) const {
    const auto chars = TRY(table<char>(t, what));
    return std::string_view(chars.data(), chars.size());
  }

  Result<> check_header() {
    const ArtifactHeader& h = *out_.header_;
    if (std::memcmp(h.magic, abi::kArtifactMagic, sizeof h.magic) != 0) return bad("it is no artifact");
    if (h.format != abi::kArtifactFormat || h.abi != abi::kAbiVersion) return bad("it is for another version of Berth");
    if (h.file_bytes != file_bytes_) return bad("it is not complete");
    if (expected_.module_digest && std::memcmp(h.module_digest, expected_.module_digest->data(), 32) != 0)
      return bad("it is of another module");
    if (((h.options ^ expected_.options) & expected_.option_mask) != 0)
      return bad("it was compiled with other options");
    const auto target = TRY(text(h.target, "targets"));
    if (!is_target(target)) return bad("it is for " + std::string(target));
    const auto cpu = TRY(text(h.cpu, "features"));
    if (const auto missing = missing_feature(cpu); !missing.empty())
      return bad("it needs the processor to have " + std::string(missing));
    return {};
  }

  Result<> map_image() {
    CodeSpace* const space = TRY(CodeSpace::instance());
    out_.image_ = TRY(space->take(out_.image_bytes_));
    const u64 page = os::page_size();
    for (const Elf64_Phdr& s : segments_) {
      if (s.p_type != PT_LOAD || s.p_memsz == 0) continue;
      const u64 inside = s.p_vaddr % page;
      const int protection = PROT_READ | ((s.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
      if (mmap(out_.image_ + (s.p_vaddr - inside - low_), s.p_filesz + inside, protection, MAP_PRIVATE | MAP_FIXED,
               file_, static_cast<off_t>(s.p_offset - inside)) == MAP_FAILED)
        return fail(os_error(errno, name_ + ": cannot map its code"));
    }
    if (text_bytes_ == 0) return {};
    out_.text_begin_ = out_.base() + (text_ - low_);
    out_.text_end_ = out_.text_begin_ + text_bytes_;
    return {};
  }

  bool is_code(u32 offset) const { return out_.in_text(out_.base() + offset); }

  Result<> take_tables() {
    const ArtifactHeader& h = *out_.header_;
    out_.functions_ = TRY(table<u32>(h.functions, "functions"));
    out_.types_ = TRY(table<abi::TypeTrampolines>(h.types, "types"));
    out_.unwind_ = TRY(table<abi::UnwindRow>(h.unwind, "frames"));
    out_.rules_ = TRY(table<abi::UnwindRule>(h.rules, "frame rules"));
    out_.landings_ = TRY(table<abi::LandingPad>(h.landings, "landing pads"));
    out_.line_blocks_ = TRY(table<abi::LineBlock>(h.line_blocks, "lines"));
    out_.line_data_ = TRY(table<u8>(h.line_data, "lines"));
    out_.inlined_ = TRY(table<abi::InlinedCall>(h.inlined, "inlined calls"));
    out_.loops_ = TRY(table<abi::LoopEntry>(h.loops, "loops"));
    if (out_.functions_.size() != h.defined_functions) return bad("its numbers of functions differ");
    if (const wasm::Module* m = expected_.module) {
      if (out_.functions_.size() != m->functions.size() - m->imported_functions ||
          out_.types_.size() != m->types.size())
        return bad("it is of another module");
      for (size_t i = 0; i < m->types.size(); ++i) {
        const bool is_function = m->types[i].kind == wasm::CompositeKind::Func;
        if (is_function && (out_.types_[i].enter == 0 || out_.types_[i].exit == 0))
          return bad("type " + std::to_string(i) + " has no trampolines");
      }
    }
    auto is_code_or_none = [&](u32 offset) { return offset == 0 || is_code(offset); };
    if (!std::ranges::all_of(out_.functions_, is_code_or_none)) return bad("a function lies outside of the code");
    if (!std::ranges::all_of(out_.types_,
                             [&](const auto& t) { return is_code_or_none(t.enter) && is_code_or_none(t.exit); }))
      return bad("a trampoline lies outside of the code");
    return expected_.check_order ? check_order() : Result<>{};
  }

  Result<> check_order() {
    if (!std::ranges::is_sorted(out_.unwind_, std::less_equal<>(), &abi::UnwindRow::begin))
      return bad("its frames are not in order");
    for (const abi::UnwindRow& row : out_.unwind_)
      if (row.rule != abi::kNoRule && row.rule >= out_.rules_.size()) return bad("a frame rule is missing");
    for (size_t i = 0; i < out_.landings_.size(); ++i) {
      const abi::LandingPad& pad = out_.landings_[i];
      if (pad.begin >= pad.end || (i > 0 && pad.begin < out_.landings_[i - 1].end))
        return bad("its landing pads are not in order");
      if (!is_code(pad.begin) || !is_code(pad.end - 1) || !is_code(pad.landing))
        return bad("a landing pad lies outside of the code");
    }
    if (!std::ranges::is_sorted(out_.line_blocks_, {}, &abi::LineBlock::begin))
      return bad("its lines are not in order");
    auto before = [](const abi::LoopEntry& a, const abi::LoopEntry& b) {
      return std::pair(a.function, a.wasm_offset) < std::pair(b.function, b.wasm_offset);
    };
    if (!std::ranges::is_sorted(out_.loops_, before)) return bad("its loops are not in order");
    for (const abi::LoopEntry& loop : out_.loops_)
      if (!is_code(loop.code)) return bad("a loop lies outside of the code");
    return {};
  }

  const int file_;
  const std::string& name_;
  const ExpectedArtifact& expected_;
  Artifact& out_;
  u64 file_bytes_ = 0;
  std::vector<Elf64_Phdr> segments_;
  Elf64_Shdr section_{};
  std::span<const u8> contents_;
  u64 low_ = 0, text_ = 0, text_bytes_ = 0;
};

Artifact::Artifact() : modules_(std::make_unique<Modules>()) {}

Artifact::~Artifact() {
  if (image_ != nullptr) (*CodeSpace::instance())->give_back(image_, image_bytes_);
  if (section_map_ != nullptr) munmap(const_cast<u8*>(section_map_), section_map_bytes_);
}

Result<std::shared_ptr<const Artifact>> Artifact::open(int file, const std::string& name,
                                                       const ExpectedArtifact& expected) {
  std::shared_ptr<Artifact> artifact(new Artifact);
  TRY(Loader(file, name, expected, *artifact).run());
  return artifact;
}

Result<std::shared_ptr<const Artifact>> Artifact::open(const std::string& path, const ExpectedArtifact& expected) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return fail(os_error(errno, "cannot open " + path));
  return open(file.fd, path, expected);
}

}  // namespace berth::native
