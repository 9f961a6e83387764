// What collateral may contain, from a folder or a service: certificates, revocation lists, Intel's documents in JSON.
// The first byte says what is read.

#include <cstdlib>

#include "attest/collateral.h"
#include "attest/intel_tcb.h"
#include "attest/json_span.h"
#include "json/json.h"

namespace {

using namespace berth;

void require(bool condition) {
  if (!condition) std::abort();
}

void match(const attest::TcbInfo& info, std::span<const u8> bytes) {
  require(!info.levels.empty());
  attest::PckExtension pck;
  attest::TdReport td;
  for (size_t i = 0; i < 16 && i < bytes.size(); ++i) td.tee_tcb_svn[i] = pck.components[i] = bytes[i];
  td.tee_tcb_svn2 = td.tee_tcb_svn;
  pck.pce_svn = 65535;
  (void)attest::match_platform(info, pck, info.is_tdx ? &td : nullptr, {});
}

void use(const attest::Collateral& collateral) {
  const auto& pool = collateral.certificates;
  std::vector<attest::Sha256> roots;
  for (const auto& certificate : pool) roots.push_back(certificate.key_digest());
  for (const auto& certificate : pool) {
    (void)attest::parse_pck_extension(certificate);
    require(attest::Certificate::from_der(certificate.der()).has_value());
    if (const auto chain = attest::find_chain(certificate, pool, roots, 1750000000))
      (void)attest::check_revocation(*chain, collateral.revocation_lists, 1750000000);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  if (size == 0) return 0;
  const std::span bytes(data + 1, size - 1);
  const std::string_view text = attest::text_of(bytes);
  switch (data[0] % 4) {
    case 0: {
      attest::Collateral collateral;
      if (collateral.add(bytes, "input")) use(collateral);
      break;
    }
    case 1:
      if (const auto info = attest::parse_tcb_info(text)) match(*info, bytes.last(std::min<size_t>(16, bytes.size())));
      break;
    case 2:
      if (const auto identity = attest::parse_enclave_identity(text)) (void)attest::match_enclave(*identity, {});
      break;
    case 3:
      if (const auto value = json::parse(text)) {
        // What is signed is the member's own text: it must mean what the whole says.
        for (const json::Member& member : value->members()) {
          const std::string_view span = attest::member_span(text, member.name);
          if (span.empty()) continue;  // a name with escapes
          const auto again = json::parse(span);
          require(again && json::to_text(*again) == json::to_text(member.value));
        }
      }
      break;
  }
  return 0;
}
