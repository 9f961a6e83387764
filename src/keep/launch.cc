#include "keep/launch.h"

#include <algorithm>

#include "attest/crypto.h"
#include "json/json.h"
#include "keep/http.h"

namespace berth::keep {
namespace {

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::BadArgument, std::move(what)); }

// Reads an object's members by name; an unknown one is an error, since whoever wrote it meant something by it.
Result<> read_members(const json::Value& object, std::string_view what, auto&& take) {
  if (!object.is(json::Kind::Object)) return bad(std::string(what) + " is no JSON object");
  for (const json::Member& member : object.members())
    if (!take(member.name, member.value))
      return bad(std::string(what) + ": \"" + member.name + "\" is not known, or not of the right kind");
  return {};
}

bool take_text(const json::Value& value, std::string& into) {
  const auto text = value.string();
  if (text) into = *text;
  return text.has_value();
}

}  // namespace

std::string launch_text(const Launch& launch) {
  json::Object members;
  if (!launch.authorities.empty()) members.push_back({"authorities", launch.authorities});
  members.push_back({"broker", launch.broker});
  members.push_back({"config", launch.config});
  members.push_back({"version", 1});
  return json::to_text(members);
}

Result<Launch> parse_launch(std::string_view text) {
  const json::Value value = TRY(json::parse(text));
  Launch launch;
  bool version = false;
  TRY(read_members(value, "the launch document", [&](std::string_view name, const json::Value& member) {
    if (name == "authorities") return take_text(member, launch.authorities);
    if (name == "broker") return take_text(member, launch.broker);
    if (name == "config") return take_text(member, launch.config);
    return name == "version" && (version = member.integer() == 1);
  }));
  if (!version) return bad("the launch document has no version, or another than 1");
  TRY(parse_url(launch.broker));
  if (!is_resource_name(launch.config))
    return bad("\"" + launch.config + "\" is no name of a broker's resource, as default/app/config");
  return launch;
}

std::array<u8, 32> launch_digest(std::string_view text) { return attest::sha256(attest::bytes_of(text)); }

bool is_resource_name(std::string_view name) {
  size_t parts = 0;
  while (true) {
    const std::string_view part = name.substr(0, name.find('/'));
    const auto good = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
             c == '-';
    };
    if (part.empty() || part == "." || part == ".." || !std::ranges::all_of(part, good)) return false;
    ++parts;
    if (part.size() == name.size()) return parts == 2 || parts == 3;
    name.remove_prefix(part.size() + 1);
  }
}

std::string greeting_text(const Greeting& greeting) {
  const HostInfo& host = greeting.host;
  json::Object members = {{"launch", greeting.launch}};
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) members.push_back({name, text});
  };
  add("broker_address", host.broker_address);
  add("address", host.address);
  add("gateway", host.gateway);
  add("nameserver", host.nameserver);
  if (host.has_workload) members.push_back({"workload_size", host.workload_size});
  add("simulated_measurement", host.simulated_measurement);
  add("simulated_host_data", host.simulated_host_data);
  return json::to_text(members);
}

Result<Greeting> parse_greeting(std::string_view text) {
  const json::Value value = TRY(json::parse(text));
  Greeting greeting;
  HostInfo& host = greeting.host;
  TRY(read_members(value, "the host's greeting", [&](std::string_view name, const json::Value& member) {
    if (name == "launch") return take_text(member, greeting.launch);
    if (name == "broker_address") return take_text(member, host.broker_address);
    if (name == "address") return take_text(member, host.address);
    if (name == "gateway") return take_text(member, host.gateway);
    if (name == "nameserver") return take_text(member, host.nameserver);
    if (name == "simulated_measurement") return take_text(member, host.simulated_measurement);
    if (name == "simulated_host_data") return take_text(member, host.simulated_host_data);
    if (name != "workload_size") return false;
    const auto size = member.size();
    host.has_workload = size.has_value();
    host.workload_size = size.value_or(0);
    return host.has_workload;
  }));
  return greeting;
}

}  // namespace berth::keep
