// Policies, tokens, times, and text for bytes. The first byte says what is read.

#include <cstdlib>

#include "attest/policy.h"
#include "attest/token.h"

namespace {

using namespace berth;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_policy(std::string_view text) {
  const auto policy = attest::Policy::parse(text, "policy.toml");
  if (!policy) return;
  // Whatever a policy says, what is no evidence of anything is refused.
  attest::Blob report(attest::kSnpReportSize);
  report[0] = 5;
  report[0x34] = 1;
  const auto verdict = attest::verify({*attest::parse_snp_report(report)}, {}, 1750000000);
  require(!attest::appraise(verdict, *policy).accepted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  if (size == 0) return 0;
  const std::span bytes(data + 1, size - 1);
  const std::string_view text = attest::text_of(bytes);
  static const attest::Key key = *attest::Key::generate(attest::Curve::P256);
  switch (data[0] % 4) {
    case 0: check_policy(text); break;
    case 1: require(!attest::verify_token(text, key, 1750000000)); break;
    case 2:
      if (const auto time = attest::parse_time(text)) require(attest::parse_time(attest::format_time(*time)) == *time);
      break;
    case 3:
      require(attest::from_hex(attest::to_hex(bytes)) == attest::Blob(bytes.begin(), bytes.end()));
      require(attest::from_base64(attest::to_base64(bytes)) == attest::Blob(bytes.begin(), bytes.end()));
      require(attest::from_base64url(attest::to_base64url(bytes)) == attest::Blob(bytes.begin(), bytes.end()));
      if (const auto read = attest::from_base64url(text)) require(attest::to_base64url(*read) == text);
      break;
  }
  return 0;
}
