// Instructions and their immediates, expanded from spec/opcodes.def. Constants only.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "wasm/features.h"
#include "wasm/types.h"

namespace berth::wasm {

enum class Op : u16 {
#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) id,
#include "spec/opcodes.def"
#undef BERTH_OP
};
inline constexpr u32 kOpCount = 0
#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) +1
#include "spec/opcodes.def"
#undef BERTH_OP
    ;

// What follows an opcode in the binary format.
enum class Imm : u8 {
  None,
  Block,
  Label,
  LabelTable,
  Func,
  TypeTable,
  Local,
  Global,
  Table,
  Memory,
  MemArg,
  MemArgLane,
  Lane,
  Shuffle,
  I32,
  I64,
  F32,
  F64,
  V128,
  Type,
  TypeField,
  TypeCount,
  TypeData,
  TypeElem,
  TypeType,
  HeapType,
  BrOnCast,
  SelectTypes,
  TryTable,
  DataMemory,
  Data,
  ElemTable,
  Elem,
  MemoryMemory,
  TableTable,
  Tag,
  Fence,
};

namespace detail {
// Mnemonic and signature of each instruction, one after the other: a table of offsets needs no relocation at start.
inline constexpr char kOpTexts[] =
#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) mnemonic sig
#include "spec/opcodes.def"
#undef BERTH_OP
    ;
static_assert(sizeof kOpTexts < 0x10000);
}  // namespace detail

struct OpInfo {
  u8 prefix;
  u16 code;
  u8 mnemonic_size, signature_size;
  Imm imm;
  Feature feature;
  u8 width;
  bool constant;
  u16 text = 0;  // offset in kOpTexts

  constexpr std::string_view mnemonic() const { return {detail::kOpTexts + text, mnemonic_size}; }
  constexpr std::string_view signature() const { return {detail::kOpTexts + text + mnemonic_size, signature_size}; }
};

inline constexpr std::array<OpInfo, kOpCount> kOpInfo = [] {
  std::array<OpInfo, kOpCount> table = {{
#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) \
  {prefix, code, sizeof mnemonic - 1, sizeof sig - 1, Imm::imm, Feature::feature, width, constant != 0},
#include "spec/opcodes.def"
#undef BERTH_OP
  }};
  u16 text = 0;
  for (OpInfo& op : table) {
    op.text = text;
    text = static_cast<u16>(text + op.mnemonic_size + op.signature_size);
  }
  return table;
}();
constexpr const OpInfo& info(Op op) { return kOpInfo[static_cast<u32>(op)]; }

// Immediates, one struct a shape. Spans point into the bytes that were read.
struct NoImm {};
struct BlockType {
  enum Kind : u8 { Empty, Value, Type } kind = Empty;
  ValType value;  // when kind is Value
  TypeIdx type;   // when kind is Type
};
struct LabelImm {
  LabelIdx label;
};
// br_table: `count` targets and then the default, `count + 1` LEB128 numbers in all starting at `targets`,
// already checked to be well-formed. Read them with a CodeReader.
struct LabelTableImm {
  u32 count;
  std::span<const u8> targets;
};
struct FuncImm {
  FuncIdx func;
};
struct TypeTableImm {
  TypeIdx type;
  TableIdx table;
};
struct LocalImm {
  LocalIdx local;
};
struct GlobalImm {
  GlobalIdx global;
};
struct TableImm {
  TableIdx table;
};
struct MemoryImm {
  MemoryIdx memory;
};
struct MemArgImm {
  MemoryIdx memory;
  u32 align_log2;
  u64 offset;
};
struct MemArgLaneImm {
  MemArgImm mem;
  u8 lane;
};
struct LaneImm {
  u8 lane;
};
struct ShuffleImm {
  V128 lanes;
};
struct I32Imm {
  i32 value;
};
struct I64Imm {
  i64 value;
};
struct F32Imm {
  u32 bits;
};
struct F64Imm {
  u64 bits;
};
struct V128Imm {
  V128 value;
};
struct TypeImm {
  TypeIdx type;
};
struct TypeFieldImm {
  TypeIdx type;
  u32 field;
};
struct TypeCountImm {
  TypeIdx type;
  u32 count;
};
struct TypeDataImm {
  TypeIdx type;
  DataIdx data;
};
struct TypeElemImm {
  TypeIdx type;
  ElemIdx elem;
};
struct TypeTypeImm {
  TypeIdx dst;
  TypeIdx src;
};
struct HeapTypeImm {
  HeapType type;
};
struct BrOnCastImm {
  LabelIdx label;
  ValType from;
  ValType to;
};
// select with types: `count` value types starting at `types`; `first` is the only one when count is 1.
struct SelectTypesImm {
  u32 count;
  ValType first;
};
struct CatchClause {
  enum Kind : u8 { Catch = 0, CatchRef = 1, CatchAll = 2, CatchAllRef = 3 } kind;
  TagIdx tag;  // when kind is Catch or CatchRef
  LabelIdx label;
};
// try_table: `count` catch clauses encoded from `clauses` on, checked to be well-formed; CodeReader::catch_clause.
struct TryTableImm {
  BlockType type;
  u32 count;
  std::span<const u8> clauses;
};
struct DataMemoryImm {
  DataIdx data;
  MemoryIdx memory;
};
struct DataImm {
  DataIdx data;
};
struct ElemTableImm {
  ElemIdx elem;
  TableIdx table;
};
struct ElemImm {
  ElemIdx elem;
};
struct MemoryMemoryImm {
  MemoryIdx dst;
  MemoryIdx src;
};
struct TableTableImm {
  TableIdx dst;
  TableIdx src;
};
struct TagImm {
  TagIdx tag;
};

}  // namespace berth::wasm
