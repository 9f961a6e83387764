// What each engine needs to be told so that it finds berth-oci. Pure but for reading the machine's files.
#pragma once

#include <optional>
#include <string>

#include "berth-install/plan.h"

namespace berth::install {

struct Request {
  std::string runtime;          // path of berth-oci on the machine
  std::string config;           // --config: instead of the engine's usual file; may be empty
  bool even_if_absent = false;  // --force
  bool for_user = false;        // settings of this user alone
};

// Plans the change for podman, docker, containerd or crio. Fails with BadArgument for other targets, and with
// NotSupported, giving the reason, for what does not fit.
Result<Plan> plan_for(const Machine& machine, const std::string& target, const Request& request);

// What the target's file is without what plan_for put there.
TakeOut take_out_of(const std::string& target);

// The systemd unit that must be restarted for it; empty when none.
std::string unit_of(const std::string& target);

}  // namespace berth::install
