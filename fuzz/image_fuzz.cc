// What registries and images may contain: manifests, configurations, names, challenges, components. The first byte says
// which. What is read must come out the same when it is written and read again.

#include <cstdlib>

#include "json/json.h"
#include "oci/challenge.h"
#include "oci/component_names.h"
#include "oci/credentials.h"
#include "oci/manifest.h"
#include "oci/reference.h"

namespace {

using namespace berth;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_manifest(std::string_view text) {
  const auto manifest = oci::parse_manifest(text);
  if (!manifest) return;
  const std::string written = std::visit([](const auto& m) { return oci::to_text(m); }, *manifest);
  const auto again = oci::parse_manifest(written);
  require(again && std::visit([](const auto& m) { return oci::to_text(m); }, *again) == written);
  if (const auto* image = std::get_if<oci::Manifest>(&*manifest)) {
    for (const auto& layer : image->layers) require(layer.digest.hex.size() >= 64);
  }
}

void check_reference(std::string_view text) {
  const auto reference = oci::parse_reference(text);
  if (!reference) return;
  const auto again = oci::parse_reference(reference->to_string());
  require(again && *again == *reference);
  require(reference->repository.find("..") == std::string::npos && reference->name().size() <= 255);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0: check_manifest(text); break;
    case 1:
      if (const auto config = oci::parse_config(text)) require(oci::parse_config(oci::to_text(*config)).has_value());
      break;
    case 2: check_reference(text); break;
    case 3: (void)oci::parse_challenges(text); break;
    case 4:
      if (const auto names = oci::component_names(text)) {
        for (const std::string& name : names->imports)
          require(json::parse(json::to_text(json::Value(name))).has_value());
      }
      break;
    case 5:
      if (const auto value = json::parse(text)) {
        const std::string written = json::to_text(*value);
        const auto again = json::parse(written);
        require(again && json::to_text(*again) == written);
      }
      if (const auto bytes = oci::from_base64(text)) require(oci::from_base64(oci::to_base64(*bytes)) == *bytes);
      break;
    default: break;
  }
  return 0;
}
