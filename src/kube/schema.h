// Which fields the objects of a manifest may have, as far as Berth knows them, and what is wrong with one that has
// others. Follows the API reference of Kubernetes 1.31. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "json/json.h"

namespace berth::kube {

struct Findings {
  std::vector<std::string> errors;    // fields that do not exist, or hold something of another type
  std::vector<std::string> warnings;  // fields that exist in Kubernetes and have no effect here
};

// Looks at an object with apiVersion and kind. Kinds that Berth does not know are an error unless they only matter to a
// cluster, such as RuntimeClass, which is a warning.
Findings check(const json::Value& object);

// Whether `check` knows it only to leave it aside.
bool is_for_clusters_only(std::string_view kind);

}  // namespace berth::kube
