// Types of the component model as validation understands them (component model, Explainer: type
// definitions, type checking). Nodes are immutable and live as long as the arena that made them; a node's
// address is the identity of a definition, which is what export and import of types name.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "wasm/module.h"

namespace berth::component_model {

enum class TypeKind : u8 {
  Bool,
  S8,
  U8,
  S16,
  U16,
  S32,
  U32,
  S64,
  U64,
  F32,
  F64,
  Char,
  String,
  ErrorContext,
  Record,
  Variant,
  List,
  FixedList,
  Tuple,
  Flags,
  Enum,
  Option,
  Result,
  Own,
  Borrow,
  Stream,
  Future,
  Map,
};
constexpr bool is_primitive(TypeKind k) { return k <= TypeKind::ErrorContext; }
// "u8", "list"; of List and FixedList alike "list".
const char* to_string(TypeKind kind);

// A resource type while types are checked: a number that stands for one abstract type.
using ResourceVar = u32;
// A use of it. Exporting a type gives it another name, which matters for what is visible outside, not for equality.
struct ResourceRef {
  ResourceVar var = 0;
  u32 name = 0;
  u32 origin = 0;  // the name that this one was given to, which says where it was taken from
  u64 key() const { return u64{var} << 32 | name; }
};

// Sizes of pointers into a linear memory: that of one with 32-bit addresses, and of one with 64-bit addresses.
enum class PointerSize : u8 { P32, P64 };
constexpr u32 pointer_bytes(PointerSize p) { return p == PointerSize::P32 ? 4 : 8; }

struct ValType;

// A field of a record or tuple, a case of a variant, a label of flags or an enum.
struct Field {
  std::string label;              // empty in a tuple
  const ValType* type = nullptr;  // null: none
};

// More core values than any call passes directly are not counted.
inline constexpr u32 kFlatLimit = 17;

// How values lie in memory and in core values (Canonical ABI: alignment, element size, flattening).
struct Layout {
  u64 size = 0;
  u32 align = 1;
  u32 payload_offset = 0;  // Variant and its kin
  bool is_flat = true;     // whether `flat` is all; otherwise there are kFlatLimit or more core values
  std::vector<wasm::ValKind> flat;
  std::vector<u32> offsets;  // Record and Tuple: of each field
};

struct ValType {
  TypeKind kind = TypeKind::Bool;
  std::vector<Field> fields;  // Record, Variant, Tuple, Flags, Enum; of Option and Result the cases they stand for
  const ValType* element = nullptr;  // List, FixedList, Stream, Future (may be null); Map: the pair, a Tuple
  u32 length = 0;                    // FixedList
  ResourceRef resource;              // Own, Borrow
  const ValType* origin = nullptr;   // of a type with a name of its own, which an import or export gave it: what it names

  // What follows is derived.
  bool has_resource = false;  // somewhere inside
  bool has_borrow = false;
  bool has_async = false;    // a stream or future
  bool has_pointer = false;  // a list or string, which lies in memory elsewhere
  bool is_plain = false;     // any bytes are a value, the same in every memory
  u32 depth = 1;
  u8 discriminant_bytes = 0;  // variants
  Layout layout[2];           // by PointerSize
  const Layout& at(PointerSize p) const { return layout[static_cast<u32>(p)]; }
  // Whether values are one of several cases: Variant, Enum, Option, Result.
  bool is_variant() const {
    return kind == TypeKind::Variant || kind == TypeKind::Enum || kind == TypeKind::Option || kind == TypeKind::Result;
  }
};

struct FuncType {
  std::vector<Field> params;  // each with a type
  const ValType* result = nullptr;
  bool is_async = false;
  // All parameters as one tuple; what is in memory when there are too many to be passed as core values.
  const ValType* params_tuple = nullptr;
};

// --- core things, as components see them

// The type of something that a core module imports or exports.
struct CoreExtern {
  wasm::ExternKind kind = wasm::ExternKind::Func;
  wasm::FuncType func;  // Func, Tag; type indices in it mean nothing
  std::string key;      // of what names types: equal exactly when they are equivalent
  wasm::TableType table;
  wasm::MemoryType memory;
  wasm::GlobalType global;
};
// Whether something of type `sub` may be given where `super` is imported.
bool matches(const CoreExtern& sub, const CoreExtern& super);
// "func [i32] -> []", "memory 1".
std::string to_string(const CoreExtern& type);

struct CoreModuleType {
  struct Import {
    std::string module, name;
    CoreExtern type;
  };
  struct Export {
    std::string name;
    CoreExtern type;
  };
  std::vector<Import> imports;
  std::vector<Export> exports;
  const Export* find_export(std::string_view name) const;
};
// What a module imports and exports.
CoreModuleType module_type(const wasm::Module& module);
// The type of item `index` of a kind in the module's index spaces.
CoreExtern core_extern(const wasm::Module& module, wasm::ExternKind kind, u32 index);
CoreExtern core_func(const wasm::FuncType& type);

// --- what components import and export

struct ComponentType;
struct InstanceType;

// What an index of the type index space means.
struct AnyType {
  enum class Kind : u8 { Value, Func, Component, Instance, Resource } kind = Kind::Value;
  const ValType* value = nullptr;
  const FuncType* func = nullptr;
  const ComponentType* component = nullptr;
  const InstanceType* instance = nullptr;
  ResourceRef resource;
};

enum class Sort : u8 { CoreModule, Func, Value, Type, Component, Instance };
const char* to_string(Sort sort);  // "core module", "func", …

struct ExternType {
  Sort sort = Sort::Func;
  const CoreModuleType* module = nullptr;
  AnyType type;  // of everything else
  static ExternType of(const CoreModuleType* t);
  static ExternType of(const FuncType* t);
  static ExternType of(const ComponentType* t);
  static ExternType of(const InstanceType* t);
  static ExternType of_type(const AnyType& t);
};

struct NamedExtern {
  std::string name;
  ExternType type;
};

struct InstanceType {
  std::vector<NamedExtern> exports;
  // Of a type that no instance has yet: the resource types that each instance brings along.
  std::vector<ResourceVar> defined;
  bool has_resource = false;
  u32 size = 1;  // how many types it is made of
  const ExternType* find_export(std::string_view name) const;
};

struct ComponentType {
  std::vector<NamedExtern> imports, exports;
  std::vector<ResourceVar> imported;  // resource types that come with the imports
  std::vector<ResourceVar> defined;   // those that each instance brings along
  u32 size = 1;
  const ExternType* find_import(std::string_view name) const;
  const ExternType* find_export(std::string_view name) const;
};

using Substitution = std::unordered_map<ResourceVar, ResourceVar>;

// Makes nodes and keeps them. One thread.
class TypeArena {
 public:
  TypeArena();
  TypeArena(const TypeArena&) = delete;

