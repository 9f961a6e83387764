// A component as it stands in its binary: definitions in their order, with what validation finds out about
// each (component model, Binary: component definitions). Immutable once validated, shared between threads
// and instances by `std::shared_ptr<const Component>`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "component_model/types.h"
#include "text/component_space.h"
#include "wasm/features.h"
#include "wasm/module.h"

namespace berth::component_model {

struct Component;

using Space = text::ComponentSpace;
inline constexpr u32 kSpaces = text::kComponentSpaces;
const char* to_string(Space space);  // "core func", "instance"

// An item of an index space.
struct SortIndex {
  Space space = Space::Func;
  u32 index = 0;
};

struct ExternName {
  std::string name;
  std::optional<std::string> implements, version_suffix, external_id;
};

struct InlineExport {
  ExternName name;
  SortIndex item;
  ResourceVar resource = 0;  // of a resource type; filled by validation
};
struct CoreExport {
  std::string name;
  SortIndex item;
};
struct Argument {
  std::string name;
  SortIndex item;
  ResourceVar resource = 0;  // likewise
};

struct CoreModule {
  std::shared_ptr<const wasm::Module> module;
};
struct CoreInstance {
  std::optional<u32> module;  // instantiated; absent: made of `exports`
  std::vector<Argument> arguments;
  std::vector<CoreExport> exports;
};
struct NestedComponent {
  std::shared_ptr<Component> component;
};
struct Instance {
  std::optional<u32> component;
  std::vector<Argument> arguments;
  std::vector<InlineExport> exports;
};
struct Alias {
  enum class Kind : u8 { Export, CoreExport, Outer } kind = Kind::Export;
  Space space = Space::Func;
  u32 instance = 0;  // Export, CoreExport
  std::string name;
  u32 count = 0;  // Outer: enclosing scopes to skip
  u32 index = 0;
};

// A type as written: a primitive, or an index.
struct TypeUse {
  std::optional<TypeKind> primitive;
  u32 index = 0;
};
struct LabeledType {
  std::string label;
  std::optional<TypeUse> type;
};

struct Definition;

// What a module type is made of, as it was written.
struct CoreDeclaration {
  enum class Kind : u8 { Import, Type, Alias, Export } kind = Kind::Type;
  u32 count = 1;        // Type: how many types; Alias: enclosing scopes to skip
  u32 index = 0;        // Alias
  bool is_rec = false;  // Type: a recursion group written as one
};

// A type of core WebAssembly: a recursion group or a module type.
struct CoreTypeDef {
  // Of a recursion group, a module with all types of the scope, of which `count` from `first` on are defined here. Of a
  // module type, its types, and as imports what it imports and, after that, what it exports.
  std::shared_ptr<const wasm::Module> group;
  u32 first = 0, count = 0;
  bool is_rec = false;  // a recursion group written as one
  std::optional<CoreModuleType> module;
  std::vector<CoreDeclaration> declarations;
};

struct TypeDef {
  enum class Kind : u8 { Value, Func, Component, Instance, Resource } kind = Kind::Value;
  // Value
  TypeKind value = TypeKind::Bool;
  std::vector<LabeledType> items;        // fields, cases, labels, tuple elements; Func: parameters
  std::optional<TypeUse> first, second;  // list, option, stream, future; result's ok and error; map's key and value
  u32 length = 0;                        // of a list of fixed length
  u32 resource = 0;                      // own, borrow
  // Func
  bool is_async = false;
  std::optional<TypeUse> result;
  // Component, Instance
  std::vector<Definition> declarations;
  // Resource
  wasm::ValType representation = wasm::kI32;
  std::optional<u32> destructor;
};

enum class StringEncoding : u8 { Utf8, Utf16, Latin1OrUtf16 };

// Options of canonical definitions, by their codes in the binary.
enum class CanonOption : u8 { Utf8, Utf16, Latin1OrUtf16, Memory, Realloc, PostReturn, Async, Callback };

struct CanonOptions {
  std::optional<StringEncoding> encoding;
  std::optional<u32> memory, realloc, post_return, callback;
  bool is_async = false;
  std::vector<CanonOption> order;  // in which they are written
};

enum class CanonKind : u8 {
  Lift,
  Lower,
  ResourceNew,
  ResourceDrop,
  ResourceRep,
  BackpressureInc,
  BackpressureDec,
  TaskReturn,
  TaskCancel,
  ContextGet,
  ContextSet,
  SubtaskCancel,
  SubtaskDrop,
  StreamNew,
  StreamRead,
  StreamWrite,
  StreamCancelRead,
  StreamCancelWrite,
  StreamDropReadable,
  StreamDropWritable,
  FutureNew,
  FutureRead,
  FutureWrite,
  FutureCancelRead,
  FutureCancelWrite,
  FutureDropReadable,
  FutureDropWritable,
  ErrorContextNew,
  ErrorContextDebugMessage,
  ErrorContextDrop,
  WaitableSetNew,
  WaitableSetWait,
  WaitableSetPoll,
  WaitableSetDrop,
  WaitableJoin,
  ThreadIndex,
  ThreadNewIndirect,
  ThreadResumeLater,
  ThreadSuspend,
  ThreadYield,
  ThreadSuspendThenResume,
  ThreadYieldThenResume,
  ThreadSuspendThenPromote,
  ThreadYieldThenPromote,
};
// How the text format calls it: "resource.new".
const char* to_string(CanonKind kind);

struct Canon {
  CanonKind kind = CanonKind::Lift;
  u32 func = 0;  // Lift: core function; Lower: function
  u32 type = 0;  // Lift: function type; resource, stream and future built-ins: type; ThreadNewIndirect: core type
  CanonOptions options;
  bool flag = false;                     // async or cancellable, where the built-in has such a switch
  u32 number = 0;                        // ContextGet, ContextSet: slot; ThreadNewIndirect: table
  wasm::ValType slot_type = wasm::kI32;  // ContextGet, ContextSet
  std::optional<TypeUse> result;         // TaskReturn

