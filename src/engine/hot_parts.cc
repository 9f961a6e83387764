#include "engine/hot_parts.h"

#include <algorithm>

#include "wasm/code_reader.h"

namespace berth::engine {

namespace {

// For wasm::decode_op.
struct CallScan {
  std::vector<u32> found;
  template <wasm::Op op>
  bool on(const wasm::ImmOf<op>& imm) {
    if constexpr (op == wasm::Op::Call || op == wasm::Op::ReturnCall) found.push_back(imm.func.value);
    return true;
  }
};

}  // namespace

HotParts::HotParts(const wasm::Module& module) : module_(module) {
  u64 bytes = 0;
  for (const wasm::Function& function : module.functions) bytes += function.body.size;
  is_small_ = bytes <= kSmallModule;
}

void HotParts::add(std::span<const runtime::Sample> samples) {
  for (const runtime::Sample& sample : samples) {
    pending_ += sample.count;
    functions_[sample.function] += sample.count;
    if (sample.loop != runtime::Sample::kNoLoop) loops_.emplace(sample.function, sample.loop);
  }
}

std::vector<u32> HotParts::callees(u32 function) const {
  wasm::CodeReader reader(module_.body(wasm::FuncIdx(function)));
  for (u32 runs = reader.leb_u32(); runs > 0 && reader.ok(); --runs) {
    reader.leb_u32();
    reader.val_type();
  }
  CallScan scan;
  while (reader.ok() && !reader.at_end()) wasm::decode_op(reader, scan);
  return std::move(scan.found);
}

std::optional<Part> HotParts::next() {
  Part part;
  for (const Loop& loop : loops_)
    if (made_loops_.insert(loop).second) part.loops.push_back({loop.first, loop.second});
  loops_.clear();
  pending_ = 0;
  std::vector<std::pair<u64, u32>> hottest;
  for (const auto& [function, count] : functions_) hottest.emplace_back(count, function);
  functions_.clear();
  if (is_small_ && !is_whole_) {
    is_whole_ = true;
    return part;
  }
  std::ranges::sort(hottest, std::greater());
  u64 bytes = 0;
  auto take = [&](u32 function) {
    const bool fits = bytes == 0 || bytes + body_bytes(function) <= kPartBytes;
    if (function < module_.imported_functions || !fits) return;
    // With a loop comes the function again: the loop's code and the calls in it belong together.
    const bool is_for_loop = std::ranges::any_of(part.loops, [&](const auto& l) { return l.function == function; });
    if (!made_functions_.insert(function).second && !is_for_loop) return;
    if (std::ranges::find(part.functions, function) != part.functions.end()) return;
    part.functions.push_back(function);
    bytes += body_bytes(function);
  };
  for (const auto& [count, function] : hottest) take(function);
  const std::vector<u32> hot = part.functions;
  for (const u32 function : hot)
    for (const u32 callee : callees(function)) take(callee);
  if (part.functions.empty()) return std::nullopt;
  // Entries into functions that did not fit must wait.
  std::erase_if(part.loops, [&](const auto& loop) {
    if (std::ranges::find(part.functions, loop.function) != part.functions.end()) return false;
    made_loops_.erase({loop.function, loop.offset});
    return true;
  });
  return part;
}

}  // namespace berth::engine
