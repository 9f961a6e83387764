#include "attest/verifier.h"

#include <algorithm>

#include "attest/request.h"
#include "attest/verify_parts.h"

namespace berth::attest {
namespace {

Sha256 digest_of(std::string_view hex) {
  Sha256 out{};
  const auto bytes = from_hex(hex);
  CHECK(bytes && bytes->size() == out.size());
  std::ranges::copy(*bytes, out.begin());
  return out;
}

// A key is bound by being the digest in the report data, with nothing but zeros behind it.
void verify_request(Recorder& out, const Evidence& evidence) {
  const CertificateRequest& request = *evidence.request;
  out.check("signature of the certificate request", request.is_signed, "it is not by the key that the request is for");
  const Blob expected = report_data_of_key(evidence.technology(), request.public_key);
  const auto got = evidence.report_data();
  out.check("evidence is bound to the key", std::ranges::equal(got, expected),
            "the report data is " + to_hex(got) + ", expected the digest of the request's key, " + to_hex(expected));
}

void verify_simulated(Recorder& out, const Simulated& evidence) {
  out.check("signature of the simulated evidence", is_signed(evidence),
            "it does not fit the claims and the key within");
  out.warned("hardware", std::string(kSimulatedWarning));
}

}  // namespace

const Roots& vendor_roots() {
  static const Roots roots = {
      {{SnpProduct::Milan, digest_of("9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9")},
       {SnpProduct::Genoa, digest_of("429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831")},
       {SnpProduct::Turin, digest_of("4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08")}},
      {digest_of("a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e")}};
  return roots;
}

Verdict verify(Evidence evidence, const Collateral& collateral, Time time, const Roots& roots) {
  Verdict verdict{std::move(evidence), time, {}, {}, {}, {}};
  Recorder out(verdict);
  if (verdict.evidence.snp())
    verify_snp(out, collateral, roots);
  else if (verdict.evidence.quote())
    verify_quote(out, collateral, roots);
  else
    verify_simulated(out, *verdict.evidence.simulated());
  if (verdict.evidence.request) verify_request(out, verdict.evidence);
  return verdict;
}

}  // namespace berth::attest
