// The set of WebAssembly features that a module may use. Plain value.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/types.h"

namespace berth::wasm {

enum class Feature : u8 {
  Mvp,  // always on
#define BERTH_FEATURE(id, name, on, description) id,
#include "spec/features.def"
#undef BERTH_FEATURE
};

struct FeatureInfo {
  Feature feature;
  std::string_view name;
  bool on_by_default;
  std::string_view description;
};

// All features that have a name, in the order of spec/features.def; static storage.
std::span<const FeatureInfo> all_features();
std::optional<Feature> feature_by_name(std::string_view name);
std::string_view feature_name(Feature feature);  // "mvp" for Mvp

class FeatureSet {
 public:
  // Everything that is on by default.
  constexpr FeatureSet() {
#define BERTH_FEATURE(id, name, on, description) \
  if (on) enable(Feature::id);
#include "spec/features.def"
#undef BERTH_FEATURE
  }
  static constexpr FeatureSet none() {
    FeatureSet s;
    s.bits_ = 1;
    return s;
  }
  constexpr bool has(Feature f) const { return bits_ >> static_cast<u32>(f) & 1; }
  constexpr void enable(Feature f) { bits_ |= u64{1} << static_cast<u32>(f); }
  constexpr void disable(Feature f) {
    if (f != Feature::Mvp) bits_ &= ~(u64{1} << static_cast<u32>(f));
  }
  constexpr u64 bits() const { return bits_; }
  friend constexpr bool operator==(FeatureSet, FeatureSet) = default;

 private:
  u64 bits_ = 1;
};

}  // namespace berth::wasm
