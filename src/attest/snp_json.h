// Reports of SEV-SNP in JSON, as guest components of Confidential Containers make them and their broker reads them:
// {"attestation_report": every field by name, byte strings as arrays of numbers, "cert_chain": [{"cert_type",
// "data"}]}. Pure functions.
#pragma once

#include "attest/evidence.h"
#include "json/json.h"

namespace berth::attest {

// Fails with kBadEvidence, naming the field. What is reserved is not in the JSON, and taken as zero: a report that has
// something there does not verify.
Result<Evidence> read_snp_json(const json::Value& form);

// Of evidence that is a report of SEV-SNP. Certificates that came with it are named by what they are.
json::Value to_snp_json(const Evidence& evidence);

}  // namespace berth::attest
