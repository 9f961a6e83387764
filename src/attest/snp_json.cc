#include "attest/snp_json.h"

#include <algorithm>

#include "attest/certificate.h"

namespace berth::attest {
namespace {

constexpr size_t kMostCertificates = 16;

std::unexpected<Error> wrong(const std::string& name) {
  return fail(kBadEvidence, "the report's " + name + " is missing, or not what it should be");
}

struct NumberField {
  const char* name;
  size_t at, bytes;
  bool may_be_missing = false;
};
struct BytesField {
  const char* name;
  size_t at, bytes;
};
struct TcbField {
  const char* name;
  size_t at;
};

constexpr NumberField kNumbers[] = {
    {"version", 0x00, 4},
    {"guest_svn", 0x04, 4},
    {"policy", 0x08, 8},
    {"vmpl", 0x30, 4},
    {"sig_algo", 0x34, 4},
    {"plat_info", 0x40, 8},
    {"cpuid_fam_id", 0x188, 1, true},
    {"cpuid_mod_id", 0x189, 1, true},
    {"cpuid_step", 0x18A, 1, true},
    {"launch_mit_vector", 0x1F8, 8, true},
    {"current_mit_vector", 0x200, 8, true},
};
constexpr BytesField kBytes[] = {
    {"family_id", 0x10, 16},          {"image_id", 0x20, 16},   {"report_data", 0x50, 64},
    {"measurement", 0x90, 48},        {"host_data", 0xC0, 32},  {"id_key_digest", 0xE0, 48},
    {"author_key_digest", 0x110, 48}, {"report_id", 0x140, 32}, {"report_id_ma", 0x160, 32},
    {"chip_id", 0x1A0, 64},
};
constexpr TcbField kTcbs[] = {
    {"current_tcb", 0x38}, {"reported_tcb", 0x180}, {"committed_tcb", 0x1E0}, {"launch_tcb", 0x1F0}};
constexpr TcbField kVersions[] = {{"current", 0x1E8}, {"committed", 0x1EC}};
constexpr size_t kKeyInfo = 0x48, kSignature = 0x2A0, kNumberSize = 72;

Result<> put_number(Blob& report, const json::Value* value, const std::string& name, size_t at, size_t bytes) {
  const auto number = value ? value->size() : std::nullopt;
  if (!number || (bytes < 8 && *number >> (8 * bytes) != 0)) return wrong(name);
  for (size_t i = 0; i < bytes; ++i) report[at + i] = static_cast<u8>(*number >> (8 * i));
  return {};
}

std::optional<Blob> bytes_of(const json::Value* value) {
  if (!value || !value->is(json::Kind::Array)) return std::nullopt;
  Blob out;
  out.reserve(value->items().size());
  for (const json::Value& item : value->items()) {
    const auto byte = item.size();
    if (!byte || *byte > 255) return std::nullopt;
    out.push_back(static_cast<u8>(*byte));
  }
  return out;
}

Result<> put_bytes(Blob& report, const json::Value* value, const std::string& name, size_t at, size_t count) {
  const auto bytes = bytes_of(value);
  if (!bytes || bytes->size() != count) return wrong(name);
  std::ranges::copy(*bytes, report.begin() + static_cast<ptrdiff_t>(at));
  return {};
}

// Where the parts of a TCB are; Turin's processors have one more.
std::vector<std::pair<const char*, size_t>> tcb_parts(bool has_fmc) {
  if (has_fmc) return {{"fmc", 0}, {"bootloader", 1}, {"tee", 2}, {"snp", 3}, {"microcode", 7}};
  return {{"bootloader", 0}, {"tee", 1}, {"snp", 6}, {"microcode", 7}};
}
constexpr std::pair<const char*, size_t> kVersionParts[] = {{"build", 0}, {"minor", 1}, {"major", 2}};

Result<Blob> read_report(const json::Value& fields) {
  Blob out(kSnpReportSize);
  for (const NumberField& field : kNumbers) {
    const json::Value* const value = fields.find(field.name);
    if (field.may_be_missing && (!value || value->is(json::Kind::Null))) continue;
    TRY(put_number(out, value, field.name, field.at, field.bytes));
  }
  // Older guests call it otherwise.
  const json::Value* const key_info = fields.find("key_info");
  TRY(put_number(out, key_info ? key_info : fields.find("_author_key_en"), "key_info", kKeyInfo, 4));
  for (const BytesField& field : kBytes)
    TRY(put_bytes(out, fields.find(field.name), field.name, field.at, field.bytes));
  for (const TcbField& field : kTcbs) {
    const json::Value* const tcb = fields.find(field.name);
    if (!tcb) return wrong(field.name);
    const json::Value* const fmc = tcb->find("fmc");
    for (const auto& [part, offset] : tcb_parts(fmc && !fmc->is(json::Kind::Null)))
      TRY(put_number(out, tcb->find(part), std::string(field.name) + "." + part, field.at + offset, 1));
  }
  for (const TcbField& field : kVersions) {
    const json::Value* const version = fields.find(field.name);
    if (!version) return wrong(field.name);
    for (const auto& [part, offset] : kVersionParts)
      TRY(put_number(out, version->find(part), std::string(field.name) + "." + part, field.at + offset, 1));
  }
  const json::Value* const signature = fields.find("signature");
  if (!signature) return wrong("signature");
  TRY(put_bytes(out, signature->find("r"), "signature.r", kSignature, kNumberSize));
  TRY(put_bytes(out, signature->find("s"), "signature.s", kSignature + kNumberSize, kNumberSize));
  return out;
}

json::Value array_of(std::span<const u8> bytes) {
  json::Array out;
  out.reserve(bytes.size());
  for (const u8 byte : bytes) out.emplace_back(u32{byte});
  return out;
}

u64 number_at(std::span<const u8> bytes, size_t at, size_t count) {
  u64 out = 0;
  for (size_t i = 0; i < count; ++i) out |= u64{bytes[at + i]} << (8 * i);
  return out;
}

// What the guest components call a certificate.
std::string_view kind_of(const Certificate& certificate) {
  const std::string subject = certificate.subject();
  if (subject == "SEV-VCEK") return "VCEK";
  if (subject == "SEV-VLEK") return "VLEK";
  return subject.starts_with("ARK") ? "ARK" : "ASK";
}

}  // namespace

Result<Evidence> read_snp_json(const json::Value& form) {
  const json::Value* const fields = form.find("attestation_report");
  if (!fields) return fail(kBadEvidence, "there is no attestation_report");
  const Blob bytes = TRY(read_report(*fields));
  Evidence out{TRY(parse_snp_report(bytes))};
  const json::Value* const chain = form.find("cert_chain");
  if (!chain || chain->is(json::Kind::Null)) return out;
  if (!chain->is(json::Kind::Array) || chain->items().size() > kMostCertificates)
    return fail(kBadEvidence, "cert_chain is no list of at most 16");
  for (const json::Value& entry : chain->items()) {
    auto data = bytes_of(entry.find("data"));
    if (!data) return fail(kBadEvidence, "an entry of cert_chain has no data of bytes");
    const std::string_view type = entry.text_at({"cert_type"});
    if (type == "CRL")
      out.revocation_lists.push_back(std::move(*data));
    else if (!data->empty() && type != "Empty")
      out.certificates.push_back(std::move(*data));
  }
  return out;
}

json::Value to_snp_json(const Evidence& evidence) {
  const SnpReport& report = *evidence.snp();
  const std::span<const u8> raw = report.raw;
  json::Value fields = json::Object{};
  for (const NumberField& field : kNumbers) {
    const bool is_there = field.at == 0x1F8 || field.at == 0x200 ? report.version >= 5
                          : field.may_be_missing                 ? report.version >= 3
                                                                 : true;
    fields.set(field.name, is_there ? json::Value(number_at(raw, field.at, field.bytes)) : json::Value());
  }
  fields.set("key_info", report.key_info);
  for (const BytesField& field : kBytes) fields.set(field.name, array_of(raw.subspan(field.at, field.bytes)));
  const bool has_fmc = report.product() == SnpProduct::Turin;
  for (const TcbField& field : kTcbs) {
    json::Value tcb = json::Object{};
    if (!has_fmc) tcb.set("fmc", json::Value());
    for (const auto& [part, offset] : tcb_parts(has_fmc)) tcb.set(part, u32{raw[field.at + offset]});
    fields.set(field.name, std::move(tcb));
  }
  for (const TcbField& field : kVersions) {
    json::Value version = json::Object{};
    for (const auto& [part, offset] : kVersionParts) version.set(part, u32{raw[field.at + offset]});
    fields.set(field.name, std::move(version));
  }
  fields.set("signature", json::Object{{"r", array_of(raw.subspan(kSignature, kNumberSize))},
                                       {"s", array_of(raw.subspan(kSignature + kNumberSize, kNumberSize))}});
  json::Value out = json::Object{{"attestation_report", std::move(fields)}};
  json::Array chain;
  for (const Blob& der : evidence.certificates) {
    const auto certificate = Certificate::from_der(der);
    if (certificate) chain.push_back(json::Object{{"cert_type", kind_of(*certificate)}, {"data", array_of(der)}});
  }
  out.set("cert_chain", chain.empty() ? json::Value() : json::Value(std::move(chain)));
  return out;
}

}  // namespace berth::attest
