// What every generated module has in common, by index; and how its types are written. Pure functions.
//
// Types are characters. Letters are those of spec/opcodes.def and more for references that may be null:
//   i i32   l i64   f f32   d f64   v v128   F funcref   E externref   X exnref   N anyref   Q eqref   J i31ref
//   T structref   R arrayref
// nullable(n) and non_null(n) are references to the type of index n. In fields and elements, 8 is i8 and 6 is i16.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/choices.h"
#include "fuzz/writer.h"

namespace berth::fuzz {

inline constexpr std::string_view kNumberTypes = "ilfdv";
inline constexpr std::string_view kAbstractTypes = "FEXNQJTR";

// Type indices of the types that are always there.
enum TypeNumber : u32 {
  kBytes,  // arrays
  kShorts,
  kInts,
  kLongs,
  kFloats,
  kDoubles,
  kVectors,
  kAnys,
  kBase,  // three structs, each below the one before
  kSub,
  kLeaf,
  kPair,   // its first field cannot be changed
  kNode,   // refers to kNodes, and that to it
  kNodes,  // array
  kTree,   // below kNode
  kWide,   // a struct of some hundred bytes
  kNothing,
  kBases,  // arrays
  kFunctions,
  kExterns,
  kFixedLongs,  // elements cannot be changed
  kFixedAnys,   // nor here, and so there may be
  kFixedBases,  // an array type below with elements of a type below
  kAction,      // [] -> [], tag 1
  kTagInt,      // [i32] -> [], tag 0
  kTagMany,     // [i64 v128 anyref] -> [], tag 2
  kMaker,       // [i32] -> [anyref]
  kBaseMaker,   // below kMaker: [i32] -> [(ref null kBase)]
  kHost,        // [i32 anyref] -> [anyref i32], of the imported function
  kFixedTypes
};

constexpr char nullable(u32 type) { return static_cast<char>(0x80 + type); }
constexpr char non_null(u32 type) { return static_cast<char>(0xc0 + type); }
constexpr bool is_number(char type) { return kNumberTypes.contains(type); }
constexpr bool is_concrete(char type) { return (static_cast<u8>(type) & 0x80) != 0; }
constexpr bool is_non_null(char type) { return (static_cast<u8>(type) & 0xc0) == 0xc0; }
constexpr u32 index_of(char type) { return static_cast<u8>(type) & 0x3f; }
// What a field or element of that type is on the stack.
constexpr char unpacked(char type) { return type == '8' || type == '6' ? 'i' : type; }
constexpr char nullable_form(char type) { return is_non_null(type) ? nullable(index_of(type)) : type; }

struct TypeDefinition {
  enum Shape : u8 { Struct, Array, Func } shape;
  std::string parts;    // fields, or the one element, or parameters
  std::string results;  // of functions
  i32 super = -1;
  bool is_final = true;
  u32 immutable = 0;  // a bit a field that cannot be changed
};
// Those of TypeNumber, in order.
const std::vector<TypeDefinition>& fixed_types();

// Whether a value of type `sub` may stand for one of type `super`.
bool is_below(char sub, char super);
// The types that a value or a local may have which are below, or above, `type`: itself first.
const std::string& types_below(char type);
const std::string& types_above(char type);

void write_type(Writer& out, char type);
// The heap type of a reference type.
void write_heap_type(Writer& out, char type);
// The constant 0 of a number type, or null of a reference type that has it.
void write_zero(Writer& out, char type);

struct Signature {
  std::string params, results;
  u32 type = 0;
};

// Memories: one of each kind, and which is the first depends on the module.
enum MemoryKind : u32 { kMemory32, kMemory64, kSharedMemory, kSmallPages, kMemoryKinds };
// Tables by index.
enum TableNumber : u32 { kFuncTable, kExternTable, kAnyTable64, kBaseTable, kMakerTable, kTables };
inline constexpr char kTableElements[] = {'F', 'E', 'N', nullable(kBase), nullable(kMaker)};
// Element segments by index; the first is active, the last declares functions.
enum ElemNumber : u32 { kActiveElem, kFuncElem, kAnyElem, kBaseElem, kMakerElem, kDeclaredElem, kElems };
// Data segments: the first is active, the second passive.
inline constexpr u32 kActiveBytes = 32, kPassiveBytes = 128;
inline constexpr u32 kTags = 3;
inline constexpr TypeNumber kTagTypes[kTags] = {kTagInt, kAction, kTagMany};
// Globals: first the types of which there is a mutable one, then those of which there is an immutable one.
inline constexpr char kMutableGlobals[] = {'i', 'l', 'f', 'd', 'v', 'F', 'E', 'N', nullable(kBase), nullable(kBytes)};
inline constexpr char kConstantGlobals[] = {'i', 'N', non_null(kBase), non_null(kLongs), 'E', nullable(kMaker)};

// What the bodies of a module have to know of it.
struct ModulePlan {
  std::vector<Signature> functions;   // by function index; the first is imported
  u32 first_memory = 0;               // the kind of memory 0; the others follow in order
  std::vector<Signature> more_types;  // with indices from kFixedTypes on

  MemoryKind kind(u32 memory) const { return static_cast<MemoryKind>((first_memory + memory) % kMemoryKinds); }
  bool is_64(u32 memory) const { return kind(memory) == kMemory64; }
  // The index of that function type, which is added when it is not there yet.
  u32 function_type(std::string_view params, std::string_view results);
};

}  // namespace berth::fuzz
