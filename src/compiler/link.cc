#include "compiler/link.h"

#include <lld/Common/Driver.h>
#include <llvm/Support/raw_ostream.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "compiler/elf_view.h"

LLD_HAS_DRIVER(elf)

namespace berth::compiler {
namespace {

// Without sections to write, there is nothing that a personality's address could be stored in: the reference to
// it is made one to an empty place among the constants.
constexpr std::string_view kLayout = R"(
PHDRS {
  readable PT_LOAD FILEHDR PHDRS FLAGS(4);
  executable PT_LOAD FLAGS(5);
  dynamic PT_DYNAMIC FLAGS(4);
  frames PT_GNU_EH_FRAME FLAGS(4);
  stack PT_GNU_STACK FLAGS(6);
}
SECTIONS {
  /DISCARD/ : { *(.data.DW.ref.*) *(.comment) *(.note.GNU-stack) *(.llvm_addrsig) }
  . = SIZEOF_HEADERS;
  .dynsym : { *(.dynsym) } :readable
  .gnu.hash : { *(.gnu.hash) } :readable
  .dynstr : { *(.dynstr) } :readable
  .dynamic : { *(.dynamic) } :readable :dynamic
  .rodata : { "DW.ref.$PERSONALITY" = .; *(.rodata .rodata.*) } :readable
  .gcc_except_table : { *(.gcc_except_table .gcc_except_table.*) } :readable
  .eh_frame_hdr : { *(.eh_frame_hdr) } :readable :frames
  .eh_frame : { *(.eh_frame) } :readable
  . = ALIGN(CONSTANT(MAXPAGESIZE));
  .text : { *(.text .text.*) } :executable
}
)";
constexpr std::string_view kNothingExported = "{ local: *; };";

std::string layout() {
  std::string text(kLayout);
  constexpr std::string_view kPlace = "$PERSONALITY";
  return text.replace(text.find(kPlace), kPlace.size(), kPersonality);
}

// A file in memory, which the linker reaches by a path.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("berth-link", MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (fd_ >= 0) close(fd_);
  }
  MemoryFile(MemoryFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Result<> write(std::span<const u8> bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(os_error(errno, "cannot store an object for linking"));
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }
  Result<> write(std::string_view text) const {
    return write(std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Takes what the linker writes. It replaces a file that it is told to write, except one that is no regular file: so
// it gets a pipe, which a thread empties.
class OutputPipe {
 public:
  OutputPipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) return;
    fcntl(ends_[1], F_SETPIPE_SZ, 1 << 20);
    reader_ = std::thread([this] { read_all(); });
  }
  ~OutputPipe() {
    finish();
    if (ends_[0] >= 0) close(ends_[0]);
  }
  OutputPipe(const OutputPipe&) = delete;

  bool is_open() const { return ends_[0] >= 0; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(ends_[1]); }
  // What was written, after the last writer is done.
  std::vector<u8>& finish() {
    if (ends_[1] >= 0) close(std::exchange(ends_[1], -1));
    if (reader_.joinable()) reader_.join();
    return bytes_;
  }

 private:
  void read_all() {
    size_t filled = 0;
    for (;;) {
      if (bytes_.size() - filled < kLeast) bytes_.resize(std::max(2 * kLeast, filled * 2));
      const ssize_t n = ::read(ends_[0], bytes_.data() + filled, bytes_.size() - filled);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      filled += static_cast<size_t>(n);
    }
    bytes_.resize(filled);
  }

  static constexpr size_t kLeast = size_t{1} << 20;
  int ends_[2] = {-1, -1};
  std::vector<u8> bytes_;
  std::thread reader_;
};

Result<> check_image(std::span<const u8> image) {
  const ElfView elf(image);
  if (elf.header().e_type != ET_DYN) return fail(ErrorCode::CompilerFailed, "the image is no shared object");
  for (const Elf64_Phdr& segment : elf.segments()) {
    if (segment.p_type == PT_TLS || (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) && segment.p_memsz > 0)) {
      return fail(ErrorCode::CompilerFailed, "the image has a segment to be written to");
    }
  }
  for (const Elf64_Shdr& section : elf.sections()) {
    const u32 type = section.sh_type;
    if ((section.sh_flags & SHF_ALLOC) == 0 || section.sh_size == 0) continue;
    const std::string name(elf.name(section));
    if (type == SHT_RELA || type == SHT_REL || type == SHT_RELR) {
      return fail(ErrorCode::CompilerFailed, "the image has relocations: " + name);
    }
    if ((section.sh_flags & SHF_WRITE) != 0) {
      return fail(ErrorCode::CompilerFailed, "the image has data to be written to: " + name);
    }
    if (type == SHT_NOBITS) return fail(ErrorCode::CompilerFailed, "the image has data of no content: " + name);
  }
  return {};
}

}  // namespace

Result<std::vector<u8>> link_image(std::span<const std::vector<u8>> objects) {
  static std::mutex one_at_a_time;
  static bool broken = false;
  const std::scoped_lock lock(one_at_a_time);
  if (broken) return fail(ErrorCode::CompilerFailed, "the linker crashed before");
  if (objects.empty()) return fail(ErrorCode::CompilerFailed, "nothing to link");

  MemoryFile script, exports;
  OutputPipe output;
  std::vector<MemoryFile> inputs(objects.size());
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!inputs[i].is_open()) return fail(os_error(errno, "cannot create a file in memory"));
    TRY(inputs[i].write(objects[i]));
  }
  if (!script.is_open() || !exports.is_open() || !output.is_open()) {
    return fail(os_error(errno, "cannot create a file in memory"));
  }
  TRY(script.write(layout()));
  TRY(exports.write(kNothingExported));

  std::vector<std::string> arguments = {"ld.lld",
                                        "--shared",
                                        "-z",
                                        "defs",
                                        "-z",
                                        "rodynamic",
                                        "-z",
                                        "norelro",
                                        "-z",
                                        "noexecstack",
                                        "--hash-style=gnu",
                                        "--build-id=none",
                                        "--eh-frame-hdr",
                                        "--color-diagnostics=never",
                                        "--version-script=" + exports.path(),
                                        "--script=" + script.path(),
                                        "-o",
                                        output.path()};
  for (const MemoryFile& input : inputs) arguments.push_back(input.path());
  std::vector<const char*> words;
  for (const std::string& argument : arguments) words.push_back(argument.c_str());

  std::string said;
  llvm::raw_string_ostream stream(said);
  const lld::Result result = lld::lldMain(words, stream, stream, {{lld::Gnu, &lld::elf::link}});
  broken = !result.canRunAgain;
  if (result.retCode != 0) {
    stream.flush();
    while (said.ends_with('\n')) said.pop_back();
    return fail(ErrorCode::CompilerFailed, said);
  }
  std::vector<u8> image = std::move(output.finish());
  TRY(check_image(image));
  return image;
}

}  // namespace berth::compiler
