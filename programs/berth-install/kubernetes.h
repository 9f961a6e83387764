// The manifests that a cluster needs so that pods with runtimeClassName: berth run on nodes that have Berth. Pure.
#pragma once

#include <string>

namespace berth::install {

struct Cluster {
  std::string image;   // that holds Berth's programs, for the node installer; empty: no installer
  std::string engine;  // containerd or crio
  std::string name_space = "berth-system";
  std::string policy;  // contents of policy.toml; empty: none
};

// YAML of several documents: RuntimeClass; with an image also Namespace, ConfigMap of the policy, DaemonSet.
std::string manifests_for(const Cluster& cluster);

}  // namespace berth::install
