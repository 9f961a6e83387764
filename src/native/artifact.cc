#include "native/artifact.h"

#include <algorithm>

#include "abi/line_table.h"
#include "native/artifact_modules.h"
#include "native/code_space.h"

namespace berth::native {

namespace {

constexpr size_t kMaxInlined = 1000;

// The last item that begins at or before `offset`; null when there is none.
template <typename T>
const T* last_before(std::span<const T> items, u32 offset) {
  const auto after = std::ranges::upper_bound(items, offset, {}, &T::begin);
  return after == items.begin() ? nullptr : &*std::prev(after);
}

}  // namespace

const Artifact* Artifact::containing(u64 pc) {
  const Artifact* const artifact = CodeSpace::find(pc);
  return artifact != nullptr && artifact->in_text(pc) ? artifact : nullptr;
}

const abi::UnwindRule* Artifact::unwind_rule(u64 pc) const {
  const abi::UnwindRow* const row = last_before(unwind_, static_cast<u32>(pc - base()));
  return row == nullptr || row->rule >= rules_.size() ? nullptr : &rules_[row->rule];
}

u64 Artifact::landing(u64 return_address) const {
  const u32 offset = static_cast<u32>(return_address - base()) - 1;
  const abi::LandingPad* const pad = last_before(landings_, offset);
  if (pad == nullptr || offset >= pad->end || !in_text(base() + pad->landing)) return 0;
  return base() + pad->landing;
}

void Artifact::append_frames(u64 pc, bool is_return_address, const std::shared_ptr<const wasm::Module>& module,
                             std::vector<runtime::Frame>& out) const {
  const abi::CodeLine line =
      abi::find_line(line_blocks_, line_data_, static_cast<u32>(pc - base()) - (is_return_address ? 1 : 0));
  if (line.function == abi::kNoLine) return;
  auto append = [&](u32 function, u32 offset) {
    if (function < module->functions.size()) out.push_back({module, function, offset});
  };
  append(line.function, line.wasm_offset);
  // An entry's own call comes after it in no table that the compiler makes; the count ends circles.
  size_t left = kMaxInlined;
  for (u32 at = line.inlined_at; at != 0 && at <= inlined_.size() && left > 0; at = inlined_[at - 1].inlined_at, --left)
    append(inlined_[at - 1].function, inlined_[at - 1].wasm_offset);
}

void* Artifact::loop_code(u32 function, u32 wasm_offset) const {
  const auto at =
      std::ranges::lower_bound(loops_, std::pair(function, wasm_offset), {},
                               [](const abi::LoopEntry& loop) { return std::pair(loop.function, loop.wasm_offset); });
  return at != loops_.end() && at->function == function && at->wasm_offset == wasm_offset ? image_ + at->code : nullptr;
}

void Artifact::publish(const std::shared_ptr<const Artifact>& artifact) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::shared_ptr<const Artifact>>;
  const std::lock_guard lock(mutex);
  if (std::ranges::find(*kept, artifact) != kept->end()) return;
  kept->push_back(artifact);
  auto space = CodeSpace::instance();
  CHECK(space);
  (*space)->publish(artifact->image_, artifact->image_bytes_, artifact.get());
}

void Artifact::add_module(const std::shared_ptr<const wasm::Module>& module) const {
  const std::lock_guard lock(modules_->mutex);
  std::erase_if(modules_->all, [](const auto& m) { return m.expired(); });
  modules_->all.push_back(module);
}

std::shared_ptr<const wasm::Module> Artifact::any_module() const {
  const std::lock_guard lock(modules_->mutex);
  for (const auto& weak : modules_->all)
    if (auto module = weak.lock()) return module;
  return nullptr;
}

}  // namespace berth::native
