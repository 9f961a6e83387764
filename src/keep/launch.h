// What a keep is started for, as its host says: public, and bound to its evidence by a digest that the hardware vouches
// for (SEV-SNP: HOST_DATA, TDX: MRCONFIGID), so that a policy can pin it and a host cannot change it unseen. Values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::keep {

struct Launch {
  std::string broker;       // its URL
  std::string authorities;  // certificates (PEM) that vouch for it by TLS
  std::string config;       // the resource that says what to run, as "default/app/config"
};

// JSON without white space, members in alphabetical order: the same launch is always the same text.
std::string launch_text(const Launch& launch);
// Fails with BadArgument: no JSON, members that are not known or missing, no URL, no name of a resource.
Result<Launch> parse_launch(std::string_view text);
// SHA-256 of the text as it was given: what HOST_DATA is.
std::array<u8, 32> launch_digest(std::string_view text);

// Whether `name` is a resource of a broker's: two or three parts of letters, digits, '.', '_' and '-', none of them
// "." or "..", with slashes between.
bool is_resource_name(std::string_view name);

// What a host tells a keep without it mattering to anybody else: how to reach things. A wrong one harms availability
// only.
struct HostInfo {
  std::string broker_address;                // "10.0.2.2:8080"
  std::string address, gateway, nameserver;  // "10.0.2.15/24", "10.0.2.2", "10.0.2.3"; empty: no network
  bool has_workload = false;                 // on the disk
  u64 workload_size = 0;                     // bytes of it that are the workload's
  // INSECURE: what a simulated machine claims to have been started with, in hexadecimal; empty: nothing is simulated.
  std::string simulated_measurement, simulated_host_data;
};

// The first message of a host to its keep.
struct Greeting {
  std::string launch;  // the text
  HostInfo host;
};
std::string greeting_text(const Greeting& greeting);
Result<Greeting> parse_greeting(std::string_view text);

}  // namespace berth::keep
