// Evidence of the machine that this runs on: asked of whatever the kernel or a library OS offers. One thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/evidence.h"
#include "base/result.h"
#include "collect/machine.h"

namespace berth::collect {

enum class Provider : u8 {
  Tsm,       // configfs-tsm, Linux 6.7 and later: SEV-SNP and TDX
  SevGuest,  // /dev/sev-guest
  TdxGuest,  // /dev/tdx_guest, and the host's service that makes quotes, by vsock
  Gramine,   // /dev/attestation, within SGX
};
inline constexpr Provider kProviders[] = {Provider::Gramine, Provider::Tsm, Provider::SevGuest, Provider::TdxGuest};
// "tsm", "sev-guest", "tdx-guest", "gramine"
std::string_view name_of(Provider provider);
std::optional<Provider> provider_by_name(std::string_view name);

// What the guest wants to be in its evidence: a nonce, or what a key digests to.
using ReportData = std::array<u8, 64>;

struct Collected {
  Provider provider = Provider::Tsm;
  attest::Technology technology = attest::Technology::SevSnp;
  std::vector<u8> evidence;   // a report or a quote, as attest/evidence.h reads it
  std::vector<u8> auxiliary;  // what the host adds to it: for SEV-SNP a table of certificates; may be empty
};

// The first of kProviders that this machine has; nothing when it has none: it is no confidential machine, or its kernel
// lacks the driver.
std::optional<Provider> find_provider(Machine& machine);
// Fails with System when the provider does (the text says what and what to do), with kBadEvidence when what it gave is
// no evidence, or does not have `data` in it.
Result<Collected> collect(Machine& machine, Provider provider, const ReportData& data);

}  // namespace berth::collect
