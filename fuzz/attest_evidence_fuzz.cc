// Evidence as anybody may send it: reports, quotes, certificate requests, tables of certificates, in every form. The
// first byte says what is read. What was read must survive being described, verified and judged, and is never accepted.

#include <algorithm>
#include <cstdlib>

#include "attest/describe.h"
#include "attest/policy.h"
#include "attest/request.h"
#include "attest/token.h"

namespace {

using namespace berth;

void require(bool condition) {
  if (!condition) std::abort();
}

void judge(attest::Evidence evidence) {
  require(evidence.report_data().size() == 64);
  require(json::parse(json::to_text(attest::to_json(evidence))).has_value());
  const bool is_simulated = evidence.simulated() != nullptr;
  const attest::Verdict verdict = attest::verify(std::move(evidence), {}, 1750000000);
  // Without the vendors' collateral nothing but simulated evidence can be told genuine.
  require(is_simulated || !verdict.is_genuine());
  const attest::Appraisal appraisal = attest::appraise(verdict, attest::Policy::any_genuine());
  require(!appraisal.accepted && !appraisal.reasons().empty());
  require(json::parse(attest::token_claims(verdict, appraisal, {})).has_value());
}

void read(Result<attest::Evidence> evidence) {
  if (evidence) judge(std::move(*evidence));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  if (size == 0) return 0;
  const std::span bytes(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0: read(attest::read_evidence(bytes)); break;
    case 1: read(attest::read_raw_evidence(bytes)); break;
    case 2:
      if (auto quote = attest::parse_quote(bytes)) {
        require(std::ranges::equal(quote->signed_bytes, bytes.first(quote->signed_bytes.size())));
        judge({std::move(*quote)});
      }
      break;
    case 3: read(attest::read_certificate_request(bytes)); break;
    case 4: {
      attest::Blob report(attest::kSnpReportSize);
      report[0] = 3;
      report[0x34] = 1;
      attest::Evidence evidence{*attest::parse_snp_report(report)};
      if (attest::add_certificate_table(evidence, bytes)) judge(std::move(evidence));
      break;
    }
    case 5:
      if (auto simulated = attest::parse_simulated(attest::text_of(bytes))) judge({std::move(*simulated)});
      break;
  }
  return 0;
}
