// Quotes of Intel SGX (version 3 and 4) and Intel TDX (versions 4 and 5), after "Intel SGX ECDSA QuoteLibReference" and
// "Intel TDX DCAP Quoting Library API". Values and pure functions.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <variant>

#include "attest/encoding.h"
#include "attest/problem.h"
#include "base/result.h"

namespace berth::attest {

inline constexpr size_t kQuoteHeaderSize = 48, kSgxReportSize = 384, kTdReport10Size = 584, kTdReport15Size = 648;

// What the processor says of an enclave: REPORT's body.
struct SgxReport {
  std::array<u8, 16> cpu_svn{};
  u32 misc_select = 0;
  std::array<u8, 16> isv_ext_prod_id{};
  std::array<u8, 16> attributes{};  // FLAGS, XFRM
  std::array<u8, 32> mr_enclave{}, mr_signer{};
  std::array<u8, 64> config_id{};
  u16 isv_prod_id = 0, isv_svn = 0, config_svn = 0;
  std::array<u8, 16> isv_family_id{};
  std::array<u8, 64> report_data{};

  bool is_debuggable() const { return attributes[0] & 2; }
};

// What the TDX module says of a trust domain: TDREPORT as quotes have it, of TDX 1.0 or 1.5.
struct TdReport {
  std::array<u8, 16> tee_tcb_svn{};
  std::array<u8, 48> mr_seam{}, mr_signer_seam{};
  std::array<u8, 8> seam_attributes{}, td_attributes{}, xfam{};
  std::array<u8, 48> mr_td{}, mr_config_id{}, mr_owner{}, mr_owner_config{};
  std::array<std::array<u8, 48>, 4> rtmr{};
  std::array<u8, 64> report_data{};
  // TDX 1.5: of the module that runs now, and of service TDs.
  std::optional<std::array<u8, 16>> tee_tcb_svn2;
  std::optional<std::array<u8, 48>> mr_service_td;

  bool is_debuggable() const { return td_attributes[0] & 1; }
};

struct Quote {
  u16 version = 0, attestation_key_type = 0;
  bool is_tdx = false;
  u16 qe_svn = 0, pce_svn = 0;  // of version 3; later ones have zeros
  std::array<u8, 16> qe_vendor_id{};
  std::array<u8, 20> user_data{};
  std::variant<SgxReport, TdReport> body;

  Blob signed_bytes;  // header and body
  std::array<u8, 64> signature{};
  std::array<u8, 64> attestation_key{};  // a point on P-256
  Blob qe_report_bytes;                  // 384
  SgxReport qe_report;
  std::array<u8, 64> qe_report_signature{};
  Blob qe_authentication_data;
  u16 certification_type = 0;  // 5: a chain of certificates in PEM
  Blob certification_data;
  size_t trailing = 0;  // bytes after the quote, of no meaning

  const SgxReport* sgx() const { return std::get_if<SgxReport>(&body); }
  const TdReport* tdx() const { return std::get_if<TdReport>(&body); }
};

// The body of a report of SGX; `bytes` has at least 384.
SgxReport parse_sgx_report(std::span<const u8> bytes);
// The quote at the start of `bytes`. Fails with kBadEvidence: a version, a kind of key, a body or certification data
// that is not known, lengths that do not fit each other, or an end too early.
Result<Quote> parse_quote(std::span<const u8> bytes);

}  // namespace berth::attest
