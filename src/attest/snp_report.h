// Attestation reports of AMD SEV-SNP ("SEV Secure Nested Paging Firmware ABI Specification", 56860,
// ATTESTATION_REPORT), versions 2 to 5. Values and pure functions.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "attest/encoding.h"
#include "attest/problem.h"
#include "base/result.h"

namespace berth::attest {

inline constexpr size_t kSnpReportSize = 1184, kSnpSignedSize = 0x2A0;

// Generations of processors, as AMD's keys are named. Siena and Bergamo are Genoa's.
enum class SnpProduct : u8 { Unknown, Milan, Genoa, Turin };
std::string_view name_of(SnpProduct product);

// Security versions of the parts of a platform. Turin has one part more, and other places for them.
struct SnpTcb {
  std::optional<u8> fmc;
  u8 boot_loader = 0, tee = 0, snp = 0, microcode = 0;
  friend bool operator==(const SnpTcb&, const SnpTcb&) = default;
};
// TCB_VERSION as the report has it.
SnpTcb snp_tcb_of(u64 raw, SnpProduct product);

struct SnpFirmware {
  u8 build = 0, minor = 0, major = 0;
};

enum class SnpSigningKey : u8 { Vcek = 0, Vlek = 1, None = 7 };

struct SnpReport {
  // Bits of `policy`: what the guest's owner asked for.
  static constexpr u64 kPolicySmt = u64{1} << 16, kPolicyMigration = u64{1} << 18, kPolicyDebug = u64{1} << 19,
                       kPolicySingleSocket = u64{1} << 20;

  u32 version = 0, guest_svn = 0;
  u64 policy = 0;
  std::array<u8, 16> family_id{}, image_id{};
  u32 vmpl = 0, signature_algorithm = 0;
  u64 current_tcb = 0, platform_info = 0;
  u32 key_info = 0;
  std::array<u8, 64> report_data{};
  std::array<u8, 48> measurement{};
  std::array<u8, 32> host_data{};
  std::array<u8, 48> id_key_digest{}, author_key_digest{};
  std::array<u8, 32> report_id{}, report_id_ma{};
  u64 reported_tcb = 0;
  // Since version 3; combined family and model as CPUID counts them.
  std::optional<u32> family, model, stepping;
  std::array<u8, 64> chip_id{};
  u64 committed_tcb = 0;
  SnpFirmware current_firmware, committed_firmware;
  u64 launch_tcb = 0;
  // Since version 5.
  std::optional<u64> launch_mitigations, current_mitigations;
  // Big-endian, 48 bytes each.
  std::array<u8, 96> signature{};
  Blob raw;  // all 1184 bytes

  bool is_debuggable() const { return policy & kPolicyDebug; }
  SnpSigningKey signing_key() const { return static_cast<SnpSigningKey>(key_info >> 2 & 7); }
  bool masks_chip_key() const { return key_info & 2; }
  // From the processor's family and model; Unknown for version 2, which does not say.
  SnpProduct product() const;
};

// The report that is `bytes`, all of them. Fails with kBadEvidence: another size, a version that is not known, an
// algorithm other than ECDSA P-384 with SHA-384, or signature bytes that must be zero and are not.
Result<SnpReport> parse_snp_report(std::span<const u8> bytes);

}  // namespace berth::attest
