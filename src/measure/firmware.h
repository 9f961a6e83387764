// What a guest's firmware (OVMF, TDVF) says about itself: the table of GUIDs that ends 32 bytes before its end, the
// pages that a launch under SEV-SNP adds beside the firmware, and the sections of a launch under TDX. Plain values; the
// firmware's bytes are the caller's and outlive what is read from them.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace berth::measure {

// A page range that the hypervisor adds before the guest starts; OvmfPkg's OvmfSevMetadata.
struct SevSection {
  enum class Kind : u32 { Zero = 1, Secrets = 2, Cpuid = 3, CallingArea = 4, KernelHashes = 0x10 };
  u32 gpa = 0, size = 0;  // whole pages
  Kind kind = Kind::Zero;
};

// TDX Virtual Firmware Design Guide, 11: TDVF metadata.
struct TdxSection {
  enum class Kind : u32 { Code = 0, Variables, Hob, Memory, PermanentMemory, Payload, PayloadParameters };
  u32 file_offset = 0, file_size = 0;
  u64 gpa = 0, size = 0;  // whole pages; what the file does not fill is zero
  Kind kind = Kind::Code;
  bool extended = false;   // contents are measured (MR.EXTEND)
  bool augmented = false;  // added after the launch: not measured
};

struct Firmware {
  std::span<const u8> bytes;
  u64 gpa = 0;                             // of its first byte: it ends at 4 GiB
  std::optional<u32> reset_address = {};   // where processors but the first start, under SEV-ES and SEV-SNP
  std::optional<u32> hash_table_gpa = {};  // where the hashes of kernel, initrd and command line go; 0: it takes none
  bool has_sev_sections = false;
  std::vector<SevSection> sev = {};
  std::span<const u8> tdx_entry = {};  // of the table; where sections for TDX are described

  bool has(SevSection::Kind kind) const;
};

// Fails with BadArgument, saying what is wrong: not a whole number of pages, no more than 16 MiB, a table or sections
// that reach beyond the file, kinds that are not known. A firmware without a table is one without any of these.
Result<Firmware> read_firmware(std::span<const u8> bytes);
// The sections for TDX. Fails likewise, and when there are none.
Result<std::vector<TdxSection>> tdx_sections(const Firmware& firmware);

}  // namespace berth::measure
