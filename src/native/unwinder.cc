#include "native/unwinder.h"

#include <cstring>

#include "native/artifact.h"

namespace berth::native {

namespace {

// What is known about a return address. Artifacts that have run stay mapped, so it never changes.
struct Site {
  u64 return_address = 0;
  const abi::UnwindRule* rule = nullptr;
  u64 landing = 0;
};
constexpr u32 kCachedSites = 512;
thread_local Site t_sites[kCachedSites];

// Null when the address is in no artifact.
const Site* site_at(u64 return_address) {
  Site& site = t_sites[(return_address ^ return_address >> 9) % kCachedSites];
  if (site.return_address == return_address) [[likely]]
    return &site;
  const Artifact* const artifact = Artifact::containing(return_address - 1);
  if (artifact == nullptr) return nullptr;
  // The call may be the last instruction of its function.
  site = {return_address, artifact->unwind_rule(return_address - 1), artifact->landing(return_address)};
  return &site;
}

// Moves to the caller's frame; false at anything odd. `end` bounds the stack. A function that has called another has
// put something on the stack, so walks end.
bool step(Registers& at, const abi::UnwindRule* rule, u64 end, bool has_called = true) {
  if (rule == nullptr) return false;
  const u64 cfa = frame_address(at, *rule);
  if (cfa < at.sp + (has_called ? 1 : 0) || cfa > end || cfa % 8 != 0) return false;
  const u64 low = at.sp;
  const u64 pc = return_address(at, *rule, cfa, low, end);
  if (pc == 0) return false;
  for (u32 i = 0; i < std::size(at.saved); ++i) {
    if (rule->saved[i] == 0) continue;
    const u64 from = cfa + static_cast<u64>(i64{rule->saved[i]});
    if (from < low || from > end - 8) return false;
    std::memcpy(&at.saved[i], reinterpret_cast<const void*>(from), sizeof(u64));
  }
  at.sp = cfa;
  at.pc = pc;
  return true;
}

}  // namespace

void collect(const Registers& start, bool is_return_address, u64 end, Trace& out) {
  Registers at = start;
  out.count = 0;
  out.first_is_return = is_return_address;
  const u64 last = return_point();
  if (!is_return_address) {
    const Artifact* const artifact = Artifact::containing(at.pc);
    if (artifact == nullptr) return;
    out.pcs[out.count++] = at.pc;
    if (!step(at, artifact->unwind_rule(at.pc), end, false)) return;
  }
  while (at.pc != last && out.count < std::size(out.pcs)) {
    const Site* const site = site_at(at.pc);
    if (site == nullptr) return;
    out.pcs[out.count++] = at.pc;
    if (!step(at, site->rule, end)) return;
  }
}

bool find_landing(Registers& at, u64 end) {
  const u64 last = return_point();
  while (at.pc != last) {
    const Site* const site = site_at(at.pc);
    if (site == nullptr) return false;
    if (site->landing != 0) {
      at.pc = site->landing;
      return true;
    }
    if (!step(at, site->rule, end)) return false;
  }
  return false;
}

void append_frames(const Trace& trace, std::vector<runtime::Frame>& out) {
  const Artifact* last = nullptr;
  std::shared_ptr<const wasm::Module> module;
  for (u32 i = 0; i < trace.count && out.size() < runtime::kMaxBacktrace; ++i) {
    const bool is_return = i > 0 || trace.first_is_return;
    const Artifact* const artifact = Artifact::containing(trace.pcs[i] - (is_return ? 1 : 0));
    if (artifact == nullptr) continue;
    if (artifact != last) module = artifact->any_module();
    last = artifact;
    if (module != nullptr) artifact->append_frames(trace.pcs[i], is_return, module, out);
  }
}

}  // namespace berth::native
