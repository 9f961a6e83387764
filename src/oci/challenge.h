// What a registry wants to be told: WWW-Authenticate headers (RFC 9110, section 11.6.1; the distribution project's
// token authentication). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace berth::oci {

struct Challenge {
  std::string scheme;                             // in lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in lower case: "realm", "service", "scope"
};

// The challenges of a header's value, in order. What is malformed ends the list.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace berth::oci
