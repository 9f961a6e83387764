// Any bytes as a manifest of Kubernetes: an error that says where, or an application. Never a crash, and never more
// memory or time than so many bytes are worth.

#include <cstdlib>
#include <string>

#include "kube/objects.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const auto documents = berth::kube::parse_yaml({reinterpret_cast<const char*>(data), size}, "app.yaml");
  if (!documents) {
    if (documents.error().detail().find("app.yaml") == std::string::npos) std::abort();
    return 0;
  }
  const auto app = berth::kube::read_application(*documents);
  if (!app && app.error().detail().empty()) std::abort();
  return 0;
}
