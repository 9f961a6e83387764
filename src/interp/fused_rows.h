// The sequences of instructions that have a handler of their own, as tables. Made at compile time from
// fused.def and tuned.def; constant.
#pragma once

#include "interp/fusion.h"

namespace berth::interp {

// A slot that the operand word names, by the field that names it.
enum class Field : u8 { None, A, B, C, D };

// The values of a sequence are numbered: the operands and the result of each step.
inline constexpr u32 kNoValue = 0;
constexpr u32 left_of(u32 step) { return 1 + 3 * step; }
constexpr u32 right_of(u32 step) { return 2 + 3 * step; }
constexpr u32 result_of(u32 step) { return 3 + 3 * step; }
inline constexpr u32 kMaxValues = 3 * kMaxFused + 1;

// What an instruction does with slots. Values of one kind, not 0, may be taken for one another.
struct StepInfo {
  Field left, right, result, second_result, also_reads[2];
  char left_kind, right_kind, result_kind;
  u8 words, result_slots;
  bool pops;  // takes its operands off the operand stack
};

// How a step of a tuned sequence differs from the instruction: where it has its operands from (a value, or
// kNoValue for where the instruction has them from), and what it leaves out.
struct Tuning {
  u8 left = kNoValue, right = kNoValue;
  bool stores = true, adds_offset = true;
};

struct FusedRows {
  std::span<const Handler> fused;   // by row; the tuned ones come first
  u32 tuned;                        // how many they are
  std::span<const u32> first;       // by row, and one more: where its parts begin
  std::span<const u16> parts;       // which instruction each is
  std::span<const Tuning> tunings;  // by part, of tuned rows
  std::span<const Handler> instructions;
  std::span<const StepInfo> infos;

  // Rows by the hash of their parts, plus one, open addressing; and a bit for the hash of every beginning of a row.
  std::span<const u16> by_hash;
  std::span<const u64> beginnings;

  u32 length(u32 row) const { return first[row + 1] - first[row]; }
};

// Of a row's parts, from kNoHash on.
inline constexpr u64 kNoHash = 0x9E3779B97F4A7C15;
constexpr u64 add_to_hash(u64 hash, u16 part) { return (hash ^ (part + 1)) * 0x9E3779B97F4A7C15; }
inline constexpr u32 kRowBits = 13, kBeginningBits = 17;
constexpr u32 row_place(u64 hash) { return static_cast<u32>(hash >> (64 - kRowBits)); }
constexpr u32 beginning_place(u64 hash) { return static_cast<u32>(hash >> (64 - kBeginningBits)); }

const FusedRows& fused_rows();

}  // namespace berth::interp
