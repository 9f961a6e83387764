// The measurement of a launch under AMD's SEV-SNP, SEV-ES and SEV, computed without the machine: what the report of a
// guest started with these files and options will say. SEV Secure Nested Paging Firmware ABI, 8.17; APM volume 2, B.4
// (VMSA); QEMU's table of kernel hashes. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/firmware.h"
#include "measure/hash.h"

namespace berth::measure {

enum class Hypervisor : u8 { Qemu, Ec2, Gce };

struct KernelHashes {
  Sha256 kernel, initrd, command_line;
};
// Of the files' bytes and the command line as it is given to the hypervisor (a zero byte after it is hashed, too).
KernelHashes hash_kernel(std::span<const u8> kernel, std::span<const u8> initrd, std::string_view command_line);

struct SevLaunch {
  u32 vcpus = 1;                            // at least 1
  u32 cpu_signature = 0;                    // CPUID 1 EAX
  u64 guest_features = 1;                   // SEV_FEATURES: bit 0 is SNP
  std::optional<KernelHashes> hashes = {};  // nothing: the guest boots from a disk, and only its firmware is measured
  Hypervisor hypervisor = Hypervisor::Qemu;
};

// Fail with BadArgument when the firmware cannot be launched so: it lacks SEV metadata, the place for hashes, or the
// reset address of further processors.
Result<Sha384> snp_launch_digest(const Firmware& firmware, const SevLaunch& launch);
Result<Sha256> sev_es_launch_digest(const Firmware& firmware, const SevLaunch& launch);
Result<Sha256> sev_launch_digest(const Firmware& firmware, const SevLaunch& launch);

// CPUID 1 EAX of a processor.
u32 cpu_signature(u32 family, u32 model, u32 stepping);
// That of a model of processor that QEMU knows by name, as "EPYC-Milan"; also its versions, "EPYC-Milan-v2".
std::optional<u32> cpu_signature_of(std::string_view type);
std::vector<std::string_view> cpu_types();

}  // namespace berth::measure
