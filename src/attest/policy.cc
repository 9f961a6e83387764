#include "attest/policy.h"

#include <algorithm>

namespace berth::attest {
namespace {

constexpr i32 kAffirming = 2, kWarning = 32, kContraindicated = 96;

// Adds the policy's checks, and what they mean for one part of the vector.
class Judge {
 public:
  explicit Judge(Appraisal& out) : out_(out) {}

  void part(i32& value) { value_ = &value; }
  void check(std::string name, bool good, std::string why) {
    out_.checks.push_back(
        {std::move(name), good ? Outcome::Passed : Outcome::Failed, good ? std::string() : std::move(why)});
    *value_ = std::max(*value_, good ? kAffirming : kContraindicated);
  }
  void warn(std::string name, std::string why) {
    out_.checks.push_back({std::move(name), Outcome::Warned, std::move(why)});
    *value_ = std::max(*value_, kWarning);
  }
  // Nothing is asked of a value without a list.
  void one_of(std::string name, std::span<const u8> value, const OneOf& list) {
    if (list.empty()) return;
    bool good = false;
    for (const Blob& item : list) good = good || std::ranges::equal(item, value);
    std::string why = "it is " + to_hex(value) + ", ";
    if (list.size() == 1)
      why += "expected " + to_hex(list.front());
    else
      why += "none of the " + std::to_string(list.size()) + " that the policy accepts";
    check(std::move(name), good, std::move(why));
  }
  void at_least(std::string name, u32 value, u32 minimum) {
    if (minimum == 0) return;
    check(std::move(name), value >= minimum,
          "it is " + std::to_string(value) + ", at least " + std::to_string(minimum) + " is expected");
  }

