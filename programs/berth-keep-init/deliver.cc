#include "berth-keep-init/deliver.h"

#include <algorithm>

#include "attest/simulated.h"
#include "collect/collect.h"
#include "keep/broker.h"
#include "keep/problem.h"
#include "keep/workload.h"

namespace berth::keep {
namespace {

// INSECURE, for development: what the host claims, signed with a key made here.
Result<collect::Collected> simulate(const HostInfo& host, const collect::ReportData& data) {
  attest::SimulatedClaims claims;
  const auto measurement = attest::from_hex(host.simulated_measurement);
  const auto host_data = attest::from_hex(host.simulated_host_data);
  if (!measurement || measurement->size() != claims.measurement.size() || !host_data ||
      host_data->size() != claims.host_data.size())
    return problem("the host simulates a machine with a measurement or host data of a wrong size");
  std::ranges::copy(*measurement, claims.measurement.begin());
  std::ranges::copy(*host_data, claims.host_data.begin());
  claims.report_data = data;
  const attest::Key key = TRY(attest::Key::generate(attest::Curve::P256));
  const std::string text = TRY(attest::sign_simulated(claims, key));
  return collect::Collected{
      .technology = attest::Technology::Simulated, .evidence = {text.begin(), text.end()}, .auxiliary = {}};
}

// That the host has started this keep for the launch it talks of: host data is padded with zeros where it is longer.
Result<> check_host_data(const collect::Collected& collected, std::string_view launch) {
  const attest::Evidence evidence = TRY(attest::read_raw_evidence(collected.evidence));
  const auto host_data = evidence.host_data();
  if (host_data.empty()) return {};  // SGX has none
  const auto digest = launch_digest(launch);
  if (host_data.size() < digest.size() || !std::ranges::equal(host_data.first(digest.size()), digest) ||
      std::ranges::any_of(host_data.subspan(digest.size()), [](u8 byte) { return byte != 0; }))
    return problem("the host talks of another launch than it started this keep for: the host data of the evidence is " +
                   attest::to_hex(host_data) + ", the launch's digest " + attest::to_hex(digest));
  return {};
}

}  // namespace

Result<Delivery> deliver(const Greeting& greeting, collect::Machine& machine,
                         const std::function<Result<std::vector<u8>>()>& disk,
                         const std::function<void(std::string_view)>& tell) {
  const Launch launch = TRY(parse_launch(greeting.launch));
  const auto provider = collect::find_provider(machine);
  const bool simulated = !provider && !greeting.host.simulated_measurement.empty();
  if (!provider && !simulated)
    return problem("this machine gives no evidence: it is no confidential one, or its kernel lacks the driver");
  const Prover prover = [&](const collect::ReportData& data) {
    return simulated ? simulate(greeting.host, data) : collect::collect(machine, *provider, data);
  };
  const collect::Collected first = TRY(prover({}));
  TRY(check_host_data(first, greeting.launch));

  const Url url = TRY(parse_url(launch.broker));
  // Whoever is in between could answer in the broker's place, and have this keep run what they like.
  if (!url.tls && !simulated)
    return problem(
        "the broker is named by http, which anybody can answer; a keep on confidential hardware wants https");
  tell("proving");
  const Server server = {.url = url, .address = greeting.host.broker_address, .authorities = launch.authorities};
  Broker broker = TRY(Broker::connect(server, first.technology, prover));
  tell("proved");
  Delivery delivery;
  const std::vector<u8> text = TRY(broker.resource(launch.config));
  delivery.config = TRY(parse_config(attest::text_of(text)));
  if (delivery.config.kind == Config::Kind::Resource) {
    delivery.module = TRY(broker.resource(delivery.config.resource));
  } else {
    const std::vector<u8> bytes = TRY(disk());
    delivery.module =
        TRY(open_workload(bytes, delivery.config, [&](std::string_view name) { return broker.resource(name); }));
  }
  for (const auto& [name, resource] : delivery.config.secrets) {
    auto secret = TRY(broker.resource(resource));
    delivery.secrets.emplace_back(name, std::move(secret));
  }
  tell("delivered");
  return delivery;
}

}  // namespace berth::keep
