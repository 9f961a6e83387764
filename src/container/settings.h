// What a workload asks for beyond its container's configuration: annotations run.berth.NAME of the container, or
// variables BERTH_NAME of its environment, which images can set too. The annotation counts where both are there.
// Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/json.h"

namespace berth::container {

enum class RootAccess : u8 { None, ReadOnly, ReadWrite };
std::string_view to_string(RootAccess access);
std::optional<RootAccess> root_access(std::string_view text);

struct Settings {
  // tcp-listen: sockets that the guest finds listening, "ADDRESS:PORT" each, separated by commas.
  std::vector<std::string> tcp_listen;
  // allow-net, udp-bind: what a component may connect to, and where it may bind UDP sockets, as options of `berth run`
  // have it, separated by commas. Not asked for is not the same as asking for nothing.
  std::optional<std::vector<std::string>> allow_net;
  std::vector<std::string> udp_bind;
  // serve: where a component that answers requests listens, "ADDRESS:PORT" or a port.
  std::optional<std::string> serve;
  // drain: on SIGTERM the guest may finish what it does, see `berth run --drain`.
  bool drain = false;
  // root: how much of the root filesystem the guest gets; by default as much as the container.
  std::optional<RootAccess> root;
  // keep: run in a machine that proves what it is, of this kind: snp, tdx, or vm, which is INSECURE (container/keep.h);
  // broker: to whom, keep-config: that broker's resource that says what runs.
  std::optional<std::string> keep, broker, keep_config;
  // Options of `berth run` by the same names, as they are written there.
  std::optional<std::string> max_memory, stack_size, timeout, tier;
};

// Reads the settings of a configuration (config.json). Fails with Usage for an annotation run.berth.… that is unknown
// or has a value that cannot be read; variables are only looked up, so unknown ones are the guest's own.
Result<Settings> read_settings(const json::Value& config);

}  // namespace berth::container
