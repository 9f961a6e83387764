// Finds the fused handler for the instructions at a place in the code.
#include "interp/fusion.h"

#include <algorithm>
#include <array>
#include <vector>

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

// The numbers of instructions that are part of any row, by their handlers.
class Numbers {
 public:
  static constexpr u16 kNone = 0xFFFF;

  explicit Numbers(std::span<const Handler> instructions) : instructions_(instructions) {
    CHECK(instructions.size() < kPlaces / 2);
    for (u32 id = 0; id < instructions.size(); ++id) {
      u32 at = place(instructions[id]);
      while (places_[at] != 0) at = (at + 1) % kPlaces;
      places_[at] = static_cast<u16>(id + 1);
    }
  }
  u16 find(Handler handler) const {
    for (u32 at = place(handler); places_[at] != 0; at = (at + 1) % kPlaces)
      if (instructions_[places_[at] - 1u] == handler) return static_cast<u16>(places_[at] - 1);
    return kNone;
  }

 private:
  static constexpr u32 kBits = 11, kPlaces = 1 << kBits;
  static u32 place(Handler handler) {
    return static_cast<u32>(reinterpret_cast<u64>(handler) * 0x9E3779B97F4A7C15 >> (64 - kBits));
  }
  const std::span<const Handler> instructions_;
  std::array<u16, kPlaces> places_{};  // the number and 1, or 0
};

// The first row of these parts that applies, so that tuned ones are preferred; null when there is none.
Handler find_row(const FusedRows& rows, u64 hash, std::span<const u16> parts, std::span<const Instruction> code,
                 u32 first_temporary) {
  for (u32 at = row_place(hash); rows.by_hash[at] != 0; at = (at + 1) % rows.by_hash.size()) {
    const u32 row = rows.by_hash[at] - 1;
    if (std::ranges::equal(parts, rows.parts.subspan(rows.first[row], rows.length(row))) &&
        applies(rows, row, code, first_temporary)) {
      return rows.fused[row];
    }
  }
  return nullptr;
}

}  // namespace

void fuse(std::span<Instruction> code, u32 first_temporary) {
  const FusedRows& rows = fused_rows();
  static const Numbers numbers(rows.instructions);
  std::vector<u16> parts(code.size());
  std::ranges::transform(code, parts.begin(), [](const Instruction& i) { return numbers.find(i.handler); });
  for (size_t i = 0; i < code.size(); ++i) {
    const size_t longest = std::min<size_t>(kMaxFused, code.size() - i);
    u64 hashes[kMaxFused + 1] = {kNoHash};
    size_t length = 0;
    for (; length < longest && parts[i + length] != Numbers::kNone; ++length) {
      const u64 hash = hashes[length + 1] = add_to_hash(hashes[length], parts[i + length]);
      const u32 bit = beginning_place(hash);
      if ((rows.beginnings[bit / 64] >> bit % 64 & 1) == 0) break;
    }
    for (; length >= 2; --length) {
      const Handler fused =
          find_row(rows, hashes[length], std::span(parts).subspan(i, length), code.subspan(i, length), first_temporary);
      if (fused == nullptr) continue;
      code[i].handler = fused;
      break;
    }
  }
}

}  // namespace berth::interp
