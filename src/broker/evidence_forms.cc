#include "broker/evidence_forms.h"

#include "attest/snp_json.h"
#include "broker/problem.h"

namespace berth::broker {
namespace {

using attest::Blob;
using attest::Technology;

Result<Blob> base64_member(const json::Value& form, std::string_view name) {
  auto bytes = attest::from_base64(form.text_at({name}));
  if (!bytes) return problem("its \"" + std::string(name) + "\" is no base64");
  return std::move(*bytes);
}

Result<attest::Evidence> read_form(const json::Value& form) {
  if (form.find("attestation_report")) return attest::read_snp_json(form);
  if (form.find("quote")) {
    const Blob quote = TRY(base64_member(form, "quote"));
    return attest::read_raw_evidence(quote);
  }
  if (form.find("simulated")) return attest::read_raw_evidence(attest::bytes_of(form.text_at({"simulated"})));
  return problem("it has none of \"attestation_report\", \"quote\" and \"simulated\"");
}

}  // namespace

std::optional<Technology> technology_of(std::string_view tee) {
  for (const Technology technology : {Technology::SevSnp, Technology::Sgx, Technology::Tdx})
    if (tee == attest::name_of(technology)) return technology;
  return tee == "sample" ? std::optional(Technology::Simulated) : std::nullopt;
}

Result<attest::Evidence> read_evidence_form(Technology technology, const json::Value& form) {
  auto evidence = form.string() ? read_form(TRY(json::parse(*form.string()))) : read_form(form);
  if (!evidence) return problem("the evidence cannot be read: " + evidence.error().to_string());
  if (evidence->technology() != technology)
    return problem("the evidence is of " + std::string(title_of(evidence->technology())) + ", but " +
                   std::string(title_of(technology)) + " was announced");
  return evidence;
}

}  // namespace berth::broker
