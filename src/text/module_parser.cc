// Modules and their fields (specification 3.0: text format, modules).
#include "text/module_parser.h"

#include <bit>

namespace berth::text {

using wasm::ExternKind;
using wasm::Op;
using wasm::SectionId;

namespace {

constexpr const char* kSpaceNames[] = {"func", "table", "memory", "global", "tag", "type", "elem", "data"};
// As "unknown …" has them.
constexpr const char* kSpaceWords[] = {"function", "table", "memory",       "global",
                                       "tag",      "type",  "elem segment", "data segment"};

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

std::optional<ExternKind> extern_kind(Word w) {
  switch (w) {
    case kw::Func: return ExternKind::Func;
    case kw::Table: return ExternKind::Table;
    case kw::Memory: return ExternKind::Memory;
    case kw::Global: return ExternKind::Global;
    case kw::Tag: return ExternKind::Tag;
    default: return std::nullopt;
  }
}

void put_end(Bytes& out) { put_op(out, Op::End); }

}  // namespace

ModuleParser::ModuleParser(const Tokens& tokens, const ParseOptions& options)
    : Cursor(tokens), options_(options), annotation_used_(tokens.annotations.size()) {}

Result<ParsedModule> ModuleParser::run() {
  const bool wrapped = at_list(kw::Module);
  if (!wrapped) {
    module_name_ = options_.module_name;
    if (auto name = name_annotation()) module_name_ = std::move(name);
  } else {
    advance(), advance();
    take_word(kw::Definition);
    if (kind() == TokenKind::Id) {
      const Token id = take();
      out_.id = symbols_[intern(id)].name;
      module_name_ = out_.id;
    }
    if (auto name = name_annotation()) {
      module_name_ = std::move(name);
      if (annotation_at(pos(), Annotation::Name)) fail(peek(), "@name annotation: multiple module");
    }
    if (word() == kw::Binary) {
      binary_module();
      if (!ok()) return std::unexpected(take_error());
      return std::move(out_);
    }
  }
  module();
  if (wrapped) expect_close();
  if (ok() && !at_end()) unexpected();
  if (ok()) check_annotations();
  if (!ok()) return std::unexpected(take_error());
  return assemble();
}

void ModuleParser::binary_module() {
  advance();
  while (kind() == TokenKind::String) {
    const Token t = take();
    out_.map.entries.push_back({static_cast<u32>(out_.binary.size()), t.offset});
    append_string(text(t), out_.binary);
  }
  expect_close();
  if (ok() && !at_end()) unexpected();
}

void ModuleParser::module() {
  const u32 first = pos();
  scan_fields();
  next_.fill(0);
  type_fields();
  move_to(first);
  fields();
}

// --- first pass

void ModuleParser::scan_fields() {
  while (kind() == TokenKind::LParen) {
    const u32 open = pos();
    const u32 closing = Tokens::closing(peek());
    scan_field(open);
    move_to(closing);
    advance();
  }
}

void ModuleParser::bind(Space space, Token id) {
  const auto s = static_cast<size_t>(space);
  const u32 index = next_[s]++;
  if (id.kind() != TokenKind::Id) return;
  u32& place = symbols_[intern(id)].index[s];
  if (place != kNone) {
    fail(id, std::string("duplicate ") + kSpaceNames[s] + " " + shown(id));
    return;
  }
  place = index;
}

void ModuleParser::scan_field(u32 open) {
  const Word w = list_word();
  const u32 closing = Tokens::closing(peek());
  advance(), advance();
  switch (w) {
    case kw::Type:
      type_fields_.push_back(open);
      bind(Space::Type, peek());
      return;
    case kw::Rec:
      type_fields_.push_back(open);
      while (take_list(kw::Type)) {
        const u32 end = Tokens::closing(tokens().tokens[pos() - 2]);
        bind(Space::Type, peek());
        move_to(end);
        advance();
      }
      return;
    case kw::Import:
      if (kind() == TokenKind::String) advance();
      if (kind() == TokenKind::String) advance();
      if (const auto kind = extern_kind(list_word())) bind(space_of(*kind), peek(2));
      return;
    case kw::Elem: bind(Space::Elem, peek()); return;
    case kw::Data: bind(Space::Data, peek()); return;
    default: break;
  }
  const auto kind_of_field = extern_kind(w);
  if (!kind_of_field) return;
  bind(space_of(*kind_of_field), peek());
  if (w != kw::Table && w != kw::Memory) return;
  // The segment given in place comes next in its own space.
  while (ok() && pos() < closing) {
    if (list_word() == kw::Elem && w == kw::Table) bind(Space::Elem, Token{});
    if (list_word() == kw::Data && w == kw::Memory) bind(Space::Data, Token{});
    if (kind() == TokenKind::LParen) move_to(Tokens::closing(peek()));
    advance();
  }
}

// --- second pass

void ModuleParser::fields() {
  custom_annotations();
  while (ok() && !at_close()) {
    field();
    custom_annotations();
  }
}

void ModuleParser::field() {
  switch (list_word()) {
    case kw::Type:
    case kw::Rec:
      move_to(Tokens::closing(peek()));
      expect_close();
      return;
    case kw::Import: import_field(); return;
    case kw::Export: export_field(); return;
    case kw::Func: func_field(); return;
    case kw::Table: table_field(); return;
    case kw::Memory: memory_field(); return;
    case kw::Global: global_field(); return;
    case kw::Tag: tag_field(); return;
    case kw::Start: start_field(); return;
    case kw::Elem: elem_field(); return;
    case kw::Data: data_field(); return;
    default: unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
  }
}

u32 ModuleParser::take_index(Space space) {
  const Token t = peek();
  if (t.kind() != TokenKind::Id) return static_cast<u32>(take_nat(32));
  advance();
  const auto s = static_cast<size_t>(space);
  const u32 index = symbols_[intern(t)].index[s];
  if (index == kNone) {
    fail(t, std::string("unknown ") + kSpaceWords[s] + " " + shown(t));
    return 0;
  }
  return index;
}

u32 ModuleParser::take_local() {
  const Token t = peek();
  if (t.kind() != TokenKind::Id) return static_cast<u32>(take_nat(32));
  advance();
  const Symbol& symbol = symbols_[intern(t)];
  if (symbol.local_scope != scope_) {
    fail(t, "unknown local " + shown(t));
    return 0;
  }
  return symbol.local;
}

u32 ModuleParser::define(Space space) {
  const u32 index = next_[static_cast<size_t>(space)]++;
  Token id{};
  if (kind() == TokenKind::Id) id = take();
  note_name(space, index, id);
  return index;
}

void ModuleParser::inline_exports(ExternKind kind, u32 index) {
  Section& exports = section(SectionId::Export);
  while (at_list(kw::Export)) {
    exports.mark(peek().offset);
    advance(), advance();
    put_name(exports.bytes, take_name());
    exports.bytes.push_back(static_cast<u8>(kind));
    put_u32(exports.bytes, index);
    ++exports.count;
    expect_close();
  }
}

void ModuleParser::begin_import(Token at) {
  if (defined_) fail(at, std::string("import after ") + defined_);
  Section& imports = section(SectionId::Import);
  imports.mark(at.offset);
  ++imports.count;
  put_name(imports.bytes, take_name());
  put_name(imports.bytes, take_name());
}

bool ModuleParser::inline_import() {
  const Token at = peek();
  if (!take_list(kw::Import)) return false;
  begin_import(at);
  expect_close();
  return true;
}

void ModuleParser::import_field() {
  const Token at = peek();
  advance(), advance();
  begin_import(at);
  Bytes& out = section(SectionId::Import).bytes;
  const auto kind_given = extern_kind(list_word());
  if (!kind_given) {
    unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
    return;
  }
  advance(), advance();
  const u32 index = define(space_of(*kind_given));
  out.push_back(static_cast<u8>(*kind_given));
  switch (*kind_given) {
    case ExternKind::Func:
      begin_scope();
      put_u32(out, type_index(type_use(true)));
      if (!local_names_.empty()) all_local_names_.push_back({index, local_names_});
      break;
    case ExternKind::Table: table_type(out); break;
    case ExternKind::Memory: memory_type(out); break;
    case ExternKind::Global: global_type(out); break;
    case ExternKind::Tag:
      out.push_back(0);
      begin_scope();
      put_u32(out, type_index(type_use(true)));
      break;
  }
  expect_close();
  expect_close();
}

void ModuleParser::export_field() {
  Section& exports = section(SectionId::Export);
  exports.mark(peek().offset);
  ++exports.count;
  advance(), advance();
  put_name(exports.bytes, take_name());
  const auto exported = extern_kind(list_word());
  if (!exported) {
    unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
    return;
  }
  advance(), advance();
  exports.bytes.push_back(static_cast<u8>(*exported));
  put_u32(exports.bytes, take_index(space_of(*exported)));
  expect_close();
  expect_close();
}

void ModuleParser::start_field() {
  const Token at = peek();
  if (has_start_) fail(at, "multiple start sections");
  has_start_ = true;
  advance(), advance();
  Section& start = section(SectionId::Start);
  start.mark(at.offset);
  put_u32(start.bytes, take_index(Space::Func));
  start.count = 1;
  expect_close();
}

// --- functions and tags

void ModuleParser::func_field() {
  const Token at = peek();
  advance(), advance();
  const u32 index = define(Space::Func);
  inline_exports(ExternKind::Func, index);
  begin_scope();
  if (inline_import()) {
    Bytes& out = section(SectionId::Import).bytes;
    out.push_back(static_cast<u8>(ExternKind::Func));
    put_u32(out, type_index(type_use(true)));
    if (!local_names_.empty()) all_local_names_.push_back({index, local_names_});
    expect_close();
    return;
  }
  defined("function");
  const TypeUse use = type_use(true);
  const u32 params = param_count(use);
  const u32 type = type_index(use);
  Section& functions = section(SectionId::Function);
  functions.mark(at.offset);
  put_u32(functions.bytes, type);
  ++functions.count;

  current_function_ = index;
  body_.clear();
  hints_.clear();
  label_count_ = 0;
  label_names_.clear();
  local_count_ = params;
  locals_known_ = params != kNone;
  locals();
  function_body();
  current_function_ = kNone;
  if (!local_names_.empty()) all_local_names_.push_back({index, std::move(local_names_)});
  if (!label_names_.empty()) all_label_names_.push_back({index, std::move(label_names_)});
  local_names_.clear();

  Section& code = section(SectionId::Code);
  code.mark(at.offset);
  put_u64(code.bytes, body_.bytes.size());
  code.append(body_);
  ++code.count;
}

// Declarations, neighbours of one type put together.
void ModuleParser::locals() {
  Bytes out, type, group_type;
  u32 groups = 0, group_size = 0;
  const auto end_group = [&] {
    if (group_size == 0) return;
    ++groups;
    put_u32(out, group_size);
    put_bytes(out, group_type);
    group_size = 0;
  };
  const auto local = [&] {
    type.clear();
    val_type(type);
    if (group_size != 0 && type != group_type) end_group();
    group_type = type;
    ++group_size;
    ++local_count_;
  };
  while (take_list(kw::Local)) {
    if (kind() == TokenKind::Id) {
      bind_local(take(), local_count_);
      local();
    } else {
      while (ok() && !at_close()) {
        name_local(local_count_);
        local();
      }
    }
    expect_close();
  }
  end_group();
  put_u32(body_.bytes, groups);
  put_bytes(body_.bytes, out);
}

void ModuleParser::function_body() {
  instructions(body_);
  body_.mark(peek().offset);
  put_end(body_.bytes);
  expect_close();
  for (const Hint& hint : hints_) code_annotation(tokens().annotations[hint.annotation], hint.offset);
}

void ModuleParser::tag_field() {
  const Token at = peek();
  advance(), advance();
  const u32 index = define(Space::Tag);
  inline_exports(ExternKind::Tag, index);
  begin_scope();
  Section* out = &section(SectionId::Import);
  if (inline_import()) {
    out->bytes.push_back(static_cast<u8>(ExternKind::Tag));
  } else {
    defined("tag");
    out = &section(SectionId::Tag);
    out->mark(at.offset);
    ++out->count;
  }
  out->bytes.push_back(0);
  put_u32(out->bytes, type_index(type_use(true)));
  expect_close();
}

// --- tables, memories and globals

bool ModuleParser::address_64() {
  if (take_word(kw::I64)) return true;
  take_word(kw::I32);
  return false;
}

u64 ModuleParser::take_size() { return take_nat(options_.features.has(wasm::Feature::Memory64) ? 64 : 32); }

void ModuleParser::limits(Bytes& out, u32 flags) {
  const u64 min = take_size();
  const bool has_max = kind() == TokenKind::Nat;
  const u64 max = has_max ? take_size() : 0;
  if (take_word(kw::Shared)) flags |= 2;
  const u32 page = at_list(kw::PageSize) ? page_size() : kNone;
  out.push_back(static_cast<u8>(flags | (has_max ? 1 : 0) | (page != kNone ? 8 : 0)));
  put_u64(out, min);
  if (has_max) put_u64(out, max);
  if (page != kNone) put_u32(out, page);
}

// The logarithm of `(pagesize n)`.
u32 ModuleParser::page_size() {
  advance(), advance();
  const Token t = peek();
  const u64 size = take_nat(64);
  if (!std::has_single_bit(size)) fail(t, "invalid custom page size");
  expect_close();
  return static_cast<u32>(std::countr_zero(size)) & 63;
}

void ModuleParser::table_type(Bytes& out) {
  Bytes sizes, type;
  const bool is_64 = address_64();
  limits(sizes, is_64 ? 4 : 0);
  if ((sizes[0] & 8) != 0) unexpected();
  ref_type(type);
  put_bytes(out, type);
  put_bytes(out, sizes);
}

void ModuleParser::memory_type(Bytes& out) {
  const bool is_64 = address_64();
  limits(out, is_64 ? 4 : 0);
}

void ModuleParser::global_type(Bytes& out) {
  const bool is_mutable = take_list(kw::Mut);
  val_type(out);
  if (is_mutable) expect_close();
  out.push_back(is_mutable);
}

void ModuleParser::table_field() {
  const Token at = peek();
  advance(), advance();
  const u32 index = define(Space::Table);
  inline_exports(ExternKind::Table, index);
  if (inline_import()) {
    section(SectionId::Import).bytes.push_back(static_cast<u8>(ExternKind::Table));
    table_type(section(SectionId::Import).bytes);
    expect_close();
    return;
  }
  defined("table");
  Section& tables = section(SectionId::Table);
  tables.mark(at.offset);
  ++tables.count;
  const bool is_64 = address_64();
  if (kind() == TokenKind::Nat) {
    Bytes sizes, type;
    limits(sizes, is_64 ? 4 : 0);
    ref_type(type);
    const bool has_init = !at_close();
    if (has_init) tables.bytes.insert(tables.bytes.end(), {0x40, 0x00});
    put_bytes(tables.bytes, type);
    put_bytes(tables.bytes, sizes);
    if (has_init) {
      instructions(tables);
      put_end(tables.bytes);
    }
  } else {
    Bytes type;
    ref_type(type);
    const Token elem = peek();
    expect_list(kw::Elem);
    section(SectionId::Element).mark(elem.offset);
    Sink elems;
    u32 count = 0;
    inline_elems(index, type, is_64, elems, count);
    put_bytes(tables.bytes, type);
    tables.bytes.push_back(is_64 ? 5 : 1);
    put_u32(tables.bytes, count);
    put_u32(tables.bytes, count);
    section(SectionId::Element).append(elems);
    ++section(SectionId::Element).count;
    expect_close();
  }
  expect_close();
}

// The segment `(elem …)` of a table, after its word.
void ModuleParser::inline_elems(u32 table, const Bytes& ref_type, bool is_64, Sink& elems, u32& count) {
  ++next_[static_cast<size_t>(Space::Elem)];
  const bool is_funcref = ref_type == Bytes{0x70};
  Sink items;
  bool plain = !at_list(kw::Item) && kind() != TokenKind::LParen;
  if (plain) {
    // Indices of functions: as such when their type fits the table's, else as expressions.
    plain = is_funcref || ref_type == Bytes{0x64, 0x70};
    for (; ok() && at_index(); ++count) {
      items.mark(peek().offset);
      if (!plain) put_op(items.bytes, Op::RefFunc);
      put_u32(items.bytes, take_index(Space::Func));
      if (!plain) put_end(items.bytes);
    }
  } else {
    count = elem_expressions(items);
  }
  const bool short_form = table == 0 && is_funcref;
  put_u32(elems.bytes, (plain ? 0 : 4) | (short_form ? 0 : 2));
  if (!short_form) put_u32(elems.bytes, table);
  put_op(elems.bytes, is_64 ? Op::I64Const : Op::I32Const);
  elems.bytes.push_back(0);
  put_end(elems.bytes);
  if (!short_form) {
    if (plain) {
      elems.bytes.push_back(0);
    } else {
      put_bytes(elems.bytes, ref_type);
    }
  }
  put_u32(elems.bytes, count);
  elems.append(items);
}

void ModuleParser::memory_field() {
  const Token at = peek();
  advance(), advance();
  const u32 index = define(Space::Memory);
  inline_exports(ExternKind::Memory, index);
  if (inline_import()) {
    section(SectionId::Import).bytes.push_back(static_cast<u8>(ExternKind::Memory));
    memory_type(section(SectionId::Import).bytes);
    expect_close();
    return;
  }
  defined("memory");
  Section& memories = section(SectionId::Memory);
  memories.mark(at.offset);
  ++memories.count;
  const bool is_64 = address_64();
  if (kind() == TokenKind::Nat) {
    limits(memories.bytes, is_64 ? 4 : 0);
  } else {
    const u32 page = at_list(kw::PageSize) ? page_size() : kNone;
    const Token data = peek();
    expect_list(kw::Data);
    section(SectionId::Data).mark(data.offset);
    inline_data(index, is_64, page, memories.bytes);
    expect_close();
  }
  expect_close();
}

// The segment `(data …)` of a memory, after its word; writes the memory's type.
void ModuleParser::inline_data(u32 memory, bool is_64, u32 page_log2, Bytes& type) {
  ++next_[static_cast<size_t>(Space::Data)];
  Bytes bytes;
  while (kind() == TokenKind::String) append_string(text(take()), bytes);
  const u32 log2 = page_log2 == kNone ? 16 : page_log2;
  const u64 size = bytes.size();
  const u64 pages = (size >> log2) + ((size & ((u64{1} << log2) - 1)) != 0 ? 1 : 0);
  type.push_back(static_cast<u8>((is_64 ? 5 : 1) | (page_log2 != kNone ? 8 : 0)));
  put_u64(type, pages);
  put_u64(type, pages);
  if (page_log2 != kNone) put_u32(type, page_log2);
  Section& datas = section(SectionId::Data);
  ++datas.count;
  put_u32(datas.bytes, memory == 0 ? 0 : 2);
  if (memory != 0) put_u32(datas.bytes, memory);
  put_op(datas.bytes, is_64 ? Op::I64Const : Op::I32Const);
  datas.bytes.push_back(0);
  put_end(datas.bytes);
  put_u64(datas.bytes, bytes.size());
  put_bytes(datas.bytes, bytes);
}

void ModuleParser::global_field() {
  const Token at = peek();
  advance(), advance();
  const u32 index = define(Space::Global);
  inline_exports(ExternKind::Global, index);
  if (inline_import()) {
    section(SectionId::Import).bytes.push_back(static_cast<u8>(ExternKind::Global));
    global_type(section(SectionId::Import).bytes);
    expect_close();
    return;
  }
  defined("global");
  Section& globals = section(SectionId::Global);
  globals.mark(at.offset);
  ++globals.count;
  global_type(globals.bytes);
  instructions(globals);
  globals.mark(peek().offset);
  put_end(globals.bytes);
  expect_close();
}

// --- segments

// `(offset expr)` or one folded instruction.
void ModuleParser::offset_expression(Sink& out) {
  if (take_list(kw::Offset)) {
    instructions(out);
    expect_close();
  } else {
    folded_instruction(out);
  }
  put_end(out.bytes);
}

// Expressions up to the end of a list: `(item expr)` or one folded instruction each.
u32 ModuleParser::elem_expressions(Sink& out) {
  u32 count = 0;
  for (; ok() && !at_close(); ++count) {
    if (take_list(kw::Item)) {
      instructions(out);
      expect_close();
    } else {
      folded_instruction(out);
    }
    put_end(out.bytes);
  }
  return count;
}

void ModuleParser::elem_field() {
  const Token at = peek();
  advance(), advance();
  define(Space::Elem);
  const bool declared = take_word(kw::Declare);
  u32 table = 0;
  bool active = false;
  Sink offset, items;
  if (!declared) {
    if (take_list(kw::Table)) {
      table = take_index(Space::Table);
      expect_close();
      active = true;
    } else if (kind() == TokenKind::Nat && peek(1).kind() == TokenKind::LParen) {
      table = take_index(Space::Table);  // as older texts write it
      active = true;
    } else if (kind() == TokenKind::LParen && !at_list(kw::Ref)) {
      active = true;
    }
    if (active) offset_expression(offset);
  }

  Bytes type;
  u32 count = 0;
  const bool plain = word() == kw::Func || (active && !at_ref_type());
  if (plain) {
    take_word(kw::Func);
    for (; ok() && !at_close(); ++count) {
      items.mark(peek().offset);
      put_u32(items.bytes, take_index(Space::Func));
    }
  } else {
    ref_type(type);
    count = elem_expressions(items);
  }
  expect_close();

  // The short forms leave out table 0 and the type that functions in tables have always had.
  const bool short_form = active && table == 0 && (plain || type == Bytes{0x70});
  Section& elems = section(SectionId::Element);
  elems.mark(at.offset);
  ++elems.count;
  put_u32(elems.bytes, (plain ? 0 : 4) | (declared ? 3 : !active ? 1 : short_form ? 0 : 2));
  if (active && !short_form) put_u32(elems.bytes, table);
  elems.append(offset);
  if (!short_form) {
    if (plain) {
      elems.bytes.push_back(0);
    } else {
      put_bytes(elems.bytes, type);
    }
  }
  put_u32(elems.bytes, count);
  elems.append(items);
}

void ModuleParser::data_field() {
  const Token at = peek();
  advance(), advance();
  define(Space::Data);
  u32 memory = 0;
  bool active = false;
  if (take_list(kw::Memory)) {
    memory = take_index(Space::Memory);
    expect_close();
    active = true;
  } else if (kind() == TokenKind::Nat) {
    memory = take_index(Space::Memory);  // as older texts write it
    active = true;
  } else if (kind() == TokenKind::LParen) {
    active = true;
  }
  Section& datas = section(SectionId::Data);
  datas.mark(at.offset);
  ++datas.count;
  put_u32(datas.bytes, !active ? 1 : memory == 0 ? 0 : 2);
  if (memory != 0) put_u32(datas.bytes, memory);
  if (active) offset_expression(datas);
  // The size goes before bytes not yet read.
  u64 bound = 0;
  u32 strings = 0;
  for (u32 i = 0; peek(i).kind() == TokenKind::String; ++i, ++strings) bound += peek(i).payload;
  Bytes bytes;
  bytes.reserve(bound);
  for (u32 i = 0; i < strings; ++i) append_string(text(take()), bytes);
  put_u64(datas.bytes, bytes.size());
  put_bytes(datas.bytes, bytes);
  expect_close();
}

}  // namespace berth::text
