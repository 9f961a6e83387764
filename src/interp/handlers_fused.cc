// The moves, and the sequences of instructions that are common enough to have a handler of their own, as tables.
#include <algorithm>
#include <array>

#include "interp/fused_rows.h"
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

template <typename T>
constexpr char kind_of() {
  if constexpr (kIsInt<T>)
    return 'i';
  else if constexpr (std::is_same_v<T, f32>)
    return 'f';
  else if constexpr (std::is_same_v<T, f64>)
    return 'd';
  else
    return '\0';
}

template <typename S>
consteval StepInfo info() {
  StepInfo i{S::kLeft,
             S::kRight,
             S::kResult,
             S::kSecondResult,
             {S::kAlsoReads[0], S::kAlsoReads[1]},
             kind_of<typename S::Left>(),
             kind_of<typename S::Right>(),
             '\0',
             S::kWords,
             1,
             S::kPops};
  if constexpr (S::kResult != Field::None) {
    i.result_kind = kind_of<typename S::Result>();
    i.result_slots = sizeof(typename S::Result) > sizeof(Slot) ? 2 : 1;
  }
  return i;
}
template <typename S>
consteval Tuning tuning() {
  if constexpr (IsTuned<S>)
    return {S::kLeftFrom, S::kRightFrom, S::kStores, S::kAddsOffset};
  else
    return {};
}

template <typename S>
struct OrdinaryOf {
  using T = S;
};
template <IsTuned S>
struct OrdinaryOf<S> {
  using T = typename S::Ordinary;
};
template <typename S>
using Ordinary = OrdinaryOf<S>::T;

struct Row {
  Handler fused;
  u32 count;
  Handler parts[kMaxFused];
  StepInfo infos[kMaxFused];
  Tuning tunings[kMaxFused];
};

template <typename... Steps>
consteval Row fused() {
  static_assert(sizeof...(Steps) <= kMaxFused);
  return {steps<Steps...>,
          sizeof...(Steps),
          {steps<Ordinary<Steps>>...},
          {info<Ordinary<Steps>>()...},
          {tuning<Steps>()...}};
}
template <typename Branch, bool backward, typename... Steps>
consteval Row fused_branch() {
  static_assert(sizeof...(Steps) < kMaxFused);
  return {steps_and_branch<Branch, backward, Steps...>,
          sizeof...(Steps) + 1,
          {steps<Ordinary<Steps>>..., steps_and_branch<Ordinary<Branch>, backward>},
          {info<Ordinary<Steps>>()..., info<Ordinary<Branch>>()},
          {tuning<Steps>()..., tuning<Branch>()}};
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
#define T(...) Tuned<__VA_ARGS__>
#define BERTH_FUSED(...) fused<__VA_ARGS__>(),
#define BERTH_FUSED_BRANCH(...) fused_branch<__VA_ARGS__>(),
constexpr Row kTunedRows[] = {
#include "interp/tuned.def"
};
constexpr Row kPlainRows[] = {
#include "interp/fused.def"
};
#undef BERTH_FUSED
#undef BERTH_FUSED_BRANCH
constexpr u32 kTunedCount = std::size(kTunedRows);
constexpr u32 kRowCount = kTunedCount + std::size(kPlainRows);
consteval const Row& row(u32 i) { return i < kTunedCount ? kTunedRows[i] : kPlainRows[i - kTunedCount]; }
consteval u32 count_parts() {
  u32 parts = 0;
  for (u32 i = 0; i < kRowCount; ++i) parts += row(i).count;
  return parts;
}

// What is kept at run time: pointers are few, since each costs a relocation when the program starts.
struct Steps {
  Handler handlers[1024];
  StepInfo infos[1024];
  u32 count = 0;
  u32 first[kRowCount + 1];  // of a row's steps in `parts`
  u16 parts[count_parts()];
};
consteval Steps number_steps() {
  Steps steps{};
  u32 at = 0;
  for (u32 i = 0; i < kRowCount; ++i) {
    steps.first[i] = at;
    for (u32 k = 0; k < row(i).count; ++k) {
      u32 id = 0;
      while (id < steps.count && steps.handlers[id] != row(i).parts[k]) ++id;
      if (id == steps.count) {
        steps.infos[id] = row(i).infos[k];
        steps.handlers[steps.count++] = row(i).parts[k];
      }
      steps.parts[at++] = static_cast<u16>(id);
    }
  }
  steps.first[kRowCount] = at;
  return steps;
}
constexpr Steps kNumbered = number_steps();

// The first of a longer array, so that the rest takes no room.
template <u32 n, typename T>
consteval std::array<T, n> first_of(const T* all) {
  std::array<T, n> out{};
  for (u32 i = 0; i < n; ++i) out[i] = all[i];
  return out;
}
constexpr auto kSteps = first_of<kNumbered.count>(kNumbered.handlers);
constexpr auto kInfos = first_of<kNumbered.count>(kNumbered.infos);
constexpr auto kFirst = first_of<kRowCount + 1>(kNumbered.first);
constexpr auto kParts = first_of<count_parts()>(kNumbered.parts);
consteval auto fused_handlers() {
  std::array<Handler, kRowCount> out{};
  for (u32 i = 0; i < kRowCount; ++i) out[i] = row(i).fused;
  return out;
}
constexpr auto kFused = fused_handlers();
consteval auto tunings() {
  std::array<Tuning, kFirst[kTunedCount]> out{};
  for (u32 i = 0; i < kTunedCount; ++i) std::copy_n(row(i).tunings, row(i).count, &out[kFirst[i]]);
  return out;
}
constexpr auto kTunings = tunings();

constexpr u32 kPlaces = 1 << kRowBits;
static_assert(kRowCount < kPlaces / 2);
struct Hashed {
  std::array<u16, kPlaces> rows{};
  std::array<u64, (1 << kBeginningBits) / 64> beginnings{};
};
consteval Hashed hash_rows() {
  Hashed out;
  for (u32 i = 0; i < kRowCount; ++i) {
    u64 hash = kNoHash;
    for (u32 k = kFirst[i]; k < kFirst[i + 1]; ++k) {
      hash = add_to_hash(hash, kParts[k]);
      out.beginnings[beginning_place(hash) / 64] |= u64{1} << beginning_place(hash) % 64;
    }
    u32 at = row_place(hash);
    while (out.rows[at] != 0) at = (at + 1) % kPlaces;
    out.rows[at] = static_cast<u16>(i + 1);
  }
  return out;
}
constexpr Hashed kHashed = hash_rows();
constexpr FusedRows kTables{kFused,       kTunedCount,       kFirst, kParts, kTunings, kSteps, kInfos,
                            kHashed.rows, kHashed.beginnings};

}  // namespace

const FusedRows& fused_rows() { return kTables; }

}  // namespace berth::interp
