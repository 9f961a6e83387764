// Simulated evidence, for development where there is no hardware: what a machine says of itself, signed with a key that
// anybody can make. IT PROVES NOTHING; every policy refuses it unless it says `allow_simulated = true`.
//
// The format, a text of JSON:
//   {"format": "berth-simulated-evidence-1",
//    "warning": "…",                        of no meaning
//    "measurement": 96 hexadecimal digits, "report_data": 128, "host_data": 64,
//    "public_key": base64 of a SubjectPublicKeyInfo (P-256),
//    "signature": base64 of r and s, 32 bytes each, over SHA-256 of
//                 "berth-simulated-evidence-1" NUL measurement report_data host_data}
//
// Values and pure functions.
#pragma once

#include <string>
#include <string_view>

#include "attest/crypto.h"
#include "base/result.h"

namespace berth::attest {

inline constexpr std::string_view kSimulatedFormat = "berth-simulated-evidence-1";
inline constexpr std::string_view kSimulatedWarning =
    "INSECURE: simulated evidence, signed by software; it proves nothing";

// What is claimed.
struct SimulatedClaims {
  std::array<u8, 48> measurement{};
  std::array<u8, 64> report_data{};
  std::array<u8, 32> host_data{};
};

struct Simulated : SimulatedClaims {
  Blob public_key;  // SubjectPublicKeyInfo, DER
  std::array<u8, 64> signature{};
};

// Evidence of these claims, signed by `key`, which is on P-256. The text ends with a line end.
Result<std::string> sign_simulated(const SimulatedClaims& claims, const Key& key);
// Fails with kBadEvidence when it is not of that format. Checks no signature.
Result<Simulated> parse_simulated(std::string_view text);
// Whether the signature is of these claims and by the key within.
bool is_signed(const Simulated& evidence);

}  // namespace berth::attest
