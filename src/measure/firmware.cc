#include "measure/firmware.h"

#include <algorithm>
#include <array>

#include "measure/hash.h"

namespace berth::measure {
namespace {

using Guid = std::array<u8, 16>;

// The first three groups of a GUID are little-endian numbers, the rest are bytes.
constexpr Guid guid(u32 a, u16 b, u16 c, u16 d, u64 e) {
  Guid out = {};
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<u8>(a >> (8 * i));
  for (size_t i = 0; i < 2; ++i) out[4 + i] = static_cast<u8>(b >> (8 * i));
  for (size_t i = 0; i < 2; ++i) out[6 + i] = static_cast<u8>(c >> (8 * i));
  for (size_t i = 0; i < 2; ++i) out[8 + i] = static_cast<u8>(d >> (8 * (1 - i)));
  for (size_t i = 0; i < 6; ++i) out[10 + i] = static_cast<u8>(e >> (8 * (5 - i)));
  return out;
}

constexpr Guid kFooter = guid(0x96b582de, 0x1fb2, 0x45f7, 0xbaea, 0xa366c55a082d);
constexpr Guid kHashTable = guid(0x7255371f, 0x3a3b, 0x4b04, 0x927b, 0x1da6efa8d454);
constexpr Guid kResetBlock = guid(0x00f771de, 0x1a7e, 0x4fcb, 0x890e, 0x68c77e2fb44e);
constexpr Guid kSevMetadata = guid(0xdc886566, 0x984a, 0x4798, 0xa75e, 0x5585a7bf67cc);
constexpr Guid kTdxMetadata = guid(0xe47a6535, 0x984a, 0x4798, 0x865e, 0x4685a7bf8ec2);

constexpr size_t kEntryHeader = 18, kPage = 4096, kAfterTable = 32, kMaxSize = 16 << 20;
// More than any firmware has, and little enough to be digested at once.
constexpr u64 kMostSections = 64, kMostPages = (u64{32} << 20) / kPage;
constexpr u64 kEnd = u64{1} << 32;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::BadArgument, "firmware: " + std::move(what)); }

bool is(std::span<const u8> bytes, const Guid& guid) { return std::ranges::equal(bytes, guid); }

// Where a table's entry, an offset from the file's end, leads to; `need` bytes are there.
Result<size_t> place(std::span<const u8> file, std::span<const u8> entry, size_t need, const char* what) {
  if (entry.size() < 4) return bad(std::string(what) + "'s entry is cut off");
  const u64 from_end = read_le(entry, 0, 4);
  if (from_end > file.size() || from_end < need) return bad(std::string(what) + " lies outside of the file");
  return file.size() - from_end;
}

Result<> read_sev(Firmware& firmware, std::span<const u8> entry) {
  constexpr size_t kHeader = 16, kItem = 12;
  const auto file = firmware.bytes;
  const size_t at = TRY(place(file, entry, kHeader, "the SEV metadata"));
  if (!std::ranges::equal(file.subspan(at, 4), bytes_of("ASEV"))) return bad("the SEV metadata has a wrong signature");
  const u64 size = read_le(file, at + 4, 4), version = read_le(file, at + 8, 4), count = read_le(file, at + 12, 4);
  if (version != 1) return bad("SEV metadata of version " + std::to_string(version) + "; 1 is known");
  if (size > file.size() - at || count > (file.size() - at - kHeader) / kItem || size < kHeader + count * kItem)
    return bad("the SEV metadata is cut off");
  if (count > kMostSections) return bad("the SEV metadata has more than 64 sections");
  firmware.has_sev_sections = true;
  u64 pages = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t item = at + kHeader + i * kItem;
    const u64 kind = read_le(file, item + 8, 4);
    if ((kind < 1 || kind > 4) && kind != 0x10)
      return bad("a SEV metadata section of kind " + std::to_string(kind) + ", which is not known");
    const SevSection section = {.gpa = static_cast<u32>(read_le(file, item, 4)),
                                .size = static_cast<u32>(read_le(file, item + 4, 4)),
                                .kind = static_cast<SevSection::Kind>(kind)};
    pages += section.size / kPage;
    if (section.gpa % kPage != 0 || section.size % kPage != 0 || pages > kMostPages)
      return bad("SEV metadata section " + std::to_string(i) + " is not whole pages, or too many");
    firmware.sev.push_back(section);
  }
  return {};
}

}  // namespace

