#include "attest/snp_report.h"

#include <algorithm>
#include <string>

#include "attest/reader.h"

namespace berth::attest {
namespace {

constexpr u32 kEcdsaP384Sha384 = 1;
constexpr size_t kNumberSize = 72, kUsedSize = 48;

std::unexpected<Error> wrong(std::string what) { return fail(kBadEvidence, "SEV-SNP report: " + std::move(what)); }

SnpFirmware read_firmware(Reader& in) {
  SnpFirmware out;
  out.build = in.number<u8>();
  out.minor = in.number<u8>();
  out.major = in.number<u8>();
  in.skip(1);
  return out;
}

// A number of the signature, whose bytes above the used ones must be zero: nothing else covers them.
bool read_number(Reader& in, std::span<u8> to) {
  const auto bytes = in.take(kNumberSize);
  if (bytes.size() != kNumberSize) return false;
  std::ranges::reverse_copy(bytes.first(kUsedSize), to.begin());
  return std::ranges::all_of(bytes.subspan(kUsedSize), [](u8 byte) { return byte == 0; });
}

}  // namespace

std::string_view name_of(SnpProduct product) {
  switch (product) {
    case SnpProduct::Milan: return "Milan";
    case SnpProduct::Genoa: return "Genoa";
    case SnpProduct::Turin: return "Turin";
    case SnpProduct::Unknown: break;
  }
  return "unknown";
}

SnpTcb snp_tcb_of(u64 raw, SnpProduct product) {
  const auto byte = [raw](int i) { return static_cast<u8>(raw >> (8 * i)); };
  if (product == SnpProduct::Turin) return {byte(0), byte(1), byte(2), byte(3), byte(7)};
  return {std::nullopt, byte(0), byte(1), byte(6), byte(7)};
}

SnpProduct SnpReport::product() const {
  if (!family || !model) return SnpProduct::Unknown;
  if (*family == 0x19 && *model <= 0x0F) return SnpProduct::Milan;
  if (*family == 0x19 && ((*model >= 0x10 && *model <= 0x1F) || (*model >= 0xA0 && *model <= 0xAF)))
    return SnpProduct::Genoa;
  if (*family == 0x1A && *model <= 0x11) return SnpProduct::Turin;
  return SnpProduct::Unknown;
}

Result<SnpReport> parse_snp_report(std::span<const u8> bytes) {
  if (bytes.size() != kSnpReportSize) return wrong("it has " + std::to_string(bytes.size()) + " bytes, expected 1184");
  SnpReport out;
  out.raw.assign(bytes.begin(), bytes.end());
  Reader in(bytes);
  out.version = in.number<u32>();
  if (out.version < 2 || out.version > 5)
    return wrong("it is of version " + std::to_string(out.version) + ", known are 2 to 5");
  out.guest_svn = in.number<u32>();
  out.policy = in.number<u64>();
  in.read(out.family_id);
  in.read(out.image_id);
  out.vmpl = in.number<u32>();
  out.signature_algorithm = in.number<u32>();
  if (out.signature_algorithm != kEcdsaP384Sha384)
    return wrong("its signature algorithm is " + std::to_string(out.signature_algorithm) +
                 ", known is 1 (ECDSA P-384 with SHA-384)");
  out.current_tcb = in.number<u64>();
  out.platform_info = in.number<u64>();
  out.key_info = in.number<u32>();
  in.skip(4);
  in.read(out.report_data);
  in.read(out.measurement);
  in.read(out.host_data);
  in.read(out.id_key_digest);
  in.read(out.author_key_digest);
  in.read(out.report_id);
  in.read(out.report_id_ma);
  out.reported_tcb = in.number<u64>();
  if (out.version >= 3) {
    out.family = in.number<u8>();
    out.model = in.number<u8>();
    out.stepping = in.number<u8>();
  } else {
    in.skip(3);
  }
  in.skip(21);
  in.read(out.chip_id);
  out.committed_tcb = in.number<u64>();
  out.current_firmware = read_firmware(in);
  out.committed_firmware = read_firmware(in);
  out.launch_tcb = in.number<u64>();
  if (out.version >= 5) {
    out.launch_mitigations = in.number<u64>();
    out.current_mitigations = in.number<u64>();
  }
  Reader signature(bytes.subspan(kSnpSignedSize));
  const std::span numbers(out.signature);
  if (!read_number(signature, numbers.first(kUsedSize)) || !read_number(signature, numbers.subspan(kUsedSize)) ||
      !std::ranges::all_of(signature.rest(), [](u8 byte) { return byte == 0; })) {
    return wrong("bytes of its signature that must be zero are not");
  }
  return out;
}

}  // namespace berth::attest
