// The moves, and the sequences of instructions that are common enough to have a handler of their own.
#include <algorithm>
#include <array>
#include <memory>

#include "interp/fusion.h"
#include "interp/handlers.h"
#include "interp/steps.h"

namespace berth::interp {

const Handler op_jump = steps_and_branch<Jump, false>;
const Handler op_jump_back = steps_and_branch<Jump, true>;
const Handler op_copy = steps<CopyStep>;
const Handler op_copy_float = steps<CopyFloatStep>;
const Handler op_copy2 = steps<Copy2Step>;
const Handler op_const32 = steps<Const32Step>;
const Handler op_acc_to_slot = steps<AccToSlotStep>;
const Handler op_select = steps<SelectStep>;
const Handler op_select_acc = steps<SelectAccStep>;
const Handler op_global_get = steps<GlobalGetStep>;
const Handler op_global_set = steps<GlobalSetStep>;

namespace {

struct Row {
  Handler fused;
  u32 count;
  Handler parts[kMaxFused];
};

template <typename... Steps>
consteval Row fused() {
  static_assert(sizeof...(Steps) <= kMaxFused);
  return {steps<Steps...>, sizeof...(Steps), {steps<Steps>...}};
}
template <typename Branch, bool backward, typename... Steps>
consteval Row fused_branch() {
  static_assert(sizeof...(Steps) < kMaxFused);
  return {steps_and_branch<Branch, backward, Steps...>, sizeof...(Steps) + 1, {steps<Steps>..., steps_and_branch<Branch, backward>}};
}

constexpr Src S = Src::Slot, A = Src::Acc, I = Src::Imm, K = Src::Const;
constexpr Dst s = Dst::Slot, a = Dst::Acc;
#define BIN(op, l, r, d) Binary<wasm::Op::op, l, r, d>
#define UN(op, x, d) Unary<wasm::Op::op, x, d>
#define LD(op, x, d) LoadStep<wasm::Op::op, x, d>
#define ST(op, x, v) StoreStep<wasm::Op::op, x, v>
#define CB(op, l, r, t) CompareBranch<wasm::Op::op, l, r, t>
#define TB(x, t) TestBranch<x, t>
#define NB(x, t) NullBranch<x, t>
#define BERTH_FUSED(...) fused<__VA_ARGS__>(),
#define BERTH_FUSED_BRANCH(...) fused_branch<__VA_ARGS__>(),
constexpr Row kRows[] = {
#include "interp/fused.def"
};
#undef BERTH_FUSED
#undef BERTH_FUSED_BRANCH
constexpr u32 kRowCount = std::size(kRows);

// What is kept at run time: pointers are few, since each costs a relocation when the program starts.
struct Steps {
  Handler handlers[1024];
  u32 count = 0;
  u16 parts[kRowCount][kMaxFused];
};
consteval Steps number_steps() {
  Steps steps{};
  for (u32 i = 0; i < kRowCount; ++i) {
    for (u32 k = 0; k < kRows[i].count; ++k) {
      u32 id = 0;
      while (id < steps.count && steps.handlers[id] != kRows[i].parts[k]) ++id;
      if (id == steps.count) steps.handlers[steps.count++] = kRows[i].parts[k];
      steps.parts[i][k] = static_cast<u16>(id);
    }
  }
  return steps;
}
constexpr Steps kNumbered = number_steps();

template <u32 n>
consteval std::array<Handler, n> step_handlers() {
  std::array<Handler, n> out{};
  for (u32 i = 0; i < n; ++i) out[i] = kNumbered.handlers[i];
  return out;
}
constexpr auto kSteps = step_handlers<kNumbered.count>();

struct Sequence {
  u8 count;
  u16 parts[kMaxFused];
};
consteval auto sequences() {
  std::array<Sequence, kRowCount> out{};
  for (u32 i = 0; i < kRowCount; ++i) {
    out[i].count = static_cast<u8>(kRows[i].count);
    for (u32 k = 0; k < kMaxFused; ++k) out[i].parts[k] = kNumbered.parts[i][k];
  }
  return out;
}
constexpr auto kSequences = sequences();
consteval auto fused_handlers() {
  std::array<Handler, kRowCount> out{};
  for (u32 i = 0; i < kRowCount; ++i) out[i] = kRows[i].fused;
  return out;
}
constexpr auto kFused = fused_handlers();

constexpr u64 kSeed = 0x9E3779B97F4A7C15;
u64 mix(u64 hash, Handler next) { return (hash ^ reinterpret_cast<u64>(next)) * kSeed; }

// Rows by the hash of their parts, open addressing.
class Index {
 public:
  Index() {
    for (u32 i = 0; i < kRowCount; ++i) {
      u64 hash = kSeed;
      for (u32 k = 0; k < kSequences[i].count; ++k) hash = mix(hash, kSteps[kSequences[i].parts[k]]);
      u32 at = place(hash);
      while (slots_[at] != 0) at = (at + 1) % kSlots;
      slots_[at] = static_cast<u16>(i + 1);
    }
  }
  Handler find(std::span<const Handler> parts, u64 hash) const {
    for (u32 at = place(hash); slots_[at] != 0; at = (at + 1) % kSlots) {
      const Sequence& row = kSequences[slots_[at] - 1];
      const auto same = [](Handler part, u16 id) { return part == kSteps[id]; };
      if (row.count == parts.size() && std::equal(parts.begin(), parts.end(), row.parts, same)) return kFused[slots_[at] - 1];
    }
    return nullptr;
  }

 private:
  static constexpr u32 kSlots = 4096;
  static_assert(kRowCount < kSlots / 2);
  static u32 place(u64 hash) { return static_cast<u32>(hash >> 52); }
  std::array<u16, kSlots> slots_{};
};

}  // namespace

Handler fused_handler(std::span<const Handler> handlers) {
  static const Index index;
  u64 hash = kSeed;
  Handler found = nullptr;
  for (u32 i = 0; i < handlers.size(); ++i) {
    hash = mix(hash, handlers[i]);
    if (i == 0) continue;
    if (const Handler fused = index.find(handlers.first(i + 1), hash)) found = fused;
  }
  return found;
}

}  // namespace berth::interp