  // Filled by validation.
  const FuncType* func_type = nullptr;  // Lift, Lower
  const ValType* value_type = nullptr;  // TaskReturn; stream and future built-ins: what `type` names
  ResourceVar resource = 0;             // resource built-ins
  PointerSize pointer = PointerSize::P32;
  wasm::FuncType core;  // of the core function: taken by Lift, made by all others
};

// The type of an import or export as written.
struct ExternDesc {
  Sort sort = Sort::Func;
  u32 type = 0;              // index of its type; Type: what it is equal to
  bool is_resource = false;  // Type: `(sub resource)`
};

struct Import {
  ExternName name;
  ExternDesc desc;
};
// An export, or in a type the declaration of one.
struct Export {
  ExternName name;
  SortIndex item;
  std::optional<ExternDesc> desc;
  ResourceVar resource = 0;  // of a resource type: what is exported; filled by validation
};

struct Definition {
  u64 offset = 0;  // in the binary of the outermost component
  std::variant<CoreModule, CoreInstance, CoreTypeDef, NestedComponent, Instance, Alias, TypeDef, Canon, Import, Export>
      body;
  // What the definition adds to the index space of components' things, filled by validation.
  ExternType type{};
};

struct CustomSection {
  size_t before = 0;  // definitions that come first
  std::string name;
  std::vector<u8> payload;
};

struct Component {
  std::vector<Definition> definitions;
  std::vector<CustomSection> customs;
  // Filled by validation.
  const ComponentType* type = nullptr;
  std::shared_ptr<TypeArena> types;  // what the types belong to: one for a component and all inside it
};

struct Limits {
  u32 definitions = 1'000'000;  // of a component, those inside it not counted
  u32 type_size = 100'000;      // of an instance or component type, see InstanceType::size
  u32 nesting = 100;
  wasm::ModuleLimits modules;
};

}  // namespace berth::component_model
