#include "wasm/features.h"

namespace berth::wasm {

namespace {
constexpr FeatureInfo kFeatures[] = {
#define BERTH_FEATURE(id, name, on, description) {Feature::id, name, on, description},
#include "spec/features.def"
#undef BERTH_FEATURE
};
}  // namespace

std::span<const FeatureInfo> all_features() { return kFeatures; }

std::optional<Feature> feature_by_name(std::string_view name) {
  for (const auto& f : kFeatures)
    if (f.name == name) return f.feature;
  return std::nullopt;
}

std::string_view feature_name(Feature feature) {
  return feature == Feature::Mvp ? "mvp" : kFeatures[static_cast<u32>(feature) - 1].name;
}

}  // namespace berth::wasm
