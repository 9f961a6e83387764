#include "attest/simulated.h"

#include <algorithm>

#include "json/json.h"

namespace berth::attest {
namespace {

constexpr size_t kMostText = 16384;

Blob signed_bytes(const SimulatedClaims& claims) {
  Blob out(kSimulatedFormat.begin(), kSimulatedFormat.end());
  out.push_back(0);
  out.insert(out.end(), claims.measurement.begin(), claims.measurement.end());
  out.insert(out.end(), claims.report_data.begin(), claims.report_data.end());
  out.insert(out.end(), claims.host_data.begin(), claims.host_data.end());
  return out;
}

std::unexpected<Error> wrong(std::string what) { return fail(kBadEvidence, "simulated evidence: " + std::move(what)); }

template <size_t N>
Result<> read(const json::Value& value, std::string_view name, bool is_hex, std::array<u8, N>& to) {
  const json::Value* const member = value.find(name);
  const auto text = member ? member->string() : std::nullopt;
  const auto bytes = !text ? std::nullopt : is_hex ? from_hex(*text) : from_base64(*text);
  if (!bytes || bytes->size() != N)
    return wrong(std::string(name) + " is not " + (is_hex ? "hexadecimal" : "base64") + " of " + std::to_string(N) +
                 " bytes");
  std::ranges::copy(*bytes, to.begin());
  return {};
}

}  // namespace

Result<std::string> sign_simulated(const SimulatedClaims& claims, const Key& key) {
  if (!key.is(Curve::P256)) return fail(ErrorCode::BadArgument, "simulated evidence is signed with a key on P-256");
  const Blob signature = TRY(key.sign(signed_bytes(claims)));
  const json::Value out = json::Object{
      {"format", kSimulatedFormat},
      {"warning", kSimulatedWarning},
      {"measurement", to_hex(claims.measurement)},
      {"report_data", to_hex(claims.report_data)},
      {"host_data", to_hex(claims.host_data)},
      {"public_key", to_base64(key.public_der())},
      {"signature", to_base64(signature)},
  };
  return json::to_text(out, 2) + "\n";
}

Result<Simulated> parse_simulated(std::string_view text) {
  if (text.size() > kMostText) return wrong("it has more than 16 KiB");
  const auto value = json::parse(text);
  if (!value) return wrong(value.error().to_string());
  if (value->text_at({"format"}) != kSimulatedFormat) return wrong("format is not " + std::string(kSimulatedFormat));
  for (const json::Member& member : value->members()) {
    constexpr std::string_view kKnown[] = {"format",    "warning",    "measurement", "report_data",
                                           "host_data", "public_key", "signature"};
    if (std::ranges::find(kKnown, member.name) == std::end(kKnown))
      return wrong("there is no member called " + member.name);
  }
  Simulated out;
  TRY(read(*value, "measurement", true, out.measurement));
  TRY(read(*value, "report_data", true, out.report_data));
  TRY(read(*value, "host_data", true, out.host_data));
  TRY(read(*value, "signature", false, out.signature));
  const auto key = from_base64(value->text_at({"public_key"}));
  if (!key) return wrong("public_key is not base64");
  if (!TRY(Key::from_public_der(*key)).is(Curve::P256)) return wrong("public_key is not on P-256");
  out.public_key = *key;
  return out;
}

bool is_signed(const Simulated& evidence) {
  const auto key = Key::from_public_der(evidence.public_key);
  return key && key->is(Curve::P256) && key->verify(signed_bytes(evidence), evidence.signature);
}

}  // namespace berth::attest
