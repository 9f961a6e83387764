// Certificate requests (PKCS#10, RFC 2986) that carry evidence as Enarx's keeps do: an extension
// 1.3.6.1.4.1.58270.1.{1 KVM, 2 SGX, 3 SNP}, and the digest of the public key as report data. Pure functions.
#pragma once

#include "attest/evidence.h"

namespace berth::attest {

// Reads a request in DER. Fails with kBadEvidence; also for KVM's, which is no evidence at all.
Result<Evidence> read_certificate_request(std::span<const u8> der);

// What the report data starts with when it binds this key: SHA-384 of it for SNP and simulated evidence, SHA-256 for
// SGX and TDX; the rest is zero.
Blob report_data_of_key(Technology technology, std::span<const u8> public_key_der);

}  // namespace berth::attest
