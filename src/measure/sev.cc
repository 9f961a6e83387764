#include "measure/sev.h"

#include <algorithm>
#include <array>

namespace berth::measure {
namespace {

constexpr size_t kPage = 4096;
using Page = std::array<u8, kPage>;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::BadArgument, std::move(what)); }

// The chain of pages that a launch adds: each step digests what came before with a PAGE_INFO (ABI table 67).
class LaunchContext {
 public:
  enum class Kind : u8 { Normal = 1, Vmsa = 2, Zero = 3, Unmeasured = 4, Secrets = 5, Cpuid = 6 };

  void add(Kind kind, u64 gpa, const Sha384& contents) {
    std::vector<u8> info(digest_.begin(), digest_.end());
    info.insert(info.end(), contents.begin(), contents.end());
    append_le(info, 0x70, 2);  // length
    append_le(info, static_cast<u8>(kind), 1);
    append_le(info, 0, 5);  // no migration image; no permissions for VMPL 1 to 3
    append_le(info, gpa, 8);
    digest_ = sha384({info});
  }
  void add_pages(u64 gpa, std::span<const u8> bytes) {
    for (size_t at = 0; at < bytes.size(); at += kPage) add(Kind::Normal, gpa + at, sha384({bytes.subspan(at, kPage)}));
  }
  void add_without_contents(Kind kind, u64 gpa, u64 size) {
    for (u64 at = 0; at < size; at += kPage) add(kind, gpa + at, Sha384{});
  }
  const Sha384& digest() const { return digest_; }

 private:
  Sha384 digest_ = {};
};

// The GUIDs of QEMU's table of hashes, as bytes.
constexpr std::array<u8, 16> kTable = {0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                       0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};
constexpr std::array<u8, 16> kKernel = {0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                        0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b};
constexpr std::array<u8, 16> kInitrd = {0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                        0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d};
constexpr std::array<u8, 16> kCommandLine = {0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                             0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a};

std::vector<u8> hash_table(const KernelHashes& hashes) {
  constexpr size_t kEntry = 16 + 2 + 32, kSize = 16 + 2 + 3 * kEntry;
  std::vector<u8> out(kTable.begin(), kTable.end());
  append_le(out, kSize, 2);
  const auto entry = [&](const std::array<u8, 16>& guid, const Sha256& hash) {
    out.insert(out.end(), guid.begin(), guid.end());
    append_le(out, kEntry, 2);
    out.insert(out.end(), hash.begin(), hash.end());
  };
  entry(kCommandLine, hashes.command_line);
  entry(kInitrd, hashes.initrd);
  entry(kKernel, hashes.kernel);
  out.resize((kSize + 15) / 16 * 16);
  return out;
}

