#include "text/printer.h"

#include <algorithm>

#include "text/module_printer.h"

namespace berth::text {

using wasm::ExternKind;
using wasm::SectionId;

namespace {

constexpr u32 kMaxLocals = 1'000'000;
constexpr std::string_view kNameSection = "name";
constexpr std::string_view kCodeMetadata = "metadata.code.";

Space space_of(ExternKind kind) {
  switch (kind) {
    case ExternKind::Func: return Space::Func;
    case ExternKind::Table: return Space::Table;
    case ExternKind::Memory: return Space::Memory;
    case ExternKind::Global: return Space::Global;
    case ExternKind::Tag: return Space::Tag;
  }
  return Space::Func;
}

// A section as `(after …)` calls it; empty for what comes before them all.
const char* section_word(SectionId id) {
  switch (id) {
    case SectionId::Custom: return "";
    case SectionId::Type: return "type";
    case SectionId::Import: return "import";
    case SectionId::Function: return "func";
    case SectionId::Table: return "table";
    case SectionId::Memory: return "memory";
    case SectionId::Global: return "global";
    case SectionId::Export: return "export";
    case SectionId::Start: return "start";
    case SectionId::Element: return "elem";
    case SectionId::Code: return "code";
    case SectionId::Data: return "data";
    case SectionId::DataCount: return "datacount";
    case SectionId::Tag: return "tag";
  }
  return "";
}

std::string_view as_text(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<std::string> ModulePrinter::run() {
  if (options_.inline_exports) {
    for (const wasm::Export& e : module_.exports) exports_[{e.kind, e.index}].push_back(&e);
  }
  custom_done_.resize(module_.customs.size());
  if (options_.annotations) read_code_metadata();

  text_ = options_.head.empty() ? "(module" : options_.head;
  if (const auto name = ids_.module(); name && options_.head.empty()) {
    if (!name->empty()) {
      text_ += ' ';
      append_id(text_, *name);
    } else if (options_.annotations) {
      text_ += " (@name \"\")";
    }
  }
  types();
  imports();
  TRY(tables());
  memories();
  tags();
  TRY(globals());
  if (!options_.inline_exports) exports();
  start();
  TRY(elems());
  TRY(functions());
  TRY(datas());
  if (options_.annotations) customs();
  text_ += ")\n";
  return std::move(text_);
}

// --- types

void ModulePrinter::types() {
  for (u32 i = 0; i < module_.types.size();) {
    const u32 size = std::max<u32>(module_.types[i].group_size, 1);
    if (size == 1) {
      type(i++, 1);
      continue;
    }
    line(text_, 1);
    text_ += "(rec";
    for (const u32 end = i + size; i < end && i < module_.types.size(); ++i) type(i, 2);
    text_ += ')';
  }
}

void ModulePrinter::field_type(const wasm::FieldType& field) {
  if (field.is_mutable) text_ += "(mut ";
  if (field.packed == wasm::Packed::None) {
    val_type(text_, field.type);
  } else {
    text_ += field.packed == wasm::Packed::I8 ? "i8" : "i16";
  }
  if (field.is_mutable) text_ += ')';
}

void ModulePrinter::type(u32 i, u32 depth) {
  const wasm::SubType& t = module_.types[i];
  line(text_, depth);
  text_ += "(type";
  define(Space::Type, i);
  const bool plain = t.is_final && !t.super;
  if (!plain) {
    text_ += t.is_final ? " (sub final" : " (sub";
    if (t.super) text_ += ' ', index(text_, Space::Type, t.super->value);
  }
  switch (t.kind) {
    case wasm::CompositeKind::Func:
      text_ += " (func";
      signature(text_, t.func, nullptr);
      break;
    case wasm::CompositeKind::Struct: {
      text_ += " (struct";
      const IdentifierList& names = ids_.fields(i);
      for (u32 f = 0; f < t.strct.fields.size(); ++f) {
        text_ += " (field";
        if (const Identifier& id = names[f]; !id.empty()) text_ += (id.id.empty() ? "" : " ") + id.id + id.note;
        text_ += ' ';
        field_type(t.strct.fields[f]);
        text_ += ')';
      }
      break;
    }
    case wasm::CompositeKind::Array:
      text_ += " (array ";
      field_type(t.array.element);
      break;
  }
  text_ += plain ? "))" : ")))";
}

// --- what several fields have in common

// Identifier and index of what a field defines.
void ModulePrinter::define(Space space, u32 i) {
  const Identifier& id = ids_[space][i];
  if (!id.id.empty()) text_ += ' ' + id.id;
  text_ += id.note + " (;" + std::to_string(i) + ";)";
}

void ModulePrinter::exported(ExternKind kind, u32 i) {
  const auto found = exports_.find({kind, i});
  if (found == exports_.end()) return;
  for (const wasm::Export* e : found->second) {
    text_ += " (export ";
    append_literal(text_, e->name, true);
    text_ += ')';
  }
}

void ModulePrinter::type_of(wasm::TypeIdx type, const IdentifierList* locals) {
  text_ += " (type ";
  index(text_, Space::Type, type.value);
  text_ += ')';
  if (is_func_type(type)) signature(text_, module_.types[type.value].func, locals, true);
}

u32 ModulePrinter::param_count(wasm::TypeIdx type) const {
  return is_func_type(type) ? static_cast<u32>(module_.types[type.value].func.params.size()) : 0;
}

void ModulePrinter::limits(const wasm::Limits& limits, bool is_64) {
  if (is_64) text_ += " i64";
  text_ += ' ' + std::to_string(limits.min);
  if (limits.max) text_ += ' ' + std::to_string(*limits.max);
}

void ModulePrinter::table_type(const wasm::TableType& type) {
  limits(type.limits, type.is_64);
  text_ += ' ';
  val_type(text_, type.element);
}

void ModulePrinter::memory_type(const wasm::MemoryType& type) {
  limits(type.limits, type.is_64);
  if (type.is_shared) text_ += " shared";
  if (type.page_size_log2 != 16) text_ += " (pagesize " + std::to_string(u64{1} << (type.page_size_log2 & 63)) + ")";
}

void ModulePrinter::global_type(const wasm::GlobalType& type) {
  text_ += type.is_mutable ? " (mut " : " ";
  val_type(text_, type.type);
  if (type.is_mutable) text_ += ')';
}

Result<> ModulePrinter::expression(const wasm::ConstExpr& e, const char* word) {
  std::string out;
  TRY(code(out, module_.range(e.range), e.range.offset, kNone, std::nullopt));
  text_ += ' ';
  if (word && roots() != 1) {
    text_ += std::string("(") + word + (out.empty() || out[0] == ' ' ? "" : " ") + out + ')';
  } else {
    text_ += out;
  }
  return {};
}

// --- imports, functions and the rest

void ModulePrinter::imports() {
  for (const wasm::Import& import : module_.imports) {
    line(text_, 1);
    text_ += "(import ";
    append_literal(text_, import.module, true);
    text_ += ' ';
    append_literal(text_, import.name, true);
    text_ += std::string(" (") + wasm::to_string(import.kind);
    define(space_of(import.kind), import.index);
    switch (import.kind) {
      case ExternKind::Func: {
        const wasm::TypeIdx type = module_.functions[import.index].type;
        const IdentifierList names = ids_.locals(import.index, param_count(type));
        type_of(type, &names);
        break;
      }
      case ExternKind::Table: table_type(module_.tables[import.index].type); break;
      case ExternKind::Memory: memory_type(module_.memories[import.index].type); break;
      case ExternKind::Global: global_type(module_.globals[import.index].type); break;
      case ExternKind::Tag: type_of(module_.tags[import.index].type, nullptr); break;
    }
    text_ += "))";
    if (const auto found = exports_.find({import.kind, import.index}); found != exports_.end()) {
      for (const wasm::Export* e : found->second) {
        line(text_, 1);
        text_ += "(export ";
        append_literal(text_, e->name, true);
        text_ += std::string(" (") + wasm::to_string(import.kind) + ' ';
        index(text_, space_of(import.kind), import.index);
        text_ += "))";
      }
    }
  }
}

Result<> ModulePrinter::functions() {
  for (u32 i = module_.imported_functions; i < module_.functions.size(); ++i) {
    TRY(function(i));
    if (text_.size() > options_.max_bytes)
      return fail(ErrorCode::LimitExceeded, "the module's text would be too large");
  }
  return {};
}

Result<> ModulePrinter::function(u32 i) {
  const wasm::Function& f = module_.functions[i];
  // A body translated on the way in is printed as it was written.
  const u32 begin = f.is_translated ? f.original_offset : f.body.offset;
  const std::span<const u8> bytes = f.is_translated ? std::span(module_.bytes).subspan(begin) : module_.range(f.body);
  wasm::CodeReader reader(bytes, begin);

  const u32 params = param_count(f.type);
  u32 count = params;
  std::vector<std::pair<u32, wasm::ValType>> groups;
  const u32 group_count = reader.leb_u32();
  for (u32 g = 0; g < group_count && reader.ok(); ++g) {
    const u32 size = reader.leb_u32();
    groups.emplace_back(size, reader.val_type());
    if (size > kMaxLocals || (count += size) > kMaxLocals) reader.fail_here(ErrorCode::TooManyLocals);
  }
  if (!reader.ok()) return std::unexpected(reader.error().in_function(i));

  locals_ = ids_.locals(i, count);
  line(text_, 1);
  text_ += "(func";
  define(Space::Func, i);
  exported(ExternKind::Func, i);
  type_of(f.type, &locals_);
  u32 local = params;
  for (const auto& [size, type] : groups) {
    bool open = false;
    for (u32 n = 0; n < size; ++n, ++local) {
      const Identifier& id = locals_[local];
      const bool named = !id.empty();
      if (open && named) text_ += ')', open = false;
      if (!open) {
        line(text_, 2);
        text_ += "(local";
      }
      if (named) text_ += (id.id.empty() ? "" : " ") + id.id + id.note;
      text_ += ' ';
      val_type(text_, type);
      if (named) text_ += ')';
      open = !named;
    }
    if (open) text_ += ')';
  }
  hints_.clear();
  if (const auto found = metadata_.find(i); found != metadata_.end()) hints_ = found->second;
  body_offset_ = begin;
  const auto used = static_cast<size_t>(reader.position() - bytes.data());
  auto printed = code(text_, bytes.subspan(used), begin + used, 2, i);
  hints_.clear();
  if (!printed) return std::unexpected(std::move(printed).error().in_function(i));
  text_ += ')';
  return {};
}

Result<> ModulePrinter::tables() {
  for (u32 i = module_.imported_tables; i < module_.tables.size(); ++i) {
    const wasm::Table& t = module_.tables[i];
    line(text_, 1);
    text_ += "(table";
    define(Space::Table, i);
    exported(ExternKind::Table, i);
    table_type(t.type);
    if (t.init) TRY(expression(*t.init, nullptr));
    text_ += ')';
  }
  return {};
}

void ModulePrinter::memories() {
  for (u32 i = module_.imported_memories; i < module_.memories.size(); ++i) {
    line(text_, 1);
    text_ += "(memory";
    define(Space::Memory, i);
    exported(ExternKind::Memory, i);
    memory_type(module_.memories[i].type);
    text_ += ')';
  }
}

Result<> ModulePrinter::globals() {
  for (u32 i = module_.imported_globals; i < module_.globals.size(); ++i) {
    const wasm::Global& g = module_.globals[i];
    line(text_, 1);
    text_ += "(global";
    define(Space::Global, i);
    exported(ExternKind::Global, i);
    global_type(g.type);
    TRY(expression(g.init, nullptr));
    text_ += ')';
  }
  return {};
}

void ModulePrinter::tags() {
  for (u32 i = module_.imported_tags; i < module_.tags.size(); ++i) {
    line(text_, 1);
    text_ += "(tag";
    define(Space::Tag, i);
    exported(ExternKind::Tag, i);
    type_of(module_.tags[i].type, nullptr);
    text_ += ')';
  }
}

void ModulePrinter::exports() {
  for (const wasm::Export& e : module_.exports) {
    line(text_, 1);
    text_ += "(export ";
    append_literal(text_, e.name, true);
    text_ += std::string(" (") + wasm::to_string(e.kind) + ' ';
    index(text_, space_of(e.kind), e.index);
    text_ += "))";
  }
}

void ModulePrinter::start() {
  if (!module_.start) return;
  line(text_, 1);
  text_ += "(start ";
  index(text_, Space::Func, module_.start->value);
  text_ += ')';
}

// --- segments

Result<> ModulePrinter::elems() {
  for (u32 i = 0; i < module_.elems.size(); ++i) {
    const wasm::ElemSegment& e = module_.elems[i];
    line(text_, 1);
    text_ += "(elem";
    define(Space::Elem, i);
    if (e.mode == wasm::SegmentMode::Declarative) text_ += " declare";
    if (e.mode == wasm::SegmentMode::Active) {
      if (e.table.value != 0) {
        text_ += " (table ";
        index(text_, Space::Table, e.table.value);
        text_ += ')';
      }
      TRY(expression(e.offset, "offset"));
    }
    text_ += ' ';
    if (e.uses_exprs) {
      val_type(text_, e.type);
      for (const wasm::ConstExpr& item : e.exprs) TRY(expression(item, "item"));
    } else {
      text_ += "func";
      for (const wasm::FuncIdx f : e.funcs) text_ += ' ', index(text_, Space::Func, f.value);
    }
    text_ += ')';
  }
  return {};
}

Result<> ModulePrinter::datas() {
  for (u32 i = 0; i < module_.datas.size(); ++i) {
    const wasm::DataSegment& d = module_.datas[i];
    line(text_, 1);
    text_ += "(data";
    define(Space::Data, i);
    if (d.mode == wasm::SegmentMode::Active) {
      if (d.memory.value != 0) {
        text_ += " (memory ";
        index(text_, Space::Memory, d.memory.value);
        text_ += ')';
      }
      TRY(expression(d.offset, "offset"));
    }
    text_ += ' ';
    append_literal(text_, as_text(module_.range(d.bytes)), false);
    text_ += ')';
  }
  return {};
}

// --- custom sections

// Takes the metadata of code as annotations of instructions; a section that is not quite in order stays
// a custom section.
bool ModulePrinter::code_metadata(const wasm::CustomSection& section) {
  wasm::CodeReader reader(module_.range(section.payload));
  std::map<u32, std::map<u32, std::string>> all;
  u32 last_function = 0;
  const u32 functions = reader.leb_u32();
  for (u32 n = 0; n < functions && reader.ok(); ++n) {
    const u32 function = reader.leb_u32();
    if (function < module_.imported_functions || function >= module_.functions.size()) return false;
    if (n != 0 && function <= last_function) return false;
    last_function = function;
    const u32 entries = reader.leb_u32();
    u32 last_offset = 0;
    for (u32 e = 0; e < entries && reader.ok(); ++e) {
      const u32 offset = reader.leb_u32();
      const u32 size = reader.leb_u32();
      if (!reader.ok() || size > reader.remaining() || (e != 0 && offset <= last_offset)) return false;
      last_offset = offset;
      std::string note = "(@" + section.name + " ";
      append_literal(note, as_text({reader.position(), size}), false);
      all[function][offset] = note + ")";
      for (u32 i = 0; i < size; ++i) reader.byte();
    }
  }
  if (!reader.ok() || !reader.at_end()) return false;
  for (const auto& [function, notes] : all) {
    for (const auto& [offset, note] : notes) {
      std::string& place = metadata_[function][offset];
      place += place.empty() ? note : ' ' + note;
    }
  }
  return true;
}

void ModulePrinter::read_code_metadata() {
  std::vector<std::string_view> seen;
  for (size_t i = 0; i < module_.customs.size(); ++i) {
    const wasm::CustomSection& c = module_.customs[i];
    const bool is_plain = std::all_of(c.name.begin(), c.name.end(), [](char ch) {
      return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '.' || ch == '_';
    });
    if (!c.name.starts_with(kCodeMetadata) || !is_plain) continue;
    if (std::find(seen.begin(), seen.end(), c.name) != seen.end()) continue;
    seen.push_back(c.name);
    custom_done_[i] = code_metadata(c);
  }
}

void ModulePrinter::customs() {
  bool after_names = false;
  for (size_t i = 0; i < module_.customs.size(); ++i) {
    const wasm::CustomSection& c = module_.customs[i];
    if (c.name == kNameSection && options_.names && !after_names) {
      after_names = true;
      continue;
    }
    if (custom_done_[i]) continue;
    line(text_, 1);
    text_ += "(@custom ";
    append_literal(text_, c.name, true);
    if (!after_names) {
      const std::string_view word = section_word(c.after);
      text_ += word.empty() ? " (before first)" : " (after " + std::string(word) + ")";
    }
    text_ += ' ';
    append_literal(text_, as_text(module_.range(c.payload)), false);
    text_ += ')';
  }
}

Result<std::string> print_module(const wasm::Module& module, const PrintOptions& options) {
  return ModulePrinter(module, options).run();
}

}  // namespace berth::text
