// WebAssembly types (specification 3.0: syntax, types). Plain values; type indices are those of one
// module, so a type that names one means something only together with its module.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace berth::wasm {

using TypeIdx = Index<struct TypeTag>;
using FuncIdx = Index<struct FuncTag>;
using TableIdx = Index<struct TableTag>;
using MemoryIdx = Index<struct MemoryTag>;
using GlobalIdx = Index<struct GlobalTag>;
using TagIdx = Index<struct ExceptionTagTag>;
using ElemIdx = Index<struct ElemTag>;
using DataIdx = Index<struct DataTag>;
using LocalIdx = Index<struct LocalTag>;
using LabelIdx = Index<struct LabelTag>;

// A heap type: an abstract one, or a type index of the module.
class HeapType {
 public:
  enum Abstract : u32 {
    kFunc = 0x80000000,
    kNoFunc,
    kExtern,
    kNoExtern,
    kAny,
    kEq,
    kI31,
    kStruct,
    kArray,
    kNone,
    kExn,
    kNoExn,
    kBottom,  // of unreachable code: a subtype of every heap type
  };
  constexpr HeapType() = default;
  constexpr HeapType(Abstract a) : bits_(a) {}
  constexpr explicit HeapType(TypeIdx t) : bits_(t.value) {}
  static constexpr HeapType from_bits(u32 bits) {
    HeapType h;
    h.bits_ = bits;
    return h;
  }

  constexpr bool is_index() const { return bits_ < kFunc; }
  constexpr TypeIdx index() const { return TypeIdx(bits_); }
  constexpr Abstract abstract() const { return static_cast<Abstract>(bits_); }
  constexpr u32 bits() const { return bits_; }
  friend constexpr bool operator==(HeapType, HeapType) = default;

 private:
  u32 bits_ = kBottom;
};

enum class ValKind : u8 { Bottom, I32, I64, F32, F64, V128, Ref };

// A value type; `Bottom` is the unknown operand type of unreachable code. Eight bytes, compared as bits:
// two concrete references with different indices may still be equivalent (see wasm/type_relations.h).
struct ValType {
  ValKind kind = ValKind::Bottom;
  bool nullable = false;
  u16 unused = 0;
  HeapType heap{};

  constexpr ValType() = default;
  constexpr ValType(ValKind k) : kind(k), heap(HeapType::kBottom) {}
  static constexpr ValType ref(HeapType h, bool null) {
    ValType t;
    t.kind = ValKind::Ref;
    t.nullable = null;
    t.heap = h;
    return t;
  }
  constexpr bool is_ref() const { return kind == ValKind::Ref; }
  constexpr bool is_numeric() const { return kind >= ValKind::I32 && kind <= ValKind::F64; }
  constexpr bool is_vector() const { return kind == ValKind::V128; }
  // Whether a local, field or element of this type has a default value.
  constexpr bool is_defaultable() const { return kind != ValKind::Ref || nullable; }
  friend constexpr bool operator==(ValType, ValType) = default;
};

inline constexpr ValType kI32{ValKind::I32}, kI64{ValKind::I64}, kF32{ValKind::F32}, kF64{ValKind::F64},
    kV128{ValKind::V128};
inline constexpr ValType kFuncRef = ValType::ref(HeapType::kFunc, true);
inline constexpr ValType kExternRef = ValType::ref(HeapType::kExtern, true);
inline constexpr ValType kAnyRef = ValType::ref(HeapType::kAny, true);
inline constexpr ValType kExnRef = ValType::ref(HeapType::kExn, true);

enum class Packed : u8 { None, I8, I16 };

// The type of a struct field or array element. When packed, `type` is i32, what it unpacks to.
struct FieldType {
  ValType type;
  Packed packed = Packed::None;
  bool is_mutable = false;
  // Bytes that the field takes in an object.
  constexpr u32 size() const {
    if (packed != Packed::None) return packed == Packed::I8 ? 1 : 2;
    switch (type.kind) {
      case ValKind::I32:
      case ValKind::F32: return 4;
      case ValKind::V128: return 16;
      default: return 8;
    }
  }
  friend constexpr bool operator==(FieldType, FieldType) = default;
};

struct FuncType {
  std::vector<ValType> params, results;
};
struct StructType {
  std::vector<FieldType> fields;
};
struct ArrayType {
  FieldType element;
};

enum class CompositeKind : u8 { Func, Struct, Array };

// A subtype definition (specification: recursive types). `group_start`/`group_size` give its recursion group.
struct SubType {
  CompositeKind kind = CompositeKind::Func;
  bool is_final = true;
  std::optional<TypeIdx> super;
  u32 group_start = 0;
  u32 group_size = 1;
  FuncType func;     // when kind is Func
  StructType strct;  // when kind is Struct
  ArrayType array;   // when kind is Array
};

// Limits in pages (memories) or elements (tables).
struct Limits {
  u64 min = 0;
  std::optional<u64> max;
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct MemoryType {
  Limits limits;
  bool is_64 = false;
  bool is_shared = false;
  u8 page_size_log2 = 16;  // 16, or 0 with custom page sizes
  ValType address_type() const { return is_64 ? kI64 : kI32; }
  friend bool operator==(const MemoryType&, const MemoryType&) = default;
};

struct TableType {
  ValType element;
  Limits limits;
  bool is_64 = false;
  ValType address_type() const { return is_64 ? kI64 : kI32; }
  friend bool operator==(const TableType&, const TableType&) = default;
};

struct GlobalType {
  ValType type;
  bool is_mutable = false;
  friend bool operator==(const GlobalType&, const GlobalType&) = default;
};

enum class ExternKind : u8 { Func = 0, Table = 1, Memory = 2, Global = 3, Tag = 4 };

// Text of a type as the text format writes it ("i32", "(ref null $t)" by index: "(ref null 3)").
std::string to_string(HeapType type);
std::string to_string(ValType type);
std::string to_string(const FuncType& type);  // "[i32 i64] -> [f32]"
const char* to_string(ExternKind kind);       // "func", "table", "memory", "global", "tag"

}  // namespace berth::wasm
