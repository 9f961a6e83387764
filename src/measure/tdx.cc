#include "measure/tdx.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace berth::measure {
namespace {

constexpr u64 kPage = 4096, kChunk = 256;

// The 128 bytes that stand for an operation on an address.
std::array<u8, 128> operation(std::string_view name, u64 gpa) {
  std::array<u8, 128> out = {};
  std::ranges::copy(bytes_of(name), out.begin());
  store_le(out, 16, gpa, 8);
  return out;
}

class Mrtd {
 public:
  explicit Mrtd(std::span<const u8> file) : file_(file) {}

  void add(const TdxSection& section, u64 page) {
    if (!section.augmented) append(operation("MEM.PAGE.ADD", section.gpa + page * kPage));
  }
  void extend(const TdxSection& section, u64 page) {
    if (!section.extended) return;
    for (u64 at = page * kPage; at < (page + 1) * kPage; at += kChunk) {
      append(operation("MR.EXTEND", section.gpa + at));
      std::array<u8, kChunk> chunk = {};
      if (at < section.file_size) {
        const u64 there = std::min<u64>(kChunk, section.file_size - at);
        std::ranges::copy(file_.subspan(section.file_offset + at, there), chunk.begin());
      }
      append(chunk);
    }
  }
  Sha384 finish() const { return sha384({stream_}); }

 private:
  void append(std::span<const u8> bytes) { stream_.insert(stream_.end(), bytes.begin(), bytes.end()); }

  std::span<const u8> file_;
  std::vector<u8> stream_;
};

// A register that was extended with these digests, one after the other.
Sha384 extended(std::initializer_list<Sha384> digests) {
  Sha384 out = {};
  for (const Sha384& digest : digests) out = sha384({out, digest});
  return out;
}

}  // namespace

Result<Sha384> tdx_mrtd(const Firmware& firmware, PageOrder order) {
  const std::vector<TdxSection> sections = TRY(tdx_sections(firmware));
  Mrtd mrtd(firmware.bytes);
  for (const TdxSection& section : sections) {
    // What is added later is not measured, and may be all of the memory.
    if (section.augmented && !section.extended) continue;
    const u64 pages = section.size / kPage;
    if (order == PageOrder::BySection) {
      for (u64 page = 0; page < pages; ++page) mrtd.add(section, page);
      for (u64 page = 0; page < pages; ++page) mrtd.extend(section, page);
    } else {
      for (u64 page = 0; page < pages; ++page) {
        mrtd.add(section, page);
        mrtd.extend(section, page);
      }
    }
  }
  return mrtd.finish();
}

Result<Sha384> authenticode_sha384(std::span<const u8> file) {
  const auto bad = [] { return fail(ErrorCode::BadArgument, "the kernel is no PE file (an EFI application)"); };
  if (file.size() < 0x40 || file[0] != 'M' || file[1] != 'Z') return bad();
  const u64 pe = read_le(file, 0x3c, 4);
  if (pe > file.size() || file.size() - pe < 24 + 240 || read_le(file, pe, 4) != 0x4550) return bad();
  const u64 optional = pe + 24, magic = read_le(file, optional, 2);
  if (magic != 0x20b && magic != 0x10b) return bad();
  // Left out: the checksum, the directory's entry for the certificates, and these themselves at the file's end.
  const u64 checksum = optional + 64, entry = optional + (magic == 0x20b ? 112 : 96) + 4 * 8;
  const u64 start = read_le(file, entry, 4), size = read_le(file, entry + 4, 4);
  u64 end = file.size();
  if (size != 0) {
    if (start < entry + 8 || start > file.size() || size > file.size() - start) return bad();
    end -= size;
  }
  std::array<u8, 8> padding = {};
  return sha384({file.first(checksum), file.subspan(checksum + 4, entry - checksum - 4),
                 file.subspan(entry + 8, end - entry - 8), std::span(padding).first((8 - file.size() % 8) % 8)});
}

Result<Sha384> tdx_rtmr1(std::span<const u8> kernel) {
  const Sha384 digest = TRY(authenticode_sha384(kernel));
  constexpr u8 kSeparator[4] = {};
  return extended({digest, sha384({bytes_of("Calling EFI Application from Boot Option")}), sha384({kSeparator}),
                   sha384({bytes_of("Exit Boot Services Invocation")}),
                   sha384({bytes_of("Exit Boot Services Returned with Success")})});
}

Sha384 tdx_rtmr2(std::span<const u8> initrd, std::string_view command_line) {
  std::vector<u8> wide;
  // Command lines are ASCII; other bytes would depend on how the firmware reads them.
  for (const char c : std::string(command_line) + " initrd=initrd") append_le(wide, static_cast<u8>(c), 2);
  append_le(wide, 0, 2);
  return extended({sha384({wide}), sha384({initrd})});
}

}  // namespace berth::measure