  const ValType* primitive(TypeKind kind) const { return &primitives_[static_cast<size_t>(kind)]; }
  // Fills in what is derived. Null, with the reason in `*why`, for a type past the limits of the Canonical ABI; those
  // do not hold where `why` is null.
  const ValType* add(ValType type, const char** why);
  const ValType* copy(const ValType& type);
  // The same type under another identity, which an import or export gives it.
  const ValType* rename(const ValType* type);
  const FuncType* add(FuncType type);
  const InstanceType* add(InstanceType type);
  const ComponentType* add(ComponentType type);
  const CoreModuleType* add(CoreModuleType type);
  ResourceVar new_resource() { return next_resource_++; }
  // The same resource type under another name.
  ResourceRef rename(ResourceRef r) { return {r.var, next_name_++, r.name}; }
  // For Map: the pair of its key and its value.
  const ValType* pair(const ValType* key, const ValType* value);

 private:
  std::deque<ValType> primitives_, values_;
  std::deque<FuncType> funcs_;
  std::deque<InstanceType> instances_;
  std::deque<ComponentType> components_;
  std::deque<CoreModuleType> modules_;
  ResourceVar next_resource_ = 1;
  u32 next_name_ = 1;
};

// Replaces resource types throughout types. Types without any stay the same nodes; one substitution yields the same
// node for the same node.
class Substituter {
 public:
  Substituter(TypeArena& arena, const Substitution& map) : arena_(arena), map_(map) {}
  ExternType operator()(const ExternType& type);
  AnyType operator()(const AnyType& type);
  const ValType* operator()(const ValType* type);
  const FuncType* operator()(const FuncType* type);
  const InstanceType* operator()(const InstanceType* type);
  const ComponentType* operator()(const ComponentType* type);
  // Has value types that `from` names replaced by those, equal to them, that `to` names.
  void replace_types(const ExternType& from, const ExternType& to);

 private:
  ResourceRef replace(ResourceRef r) const;
  TypeArena& arena_;
  const Substitution& map_;
  std::unordered_map<const void*, const void*> done_;
  bool replaces_types_ = false;
  u32 origins_ = 0;  // under way
};

// The resource types that a type mentions.
void collect_resources(const ExternType& type, std::unordered_set<ResourceVar>& out);
void collect_resources(const AnyType& type, std::unordered_set<ResourceVar>& out);

// The type as the text format writes it, types inside it in full: "(list (own 3))".
std::string to_string(const ValType& type);

// The core function type that a function is lifted from or lowered to (Canonical ABI: flattening).
enum class Direction : u8 { Lift, Lower };
struct CallShape {
  wasm::FuncType core;
  bool params_in_memory = false;   // one pointer stands for all parameters
  bool results_in_memory = false;  // Lift: a pointer is returned; Lower: one is passed last
};
CallShape flatten(const FuncType& type, PointerSize pointer, Direction direction, bool is_async, bool has_callback);

}  // namespace berth::component_model
