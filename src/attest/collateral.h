// What vendors publish so that evidence can be verified: certificates, lists of revoked ones, and Intel's signed
// information on TCB levels and quoting enclaves. Values.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/certificate.h"
#include "base/result.h"

namespace berth::attest {

// A document of Intel's: TCB information ("tcbInfo") or the identity of a quoting enclave ("enclaveIdentity").
struct SignedDocument {
  std::string text;                     // exactly the bytes that are signed
  std::array<u8, 64> signature{};       // r and s
  std::vector<Certificate> chain = {};  // empty: certificates are among those of the collateral
  std::string name = {};                // for messages
};

struct Collateral {
  std::vector<Certificate> certificates;
  std::vector<RevocationList> revocation_lists;
  std::vector<SignedDocument> tcb_infos, identities;
  std::vector<std::string> ignored;  // names of files that are nothing of it

  // Adds what `bytes` are, found out from what they look like: certificates in PEM or DER; revocation lists in PEM, DER
  // or hexadecimal; an answer of Intel's service ({"tcbInfo": …, "signature": …}, {"enclaveIdentity": …}); all of it in
  // one file as quote verification libraries have it ("tcb_info", "tcb_info_signature", "tcb_info_issuer_chain",
  // "qe_identity…", "pck_crl", "root_ca_crl", "pck_crl_issuer_chain"). Fails with kBadCollateral when it is malformed;
  // adds `name` to `ignored` when it looks like nothing of it.
  Result<> add(std::span<const u8> bytes, const std::string& name);
  // A document and its signature, 128 hexadecimal digits.
  Result<> add_document(std::string text, std::string_view signature, std::vector<Certificate> chain,
                        const std::string& name);
  // Every file of the folder, or the file, at `path`. Fails with System when it cannot be read, else as `add` does.
  static Result<Collateral> load(const std::string& path);
};

}  // namespace berth::attest
