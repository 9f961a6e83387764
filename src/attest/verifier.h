// Whether evidence is genuine: signed by the hardware that it says it is of, with keys that its vendor vouches for and
// has not taken back, at a given time. What is in genuine evidence is for a policy to judge (attest/policy.h). Pure
// functions; may run in any number of threads.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/check.h"
#include "attest/collateral.h"
#include "attest/evidence.h"
#include "attest/intel_tcb.h"
#include "base/result.h"

namespace berth::attest {

// Whom to believe, by the SHA-256 of their public keys (SubjectPublicKeyInfo).
struct AmdRoot {
  SnpProduct product = SnpProduct::Unknown;
  Sha256 key{};
};
struct Roots {
  std::vector<AmdRoot> amd;
  std::vector<Sha256> intel;
};
// AMD's root keys (ARK) of Milan, Genoa and Turin, and the key of Intel's SGX Root CA.
const Roots& vendor_roots();

// What of SEV-SNP's verification only its certificates say.
struct SnpVerdict {
  SnpProduct product = SnpProduct::Unknown;
  SnpSigningKey signing_key = SnpSigningKey::None;
  SnpTcb reported, committed, current, launch;
  std::string provider;              // whose key it is, for a VLEK: "CN=cc-us-east-2.amazonaws.com"
  bool has_revocation_list = false;  // one spoke of every certificate that the root issued
};

// Of Intel's.
struct IntelVerdict {
  TcbVerdict platform, enclave;  // the quoting enclave
  TcbVerdict all;                // both, and the TDX module
  PckExtension pck;
  u32 evaluation_number = 0;  // the lower of both documents'
};

struct Verdict {
  Evidence evidence;
  Time time = 0;
  Checks checks;
  // There when all checks passed that they need.
  std::optional<SnpVerdict> snp;
  std::optional<IntelVerdict> intel;
  std::optional<Time> good_until;  // when the first of the certificates, lists and documents used ends

  // Nothing failed. Simulated evidence can be genuine, too: it is then what it says, namely worthless.
  bool is_genuine() const { return !has_failed(checks); }
};

// Verifies, with everything that came with the evidence and all of `collateral`. Always gives a verdict; what fails is
// in its checks.
Verdict verify(Evidence evidence, const Collateral& collateral, Time time, const Roots& roots = vendor_roots());

}  // namespace berth::attest
