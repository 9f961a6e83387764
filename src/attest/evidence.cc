#include "attest/evidence.h"

#include <algorithm>

#include "attest/reader.h"
#include "attest/request.h"
#include "attest/snp_json.h"
#include "json/json.h"

namespace berth::attest {
namespace {

constexpr size_t kEntrySize = 24, kMostEntries = 64;
constexpr u32 kHighestSnpVersion = 64;  // above what is known, so that a newer report is told to be one

// GUIDs of the table as they are spelled. Writers differ in the order of the bytes of the first three parts.
constexpr std::string_view kVcek = "63da758de6644564adc5f4b93be8accd", kVlek = "a8074bc2a25a483eaae639c045a0b8a1",
                           kAsk = "4ab7b379bbac4fe4a02f05aef327c782", kArk = "c0b406a4a803495297433fb6014cd0ae",
                           kCrl = "92f81bc358114d3d97ffd19f88dc67ea";

std::unexpected<Error> wrong(std::string what) { return fail(kBadEvidence, std::move(what)); }

u32 word_at(std::span<const u8> bytes, size_t at) { return Reader(bytes.subspan(at)).number<u32>(); }

bool looks_like_snp(std::span<const u8> bytes) {
  return bytes.size() >= 64 && word_at(bytes, 0) >= 1 && word_at(bytes, 0) <= kHighestSnpVersion;
}

bool looks_like_quote(std::span<const u8> bytes) {
  if (bytes.size() < 8) return false;
  Reader in(bytes);
  const u16 version = in.number<u16>(), key = in.number<u16>();
  const u32 tee = in.number<u32>();
  return version >= 1 && version <= 16 && key >= 1 && key <= 16 && (tee == 0 || tee == 0x81 || version >= 3);
}

// What /dev/sev-guest answers: status, size, 24 reserved bytes, and the report in a page.
bool looks_like_response(std::span<const u8> bytes) {
  return bytes.size() >= 32 + kSnpReportSize && word_at(bytes, 0) == 0 && word_at(bytes, 4) == kSnpReportSize &&
         looks_like_snp(bytes.subspan(32));
}

bool is_zero(std::span<const u8> bytes) {
  return std::ranges::all_of(bytes, [](u8 byte) { return byte == 0; });
}

Result<Evidence> read_snp(std::span<const u8> bytes) {
  if (bytes.size() < kSnpReportSize)
    return wrong("SEV-SNP report: it has " + std::to_string(bytes.size()) + " bytes, expected 1184");
  Evidence out{TRY(parse_snp_report(bytes.first(kSnpReportSize)))};
  const auto rest = bytes.subspan(kSnpReportSize);
  if (!is_zero(rest)) TRY(add_certificate_table(out, rest));
  return out;
}

Result<Evidence> read_quote(std::span<const u8> bytes) { return Evidence{TRY(parse_quote(bytes))}; }

std::string without_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text)
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') out += c;
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<Evidence> named(Result<Evidence> evidence, std::string form) {
  if (evidence) evidence->form = std::move(form);
  return evidence;
}

// One block of PEM, of any label.
Result<Evidence> read_pem(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ", kDashes = "-----";
  text.remove_prefix(kBegin.size());
  const size_t end_of_label = text.find(kDashes);
  if (end_of_label == std::string_view::npos || end_of_label > 64) return wrong("PEM: its first line does not end");
  const std::string label(text.substr(0, end_of_label));
  text.remove_prefix(end_of_label + kDashes.size());
  const size_t end = text.find("-----END " + label + "-----");
  if (end == std::string_view::npos) return wrong("PEM: there is no end of " + label);
  const auto bytes = from_base64(text.substr(0, end));
  if (!bytes) return wrong("PEM: what is in " + label + " is not base64");
  if (label == "CERTIFICATE REQUEST" || label == "NEW CERTIFICATE REQUEST")
    return named(read_certificate_request(*bytes), "a certificate request, in PEM");
  if (label == "CERTIFICATE") return wrong("this is a certificate, and no evidence");
  return named(read_raw_evidence(*bytes), "PEM (" + label + ")");
}

Result<Evidence> read_json(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return wrong("it starts like JSON, but is none: " + value.error().to_string());
  // As agents of Confidential Containers hand on quotes.
  if (const std::string_view quote = value->text_at({"quote"}); !quote.empty()) {
    auto bytes = from_base64(quote);
    if (!bytes) bytes = from_hex(quote);
    if (!bytes) return wrong("JSON: quote is neither base64 nor hexadecimal");
    return named(read_raw_evidence(*bytes), "JSON with a quote");
  }
  if (value->find("attestation_report")) return named(read_snp_json(*value), "JSON with a report");
  Evidence out{TRY(parse_simulated(text))};
  out.form = "JSON";
  return out;
}

}  // namespace

std::string_view name_of(Technology technology) {
  switch (technology) {
    case Technology::SevSnp: return "snp";
    case Technology::Sgx: return "sgx";
    case Technology::Tdx: return "tdx";
    case Technology::Simulated: break;
  }
  return "simulated";
}

