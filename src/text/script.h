// WebAssembly scripts, the `.wast` files of the specification's test suite (reference interpreter,
// scripts), as syntax trees. Plain values; they refer to the script's source, which must outlive them.
//
// Modules stay text until they are asked for, so that a malformed one can be what an assertion is about.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/component_parser.h"
#include "text/parser.h"
#include "text/source_map.h"
#include "wasm/types.h"

namespace berth::text {

// A module within a script, or a component.
struct ScriptModule {
  enum class Form : u8 { Text, Binary, Quote };
  std::optional<std::string> id;  // without its dollar
  Form form = Form::Text;
  bool is_component = false;
  bool is_definition = false;  // `(module definition …)`: not instantiated by itself
  u32 begin = 0, end = 0;      // its text in the source

  // Parses it; `source` is the script's. Fails as text/parser.h says, at offsets of the script.
  Result<ParsedModule> parse(std::string_view source, const ParseOptions& options = {}) const {
    return parse_module(source, options, begin, end);
  }
  // The same for a component.
  Result<ParsedComponent> parse_component(std::string_view source, const ParseOptions& options = {}) const {
    return text::parse_component(source, options, begin, end);
  }
};

// `(module instance $id $definition)`; without a definition, the last one.
struct ScriptInstance {
  std::optional<std::string> id, definition;
  bool is_component = false;
};

// A value of the component model, as argument or as what a result has to be.
struct ComponentValue {
  enum class Kind : u8 {
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
    List,
    Record,
    Tuple,
    Variant,
    Enum,
    Option,
    Result,
    Flags,
  } kind = Kind::Bool;
  u64 bits = 0;                       // Bool, of a number, Char; Option: whether some, Result: whether ok
  u8 nan = 0;                         // F32, F64: a NanPattern
  std::string text;                   // String; the case of Variant and Enum
  std::vector<std::string> labels;    // of the fields of Record; Flags: those that are set
  std::vector<ComponentValue> items;  // elements, fields; the payload, if any
};

// An argument of an invocation.
struct Constant {
  enum class Kind : u8 { I32, I64, F32, F64, V128, RefNull, RefExtern, RefHost, Component } kind = Kind::I32;
  u64 bits = 0;                        // of a number; the number of RefExtern and RefHost
  V128 vector{};                       // of V128
  std::optional<wasm::HeapType> heap;  // of RefNull, when it is an abstract one
  std::optional<ComponentValue> component{};
};

// What a float may be: itself, or any NaN of a sort (specification: floating-point, NaN propagation).
enum class NanPattern : u8 {
  None,
  Canonical,   // only the payload's top bit set, either sign
  Arithmetic,  // the payload's top bit set, and any others
};

// What a result has to be.
struct Pattern {
  enum class Kind : u8 {
    I32,
    I64,
    F32,
    F64,
    V128,
    RefNull,    // a null; of type `heap` if given
    RefExtern,  // not null, of type extern; the host's number `number` if given
    RefHost,    // the host's number `number`, seen as any
    RefFunc,
    RefAny,
    RefEq,
    RefI31,
    RefStruct,
    RefArray,
    RefExn,     // not null, of that type
    AnyNan,     // f32 or f64: the NaN of `nan[0]`, in the words of older scripts
    Either,     // one of `alternatives`
    Component,  // `component`
  } kind = Kind::I32;
  u64 bits = 0;      // of a number, unless `nan[0]` says otherwise
  V128 vector{};     // of V128
  u8 lane_bits = 8;  // of V128: the width of the lanes it was written in
  bool lanes_are_floats = false;
  NanPattern nan[4] = {};  // of F32, F64 and AnyNan the first; of V128, of each float lane
  std::optional<wasm::HeapType> heap;
  std::optional<u32> number;
  std::vector<Pattern> alternatives;
  std::optional<ComponentValue> component{};
};

struct Action {
  enum class Kind : u8 { Invoke, Get } kind = Kind::Invoke;
  std::optional<std::string> module;  // the last module if absent
  std::string name;
  std::vector<Constant> arguments;
};

struct Register {
  std::string name;
  std::optional<std::string> module;
};
struct AssertReturn {
  Action action;
  std::vector<Pattern> results;
};
// A trap in an action, or while a module is instantiated.
struct AssertTrap {
  std::variant<Action, ScriptModule, ScriptInstance> target;
  std::string message;
};
struct AssertExhaustion {
  Action action;
  std::string message;
};
struct AssertException {
  Action action;
};
// A module that must be refused. `Malformed`, `MalformedCustom`: by the parser or decoder; `Invalid`,
// `InvalidCustom`: by validation; `Unlinkable`: by instantiation.
struct AssertModule {
  enum class Kind : u8 { Malformed, Invalid, Unlinkable, MalformedCustom, InvalidCustom } kind;
  std::variant<ScriptModule, ScriptInstance> target;
  std::string message;
};

struct Command;
// `(thread $id (shared (module $m))* command…)`: commands that run beside the others.
struct Thread {
  std::string id;
  std::vector<std::string> shared;  // modules that it sees
  std::vector<Command> commands;
};
struct Wait {
  std::string thread;
};
// Meta commands of the reference interpreter.
struct SubScript {
  std::optional<std::string> id;
  std::vector<Command> commands;
};
struct Input {
  std::optional<std::string> id;
  std::string file;
};
struct Output {
  std::optional<std::string> id;
  std::optional<std::string> file;
};

struct Command {
  using Body = std::variant<ScriptModule, ScriptInstance, Register, Action, AssertReturn, AssertTrap, AssertExhaustion,
                            AssertException, AssertModule, Thread, Wait, SubScript, Input, Output>;
  u32 offset = 0;  // in the source
  LineColumn at;
  Body body;
};

struct Script {
  std::string_view source;
  std::vector<Command> commands;
};

// Parses a script; a text that consists of the fields of a module, or of nothing else than one module,
// is a script of that module. Fails with TextSyntax at an offset of `source`; what is inside of modules
// is only checked for the balance of its parentheses and for being made of tokens.
Result<Script> parse_script(std::string_view source);

// The command's name as scripts write it, for messages: "assert_return".
std::string_view command_name(const Command& command);

}  // namespace berth::text
