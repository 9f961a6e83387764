#include "engine/artifact_file.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "abi/compiler_identity.h"
#include "native/processor.h"
#include "os/memory.h"

namespace berth::engine {
namespace {

constexpr u64 kMostText = 4096;
constexpr size_t kChunk = size_t{256} << 10;

class Reader {
 public:
  Reader(int file, const std::string& name) : file_(file), name_(name) {}

  std::unexpected<Error> bad(std::string_view reason) const {
    return fail(ErrorCode::BadArtifact, name_ + ": " + std::string(reason));
  }

  std::unexpected<Error> no_artifact() const { return fail(ErrorCode::MagicHeader, name_ + " is no artifact"); }

  Result<> read(void* to, u64 offset, u64 bytes) const {
    for (u64 done = 0; done < bytes;) {
      const ssize_t n = pread(file_, static_cast<u8*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(os_error(errno, "cannot read " + name_));
      if (n == 0) return bad("it is cut off");
      done += static_cast<u64>(n);
    }
    return {};
  }

  Result<std::string> text(const abi::ArtifactTable& table, u64 section, u64 section_bytes) const {
    if (table.count > kMostText || table.offset > section_bytes || table.count > section_bytes - table.offset)
      return bad("its header is malformed");
    std::string out(table.count, '\0');
    TRY(read(out.data(), section + table.offset, out.size()));
    return out;
  }

 private:
  const int file_;
  const std::string& name_;
};

// Where section .berth is.
Result<Elf64_Shdr> find_section(const Reader& file, u64 size) {
  Elf64_Ehdr elf;
  if (size < sizeof elf) return file.no_artifact();
  TRY(file.read(&elf, 0, sizeof elf));
  if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64) return file.no_artifact();
  if (elf.e_shentsize != sizeof(Elf64_Shdr) || elf.e_shnum > 4096 || elf.e_shstrndx >= elf.e_shnum)
    return file.no_artifact();
  std::vector<Elf64_Shdr> sections(elf.e_shnum);
  if (elf.e_shoff > size) return file.bad("it is cut off");
  TRY(file.read(sections.data(), elf.e_shoff, sections.size() * sizeof sections[0]));
  const Elf64_Shdr& names = sections[elf.e_shstrndx];
  for (const Elf64_Shdr& section : sections) {
    char name[sizeof abi::kArtifactSection];
    if (section.sh_name > names.sh_size || names.sh_size - section.sh_name < sizeof name || names.sh_offset > size)
      continue;
    TRY(file.read(name, names.sh_offset + section.sh_name, sizeof name));
    if (std::memcmp(name, abi::kArtifactSection, sizeof name) != 0) continue;
    if (section.sh_offset > size || section.sh_size > size - section.sh_offset) return file.bad("it is cut off");
    if (section.sh_type == SHT_NOBITS || section.sh_size < sizeof(abi::ArtifactHeader))
      return file.bad("its section .berth is malformed");
    return section;
  }
  return file.no_artifact();
}

Result<> check_place_of_module(const Reader& file, const abi::ArtifactHeader& h) {
  if (h.module_bytes == 0) return file.bad("its module was left out of it");
  if (h.module_offset > h.file_bytes || h.module_bytes > h.file_bytes - h.module_offset)
    return file.bad("it is cut off");
  return {};
}

Result<> update_from(Sha256& hash, const Reader& file, u64 offset, u64 bytes) {
  const auto buffer = std::make_unique_for_overwrite<u8[]>(kChunk);
  for (u64 done = 0; done < bytes;) {
    const u64 n = std::min<u64>(kChunk, bytes - done);
    TRY(file.read(buffer.get(), offset + done, n));
    hash.update({buffer.get(), n});
    done += n;
  }
  return {};
}

}  // namespace

Digest ArtifactSummary::digest_of(const u8 (&bytes)[32]) {
  Digest out;
  std::ranges::copy(bytes, out.begin());
  return out;
}

bool may_be_artifact(std::span<const u8> bytes) {
  return bytes.size() >= SELFMAG && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

Result<ArtifactSummary> read_summary(int descriptor, const std::string& name) {
  const Reader file(descriptor, name);
  struct stat status{};
  if (fstat(descriptor, &status) != 0) return fail(os_error(errno, "cannot read " + name));
  const u64 size = static_cast<u64>(status.st_size);
  const Elf64_Shdr section = TRY(find_section(file, size));
  ArtifactSummary out;
  out.header_offset = section.sh_offset;
  abi::ArtifactHeader& h = out.header;
  TRY(file.read(&h, section.sh_offset, sizeof h));
  if (std::memcmp(h.magic, abi::kArtifactMagic, sizeof h.magic) != 0) return file.no_artifact();
  if (h.format != abi::kArtifactFormat) return file.bad("it is for another version of Berth");
  if (h.file_bytes != size) return file.bad("it is not complete");
  out.target = TRY(file.text(h.target, section.sh_offset, section.sh_size));
  out.cpu = TRY(file.text(h.cpu, section.sh_offset, section.sh_size));
  out.compiler = TRY(file.text(h.compiler, section.sh_offset, section.sh_size));
  return out;
}

Result<Bytes> read_module_of(int descriptor, const ArtifactSummary& summary, const std::string& name) {
  const Reader file(descriptor, name);
  TRY(check_place_of_module(file, summary.header));
  std::vector<u8> module(summary.header.module_bytes);
  TRY(file.read(module.data(), summary.header.module_offset, module.size()));
  if (!equal(sha256(module), summary.module_digest())) return file.bad("its module is damaged");
  return module;
}

Result<Bytes> map_module_of(int descriptor, const ArtifactSummary& summary, const std::string& name) {
  const abi::ArtifactHeader& h = summary.header;
  TRY(check_place_of_module(Reader(descriptor, name), h));
  if (h.module_offset % os::page_size() != 0) return read_module_of(descriptor, summary, name);
  void* const map =
      mmap(nullptr, h.module_bytes, PROT_READ, MAP_PRIVATE, descriptor, static_cast<off_t>(h.module_offset));
  if (map == MAP_FAILED) return fail(os_error(errno, "cannot map " + name));
  const size_t size = h.module_bytes;
  return Bytes({static_cast<const u8*>(map), size}, std::shared_ptr<void>(map, [size](void* p) { munmap(p, size); }));
}

Result<std::vector<wasm::Range>> read_bodies(int descriptor, const ArtifactSummary& summary, const std::string& name) {
  const Reader file(descriptor, name);
  const abi::ArtifactTable& table = summary.header.bodies;
  if (table.count > summary.header.defined_functions || table.offset > summary.header.file_bytes)
    return file.bad("its header is malformed");
  static_assert(sizeof(abi::BodyPlace) == sizeof(wasm::Range) && std::is_trivially_copyable_v<wasm::Range>);
  std::vector<wasm::Range> bodies(table.count);
  TRY(file.read(bodies.data(), summary.header_offset + table.offset, bodies.size() * sizeof bodies[0]));
  return bodies;
}

Result<Digest> compute_digest(int descriptor, const ArtifactSummary& summary, const std::string& name) {
  const Reader file(descriptor, name);
  const u64 hole = summary.header_offset + offsetof(abi::ArtifactHeader, digest);
  const u64 behind = hole + sizeof summary.header.digest;
  if (summary.header.file_bytes < behind) return file.bad("it is cut off");
  Sha256 hash;
  TRY(update_from(hash, file, 0, hole));
  hash.update(Digest{});
  TRY(update_from(hash, file, behind, summary.header.file_bytes - behind));
  return hash.finish();
}

Result<Digest> digest_file(int descriptor, const std::string& name) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0) return fail(os_error(errno, "cannot read " + name));
  Sha256 hash;
  TRY(update_from(hash, Reader(descriptor, name), 0, static_cast<u64>(status.st_size)));
  return hash.finish();
}

std::string why_unfit(const ArtifactSummary& summary) {
  if (summary.header.abi != abi::kAbiVersion) return "it is for another version of Berth";
  const std::string expected = std::string(abi::kCompilerName) + std::string(abi::compiler_identity());
  if (summary.compiler != expected && !summary.compiler.starts_with(expected + " "))
    return "it was made by a compiler that does not belong to this Berth";
  if (!native::is_target(summary.target)) return "it is for " + summary.target;
  if (const auto missing = native::missing_feature(summary.cpu); !missing.empty())
    return "it needs the processor to have " + std::string(missing);
  if ((summary.header.options & abi::kPartial) != 0) return "it is only a part";
  return {};
}

std::string why_unfit(const ArtifactSummary& summary, const WantedArtifact& wanted) {
  if (!equal(summary.module_digest(), wanted.module)) return "it is of another module";
  if (summary.header.options != wanted.options) return "it was compiled with other options";
  return why_unfit(summary);
}

}  // namespace berth::engine
