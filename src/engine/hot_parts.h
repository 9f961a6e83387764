// What of a module to compile first, from where the interpreter was found running. One thread.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "engine/code_source.h"
#include "runtime/executor.h"
#include "wasm/module.h"

namespace berth::engine {

class HotParts {
 public:
  // Modules whose bodies have at most so many bytes are compiled whole.
  static constexpr u64 kSmallModule = 100 << 10;
  // Bodies of a part have at most so many bytes in all; the hottest function may be larger.
  static constexpr u64 kPartBytes = 64 << 10;

  // `module` outlives this.
  explicit HotParts(const wasm::Module& module);

  void add(std::span<const runtime::Sample> samples);
  // Samples added that no part has been made of.
  u64 pending() const { return pending_; }
  // What is hot and has not been in a part yet: functions, what they call directly, the loops that were running.
  // Nothing when no code would come of it. What was pending is forgotten.
  std::optional<Part> next();

 private:
  using Loop = std::pair<u32, u32>;

  u32 body_bytes(u32 function) const { return static_cast<u32>(module_.functions[function].body.size); }
  std::vector<u32> callees(u32 function) const;

  const wasm::Module& module_;
  bool is_small_;
  bool is_whole_ = false;  // a part had all functions
  u64 pending_ = 0;
  std::unordered_map<u32, u64> functions_;  // pending samples
  std::set<Loop> loops_;                    // pending
  std::unordered_set<u32> made_functions_;
  std::set<Loop> made_loops_;
};

}  // namespace berth::engine
