#include "wasm/module.h"

#include <algorithm>

namespace berth::wasm {

u64 Module::original_offset(FuncIdx f, u32 offset) const {
  const Function& function = functions[f.value];
  const u32 at = function.body.offset + offset;
  if (!function.is_translated) return at;
  // An entry holds up to the next: from there on both sides advance alike.
  const auto after = std::ranges::upper_bound(translated_offsets, at, {}, &TranslatedOffset::translated);
  if (after == translated_offsets.begin()) return function.original_offset;
  const TranslatedOffset& entry = *std::prev(after);
  if (entry.translated < function.body.offset) return function.original_offset;  // in the local declarations
  return u64{entry.original} + (at - entry.translated);
}

}  // namespace berth::wasm
