// Evidence as clients of the key-broker protocol send it: Berth's own, and what guest components of Confidential
// Containers make of SEV-SNP, TDX and SGX. Pure functions.
#pragma once

#include "attest/evidence.h"
#include "json/json.h"

namespace berth::broker {

// Technologies by the protocol's names: "snp", "tdx", "sgx"; "sample" is what is not real, here simulated evidence.
std::optional<attest::Technology> technology_of(std::string_view tee);

// Reads evidence of the technology that the client named:
//   {"attestation_report": {…}, "cert_chain": […]} SNP, see attest/snp_json.h
//   {"quote": base64, …}                           SGX and TDX
//   {"simulated": text, …}                         simulated evidence
// or a text of such JSON. Fails with System, saying what is wrong.
Result<attest::Evidence> read_evidence_form(attest::Technology technology, const json::Value& form);

}  // namespace berth::broker
