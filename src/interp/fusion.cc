// Finds the fused handler for the instructions at a place in the code.
#include "interp/fusion.h"

#include <algorithm>
#include <array>

#include "base/result.h"
#include "interp/fused_rows.h"

namespace berth::interp {

namespace {

// Follows the values through a sequence, to see whether a tuned row does what its instructions do.
class Follower {
 public:
  explicit Follower(u32 first_temporary) : first_temporary_(first_temporary) {}

  bool step(u32 at, const StepInfo& info, Tuning tuning, Word operands) {
    if (!read(slot(info.left, operands), info.left_kind, info.pops, tuning.left, left_of(at))) return false;
    if (!read(slot(info.right, operands), info.right_kind, info.pops, tuning.right, right_of(at))) return false;
    for (const Field f : info.also_reads)
      if (!read(slot(f, operands), '\0', false, kNoValue, kNoValue)) return false;
    if (!tuning.adds_offset && operands >> 32 != 0) return false;
    write(slot(info.result, operands), info.result_kind, tuning.stores, result_of(at));
    if (info.result_slots == 2) write(slot(info.result, operands) + 1, '\0', true, kNoValue);
    write(slot(info.second_result, operands), info.right_kind, true, right_of(at));
    return true;
  }
  // Results that were not stored must not be needed any more.
  bool finished() const {
    return std::all_of(known_.begin(), known_.begin() + count_, [](const Known& k) { return k.stored || k.dead; });
  }

 private:
  static constexpr u32 kNoSlot = 0xFFFFFFFF;
  // What is known of a slot: the value it has, whether it is in memory, whether the operand stack has popped it.
  struct Known {
    u32 slot, value;
    char kind;
    bool stored, dead;
  };

  static u32 slot(Field f, Word operands) {
    return f == Field::None ? kNoSlot : static_cast<u16>(operands >> 16 * (static_cast<u32>(f) - 1));
  }
  Known* find(u32 slot) {
    const auto end = known_.begin() + count_;
    const auto it = std::find_if(known_.begin(), end, [&](const Known& k) { return k.slot == slot; });
    return it == end ? nullptr : &*it;
  }
  bool read(u32 slot, char kind, bool pops, u32 from, u32 value) {
    if (slot == kNoSlot) return from == kNoValue;
    Known* k = find(slot);
    if (from != kNoValue) {
      if (k == nullptr || k->value != from || k->kind != kind) return false;
    } else if (k == nullptr) {
      k = &(known_[count_++] = {slot, value, kind, true, false});
    } else if (!k->stored) {
      return false;
    }
    k->dead |= pops && slot >= first_temporary_;
    return true;
  }
  void write(u32 slot, char kind, bool stored, u32 value) {
    if (slot == kNoSlot) return;
    Known* k = find(slot);
    if (k == nullptr) k = &known_[count_++];
    *k = {slot, value, kind, stored, false};
  }

  u32 first_temporary_;
  u32 count_ = 0;
  std::array<Known, 8 * kMaxFused> known_;
};

bool applies(const FusedRows& rows, u32 row, std::span<const Instruction> code, u32 first_temporary) {
  if (row >= rows.tuned) return true;
  Follower follower(first_temporary);
  for (u32 k = 0; k < code.size(); ++k) {
    const u32 part = rows.first[row] + k;
    if (!follower.step(k, rows.infos[rows.parts[part]], rows.tunings[part], code[k].operands)) return false;
  }
  return follower.finished();
}

constexpr u64 kSeed = 0x9E3779B97F4A7C15;
u64 mix(u64 hash, Handler next) { return (hash ^ reinterpret_cast<u64>(next)) * kSeed; }

// Rows by the hash of their parts, open addressing.
class Index {
 public:
  explicit Index(const FusedRows& rows) : rows_(rows) {
    CHECK(rows.fused.size() < kSlots / 2);
    for (u32 i = 0; i < rows.fused.size(); ++i) {
      u64 hash = kSeed;
      for (u32 k = rows.first[i]; k < rows.first[i + 1]; ++k) hash = mix(hash, rows.instructions[rows.parts[k]]);
      u32 at = place(hash);
      while (slots_[at] != 0) at = (at + 1) % kSlots;
      slots_[at] = static_cast<u16>(i + 1);
    }
  }
  // The first row of these instructions, so that tuned ones are preferred.
  Handler find(std::span<const Instruction> code, u64 hash, u32 first_temporary) const {
    for (u32 at = place(hash); slots_[at] != 0; at = (at + 1) % kSlots) {
      const u32 row = slots_[at] - 1;
      const auto same = [&](const Instruction& i, u16 id) { return i.handler == rows_.instructions[id]; };
      if (rows_.length(row) == code.size() && std::equal(code.begin(), code.end(), &rows_.parts[rows_.first[row]], same) &&
          applies(rows_, row, code, first_temporary)) {
        return rows_.fused[row];
      }
    }
    return nullptr;
  }

 private:
  static constexpr u32 kSlots = 8192;
  static u32 place(u64 hash) { return static_cast<u32>(hash >> 51); }
  const FusedRows& rows_;
  std::array<u16, kSlots> slots_{};
};

}  // namespace

Handler fused_handler(std::span<const Instruction> code, u32 first_temporary) {
  static const Index index(fused_rows());
  u64 hash = kSeed;
  Handler found = nullptr;
  for (u32 i = 0; i < code.size(); ++i) {
    hash = mix(hash, code[i].handler);
    if (i == 0) continue;
    if (const Handler fused = index.find(code.first(i + 1), hash, first_temporary)) found = fused;
  }
  return found;
}

}  // namespace berth::interp
