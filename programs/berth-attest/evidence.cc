// `berth attest evidence`: collects evidence of the machine that it runs on.

#include <unistd.h>

#include <algorithm>

#include "attest/simulated.h"
#include "berth-attest/commands.h"
#include "collect/collect.h"
#include "os/file.h"

namespace berth::attest {
namespace {

constexpr std::string_view kSimulated = "simulated";

Result<Blob> simulate(const cli::Arguments& arguments, const collect::ReportData& data) {
  SimulatedClaims claims;
  claims.report_data = data;
  const auto take = [&](std::string_view option, std::span<u8> into) -> Result<> {
    const auto text = arguments.value(option);
    if (!text) return {};
    const auto bytes = from_hex(*text);
    if (!bytes || bytes->size() != into.size())
      return fail(ErrorCode::BadArgument,
                  std::string(option) + " takes " + std::to_string(into.size() * 2) + " hexadecimal digits");
    std::ranges::copy(*bytes, into.begin());
    return {};
  };
  TRY(take("--measurement", claims.measurement));
  TRY(take("--host-data", claims.host_data));
  const Key key = TRY(Key::generate(Curve::P256));
  const std::string text = TRY(sign_simulated(claims, key));
  return Blob(text.begin(), text.end());
}

Result<Blob> collect_from(const cli::Arguments& arguments, const collect::ReportData& data) {
  const auto machine = collect::this_machine(std::string(arguments.value("--root").value_or("")));
  const auto name = arguments.value("--provider");
  const auto provider = name ? collect::provider_by_name(*name) : collect::find_provider(*machine);
  if (!provider)
    return fail(
        ErrorCode::NotSupported,
        "this machine gives no evidence: it is no confidential one, or its kernel lacks the driver (configfs-tsm "
        "in Linux 6.7 and later, /dev/sev-guest, /dev/tdx_guest, Gramine's /dev/attestation)");
  collect::Collected collected = TRY(collect::collect(*machine, *provider, data));
  // A report of SEV-SNP takes the host's certificates along behind it.
  Blob out = std::move(collected.evidence);
  out.insert(out.end(), collected.auxiliary.begin(), collected.auxiliary.end());
  return out;
}

}  // namespace

int evidence_command(const cli::Arguments& arguments) {
  collect::ReportData data = {};
  if (const auto text = arguments.value("--nonce")) {
    const auto bytes = from_hex(*text);
    if (!bytes || bytes->size() > data.size())
      return cli::usage_error({"--nonce takes up to 128 hexadecimal digits, two for each byte", "as --nonce 00ff"});
    std::ranges::copy(*bytes, data.begin());
  }
  const auto name = arguments.value("--provider");
  const bool simulated = name == kSimulated;
  if (name && !simulated && !collect::provider_by_name(*name)) {
    std::string all = "they are:";
    for (const collect::Provider each : collect::kProviders) all += " " + std::string(collect::name_of(each));
    return cli::usage_error({"there is no provider " + std::string(*name), all + " simulated"});
  }
  if (!simulated && (arguments.has("--measurement") || arguments.has("--host-data")))
    return cli::usage_error({"--measurement and --host-data are for simulated evidence; hardware measures by itself",
                             "add --provider simulated"});
  if (simulated) cli::print_error(kSimulatedWarning);
  const auto evidence = simulated ? simulate(arguments, data) : collect_from(arguments, data);
  if (!evidence) return report(evidence.error());
  if (const auto path = arguments.value("--output"); path && *path != "-") {
    const auto written = os::replace_file(std::string(*path), *evidence);
    return written ? 0 : report(written.error());
  }
  cli::Output out;
  if (isatty(STDOUT_FILENO) && !simulated) {
    out << to_hex(*evidence) << "\n";
  } else {
    out << text_of(*evidence);
  }
  return out.finish(0);
}

}  // namespace berth::attest
