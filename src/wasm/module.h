// A decoded module: immutable once validated, shared between threads and instances by
// `std::shared_ptr<const Module>`. Everything that was in the binary stays reachable: function bodies,
// constant expressions and data are ranges of `bytes`.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wasm/features.h"
#include "wasm/limits.h"
#include "wasm/opcodes.h"
#include "wasm/types.h"

namespace berth::wasm {

// A range of the module's bytes.
struct Range {
  u32 offset = 0;
  u32 size = 0;
};

// A constant expression, its final `end` included.
struct ConstExpr {
  Range range;
};

struct Import {
  std::string module, name;
  ExternKind kind;
  u32 index;  // in the index space of `kind`
};
struct Export {
  std::string name;
  ExternKind kind;
  u32 index;
};

struct Function {
  TypeIdx type;
  // The entry of the code section: local declarations, then instructions to the final `end`. Empty when imported.
  Range body;
  // Offset, in the original binary, of the body when `body` lies in translated bytes; see Module::body().
  u32 original_offset = 0;
  bool is_translated = false;  // `body` is a range of `translated`, not of `bytes`
  bool has_branch_hints = false;
  bool uses_legacy_exceptions = false;  // as it was written; filled by validation, like the following
  // What a frame takes at most, in slots of 8 bytes (a v128 takes two): parameters and locals, operands.
  u32 local_slots = 0;
  u32 stack_slots = 0;
};

struct Table {
  TableType type;
  std::optional<ConstExpr> init;  // absent: null
};
struct Memory {
  MemoryType type;
};
struct Global {
  GlobalType type;
  ConstExpr init;  // empty when imported
};
struct Tag {
  TypeIdx type;
};

enum class SegmentMode : u8 { Active, Passive, Declarative };
struct ElemSegment {
  SegmentMode mode = SegmentMode::Passive;
  TableIdx table;
  ConstExpr offset;  // when active
  ValType type;
  std::vector<FuncIdx> funcs;  // one form or the other
  std::vector<ConstExpr> exprs;
  bool uses_exprs = false;
  u32 size() const { return static_cast<u32>(uses_exprs ? exprs.size() : funcs.size()); }
};
struct DataSegment {
  SegmentMode mode = SegmentMode::Passive;
  MemoryIdx memory;
  ConstExpr offset;  // when active
  Range bytes;
};

enum class SectionId : u8 {
  Custom = 0,
  Type,
  Import,
  Function,
  Table,
  Memory,
  Global,
  Export,
  Start,
  Element,
  Code,
  Data,
  DataCount,
  Tag,
};
struct CustomSection {
  std::string name;
  Range payload;    // after the name
  SectionId after;  // the last non-custom section before it; Custom when it comes first
};

// Where an instruction of a translated body stands in the original one; see Module::original_offset.
struct TranslatedOffset {
  u32 translated;
  u32 original;
};

struct Module {
  Bytes bytes;
  std::vector<u8> translated;                        // bodies rewritten on the way in (legacy exception handling)
  std::vector<TranslatedOffset> translated_offsets;  // ascending by `translated`

  std::vector<SubType> types;
  // For each type the lowest index of an equivalent type of this module; filled by validation.
  std::vector<TypeIdx> canonical;
  // For each type, its chain of supertypes is followed through SubType::super; depth 0 has none.
  std::vector<u8> subtype_depth;

  std::vector<Import> imports;
  std::vector<Export> exports;
  // Index spaces, imports first.
  std::vector<Function> functions;
  std::vector<Table> tables;
  std::vector<Memory> memories;
  std::vector<Global> globals;
  std::vector<Tag> tags;
  u32 imported_functions = 0, imported_tables = 0, imported_memories = 0, imported_globals = 0, imported_tags = 0;

  std::optional<FuncIdx> start;
  std::vector<ElemSegment> elems;
  std::vector<DataSegment> datas;
  std::optional<u32> data_count;
  std::vector<CustomSection> customs;

  FeatureSet features_allowed;  // what it was validated against

  std::span<const u8> range(Range r) const { return std::span(bytes).subspan(r.offset, r.size); }
  // Locals and instructions of a function; its own bytes or the translated ones.
  std::span<const u8> body(FuncIdx f) const {
    const Function& fn = functions[f.value];
    return (fn.is_translated ? std::span(translated) : std::span<const u8>(bytes))
        .subspan(fn.body.offset, fn.body.size);
  }
  // Offset in the binary of the instruction at `offset` in body(f).
  u64 original_offset(FuncIdx f, u32 offset) const;
  const FuncType& func_type(FuncIdx f) const { return types[functions[f.value].type.value].func; }
  const FuncType& func_type(TypeIdx t) const { return types[t.value].func; }
  bool is_imported(FuncIdx f) const { return f.value < imported_functions; }
};

}  // namespace berth::wasm
