// The measurements of a launch under Intel TDX, computed without the machine. MRTD covers the firmware (TDX Module Base
// Architecture, "Measurement of the TD": TDH.MEM.PAGE.ADD and TDH.MR.EXTEND); RTMR 1 and 2 are extended by that
// firmware and by the kernel's EFI stub for what is booted. RTMR 0 has tables that the hypervisor makes from its whole
// configuration and is not computed. Pure functions.
#pragma once

#include <string_view>

#include "measure/firmware.h"
#include "measure/hash.h"

namespace berth::measure {

// In which order the hypervisor adds and measures the pages of a section; it shows in MRTD.
enum class PageOrder : u8 {
  ByPage,     // each page is added, then measured: Linux's own KVM, QEMU 9.1 and later
  BySection,  // all pages are added, then all are measured: patched KVMs before that
};

// Fails with BadArgument when the firmware has no TDX metadata.
Result<Sha384> tdx_mrtd(const Firmware& firmware, PageOrder order = PageOrder::ByPage);

// RTMR 1: the kernel, an EFI application as it is in its file (OVMF of 2025.05 and later; before, QEMU changed its
// header first), and that boot services were left. Fails with BadArgument when the kernel is no PE file.
Result<Sha384> tdx_rtmr1(std::span<const u8> kernel);
// RTMR 2: the command line, to which the firmware adds " initrd=initrd", and the initrd.
Sha384 tdx_rtmr2(std::span<const u8> initrd, std::string_view command_line);

// SHA-384 of a PE file without its signature (Authenticode). Fails with BadArgument for what is no PE file.
Result<Sha384> authenticode_sha384(std::span<const u8> file);

}  // namespace berth::measure
