// Kubernetes manifests as text: YAML (1.2, of which JSON is a part), several documents in a file. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "json/json.h"

namespace berth::kube {

struct Document {
  json::Value value;
  std::string source;  // "app.yaml, line 12": where it begins
};

// The documents of a file, empty ones left out. Scalars that are not quoted are null, bool and number by their looks
// (YAML 1.2's core schema, with Kubernetes' reading of them), else text. Fails with TextSyntax, naming file, line and
// column, for what is no YAML, keys that come twice or are no text, and documents that are nested or, by aliases, blown
// up beyond reason.
Result<std::vector<Document>> parse_yaml(const std::string& text, const std::string& name);

}  // namespace berth::kube
