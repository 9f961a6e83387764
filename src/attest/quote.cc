#include "attest/quote.h"

#include <algorithm>
#include <string>

#include "attest/reader.h"

namespace berth::attest {
namespace {

constexpr u32 kTeeSgx = 0, kTeeTdx = 0x81;
constexpr u16 kEcdsaP256 = 2;
constexpr u16 kBodySgx = 1, kBodyTd10 = 2, kBodyTd15 = 3;
constexpr u16 kQeReportData = 6;
constexpr size_t kMostCertificationData = size_t{1} << 20;

std::unexpected<Error> wrong(std::string what) { return fail(kBadEvidence, "quote: " + std::move(what)); }

std::string hex_number(u32 value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[value >> shift & 15];
  return "0x" + out;
}

TdReport read_td_report(std::span<const u8> bytes, bool is_15) {
  Reader in(bytes);
  TdReport out;
  in.read(out.tee_tcb_svn);
  in.read(out.mr_seam);
  in.read(out.mr_signer_seam);
  in.read(out.seam_attributes);
  in.read(out.td_attributes);
  in.read(out.xfam);
  in.read(out.mr_td);
  in.read(out.mr_config_id);
  in.read(out.mr_owner);
  in.read(out.mr_owner_config);
  for (auto& rtmr : out.rtmr) in.read(rtmr);
  in.read(out.report_data);
  if (is_15) {
    in.read(out.tee_tcb_svn2.emplace());
    in.read(out.mr_service_td.emplace());
  }
  return out;
}

// The part of the quoting enclave: its report, what it vouches for, and certification data.
Result<> read_qe_part(Reader& in, Quote& quote) {
  const auto report = in.take(kSgxReportSize);
  if (!in.ok()) return wrong("it ends within the report of the quoting enclave");
  quote.qe_report_bytes.assign(report.begin(), report.end());
  quote.qe_report = parse_sgx_report(report);
  in.read(quote.qe_report_signature);
  const auto authentication = in.take(in.number<u16>());
  if (!in.ok()) return wrong("it ends within the authentication data of the quoting enclave");
  quote.qe_authentication_data.assign(authentication.begin(), authentication.end());
  quote.certification_type = in.number<u16>();
  const u32 size = in.number<u32>();
  if (in.ok() && size > kMostCertificationData)
    return wrong("certification data of " + std::to_string(size) + " bytes, at most 1 MiB is read");
  const auto data = in.take(size);
  if (!in.ok()) return wrong("it ends within the certification data");
  if (quote.certification_type == 0 || quote.certification_type > 7 || quote.certification_type == kQeReportData)
    return wrong("certification data of type " + std::to_string(quote.certification_type) + " is not known");
  quote.certification_data.assign(data.begin(), data.end());
  return {};
}

Result<> read_signature(std::span<const u8> data, Quote& quote) {
  Reader in(data);
  in.read(quote.signature);
  in.read(quote.attestation_key);
  if (!in.ok()) return wrong("it ends within its signature");
  if (quote.version == 3) {
    TRY(read_qe_part(in, quote));
  } else {
    const u16 type = in.number<u16>();
    const u32 size = in.number<u32>();
    if (!in.ok()) return wrong("it ends within the certification data");
    if (type != kQeReportData)
      return wrong("the outer certification data is of type " + std::to_string(type) + ", expected 6");
    const auto inner = in.take(size);
    if (!in.ok())
      return wrong("the certification data has " + std::to_string(size) + " bytes, more than the signature data");
    Reader qe(inner);
    TRY(read_qe_part(qe, quote));
    if (!qe.rest().empty())
      return wrong("there are " + std::to_string(qe.rest().size()) + " bytes too many in the certification data");
  }
  if (!in.rest().empty())
    return wrong("there are " + std::to_string(in.rest().size()) + " bytes too many in the signature data");
  return {};
}

// The size of the body, after what names it in version 5.
Result<size_t> read_body_kind(Reader& in, Quote& quote, bool& is_15) {
  if (quote.version != 5) return quote.is_tdx ? kTdReport10Size : kSgxReportSize;
  const u16 type = in.number<u16>();
  const u32 size = in.number<u32>();
  if (!in.ok()) return wrong("it ends within its header");
  const size_t expected = type == kBodySgx    ? kSgxReportSize
                          : type == kBodyTd10 ? kTdReport10Size
                          : type == kBodyTd15 ? kTdReport15Size
                                              : 0;
  if (expected == 0) return wrong("a body of type " + std::to_string(type) + " is not known");
  if (size != expected)
    return wrong("a body of type " + std::to_string(type) + " has " + std::to_string(expected) + " bytes, this says " +
                 std::to_string(size));
  if ((type == kBodySgx) == quote.is_tdx) return wrong("its body is not of the technology that its header names");
  is_15 = type == kBodyTd15;
  return expected;
}

}  // namespace

SgxReport parse_sgx_report(std::span<const u8> bytes) {
  Reader in(bytes);
  SgxReport out;
  in.read(out.cpu_svn);
  out.misc_select = in.number<u32>();
  in.skip(12);
  in.read(out.isv_ext_prod_id);
  in.read(out.attributes);
  in.read(out.mr_enclave);
  in.skip(32);
  in.read(out.mr_signer);
  in.skip(32);
  in.read(out.config_id);
  out.isv_prod_id = in.number<u16>();
  out.isv_svn = in.number<u16>();
  out.config_svn = in.number<u16>();
  in.skip(42);
  in.read(out.isv_family_id);
  in.read(out.report_data);
  return out;
}

Result<Quote> parse_quote(std::span<const u8> bytes) {
  Quote out;
  Reader in(bytes);
  out.version = in.number<u16>();
  out.attestation_key_type = in.number<u16>();
  const u32 tee = in.number<u32>();
  if (!in.ok()) return wrong("it ends within its header");
  if (out.version < 3 || out.version > 5)
    return wrong("it is of version " + std::to_string(out.version) + ", known are 3, 4 and 5");
  if (tee != kTeeSgx && tee != kTeeTdx)
    return wrong("its technology is " + hex_number(tee) + ", known are 0 (SGX) and 0x81 (TDX)");
  out.is_tdx = tee == kTeeTdx;
  if (out.is_tdx && out.version == 3) return wrong("version 3 is of SGX, but its header says TDX");
  if (out.attestation_key_type != kEcdsaP256)
    return wrong("its attestation key is of type " + std::to_string(out.attestation_key_type) +
                 ", known is 2 (ECDSA P-256)");
  out.qe_svn = in.number<u16>();
  out.pce_svn = in.number<u16>();
  in.read(out.qe_vendor_id);
  in.read(out.user_data);
  bool is_15 = false;
  const size_t size = TRY(read_body_kind(in, out, is_15));
  const auto body = in.take(size);
  if (!in.ok()) return wrong("it ends within its body");
  if (out.is_tdx)
    out.body = read_td_report(body, is_15);
  else
    out.body = parse_sgx_report(body);
  out.signed_bytes.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(bytes.size() - in.rest().size()));
  const u32 length = in.number<u32>();
  const auto signature = in.take(length);
  if (!in.ok()) return wrong("it ends within its signature data");
  TRY(read_signature(signature, out));
  out.trailing = in.rest().size();
  return out;
}

}  // namespace berth::attest