 private:
  Appraisal& out_;
  i32* value_ = &out_.hardware;
};

template <typename T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::ranges::find(list, value) != list.end();
}

void judge_snp_tcb(Judge& out, const SnpTcb& have, const SnpTcb& minimum) {
  if (minimum.fmc) out.at_least("minimum TCB: FMC", have.fmc.value_or(0), *minimum.fmc);
  out.at_least("minimum TCB: boot loader", have.boot_loader, minimum.boot_loader);
  out.at_least("minimum TCB: TEE", have.tee, minimum.tee);
  out.at_least("minimum TCB: SNP firmware", have.snp, minimum.snp);
  out.at_least("minimum TCB: microcode", have.microcode, minimum.microcode);
}

void judge_snp(Judge& out, const Verdict& verdict, const SnpPolicy& policy, Appraisal& to) {
  const SnpReport& report = *verdict.evidence.snp();
  out.part(to.hardware);
  if (verdict.snp) {
    judge_snp_tcb(out, verdict.snp->reported, policy.minimum_tcb);
    if (!policy.products.empty())
      out.check("processor", contains(policy.products, verdict.snp->product),
                "it is " + std::string(name_of(verdict.snp->product)) + ", which the policy does not name");
    if (policy.require_revocation_list)
      out.check("revocation list", verdict.snp->has_revocation_list, "there is none, and the policy wants one");
    if (!policy.allow_provisional_firmware)
      out.check("firmware committed", verdict.snp->committed == verdict.snp->current,
                "the host can go back to an older one");
  }
  if (!policy.signing_keys.empty())
    out.check("signing key", contains(policy.signing_keys, report.signing_key()),
              "it is one that the policy does not name");
  if (!policy.providers.empty() && report.signing_key() == SnpSigningKey::Vlek)
    out.check("provider", verdict.snp && contains(policy.providers, verdict.snp->provider),
              "it is " + (verdict.snp ? verdict.snp->provider : std::string("not known")) +
                  ", which the policy does not name");
  out.one_of("chip", report.chip_id, policy.chip_ids);

  out.part(to.configuration);
  if (policy.highest_vmpl < 3)
    out.check("privilege level", report.vmpl <= policy.highest_vmpl,
              "the report was asked for at VMPL " + std::to_string(report.vmpl) + ", at most " +
                  std::to_string(policy.highest_vmpl) + " is expected");
  if (!policy.allow_smt)
    out.check("no simultaneous multithreading", !(report.policy & SnpReport::kPolicySmt), "the guest allows it");
  if (!policy.allow_migration_agent)
    out.check("no migration agent", !(report.policy & SnpReport::kPolicyMigration), "the guest allows one");
  if (policy.require_single_socket)
    out.check("single socket", report.policy & SnpReport::kPolicySingleSocket, "the guest allows several");
  out.one_of("host data", report.host_data, policy.host_data);

  out.part(to.executables);
  out.one_of("measurement", report.measurement, policy.measurements);
  out.one_of("identity key", report.id_key_digest, policy.id_key_digests);
  out.one_of("author key", report.author_key_digest, policy.author_key_digests);
  out.one_of("family", report.family_id, policy.family_ids);
  out.one_of("image", report.image_id, policy.image_ids);
  out.at_least("guest's security version", report.guest_svn, policy.minimum_guest_svn);
}

void judge_intel(Judge& out, const Verdict& verdict, const IntelPolicy& policy, Appraisal& to) {
  out.part(to.hardware);
  if (!verdict.intel) return;
  const TcbVerdict& tcb = verdict.intel->all;
  std::string accepted;
  for (const TcbStatus status : policy.accepted_statuses)
    accepted += (accepted.empty() ? "" : ", ") + std::string(name_of(status));
  std::string advisories;
  for (const std::string& id : tcb.advisories) advisories += (advisories.empty() ? " (" : ", ") + id;
  if (!advisories.empty()) advisories += ")";
  out.check("TCB status", contains(policy.accepted_statuses, tcb.status),
            "it is " + std::string(name_of(tcb.status)) + advisories + ", accepted are: " + accepted);
  if (!policy.any_advisory) {
    std::string others;
    for (const std::string& id : tcb.advisories)
      if (!contains(policy.allowed_advisories, id)) others += (others.empty() ? "" : ", ") + id;
    out.check("advisories", others.empty(), "these are not allowed: " + others);
  }
  out.at_least("TCB evaluation data number", verdict.intel->evaluation_number, policy.minimum_evaluation_number);
}

void judge_sgx(Judge& out, const Verdict& verdict, const SgxPolicy& policy, Appraisal& to) {
  judge_intel(out, verdict, policy, to);
  const SgxReport& report = *verdict.evidence.sgx();
  out.part(to.executables);
  out.one_of("MRENCLAVE", report.mr_enclave, policy.mr_enclaves);
  out.one_of("MRSIGNER", report.mr_signer, policy.mr_signers);
  if (!policy.isv_prod_ids.empty())
    out.check("product", contains(policy.isv_prod_ids, u32{report.isv_prod_id}),
              "it is " + std::to_string(report.isv_prod_id) + ", which the policy does not name");
  out.at_least("enclave's security version", report.isv_svn, policy.minimum_isv_svn);
  out.part(to.configuration);
  out.one_of("configuration", report.config_id, policy.config_ids);
}

void judge_tdx(Judge& out, const Verdict& verdict, const TdxPolicy& policy, Appraisal& to) {
  judge_intel(out, verdict, policy, to);
  const TdReport& report = *verdict.evidence.tdx();
  out.one_of("MRSEAM", report.mr_seam, policy.mr_seams);
  out.part(to.executables);
  out.one_of("MRTD", report.mr_td, policy.mr_tds);
  for (size_t i = 0; i < policy.rtmrs.size(); ++i)
    out.one_of("RTMR" + std::to_string(i), report.rtmr[i], policy.rtmrs[i]);
  out.part(to.configuration);
  out.one_of("MRCONFIGID", report.mr_config_id, policy.mr_config_ids);
  out.one_of("MROWNER", report.mr_owner, policy.mr_owners);
  out.one_of("MROWNERCONFIG", report.mr_owner_config, policy.mr_owner_configs);
  out.one_of("XFAM", report.xfam, policy.xfams);
  const char* const exceptions = "the host could make exceptions where the guest expects memory";
  const bool has_disabled = report.td_attributes[3] & 0x10;
  if (policy.require_sept_ve_disable)
    out.check("SEPT_VE_DISABLE", has_disabled,
              std::string(exceptions) + " (require_sept_ve_disable = false allows it)");
  else if (!has_disabled)
    out.warn("SEPT_VE_DISABLE", exceptions);
  if (!report.mr_service_td) {
    if (!policy.mr_service_tds.empty()) out.check("service TD", false, "the report is of TDX 1.0 and names none");
    return;
  }
  const bool has_one = std::ranges::any_of(*report.mr_service_td, [](u8 byte) { return byte != 0; });
  if (!policy.mr_service_tds.empty())
    out.one_of("service TD", *report.mr_service_td, policy.mr_service_tds);
  else if (has_one && policy.allow_service_td)
    out.warn("no service TD", "there is one, " + to_hex(*report.mr_service_td));
  else
    out.check("no service TD", !has_one, "there is one, " + to_hex(*report.mr_service_td));
}

void judge_simulated(Judge& out, const Verdict& verdict, const SimulatedPolicy& policy, Appraisal& to) {
  const Simulated& evidence = *verdict.evidence.simulated();
  out.part(to.hardware);
  out.one_of("development key", sha256(evidence.public_key), policy.keys);
  out.part(to.configuration);
  out.one_of("host data", evidence.host_data, policy.host_data);
  out.part(to.executables);
  out.one_of("measurement", evidence.measurement, policy.measurements);
}

bool judge_technology(Judge& out, Technology technology, const Policy& policy, Appraisal& to) {
  out.part(to.hardware);
  bool good = contains(policy.technologies, technology);
  std::string why = std::string(title_of(technology)) + " is none that the policy accepts";
  if (technology == Technology::Simulated && !policy.allow_simulated) {
    good = false;
    why = "the evidence is simulated, which is INSECURE; only allow_simulated = true accepts it";
  }
  out.check("technology", good, why);
  return good;
}

}  // namespace

