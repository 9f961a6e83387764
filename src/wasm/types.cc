#include "wasm/types.h"

namespace berth::wasm {

namespace {
struct AbstractName {
  const char* name;       // as a heap type: "func"
  const char* shorthand;  // as a nullable reference: "funcref"
};
constexpr AbstractName kAbstractNames[] = {
    {"func", "funcref"},       {"nofunc", "nullfuncref"}, {"extern", "externref"}, {"noextern", "nullexternref"},
    {"any", "anyref"},         {"eq", "eqref"},           {"i31", "i31ref"},       {"struct", "structref"},
    {"array", "arrayref"},     {"none", "nullref"},       {"exn", "exnref"},       {"noexn", "nullexnref"},
    {"bot", "(ref null bot)"},
};
}  // namespace

std::string to_string(HeapType type) {
  if (type.is_index()) return std::to_string(type.index().value);
  return kAbstractNames[type.abstract() - HeapType::kFunc].name;
}

std::string to_string(ValType type) {
  switch (type.kind) {
    case ValKind::Bottom: return "bot";
    case ValKind::I32: return "i32";
    case ValKind::I64: return "i64";
    case ValKind::F32: return "f32";
    case ValKind::F64: return "f64";
    case ValKind::V128: return "v128";
    case ValKind::Ref: break;
  }
  if (type.nullable && !type.heap.is_index()) return kAbstractNames[type.heap.abstract() - HeapType::kFunc].shorthand;
  return (type.nullable ? "(ref null " : "(ref ") + to_string(type.heap) + ")";
}

std::string to_string(const FuncType& type) {
  auto list = [](const std::vector<ValType>& types) {
    std::string out = "[";
    for (const ValType& t : types) out += (out.size() > 1 ? " " : "") + to_string(t);
    return out + "]";
  };
  return list(type.params) + " -> " + list(type.results);
}

const char* to_string(ExternKind kind) {
  constexpr const char* kNames[] = {"func", "table", "memory", "global", "tag"};
  return kNames[static_cast<u8>(kind)];
}

}  // namespace berth::wasm
