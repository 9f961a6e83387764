#include "runtime/types.h"

#include "base/result.h"
#include "runtime/objects.h"
#include "runtime/type_registry.h"

namespace berth::runtime {

using wasm::HeapType;
using wasm::ValKind;
using wasm::ValType;

ResolvedType resolve(ValType type, std::span<const abi::RuntimeType* const> types) {
  if (!type.is_ref() || !type.heap.is_index()) return {type, nullptr};
  return {type, types[type.heap.index().value]};
}

ResolvedType resolve_abstract(ValType type) {
  CHECK(!type.is_ref() || !type.heap.is_index());
  return {type, nullptr};
}

namespace {

bool abstract_matches(HeapType::Abstract sub, HeapType::Abstract super) {
  if (sub == super || sub == HeapType::kBottom) return true;
  switch (super) {
    case HeapType::kAny:
      return sub == HeapType::kEq || sub == HeapType::kI31 || sub == HeapType::kStruct || sub == HeapType::kArray ||
             sub == HeapType::kNone;
    case HeapType::kEq:
      return sub == HeapType::kI31 || sub == HeapType::kStruct || sub == HeapType::kArray || sub == HeapType::kNone;
    case HeapType::kI31:
    case HeapType::kStruct:
    case HeapType::kArray: return sub == HeapType::kNone;
    case HeapType::kFunc: return sub == HeapType::kNoFunc;
    case HeapType::kExtern: return sub == HeapType::kNoExtern;
    case HeapType::kExn: return sub == HeapType::kNoExn;
    default: return false;
  }
}

// The abstract type directly above concrete types of a kind.
HeapType::Abstract abstract_of(abi::TypeKind kind) {
  switch (kind) {
    case abi::TypeKind::Func: return HeapType::kFunc;
    case abi::TypeKind::Struct: return HeapType::kStruct;
    case abi::TypeKind::Array: return HeapType::kArray;
    case abi::TypeKind::Host: return HeapType::kAny;
    case abi::TypeKind::Exception: return HeapType::kExn;
  }
  return HeapType::kBottom;
}

bool heap_matches(const ResolvedType& sub, const ResolvedType& super) {
  if (sub.concrete != nullptr) {
    if (super.concrete != nullptr) return abi::is_subtype(sub.concrete, super.concrete);
    return abstract_matches(abstract_of(sub.concrete->kind), super.type.heap.abstract());
  }
  if (super.concrete == nullptr) return abstract_matches(sub.type.heap.abstract(), super.type.heap.abstract());
  switch (sub.type.heap.abstract()) {
    case HeapType::kNone: return super.concrete->kind != abi::TypeKind::Func;
    case HeapType::kNoFunc: return super.concrete->kind == abi::TypeKind::Func;
    case HeapType::kBottom: return true;
    default: return false;
  }
}

std::string field_text(const wasm::FieldType& field, std::span<const abi::RuntimeType* const> types) {
  std::string text = field.packed == wasm::Packed::I8    ? "i8"
                     : field.packed == wasm::Packed::I16 ? "i16"
                                                         : to_string(resolve(field.type, types));
  return field.is_mutable ? "(mut " + text + ")" : text;
}

// A concrete type inside another is only named by its kind, since types may be recursive.
std::string heap_text(const ResolvedType& type) {
  if (type.concrete == nullptr) return wasm::to_string(type.type.heap);
  switch (type.concrete->kind) {
    case abi::TypeKind::Func: return "(func …)";
    case abi::TypeKind::Struct: return "(struct …)";
    case abi::TypeKind::Array: return "(array …)";
    default: return "any";
  }
}

}  // namespace

bool matches(const ResolvedType& sub, const ResolvedType& super) {
  if (sub == super) return true;
  if (sub.type.kind != ValKind::Ref || super.type.kind != ValKind::Ref) return sub.type.kind == ValKind::Bottom;
  if (sub.type.nullable && !super.type.nullable) return false;
  return heap_matches(sub, super);
}

bool has_type(abi::Ref ref, const ResolvedType& type) {
  if (ref == abi::kNull) return type.type.nullable;
  if (type.concrete != nullptr) {
    if (type.concrete->kind == abi::TypeKind::Func) return abi::is_subtype(function_of(ref)->type, type.concrete);
    if (abi::is_i31(ref)) return false;
    return abi::is_subtype(object_of(ref)->type, type.concrete);
  }
  auto kind = [&] { return object_of(ref)->type->kind; };
  switch (type.type.heap.abstract()) {
    case HeapType::kFunc:
    case HeapType::kExtern:
    case HeapType::kExn:
    case HeapType::kAny: return true;
    case HeapType::kEq: return abi::is_i31(ref) || kind() == abi::TypeKind::Struct || kind() == abi::TypeKind::Array;
    case HeapType::kI31: return abi::is_i31(ref);
    case HeapType::kStruct: return !abi::is_i31(ref) && kind() == abi::TypeKind::Struct;
    case HeapType::kArray: return !abi::is_i31(ref) && kind() == abi::TypeKind::Array;
    case HeapType::kNone:
    case HeapType::kNoFunc:
    case HeapType::kNoExtern:
    case HeapType::kNoExn:
    case HeapType::kBottom: return false;
  }
  return false;
}

bool may_be_object(const ResolvedType& type) {
  if (!type.is_ref()) return false;
  if (type.concrete != nullptr) return type.concrete->kind != abi::TypeKind::Func;
  switch (type.type.heap.abstract()) {
    case HeapType::kAny:
    case HeapType::kEq:
    case HeapType::kStruct:
    case HeapType::kArray:
    case HeapType::kExtern:
    case HeapType::kExn: return true;
    default: return false;
  }
}

std::string to_string(const ResolvedType& type) {
  if (type.concrete == nullptr) return wasm::to_string(type.type);
  return (type.type.nullable ? "(ref null " : "(ref ") + heap_text(type) + ")";
}

std::string to_string(const abi::RuntimeType& type) {
  if (type.definition == nullptr) return type.kind == abi::TypeKind::Exception ? "exn" : "extern";
  const auto types = definition_types(type);
  const wasm::SubType& definition = *type.definition;
  auto list = [&](const std::vector<ValType>& items) {
    std::string text = "[";
    for (const ValType& item : items) text += (text.size() > 1 ? " " : "") + to_string(resolve(item, types));
    return text + "]";
  };
  switch (definition.kind) {
    case wasm::CompositeKind::Func: return list(definition.func.params) + " -> " + list(definition.func.results);
    case wasm::CompositeKind::Struct: {
      std::string text = "(struct";
      for (const auto& field : definition.strct.fields) text += " " + field_text(field, types);
      return text + ")";
    }
    case wasm::CompositeKind::Array: return "(array " + field_text(definition.array.element, types) + ")";
  }
  return {};
}

}  // namespace berth::runtime
