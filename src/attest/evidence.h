// Evidence of every technology, out of whatever it comes in: raw bytes, hexadecimal, base64, PEM, what drivers answer,
// or a certificate request. Values; functions are pure. What is here was read, not verified: attest/verifier.h does
// that.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attest/problem.h"
#include "attest/quote.h"
#include "attest/simulated.h"
#include "attest/snp_report.h"
#include "base/result.h"

namespace berth::attest {

enum class Technology : u8 { SevSnp, Sgx, Tdx, Simulated };
// "snp", "sgx", "tdx", "simulated": what policies and tokens call them.
std::string_view name_of(Technology technology);
// "AMD SEV-SNP", …
std::string_view title_of(Technology technology);

// The request for a certificate that evidence came in, as Enarx's keeps make them.
struct CertificateRequest {
  Blob public_key;         // SubjectPublicKeyInfo, DER
  bool is_signed = false;  // whether the request's own signature is by that key
};

struct Evidence {
  std::variant<SnpReport, Quote, Simulated> body;
  // What came with it: certificates and revocation lists in DER. Anybody may have put them there.
  std::vector<Blob> certificates = {}, revocation_lists = {};
  std::vector<std::string> documents = {};  // signed JSON of Intel's, such as TCB information
  std::optional<CertificateRequest> request = {};
  std::string form = {};  // what it came in, in words: "hexadecimal", "a certificate request, in DER"

  Technology technology() const;
  const SnpReport* snp() const { return std::get_if<SnpReport>(&body); }
  const Quote* quote() const { return std::get_if<Quote>(&body); }
  const SgxReport* sgx() const { return quote() ? quote()->sgx() : nullptr; }
  const TdReport* tdx() const { return quote() ? quote()->tdx() : nullptr; }
  const Simulated* simulated() const { return std::get_if<Simulated>(&body); }

  // What the guest put into it: 64 bytes.
  std::span<const u8> report_data() const;
  // What was started: MEASUREMENT, MRENCLAVE, MRTD.
  std::span<const u8> measurement() const;
  // What the host put into it when it was started: HOST_DATA, MRCONFIGID; empty for SGX.
  std::span<const u8> host_data() const;
  // Whether whoever runs it may look into it.
  bool is_debuggable() const;
};

inline constexpr size_t kMostEvidence = size_t{4} << 20;

// Finds out what `bytes` are and reads them. Fails with kBadEvidence, naming what is wrong.
Result<Evidence> read_evidence(std::span<const u8> bytes);
// The same of what is raw evidence: a report (with or without a table of certificates behind it, or as /dev/sev-guest
// answers), a quote, or simulated evidence.
Result<Evidence> read_raw_evidence(std::span<const u8> bytes);

// Adds the entries of a table of certificates (GHCB specification, SNP extended guest request; "auxblob" of
// configfs-tsm): 24 bytes each, GUID, offset and length, up to an entry of zeros. Fails with kBadEvidence.
Result<> add_certificate_table(Evidence& evidence, std::span<const u8> table);

}  // namespace berth::attest