// The state that a processor starts in.
Page vmsa(u32 address, const SevLaunch& launch, u64 features) {
  const bool qemu = launch.hypervisor == Hypervisor::Qemu, ec2 = launch.hypervisor == Hypervisor::Ec2;
  Page page = {};
  const auto segment = [&](size_t at, u32 selector, u32 attributes, u32 base) {
    store_le(page, at, selector, 2);
    store_le(page, at + 2, attributes, 2);
    store_le(page, at + 4, 0xffff, 4);
    store_le(page, at + 8, base, 8);
  };
  segment(0x00, 0, 0x93, 0);                                                                // ES
  segment(0x10, 0xf000, ec2 && address == 0xfffffff0 ? 0x9a : 0x9b, address & 0xffff0000);  // CS
  segment(0x20, 0, ec2 ? 0x92 : 0x93, 0);                                                   // SS
  for (const size_t at : {0x30, 0x40, 0x50}) segment(at, 0, 0x93, 0);                       // DS, FS, GS
  segment(0x60, 0, 0, 0);                                                                   // GDTR
  segment(0x70, 0, 0x82, 0);                                                                // LDTR
  segment(0x80, 0, 0, 0);                                                                   // IDTR
  segment(0x90, 0, ec2 ? 0x83 : 0x8b, 0);                                                   // TR
  store_le(page, 0x0d0, 0x1000, 8);      // EFER: KVM switches SVME on
  store_le(page, 0x148, 0x40, 8);        // CR4: MCE
  store_le(page, 0x158, 0x10, 8);        // CR0
  store_le(page, 0x160, 0x400, 8);       // DR7
  store_le(page, 0x168, 0xffff0ff0, 8);  // DR6
  store_le(page, 0x170, 2, 8);           // RFLAGS
  store_le(page, 0x178, address & 0xffff, 8);
  store_le(page, 0x268, launch.hypervisor == Hypervisor::Gce ? 0x00070106 : 0x0007040600070406, 8);  // PAT
  store_le(page, 0x310, qemu ? launch.cpu_signature : 0x600, 8);                                     // RDX
  store_le(page, 0x3b0, features, 8);
  store_le(page, 0x3e8, 1, 8);  // XCR0
  if (qemu) {
    store_le(page, 0x408, 0x1f80, 4);  // MXCSR
    store_le(page, 0x410, 0x37f, 2);   // FCW
  }
  return page;
}

Result<> each_vmsa(const Firmware& firmware, const SevLaunch& launch, u64 features, auto&& add) {
  if (launch.vcpus == 0) return bad("a guest has at least one processor");
  if (launch.vcpus > 1 && !firmware.reset_address.value_or(0))
    return bad("the firmware does not say where processors but the first start: it is none for SEV-ES or SEV-SNP");
  add(vmsa(0xfffffff0, launch, features));
  if (launch.vcpus == 1) return {};
  const Page others = vmsa(*firmware.reset_address, launch, features);
  for (u32 i = 1; i < launch.vcpus; ++i) add(others);
  return {};
}

Result<Page> hash_page(const Firmware& firmware, const KernelHashes& hashes) {
  if (!firmware.hash_table_gpa)
    return bad(
        "the firmware does not say where the hashes of a kernel go; take one that is built for it, as OVMF's AmdSev");
  const std::vector<u8> table = hash_table(hashes);
  const size_t offset = *firmware.hash_table_gpa % kPage;
  if (offset + table.size() > kPage) return bad("the firmware's place for the hashes of a kernel crosses a page");
  Page page = {};
  std::ranges::copy(table, page.begin() + static_cast<std::ptrdiff_t>(offset));
  return page;
}

std::vector<u8> without_snp(const Firmware& firmware, const SevLaunch& launch) {
  std::vector<u8> all(firmware.bytes.begin(), firmware.bytes.end());
  if (launch.hashes) {
    const auto table = hash_table(*launch.hashes);
    all.insert(all.end(), table.begin(), table.end());
  }
  return all;
}

Result<> need_hash_table(const Firmware& firmware, const SevLaunch& launch) {
  if (launch.hashes && firmware.hash_table_gpa.value_or(0) == 0)
    return bad("the firmware takes no hashes of a kernel; take one that is built for it, as OVMF's AmdSev");
  return {};
}

struct CpuType {
  std::string_view name;
  u32 family, model, stepping, versions;
};

constexpr CpuType kCpuTypes[] = {
    {"EPYC", 23, 1, 2, 5},       {"EPYC-IBPB", 23, 1, 2, 0},   {"EPYC-Rome", 23, 49, 0, 5},
    {"EPYC-Milan", 25, 1, 1, 3}, {"EPYC-Genoa", 25, 17, 0, 2}, {"EPYC-Turin", 26, 0, 0, 1},
};

}  // namespace

KernelHashes hash_kernel(std::span<const u8> kernel, std::span<const u8> initrd, std::string_view command_line) {
  constexpr u8 kZero[] = {0};
  return {
      .kernel = sha256({kernel}), .initrd = sha256({initrd}), .command_line = sha256({bytes_of(command_line), kZero})};
}

