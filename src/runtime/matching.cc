#include "runtime/matching.h"

#include "runtime/global.h"
#include "runtime/memory.h"
#include "runtime/table.h"
#include "runtime/tag.h"

namespace berth::runtime {

namespace {

bool limits_match(const wasm::Limits& given, const wasm::Limits& wanted) {
  if (given.min < wanted.min) return false;
  return !wanted.max || (given.max && *given.max <= *wanted.max);
}

std::string limits_text(const wasm::Limits& limits, bool is_64) {
  std::string text = is_64 ? "i64 " : "";
  text += std::to_string(limits.min);
  if (limits.max) text += " " + std::to_string(*limits.max);
  return text;
}

std::string memory_text(const wasm::MemoryType& type) {
  std::string text = "memory " + limits_text(type.limits, type.is_64);
  if (type.is_shared) text += " shared";
  if (type.page_size_log2 != 16) text += " (pagesize " + std::to_string(1u << type.page_size_log2) + ")";
  return text;
}

std::string global_text(const ResolvedType& type, bool is_mutable) {
  return is_mutable ? "global (mut " + to_string(type) + ")" : "global " + to_string(type);
}

std::string table_text(const wasm::Limits& limits, bool is_64, const ResolvedType& element) {
  return "table " + limits_text(limits, is_64) + " " + to_string(element);
}

// What the module wants for an import.
std::string wanted_text(const PreparedModule& module, const wasm::Import& import) {
  const wasm::Module& m = module.module();
  const auto types = module.types();
  switch (import.kind) {
    case wasm::ExternKind::Func: return "func " + to_string(*types[m.functions[import.index].type.value]);
    case wasm::ExternKind::Table: {
      const wasm::TableType& type = m.tables[import.index].type;
      return table_text(type.limits, type.is_64, resolve(type.element, types));
    }
    case wasm::ExternKind::Memory: return memory_text(m.memories[import.index].type);
    case wasm::ExternKind::Global: {
      const wasm::GlobalType& type = m.globals[import.index].type;
      return global_text(resolve(type.type, types), type.is_mutable);
    }
    case wasm::ExternKind::Tag: return "tag " + to_string(*types[m.tags[import.index].type.value]);
  }
  return {};
}

bool matches_import(const PreparedModule& module, const wasm::Import& import, const Extern& value) {
  const wasm::Module& m = module.module();
  const auto types = module.types();
  if (value.index() != static_cast<size_t>(import.kind)) return false;
  switch (import.kind) {
    case wasm::ExternKind::Func:
      return abi::is_subtype(std::get<abi::FunctionInstance*>(value)->type,
                             types[m.functions[import.index].type.value]);
    case wasm::ExternKind::Table: {
      const Table& given = *std::get<Table*>(value);
      const wasm::TableType& wanted = m.tables[import.index].type;
      const ResolvedType element = resolve(wanted.element, types);
      return given.type().is_64 == wanted.is_64 && limits_match(given.current_limits(), wanted.limits) &&
             matches(given.element_type(), element) && matches(element, given.element_type());
    }
    case wasm::ExternKind::Memory: {
      const wasm::MemoryType given = std::get<Memory*>(value)->current_type();
      const wasm::MemoryType& wanted = m.memories[import.index].type;
      return given.is_64 == wanted.is_64 && given.is_shared == wanted.is_shared &&
             given.page_size_log2 == wanted.page_size_log2 && limits_match(given.limits, wanted.limits);
    }
    case wasm::ExternKind::Global: {
      const Global& given = *std::get<Global*>(value);
      const wasm::GlobalType& wanted = m.globals[import.index].type;
      const ResolvedType type = resolve(wanted.type, types);
      return given.is_mutable() == wanted.is_mutable && matches(given.type(), type) &&
             (!wanted.is_mutable || matches(type, given.type()));
    }
    case wasm::ExternKind::Tag: return &std::get<Tag*>(value)->type() == types[m.tags[import.index].type.value];
  }
  return false;
}

}  // namespace

std::string describe(const Extern& value) {
  struct Visitor {
    std::string operator()(const abi::FunctionInstance* f) const { return "func " + to_string(*f->type); }
    std::string operator()(const Table* t) const {
      return table_text(t->current_limits(), t->type().is_64, t->element_type());
    }
    std::string operator()(const Memory* m) const { return memory_text(m->current_type()); }
    std::string operator()(const Global* g) const { return global_text(g->type(), g->is_mutable()); }
    std::string operator()(const Tag* t) const { return "tag " + to_string(t->type()); }
  };
  return std::visit(Visitor{}, value);
}

Result<> match_import(const PreparedModule& module, u32 index, const Extern& value) {
  static_assert(static_cast<int>(wasm::ExternKind::Func) == 0 && static_cast<int>(wasm::ExternKind::Table) == 1 &&
                static_cast<int>(wasm::ExternKind::Memory) == 2 && static_cast<int>(wasm::ExternKind::Global) == 3 &&
                static_cast<int>(wasm::ExternKind::Tag) == 4);  // the order of Extern's alternatives
  const wasm::Import& import = module.module().imports[index];
  if (matches_import(module, import, value)) [[likely]]
    return {};
  return fail(ErrorCode::IncompatibleImportType, "\"" + import.module + "\" \"" + import.name + "\": expected " +
                                                     wanted_text(module, import) + ", found " + describe(value));
}

}  // namespace berth::runtime