std::vector<std::string> Appraisal::reasons() const {
  std::vector<std::string> out;
  for (const Check& check : checks)
    if (check.outcome == Outcome::Failed) out.push_back(check.name + ": " + check.reason);
  return out;
}

Policy Policy::any_genuine() {
  Policy out;
  out.name = "any genuine hardware, no debugging, TCB up to date";
  out.technologies = {Technology::SevSnp, Technology::Sgx, Technology::Tdx};
  out.snp.emplace().any_measurement = true;
  out.sgx.emplace().any_measurement = true;
  out.tdx.emplace().any_measurement = true;
  out.tdx->require_sept_ve_disable = false;
  out.tdx->allow_service_td = true;
  return out;
}

Appraisal appraise(const Verdict& verdict, const Policy& policy) {
  Appraisal out;
  out.policy = policy.name;
  out.checks = verdict.checks;
  const Evidence& evidence = verdict.evidence;
  const bool is_genuine = verdict.is_genuine();
  out.instance_identity = is_genuine ? kAffirming : kContraindicated + 1;
  out.hardware = is_genuine ? kAffirming : kContraindicated + 1;
  for (const Check& check : verdict.checks)
    if (check.outcome == Outcome::Warned) out.hardware = std::max(out.hardware, kWarning);

  Judge judge(out);
  const bool is_known = judge_technology(judge, evidence.technology(), policy, out);
  judge.part(out.configuration);
  if (evidence.is_debuggable() && policy.allow_debug)
    judge.warn("no debugging", "whoever runs it can look into it; the policy allows that");
  else
    judge.check("no debugging", !evidence.is_debuggable(),
                "whoever runs it can look into it: its attributes allow debugging");
  if (policy.report_data) {
    Blob expected = *policy.report_data;
    expected.resize(64);
    judge.part(out.instance_identity);
    judge.check("report data", std::ranges::equal(expected, evidence.report_data()),
                "it is " + to_hex(evidence.report_data()) + ", expected " + to_hex(expected));
  }
  if (is_known) {
    switch (evidence.technology()) {
      case Technology::SevSnp: judge_snp(judge, verdict, *policy.snp, out); break;
      case Technology::Sgx: judge_sgx(judge, verdict, *policy.sgx, out); break;
      case Technology::Tdx: judge_tdx(judge, verdict, *policy.tdx, out); break;
      case Technology::Simulated: judge_simulated(judge, verdict, *policy.simulated, out); break;
    }
  }
  out.accepted = !has_failed(out.checks);
  return out;
}

}  // namespace berth::attest
