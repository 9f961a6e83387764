// Collateral from a service with the vendors' URL layout: Intel's Provisioning Certification Service (version 4) or a
// cache of it (PCCS), AMD's Key Distribution Service or a cache of it. Who calls says how a URL is fetched.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "attest/collateral.h"
#include "attest/evidence.h"

namespace berth::attest {

struct Fetched {
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
};
// Fails with a reason that names the URL, also for every status but 200.
using Fetch = std::function<Result<Fetched>(const std::string& url)>;

// Adds what a quote needs: TCB information and identity of the quoting enclave with their chains, revocation lists.
// `base` is what comes before /sgx/certification/v4. Fails with what `fetch` says, or with kBadCollateral.
Result<> fetch_for_quote(Collateral& to, const Evidence& evidence, const std::string& base, const Fetch& fetch);
// Adds what a report of SEV-SNP needs: the chain of the processor's generation, its revocation list, and the VCEK when
// no certificate came with the report. `base` is what comes before /vcek/v1. The same failures.
Result<> fetch_for_snp(Collateral& to, const Evidence& evidence, const std::string& base, const Fetch& fetch);

}  // namespace berth::attest
