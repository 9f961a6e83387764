#include "attest/describe.h"

#include <algorithm>

#include "attest/certificate.h"
#include "attest/intel_tcb.h"

namespace berth::attest {
namespace {

class Writer {
 public:
  explicit Writer(std::vector<Section>& out) : out_(out) {}

  void section(std::string title) { out_.push_back({std::move(title), {}}); }
  void add(std::string key, std::string label, std::string text, json::Value value) {
    out_.back().fields.push_back({std::move(key), std::move(label), std::move(text), std::move(value)});
  }
  void text(std::string key, std::string label, std::string text) {
    json::Value value(text);
    add(std::move(key), std::move(label), std::move(text), std::move(value));
  }
  void number(std::string key, std::string label, u64 value) {
    add(std::move(key), std::move(label), std::to_string(value), value);
  }
  void bytes(std::string key, std::string label, std::span<const u8> value) {
    const std::string hex = to_hex(value);
    const bool is_zero = std::ranges::all_of(value, [](u8 byte) { return byte == 0; });
    add(std::move(key), std::move(label), is_zero ? "zeros (none)" : hex, hex);
  }
  void flag(std::string key, std::string label, bool value, std::string_view yes, std::string_view no) {
    add(std::move(key), std::move(label), std::string(value ? yes : no), value);
  }