Result<Sha384> snp_launch_digest(const Firmware& firmware, const SevLaunch& launch) {
  using enum SevSection::Kind;
  if (!firmware.has_sev_sections) return bad("the firmware has no SEV metadata: it cannot be launched under SEV-SNP");
  if (launch.hashes && !firmware.has(KernelHashes))
    return bad("the firmware has no place for the hashes of a kernel; take one that is built for it, as OVMF's AmdSev");
  LaunchContext context;
  context.add_pages(firmware.gpa, firmware.bytes);
  const bool ec2 = launch.hypervisor == Hypervisor::Ec2;
  for (const SevSection& section : firmware.sev) {
    switch (section.kind) {
      case Zero:
        context.add_without_contents(
            launch.hypervisor == Hypervisor::Gce ? LaunchContext::Kind::Unmeasured : LaunchContext::Kind::Zero,
            section.gpa, section.size);
        break;
      case Secrets: context.add(LaunchContext::Kind::Secrets, section.gpa, Sha384{}); break;
      case Cpuid:
        if (!ec2) context.add(LaunchContext::Kind::Cpuid, section.gpa, Sha384{});
        break;
      case CallingArea: context.add_without_contents(LaunchContext::Kind::Zero, section.gpa, section.size); break;
      case KernelHashes:
        if (launch.hashes) {
          if (section.size != kPage) return bad("the firmware's place for the hashes of a kernel is not one page");
          context.add_pages(section.gpa, TRY(hash_page(firmware, *launch.hashes)));
        } else {
          context.add_without_contents(LaunchContext::Kind::Zero, section.gpa, section.size);
        }
        break;
    }
  }
  // EC2 adds the page of CPUID values last.
  for (const SevSection& section : firmware.sev)
    if (ec2 && section.kind == Cpuid) context.add(LaunchContext::Kind::Cpuid, section.gpa, Sha384{});
  // The RMP has VMSA pages at the highest page that a guest's physical address can name.
  TRY(each_vmsa(firmware, launch, launch.guest_features,
                [&](const Page& page) { context.add(LaunchContext::Kind::Vmsa, 0xfffffffff000, sha384({page})); }));
  return context.digest();
}

Result<Sha256> sev_es_launch_digest(const Firmware& firmware, const SevLaunch& launch) {
  TRY(need_hash_table(firmware, launch));
  std::vector<u8> all = without_snp(firmware, launch);
  TRY(each_vmsa(firmware, launch, 0, [&](const Page& page) { all.insert(all.end(), page.begin(), page.end()); }));
  return sha256({all});
}

Result<Sha256> sev_launch_digest(const Firmware& firmware, const SevLaunch& launch) {
  TRY(need_hash_table(firmware, launch));
  return sha256({without_snp(firmware, launch)});
}

u32 cpu_signature(u32 family, u32 model, u32 stepping) {
  const u32 low = std::min(family, u32{15}), high = (family - low) & 0xff;
  return high << 20 | ((model >> 4) & 15) << 16 | low << 8 | (model & 15) << 4 | (stepping & 15);
}

std::optional<u32> cpu_signature_of(std::string_view type) {
  for (const CpuType& known : kCpuTypes) {
    if (!type.starts_with(known.name)) continue;
    const std::string_view rest = type.substr(known.name.size());
    const bool version = rest.size() == 3 && rest.starts_with("-v") && rest[2] >= '1' &&
                         static_cast<u32>(rest[2] - '0') <= known.versions;
    if (rest.empty() || version) return cpu_signature(known.family, known.model, known.stepping);
  }
  return std::nullopt;
}

std::vector<std::string_view> cpu_types() {
  std::vector<std::string_view> out;
  for (const CpuType& known : kCpuTypes) out.push_back(known.name);
  return out;
}

}  // namespace berth::measure
