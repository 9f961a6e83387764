#include <algorithm>

#include "component_model/types.h"

namespace berth::component_model {
namespace {

using wasm::ExternKind;

// A definition type as a string that is equal for equivalent ones: types are followed to what they are, those of
// the groups under way by their distance.
class KeyMaker {
 public:
  explicit KeyMaker(const wasm::Module& module) : module_(module) {}

  std::string val(wasm::ValType t) {
    if (!t.is_ref() || !t.heap.is_index()) return wasm::to_string(t);
    return std::string(t.nullable ? "(ref null " : "(ref ") + type(t.heap.index()) + ")";
  }
  std::string type(wasm::TypeIdx index) {
    const wasm::SubType& t = module_.types[index.value];
    for (size_t up = groups_.size(); up-- > 0;) {
      if (groups_[up] == t.group_start)
        return "^" + std::to_string(groups_.size() - up) + "." + std::to_string(index.value - t.group_start);
    }
    if (groups_.size() > 16 || ++steps_ > kMaxSteps) return "…";
    groups_.push_back(t.group_start);
    std::string out = "{";
    for (u32 i = 0; i < t.group_size; ++i) out += definition(module_.types[t.group_start + i]) + ";";
    groups_.pop_back();
    return out + "}." + std::to_string(index.value - t.group_start);
  }
  std::string func(const wasm::FuncType& f) {
    std::string out;
    for (const wasm::ValType& p : f.params) out += val(p) + " ";
    out += "->";
    for (const wasm::ValType& r : f.results) out += " " + val(r);
    return out;
  }

 private:
  std::string field(const wasm::FieldType& f) {
    return (f.is_mutable ? "mut " : "") + std::to_string(static_cast<u32>(f.packed)) + val(f.type);
  }
  std::string definition(const wasm::SubType& t) {
    std::string out = t.is_final ? "final" : "sub";
    if (t.super) out += " " + type(*t.super);
    switch (t.kind) {
      case wasm::CompositeKind::Func: out += " func " + func(t.func); break;
      case wasm::CompositeKind::Struct:
        out += " struct";
        for (const wasm::FieldType& f : t.strct.fields) out += " " + field(f);
        break;
      case wasm::CompositeKind::Array: out += " array " + field(t.array.element); break;
    }
    return out;
  }
  static constexpr u32 kMaxSteps = 10'000;
  const wasm::Module& module_;
  std::vector<u32> groups_;
  u32 steps_ = 0;
};

bool limits_match(const wasm::Limits& sub, const wasm::Limits& super) {
  return sub.min >= super.min && (!super.max || (sub.max && *sub.max <= *super.max));
}

std::string limits_text(const wasm::Limits& l) {
  return " " + std::to_string(l.min) + (l.max ? " " + std::to_string(*l.max) : "");
}

}  // namespace

bool matches(const CoreExtern& sub, const CoreExtern& super) {
  if (sub.kind != super.kind) return false;
  switch (sub.kind) {
    case ExternKind::Func:
    case ExternKind::Tag: return sub.key == super.key;
    case ExternKind::Table:
      return sub.key == super.key && sub.table.is_64 == super.table.is_64 &&
             limits_match(sub.table.limits, super.table.limits);
    case ExternKind::Memory:
      return sub.memory.is_64 == super.memory.is_64 && sub.memory.is_shared == super.memory.is_shared &&
             sub.memory.page_size_log2 == super.memory.page_size_log2 &&
             limits_match(sub.memory.limits, super.memory.limits);
    case ExternKind::Global: return sub.key == super.key && sub.global.is_mutable == super.global.is_mutable;
  }
  return false;
}

std::string to_string(const CoreExtern& type) {
  const std::string kind = wasm::to_string(type.kind);
  switch (type.kind) {
    case ExternKind::Func:
    case ExternKind::Tag: return kind + " " + wasm::to_string(type.func);
    case ExternKind::Table: return kind + limits_text(type.table.limits) + " " + type.key;
    case ExternKind::Memory:
      return kind + (type.memory.is_64 ? " i64" : "") + limits_text(type.memory.limits) +
             (type.memory.is_shared ? " shared" : "");
    case ExternKind::Global: return kind + (type.global.is_mutable ? " (mut " + type.key + ")" : " " + type.key);
  }
  return kind;
}

CoreExtern core_func(const wasm::FuncType& type) {
  CoreExtern e;
  e.func = type;
  const wasm::Module none;
  e.key = "func " + KeyMaker(none).func(type);
  return e;
}

CoreExtern core_extern(const wasm::Module& module, ExternKind kind, u32 index) {
  CoreExtern e;
  e.kind = kind;
  KeyMaker keys(module);
  // A function type alone in its group, as nearly all are, is known by what it takes and gives.
  const auto func = [&](wasm::TypeIdx t) {
    const wasm::SubType& type = module.types[t.value];
    e.func = type.func;
    e.key = type.group_size == 1 && type.is_final && !type.super ? "func " + keys.func(type.func) : keys.type(t);
  };
  switch (kind) {
    case ExternKind::Func: func(module.functions[index].type); break;
    case ExternKind::Tag: func(module.tags[index].type); break;
    case ExternKind::Table:
      e.table = module.tables[index].type;
      e.key = keys.val(e.table.element);
      break;
    case ExternKind::Memory: e.memory = module.memories[index].type; break;
    case ExternKind::Global:
      e.global = module.globals[index].type;
      e.key = keys.val(e.global.type);
      break;
  }
  return e;
}

CoreModuleType module_type(const wasm::Module& module) {
  CoreModuleType t;
  for (const wasm::Import& i : module.imports)
    t.imports.push_back({i.module, i.name, core_extern(module, i.kind, i.index)});
  for (const wasm::Export& e : module.exports) t.exports.push_back({e.name, core_extern(module, e.kind, e.index)});
  return t;
}

const CoreModuleType::Export* CoreModuleType::find_export(std::string_view name) const {
  const auto it = std::ranges::find(exports, name, &Export::name);
  return it == exports.end() ? nullptr : &*it;
}

}  // namespace berth::component_model