 private:
  std::vector<Section>& out_;
};

std::string hex_number(u64 value, int digits) {
  std::string out = "0x";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
  return out;
}

void add_tcb(Writer& out, const std::string& key, const std::string& label, u64 raw, SnpProduct product) {
  const SnpTcb tcb = snp_tcb_of(raw, product);
  std::string text;
  json::Value value = json::Object{};
  const auto part = [&](const char* name, const char* words, u8 svn) {
    text += (text.empty() ? "" : ", ") + std::string(words) + " " + std::to_string(svn);
    value.set(name, u32{svn});
  };
  if (tcb.fmc) part("fmc", "FMC", *tcb.fmc);
  part("boot_loader", "boot loader", tcb.boot_loader);
  part("tee", "TEE", tcb.tee);
  part("snp", "SNP firmware", tcb.snp);
  part("microcode", "microcode", tcb.microcode);
  value.set("raw", hex_number(raw, 16));
  out.add(key, label, text + "  (" + hex_number(raw, 16) + ")", std::move(value));
}

struct Bit {
  int bit;
  const char *key, *label, *yes, *no;
};

void add_bits(Writer& out, u64 value, std::span<const Bit> bits) {
  for (const Bit& bit : bits) out.flag(bit.key, bit.label, value >> bit.bit & 1, bit.yes, bit.no);
}

constexpr Bit kSnpPolicy[] = {
    {19, "debug", "debugging", "ALLOWED: the host can read and change the guest", "not allowed"},
    {18, "migration_agent", "migration agent", "allowed", "not allowed"},
    {16, "smt_allowed", "simultaneous multithreading", "allowed", "not allowed"},
    {20, "single_socket", "one socket only", "required", "not required"},
    {21, "cxl_allowed", "CXL devices and memory", "allowed", "not allowed"},
    {22, "aes_256_xts", "memory encryption by AES-256-XTS", "required", "not required"},
    {23, "rapl_disabled_required", "power meter (RAPL) off", "required", "not required"},
    {24, "ciphertext_hiding_required", "ciphertext hidden from the host", "required", "not required"},
    {25, "page_swap_disabled", "swapping of pages by the host", "disabled", "not disabled"},
};
constexpr Bit kSnpPlatform[] = {
    {0, "platform_smt", "simultaneous multithreading", "on", "off"},
    {1, "platform_tsme", "transparent memory encryption", "on", "off"},
    {2, "platform_ecc", "memory with error correction", "yes", "no"},
    {3, "platform_rapl_disabled", "power meter (RAPL)", "off", "on"},
    {4, "platform_ciphertext_hiding", "ciphertext hidden from the host", "yes", "no"},
    {5, "platform_alias_check", "memory aliases checked since the last reset", "yes", "no"},
    {7, "platform_tio", "trusted devices (SEV-TIO)", "on", "off"},
};

std::string version_of(const SnpFirmware& firmware) {
  return std::to_string(firmware.major) + "." + std::to_string(firmware.minor) + "." + std::to_string(firmware.build);
}

void describe_snp(Writer& out, const SnpReport& report) {
  const SnpProduct product = report.product();
  out.section("AMD SEV-SNP report");
  out.number("version", "version", report.version);
  if (report.family) {
    out.add("processor", "processor",
            std::string(name_of(product)) + " (family " + std::to_string(*report.family) + ", model " +
                std::to_string(*report.model) + ", stepping " + std::to_string(*report.stepping) + ")",
            json::Object{{"product", name_of(product)},
                         {"family", *report.family},
                         {"model", *report.model},
                         {"stepping", *report.stepping}});
  } else {
    out.text("processor", "processor", "not in reports of version 2; its certificate says");
  }
  const SnpSigningKey key = report.signing_key();
  out.text("signing_key", "signed with",
           key == SnpSigningKey::Vcek   ? "VCEK (a key of the chip)"
           : key == SnpSigningKey::Vlek ? "VLEK (a key of the provider)"
                                        : "no key");
  out.number("vmpl", "asked for at privilege level (VMPL)", report.vmpl);

  out.section("Guest");
  out.bytes("measurement", "measurement at launch", report.measurement);
  out.bytes("report_data", "report data (the guest's)", report.report_data);
  out.bytes("host_data", "host data (the host's)", report.host_data);
  out.number("guest_svn", "security version", report.guest_svn);
  out.bytes("family_id", "family", report.family_id);
  out.bytes("image_id", "image", report.image_id);
  out.bytes("id_key_digest", "identity key", report.id_key_digest);
  out.bytes("author_key_digest", "author key", report.author_key_digest);
  out.bytes("report_id", "report ID", report.report_id);
  out.bytes("report_id_ma", "report ID of the migration agent", report.report_id_ma);

  out.section("What the guest's owner asked for (policy " + hex_number(report.policy, 16) + ")");
  out.text("minimum_abi", "least firmware interface",
           std::to_string(report.policy >> 8 & 255) + "." + std::to_string(report.policy & 255));
  add_bits(out, report.policy, kSnpPolicy);

  out.section("Platform (" + hex_number(report.platform_info, 16) + ")");
  add_bits(out, report.platform_info, kSnpPlatform);
  out.flag("author_key_present", "author key present", report.key_info & 1, "yes", "no");
  out.flag("mask_chip_key", "signatures withheld by the host (MaskChipKey)", report.masks_chip_key(), "yes", "no");
  out.bytes("chip_id", "chip", report.chip_id);
  out.text("current_firmware", "firmware that runs", version_of(report.current_firmware));
  out.text("committed_firmware", "firmware that cannot be gone back from", version_of(report.committed_firmware));
  if (report.launch_mitigations) {
    out.text("launch_mitigations", "mitigations at launch", hex_number(*report.launch_mitigations, 16));
    out.text("current_mitigations", "mitigations now", hex_number(*report.current_mitigations, 16));
  }

  out.section(product == SnpProduct::Unknown ? "Security versions (TCB), in the layout of Milan and Genoa"
                                             : "Security versions (TCB)");
  add_tcb(out, "reported_tcb", "reported, what the signing key is for", report.reported_tcb, product);
  add_tcb(out, "current_tcb", "that run", report.current_tcb, product);
  add_tcb(out, "committed_tcb", "that cannot be gone back from", report.committed_tcb, product);
  add_tcb(out, "launch_tcb", "when the guest was launched", report.launch_tcb, product);
  out.section("Signature (ECDSA P-384 with SHA-384)");
  out.bytes("signature_r", "r", std::span(report.signature).first(48));
  out.bytes("signature_s", "s", std::span(report.signature).subspan(48));
}

constexpr Bit kSgxFlags[] = {
    {1, "debug", "debugging", "YES: whoever runs it can read and change it", "no"},
    {2, "mode_64bit", "64-bit mode", "yes", "no"},
    {4, "provision_key", "may use the provisioning key", "yes", "no"},
    {5, "einit_token_key", "may use the launch key", "yes", "no"},
    {7, "kss", "key separation and sharing", "yes", "no"},
    {10, "aex_notify", "notified of exits (AEX-Notify)", "yes", "no"},
};

u64 little_endian(std::span<const u8> bytes) {
  u64 out = 0;
  for (size_t i = 0; i < std::min<size_t>(8, bytes.size()); ++i) out |= u64{bytes[i]} << (8 * i);
  return out;
}

void describe_sgx(Writer& out, const SgxReport& report, const std::string& prefix) {
  out.bytes(prefix + "mr_enclave", "enclave (MRENCLAVE)", report.mr_enclave);
  out.bytes(prefix + "mr_signer", "signer (MRSIGNER)", report.mr_signer);
  out.number(prefix + "isv_prod_id", "product (ISVPRODID)", report.isv_prod_id);
  out.number(prefix + "isv_svn", "security version (ISVSVN)", report.isv_svn);
  out.bytes(prefix + "report_data", "report data (the enclave's)", report.report_data);
  out.bytes(prefix + "cpu_svn", "processor's security versions (CPUSVN)", report.cpu_svn);
  out.text(prefix + "misc_select", "MISCSELECT", hex_number(report.misc_select, 8));
  out.bytes(prefix + "attributes", "attributes", report.attributes);
  if (!prefix.empty()) {
    out.flag(prefix + "debug", "debugging", report.is_debuggable(), "YES", "no");
    return;
  }
  out.bytes("config_id", "configuration (CONFIGID)", report.config_id);
  out.number("config_svn", "configuration's security version", report.config_svn);
  out.bytes("isv_ext_prod_id", "extended product", report.isv_ext_prod_id);
  out.bytes("isv_family_id", "product family", report.isv_family_id);
  add_bits(out, little_endian(report.attributes), kSgxFlags);
  out.text("xfrm", "processor state (XFRM)", hex_number(little_endian(std::span(report.attributes).subspan(8)), 16));
}

constexpr Bit kTdAttributes[] = {
    {0, "debug", "debugging", "YES: the host can read and change the guest", "no"},
    {27, "lass", "linear address space separation", "on", "off"},
    {28, "sept_ve_disable", "no exceptions on missing memory (SEPT_VE_DISABLE)", "yes", "NO"},
    {29, "migratable", "may migrate", "yes", "no"},
    {30, "pks", "supervisor protection keys", "on", "off"},
    {31, "key_locker", "key locker", "on", "off"},
    {63, "perfmon", "performance counters", "on", "off"},
};

void describe_tdx(Writer& out, const TdReport& report) {
  out.bytes("mr_td", "measurement at launch (MRTD)", report.mr_td);
  for (size_t i = 0; i < report.rtmr.size(); ++i)
    out.bytes("rtmr" + std::to_string(i), "measured at run time (RTMR" + std::to_string(i) + ")", report.rtmr[i]);
  out.bytes("report_data", "report data (the guest's)", report.report_data);
  out.bytes("mr_config_id", "configuration (MRCONFIGID)", report.mr_config_id);
  out.bytes("mr_owner", "owner (MROWNER)", report.mr_owner);
  out.bytes("mr_owner_config", "owner's configuration (MROWNERCONFIG)", report.mr_owner_config);
  out.section("What the guest's owner asked for (attributes " + hex_number(little_endian(report.td_attributes), 16) +
              ")");
  add_bits(out, little_endian(report.td_attributes), kTdAttributes);
  out.text("xfam", "processor state (XFAM)", hex_number(little_endian(report.xfam), 16));
  out.section("TDX module");
  out.bytes("mr_seam", "module (MRSEAM)", report.mr_seam);
  out.bytes("mr_signer_seam", "its signer (zeros: Intel's)", report.mr_signer_seam);
  out.bytes("seam_attributes", "its attributes", report.seam_attributes);
  out.bytes("tee_tcb_svn", "security versions (TEE_TCB_SVN)", report.tee_tcb_svn);
  if (report.tee_tcb_svn2)
    out.bytes("tee_tcb_svn2", "of the module that runs now (TEE_TCB_SVN2)", *report.tee_tcb_svn2);
  if (report.mr_service_td) out.bytes("mr_service_td", "service TDs (MRSERVICETD)", *report.mr_service_td);
}

void describe_pck(Writer& out, const Quote& quote) {
  const auto chain = Certificate::from_pem(text_of(quote.certification_data));
  if (quote.certification_type != 5 || !chain || chain->empty()) return;
  const Certificate& pck = chain->front();
  out.text("pck_subject", "PCK certificate", pck.subject() + ", issued by " + pck.issuer());
  out.text("pck_not_before", "valid from", format_time(pck.not_before()));
  out.text("pck_not_after", "valid until", format_time(pck.not_after()));
  const auto extension = parse_pck_extension(pck);
  if (!extension) return;
  out.bytes("fmspc", "processor family (FMSPC)", extension->fmspc);
  out.bytes("pck_cpu_svn", "its security versions (CPUSVN)", extension->cpu_svn);
  out.number("pck_pce_svn", "its PCE's security version", extension->pce_svn);
}

void describe_quote(Writer& out, const Quote& quote) {
  out.section(quote.is_tdx ? "Intel TDX quote" : "Intel SGX quote");
  out.number("version", "version", quote.version);
  if (quote.tdx()) out.text("body", "body", quote.tdx()->tee_tcb_svn2 ? "of TDX 1.5" : "of TDX 1.0");
  out.bytes("qe_vendor_id", "quoting enclave of", quote.qe_vendor_id);
  out.bytes("user_data", "user data", quote.user_data);
  if (quote.trailing > 0) out.number("trailing_bytes", "bytes after the quote, of no meaning", quote.trailing);
  out.section(quote.is_tdx ? "Guest (trust domain)" : "Enclave");
  if (quote.sgx()) describe_sgx(out, *quote.sgx(), "");
  if (quote.tdx()) describe_tdx(out, *quote.tdx());
  out.section("Quoting enclave");
  describe_sgx(out, quote.qe_report, "qe_");
  out.bytes("qe_authentication_data", "authentication data", quote.qe_authentication_data);
  out.section("Signature (ECDSA P-256 with SHA-256)");
  out.bytes("signature", "r and s", quote.signature);
  out.bytes("attestation_key", "attestation key", quote.attestation_key);
  out.number("certification_type", "certification data, type", quote.certification_type);
  describe_pck(out, quote);
}

void describe_simulated(Writer& out, const Simulated& evidence) {
  out.section("Simulated evidence");
  out.text("warning", "warning", std::string(kSimulatedWarning));
  out.bytes("measurement", "measurement", evidence.measurement);
  out.bytes("report_data", "report data", evidence.report_data);
  out.bytes("host_data", "host data", evidence.host_data);
  out.bytes("public_key_digest", "development key (SHA-256)", sha256(evidence.public_key));
}

void describe_beside(Writer& out, const Evidence& evidence) {
  if (evidence.request) {
    out.section("Certificate request");
    out.bytes("request_public_key", "public key", evidence.request->public_key);
    out.flag("request_signed", "signed by that key", evidence.request->is_signed, "yes", "NO");
  }
  if (evidence.certificates.empty() && evidence.revocation_lists.empty() && evidence.documents.empty()) return;
  out.section("What came with it");
  json::Array subjects;
  std::string text;
  for (const Blob& der : evidence.certificates) {
    const auto certificate = Certificate::from_der(der);
    const std::string subject = certificate ? certificate->subject() : "(malformed, or not DER)";
    text += (text.empty() ? "" : ", ") + subject;
    subjects.emplace_back(subject);
  }
  if (!subjects.empty()) out.add("certificates", "certificates", text, std::move(subjects));
  if (!evidence.revocation_lists.empty())
    out.number("revocation_lists", "revocation lists", evidence.revocation_lists.size());
  if (!evidence.documents.empty()) out.number("documents", "documents of Intel's", evidence.documents.size());
}

}  // namespace

std::vector<Section> describe(const Evidence& evidence) {
  std::vector<Section> sections;
  Writer out(sections);
  if (evidence.snp()) describe_snp(out, *evidence.snp());
  if (evidence.quote()) describe_quote(out, *evidence.quote());
  if (evidence.simulated()) describe_simulated(out, *evidence.simulated());
  describe_beside(out, evidence);
  return sections;
}

json::Value to_json(const Evidence& evidence) {
  json::Value out = json::Object{{"technology", name_of(evidence.technology())},
                                 {"form", evidence.form},
                                 {"measurement", to_hex(evidence.measurement())}};
  for (Section& section : describe(evidence))
    for (Field& field : section.fields) out.set(field.key, std::move(field.value));
  return out;
}

}  // namespace berth::attest