bool Firmware::has(SevSection::Kind kind) const { return std::ranges::find(sev, kind, &SevSection::kind) != sev.end(); }

Result<Firmware> read_firmware(std::span<const u8> bytes) {
  if (bytes.empty() || bytes.size() % kPage != 0 || bytes.size() > kMaxSize)
    return bad("its size, " + std::to_string(bytes.size()) + " bytes, is not whole pages of 4096 bytes up to 16 MiB");
  Firmware firmware = {.bytes = bytes, .gpa = kEnd - bytes.size()};
  const size_t footer = bytes.size() - kAfterTable - kEntryHeader;
  if (!is(bytes.subspan(footer + 2, 16), kFooter)) return firmware;
  const u64 whole = read_le(bytes, footer, 2);
  if (whole < kEntryHeader || whole - kEntryHeader > footer) return bad("its table of GUIDs lies outside of the file");
  std::span<const u8> table = bytes.subspan(footer - (whole - kEntryHeader), whole - kEntryHeader);
  std::span<const u8> sev;
  // An entry is its data, its size and its GUID; the last one first.
  while (table.size() >= kEntryHeader) {
    const auto header = table.last(kEntryHeader);
    const u64 size = read_le(header, 0, 2);
    if (size < kEntryHeader || size > table.size()) return bad("its table of GUIDs has an entry of a wrong size");
    const auto data = table.last(size).first(size - kEntryHeader), name = header.last(16);
    if (is(name, kResetBlock) || is(name, kHashTable)) {
      if (data.size() < 4) return bad("its table of GUIDs has an entry that is cut off");
      (is(name, kResetBlock) ? firmware.reset_address : firmware.hash_table_gpa) =
          static_cast<u32>(read_le(data, 0, 4));
    } else if (is(name, kSevMetadata)) {
      sev = data;
    } else if (is(name, kTdxMetadata)) {
      firmware.tdx_entry = data;
    }
    table = table.first(table.size() - size);
  }
  if (sev.data() != nullptr) TRY(read_sev(firmware, sev));
  return firmware;
}

Result<std::vector<TdxSection>> tdx_sections(const Firmware& firmware) {
  constexpr size_t kHeader = 16, kItem = 32;
  if (firmware.tdx_entry.data() == nullptr) return bad("it has no TDX metadata: it cannot be launched under TDX");
  const auto file = firmware.bytes;
  std::vector<TdxSection> sections;
  u64 pages = 0;
  const size_t at = TRY(place(file, firmware.tdx_entry, kHeader, "the TDX metadata"));
  if (!std::ranges::equal(file.subspan(at, 4), bytes_of("TDVF"))) return bad("the TDX metadata has a wrong signature");
  const u64 length = read_le(file, at + 4, 4), version = read_le(file, at + 8, 4), count = read_le(file, at + 12, 4);
  if (version != 1) return bad("TDX metadata of version " + std::to_string(version) + "; 1 is known");
  if (count > (file.size() - at - kHeader) / kItem || length < kHeader + count * kItem || length > file.size() - at)
    return bad("the TDX metadata is cut off");
  if (count > kMostSections) return bad("the TDX metadata has more than 64 sections");
  for (size_t i = 0; i < count; ++i) {
    const size_t item = at + kHeader + i * kItem;
    const u64 kind = read_le(file, item + 24, 4), attributes = read_le(file, item + 28, 4);
    const TdxSection section = {.file_offset = static_cast<u32>(read_le(file, item, 4)),
                                .file_size = static_cast<u32>(read_le(file, item + 4, 4)),
                                .gpa = read_le(file, item + 8, 8),
                                .size = read_le(file, item + 16, 8),
                                .kind = static_cast<TdxSection::Kind>(kind),
                                .extended = (attributes & 1) != 0,
                                .augmented = (attributes & 2) != 0};
    const std::string name = "TDX section " + std::to_string(i);
    if (section.file_offset > file.size() || section.file_size > file.size() - section.file_offset)
      return bad(name + " lies outside of the file");
    // Memory that is added later may be of any size: it is not measured.
    if (!section.augmented || section.extended) pages += std::min(section.size / kPage, kMostPages + 1);
    if (section.gpa % kPage != 0 || section.size % kPage != 0 || section.size < section.file_size ||
        section.gpa + section.size < section.gpa || pages > kMostPages)
      return bad(name + " is not whole pages, smaller than its contents, or too large");
    sections.push_back(section);
  }
  return sections;
}

}  // namespace berth::measure
