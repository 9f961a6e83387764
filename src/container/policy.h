// What the operator of a node lets workloads have: a file in TOML. An image or a pod asks; only this file grants.
// Without it a workload gets what its container may do anyway. Plain values; read anew by each process.
//
//   tcp-listen = ["*:8000-8999"]     # addresses and ports that may be listened on; default none
//   udp-bind = ["*:5353"]            # the same for components that bind UDP sockets
//   allow-net = ["10.0.0.0/8", "*.example.org:443"]  # what components may connect to, as --allow-net of berth run has
//                                    # it; default nothing. One that asks for nothing gets all of it
//   root = "ro"                      # the most that is granted of the root filesystem: none, ro, rw (default)
//   max-memory = "256MiB"            # the most memory of a guest; default the container's own limit
//
//   [[rule]]                         # the first rule that matches counts instead of what is above
//   namespace = "prod-*"             # of the pod; * stands for any characters
//   annotations = { "example.org/team" = "web" }
//   tcp-listen = ["*:*"]
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "container/settings.h"
#include "json/json.h"

namespace berth::container {

struct Grants {
  std::string source;                             // for messages: which file, which rule
  bool is_policy = true;                          // or else there is none, and all is granted
  std::vector<std::string> tcp_listen, udp_bind;  // patterns
  std::vector<std::string> allow_net;             // rules of --allow-net
  RootAccess root = RootAccess::ReadWrite;
  std::optional<u64> max_memory;

  // "ADDRESS:PORT" as `berth run --tcp-listen` has it.
  bool allows_listening(std::string_view address) const { return allows_binding(tcp_listen, address); }
  bool allows_udp_binding(std::string_view address) const { return allows_binding(udp_bind, address); }
  // "HOST[:PORT[-PORT]]" as `berth run --allow-net` has it: whether one of ours is the same, or is of a host or pattern
  // that it fits, and of no other ports. Networks cover what is spelled alike only.
  bool allows_connecting(std::string_view destination) const;

 private:
  bool allows_binding(const std::vector<std::string>& patterns, std::string_view address) const;
};

class Policy {
 public:
  // Reads the file at `path`; where there is none, everything is granted. Fails with Io, and with Usage for what is
  // no TOML, for keys that do not exist and for values that make no sense; the text names file, line and key.
  static Result<Policy> read(const std::string& path);

  // What a container of this configuration (config.json) may be granted.
  const Grants& grants_for(const json::Value& config) const;

 private:
  struct Rule {
    std::string name_space;
    std::vector<std::pair<std::string, std::string>> annotations;
    Grants grants;
  };
  std::vector<Rule> rules_;
  Grants otherwise_;
};

}  // namespace berth::container
