// What a relying party accepts, as TOML, and how a verdict is judged by it. docs/keeps.md has all keys. Values and pure
// functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/verifier.h"

namespace berth::attest {

// Values of which one must be there; none: anything is accepted.
using OneOf = std::vector<Blob>;

struct SnpPolicy {
  bool any_measurement = false;
  OneOf measurements, id_key_digests, author_key_digests, host_data, family_ids, image_ids, chip_ids;
  std::vector<SnpProduct> products;
  std::vector<SnpSigningKey> signing_keys;
  std::vector<std::string> providers;
  SnpTcb minimum_tcb;
  u32 minimum_guest_svn = 0, highest_vmpl = 3;
  bool allow_smt = true, allow_migration_agent = false, allow_provisional_firmware = true;
  bool require_revocation_list = false, require_single_socket = false;
};

struct IntelPolicy {
  std::vector<TcbStatus> accepted_statuses = {TcbStatus::UpToDate};
  bool any_advisory = true;
  std::vector<std::string> allowed_advisories;  // unless any
  u32 minimum_evaluation_number = 0;
};

struct SgxPolicy : IntelPolicy {
  bool any_measurement = false;
  OneOf mr_enclaves, mr_signers, config_ids;
  std::vector<u32> isv_prod_ids;
  u32 minimum_isv_svn = 0;
};

struct TdxPolicy : IntelPolicy {
  bool any_measurement = false;
  OneOf mr_tds, mr_config_ids, mr_owners, mr_owner_configs, mr_seams, mr_service_tds, xfams;
  std::array<OneOf, 4> rtmrs;
  bool require_sept_ve_disable = true, allow_service_td = false;
};

struct SimulatedPolicy {
  bool any_measurement = false;
  OneOf measurements, host_data;
  OneOf keys;  // SHA-256 of public keys
};

struct Policy {
  std::string name;  // for tokens; "berth" unless said
  std::vector<Technology> technologies;
  bool allow_simulated = false, allow_debug = false;
  // What the report data must start with; the rest is then zero. None: anything.
  std::optional<Blob> report_data;
  std::optional<SnpPolicy> snp;
  std::optional<SgxPolicy> sgx;
  std::optional<TdxPolicy> tdx;
  std::optional<SimulatedPolicy> simulated;

  // Fails with kBadPolicy, naming `source`, the line and the key. Keys that are not known are errors.
  static Result<Policy> parse(std::string_view toml, const std::string& source);
  // Any genuine evidence of hardware that is up to date and no debug one, whatever it runs.
  static Policy any_genuine();
};

struct Appraisal {
  bool accepted = false;
  std::string policy;  // its name
  Checks checks;       // those of the verdict, then the policy's
  // AR4SI's trustworthiness vector, of what was looked at: 2 affirming, 32 warning, 96 contraindicated.
  i32 instance_identity = 0, configuration = 0, executables = 0, hardware = 0;
  std::vector<std::string> reasons() const;  // of failures, "name: reason"
};

Appraisal appraise(const Verdict& verdict, const Policy& policy);

}  // namespace berth::attest