std::string_view title_of(Technology technology) {
  switch (technology) {
    case Technology::SevSnp: return "AMD SEV-SNP";
    case Technology::Sgx: return "Intel SGX";
    case Technology::Tdx: return "Intel TDX";
    case Technology::Simulated: break;
  }
  return "simulated (INSECURE)";
}

Technology Evidence::technology() const {
  if (snp()) return Technology::SevSnp;
  if (simulated()) return Technology::Simulated;
  return quote()->is_tdx ? Technology::Tdx : Technology::Sgx;
}

std::span<const u8> Evidence::report_data() const {
  if (snp()) return snp()->report_data;
  if (sgx()) return sgx()->report_data;
  if (tdx()) return tdx()->report_data;
  return simulated()->report_data;
}

std::span<const u8> Evidence::measurement() const {
  if (snp()) return snp()->measurement;
  if (sgx()) return sgx()->mr_enclave;
  if (tdx()) return tdx()->mr_td;
  return simulated()->measurement;
}

std::span<const u8> Evidence::host_data() const {
  if (snp()) return snp()->host_data;
  if (sgx()) return {};
  if (tdx()) return tdx()->mr_config_id;
  return simulated()->host_data;
}

bool Evidence::is_debuggable() const {
  if (snp()) return snp()->is_debuggable();
  if (sgx()) return sgx()->is_debuggable();
  if (tdx()) return tdx()->is_debuggable();
  return false;
}

Result<> add_certificate_table(Evidence& evidence, std::span<const u8> table) {
  for (size_t i = 0; i < kMostEntries; ++i) {
    Reader in(table.subspan(std::min(table.size(), i * kEntrySize)));
    const auto guid = in.take(16);
    const u32 offset = in.number<u32>(), length = in.number<u32>();
    if (!in.ok()) return wrong("table of certificates: it ends before its last entry");
    if (is_zero(guid) && offset == 0 && length == 0) return {};
    if (offset > table.size() || length > table.size() - offset)
      return wrong("table of certificates: entry " + std::to_string(i) + " lies outside of it");
    const auto blob = table.subspan(offset, length);
    std::array<u8, 16> swapped;
    constexpr size_t kOrder[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t k = 0; k < 16; ++k) swapped[k] = guid[kOrder[k]];
    for (const std::string& name : {to_hex(guid), to_hex(swapped)}) {
      if (name == kVcek || name == kVlek || name == kAsk || name == kArk) {
        evidence.certificates.emplace_back(blob.begin(), blob.end());
      } else if (name == kCrl) {
        evidence.revocation_lists.emplace_back(blob.begin(), blob.end());
      }
    }
  }
  return wrong("table of certificates: it has more than 64 entries");
}

Result<Evidence> read_raw_evidence(std::span<const u8> bytes) {
  if (bytes.size() > kMostEvidence) return wrong("it has more than 4 MiB");
  if (looks_like_response(bytes))
    return named(read_snp(bytes.subspan(32, kSnpReportSize)), "an answer of /dev/sev-guest");
  if (looks_like_quote(bytes)) return named(read_quote(bytes), "raw bytes");
  if (looks_like_snp(bytes)) return named(read_snp(bytes), "raw bytes");
  const std::string_view text = trim(text_of(bytes));
  if (text.starts_with('{')) return read_json(text);
  return wrong(
      "this is no evidence that is known: neither a report of SEV-SNP, nor a quote of SGX or TDX, nor simulated "
      "evidence, nor a certificate request with one of them");
}

Result<Evidence> read_evidence(std::span<const u8> bytes) {
  if (bytes.empty()) return wrong("it is empty");
  if (bytes.size() > kMostEvidence) return wrong("it has more than 4 MiB");
  if (looks_like_response(bytes) || looks_like_quote(bytes) || looks_like_snp(bytes)) return read_raw_evidence(bytes);
  if (bytes.size() > 2 && bytes[0] == 0x30 && (bytes[1] & 0x80))
    return named(read_certificate_request(bytes), "a certificate request, in DER");
  const std::string_view text = trim(text_of(bytes));
  if (text.starts_with('{')) return read_json(text);
  if (text.starts_with("-----BEGIN ")) return read_pem(text);
  std::string compact = without_space(text);
  if (compact.starts_with("0x") || compact.starts_with("0X")) compact.erase(0, 2);
  if (compact.size() >= 16) {
    if (const auto hex = from_hex(compact)) {
      // Certificate requests come this way, too.
      if (hex->front() == 0x30) return named(read_certificate_request(*hex), "a certificate request, in hexadecimal");
      return named(read_raw_evidence(*hex), "hexadecimal");
    }
    auto base64 = from_base64(compact);
    if (!base64) base64 = from_base64url(compact);
    if (base64) {
      if (base64->front() == 0x30) return named(read_certificate_request(*base64), "a certificate request, in base64");
      return named(read_raw_evidence(*base64), "base64");
    }
  }
  return read_raw_evidence(bytes);
}

}  // namespace berth::attest
