// Value types whose concrete heap types are runtime types, so that types of different modules can
// be compared (specification: validation, matching; execution, runtime structure). Plain values;
// functions are pure and safe from any thread while the types they are given are alive.
#pragma once

#include <span>
#include <string>

#include "abi/context.h"

namespace berth::runtime {

// A value type that means the same in every module.
struct ResolvedType {
  wasm::ValType type;                          // its heap type is an abstract one, or a meaningless index
  const abi::RuntimeType* concrete = nullptr;  // the heap type when it is a concrete one

  bool is_ref() const { return type.is_ref(); }
  friend bool operator==(const ResolvedType& a, const ResolvedType& b) {
    return a.concrete == b.concrete && a.type.kind == b.type.kind && a.type.nullable == b.type.nullable &&
           (a.concrete != nullptr || a.type.heap == b.type.heap);
  }
};

// `type` of a module, or of a type definition, whose type indices are those of `types`.
ResolvedType resolve(wasm::ValType type, std::span<const abi::RuntimeType* const> types);
// `type` without type indices.
ResolvedType resolve_abstract(wasm::ValType type);

// Whether a value of type `sub` may stand where `super` is expected.
bool matches(const ResolvedType& sub, const ResolvedType& super);

// Whether `ref` is a value of the reference type `type`.
bool has_type(abi::Ref ref, const ResolvedType& type);

// Whether values of `type` can be objects of the garbage-collected heap.
bool may_be_object(const ResolvedType& type);

// "i32", "(ref null any)", "(ref (struct i32 i64))"; for messages.
std::string to_string(const ResolvedType& type);
// "[i32] -> [i64]" for functions, "(struct …)", "(array …)".
std::string to_string(const abi::RuntimeType& type);

// Slots that a value of the type takes.
constexpr u32 slot_count(wasm::ValType type) { return type.kind == wasm::ValKind::V128 ? 2 : 1; }

}  // namespace berth::runtime
