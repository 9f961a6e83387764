#include "text/component_text.h"

namespace berth::text {
namespace {

struct CodedWord {
  std::string_view word;
  u8 code;
};
constexpr CodedWord kValueTypes[] = {
    {"i32", 0x7F},         {"i64", 0x7E},       {"f32", 0x7D},    {"f64", 0x7C},     {"v128", 0x7B},
    {"funcref", 0x70},     {"externref", 0x6F}, {"anyref", 0x6E}, {"eqref", 0x6D},   {"i31ref", 0x6C},
    {"structref", 0x6B},   {"arrayref", 0x6A},  {"exnref", 0x69}, {"nullref", 0x71}, {"nullexternref", 0x72},
    {"nullfuncref", 0x73}, {"nullexnref", 0x74}};
constexpr CodedWord kHeapTypes[] = {{"func", 0x70}, {"extern", 0x6F},   {"any", 0x6E},    {"eq", 0x6D},
                                    {"i31", 0x6C},  {"struct", 0x6B},   {"array", 0x6A},  {"exn", 0x69},
                                    {"none", 0x71}, {"noextern", 0x72}, {"nofunc", 0x73}, {"noexn", 0x74}};

template <size_t n>
std::optional<u8> find(const CodedWord (&words)[n], std::string_view word) {
  for (const CodedWord& w : words) {
    if (w.word == word) return w.code;
  }
  return std::nullopt;
}

}  // namespace

void ComponentParser::core_val_type(Bytes& out) {
  if (const auto code = find(kValueTypes, next_text())) {
    advance();
    out.push_back(*code);
    return;
  }
  if (!take_form("ref")) return unexpected();
  out.push_back(take_text("null") ? 0x63 : 0x64);
  core_heap_type(out);
  expect_close();
}

void ComponentParser::core_heap_type(Bytes& out) {
  if (const auto code = find(kHeapTypes, next_text())) {
    advance();
    out.push_back(*code);
  } else {
    put_s64(out, resolve(Space::CoreType));
  }
}

void ComponentParser::core_func_type(Bytes& out) {
  Bytes params, results;
  u32 param_count = 0, result_count = 0;
  while (take_form("param")) {
    const bool named = optional_id().has_value();
    for (u32 i = 0; ok() && !at_close() && (!named || i == 0); ++i, ++param_count) core_val_type(params);
    expect_close();
  }
  while (take_form("result")) {
    for (; ok() && !at_close(); ++result_count) core_val_type(results);
    expect_close();
  }
  out.push_back(0x60);
  put_u32(out, param_count);
  put_bytes(out, params);
  put_u32(out, result_count);
  put_bytes(out, results);
}

void ComponentParser::core_field(Bytes& out) {
  const bool is_mutable = take_form("mut");
  if (take_text("i8")) {
    out.push_back(0x78);
  } else if (take_text("i16")) {
    out.push_back(0x77);
  } else {
    core_val_type(out);
  }
  if (is_mutable) expect_close();
  out.push_back(is_mutable ? 1 : 0);
}

// `(func …)`, `(struct …)`, `(array …)`, or one of them in `(sub …)`.
void ComponentParser::core_sub_type(Bytes& out, bool at_top) {
  if (take_form("sub")) {
    const bool is_final = take_text("final");
    if (at_top && !is_final) out.push_back(0x00);
    out.push_back(is_final ? 0x4F : 0x50);
    Bytes supers;
    u32 count = 0;
    for (; at_index() && ok(); ++count) put_u32(supers, resolve(Space::CoreType));
    put_u32(out, count);
    put_bytes(out, supers);
    core_sub_type(out, false);
    return expect_close();
  }
  if (take_form("func")) {
    core_func_type(out);
  } else if (take_form("struct")) {
    Bytes fields;
    u32 count = 0;
    while (take_form("field")) {
      const bool named = optional_id().has_value();
      for (u32 i = 0; ok() && !at_close() && (!named || i == 0); ++i, ++count) core_field(fields);
      expect_close();
    }
    out.push_back(0x5F);
    put_u32(out, count);
    put_bytes(out, fields);
  } else if (take_form("array")) {
    out.push_back(0x5E);
    core_field(out);
  } else {
    return unexpected();
  }
  expect_close();
}

void ComponentParser::core_rec(Bytes& out) {
  // Members may refer to each other, those that follow too.
  std::vector<u32> members;
  const u32 start = pos();
  while (at_form("type")) {
    const u32 close = Tokens::closing(peek());
    const std::optional<Token> id = peek(2).kind() == TokenKind::Id ? std::optional(peek(2)) : std::nullopt;
    members.push_back(define(Space::CoreType, id));
    move_to(close + 1);
  }
  move_to(start);
  out.push_back(0x4E);
  put_u64(out, members.size());
  while (ok() && take_form("type")) {
    optional_id();
    core_sub_type(out, false);
    expect_close();
  }
}

void ComponentParser::core_type_definition(bool is_rec) {
  const u32 source = peek().offset;
  advance();
  Sink content;
  content.mark(source);
  if (is_rec) {
    core_rec(content.bytes);
    emit(Item::CoreType, std::move(content));
    return expect_close();
  }
  const auto id = optional_id();
  if (at_form("module") && scope().kind != Scope::Kind::ModuleType) {
    advance(), advance();
    module_type(content);
    expect_close();
  } else {
    core_sub_type(content.bytes, true);
  }
  emit(Item::CoreType, std::move(content));
  define(Space::CoreType, id);
  expect_close();
}

void ComponentParser::module_type(Sink& out) {
  push_scope(Scope::Kind::ModuleType);
  while (ok() && !at_close()) module_declaration();
  out.bytes.push_back(0x50);
  out.append(pop_scope());
}

void ComponentParser::module_declaration() {
  const std::string_view word = list_text();
  const u32 closing = kind() == TokenKind::LParen ? Tokens::closing(peek()) : pos();
  if (word == "type" || word == "rec") {
    advance();
    core_type_definition(word == "rec");
  } else if (word == "alias") {
    alias_definition();
  } else if (word == "import") {
    advance(), advance();
    Sink item;
    put_name(item.bytes, take_name());
    put_name(item.bytes, take_name());
    core_extern_type(item.bytes, true);
    emit(Item::Import, std::move(item));
    expect_close();
  } else if (word == "export") {
    advance(), advance();
    Sink item;
    put_name(item.bytes, take_name());
    core_extern_type(item.bytes, false);
    emit(Item::Export, std::move(item));
    expect_close();
  } else {
    return unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
  }
  if (ok() && pos() != closing + 1) unexpected();
}

// A core function type by index or written in place, as a definition of the module type.
u32 ComponentParser::core_type_use() {
  if (take_form("type")) {
    const u32 index = resolve(Space::CoreType);
    expect_close();
    // What follows can only repeat it.
    Bytes repeated;
    core_func_type(repeated);
    return index;
  }
  Sink content;
  core_func_type(content.bytes);
  emit(Item::CoreType, std::move(content));
  return define(Space::CoreType, std::nullopt);
}

void ComponentParser::core_limits(Bytes& out, bool is_memory) {
  u8 flags = 0;
  if (take_text("i64")) {
    flags |= 4;
  } else {
    take_text("i32");
  }
  Bytes limits;
  put_u64(limits, take_nat(64));
  if (kind() == TokenKind::Nat) {
    flags |= 1;
    put_u64(limits, take_nat(64));
  }
  if (is_memory && take_text("shared")) flags |= 2;
  if (is_memory && take_form("pagesize")) {
    const u64 size = take_nat(32);
    if (size == 0 || (size & (size - 1)) != 0) fail(peek(), "invalid custom page size");
    u32 log2 = 0;
    while ((u64{1} << log2) < size) ++log2;
    flags |= 8;
    put_u32(limits, log2);
    expect_close();
  }
  out.push_back(flags);
  put_bytes(out, limits);
}

void ComponentParser::core_extern_type(Bytes& out, bool binds) {
  expect_open();
  const auto space = sort_word(true);
  if (!space) return;
  const auto id = optional_id();
  if (id && !binds) return unexpected(*id);
  switch (*space) {
    case Space::CoreFunc:
    case Space::CoreTag: {
      const u32 index = core_type_use();
      out.push_back(*space == Space::CoreFunc ? 0 : 4);
      if (*space == Space::CoreTag) out.push_back(0);
      put_u32(out, index);
      break;
    }
    case Space::CoreTable: {
      Bytes limits;
      core_limits(limits, false);
      out.push_back(1);
      core_val_type(out);
      put_bytes(out, limits);
      break;
    }
    case Space::CoreMemory:
      out.push_back(2);
      core_limits(out, true);
      break;
    case Space::CoreGlobal: {
      out.push_back(3);
      const bool is_mutable = take_form("mut");
      core_val_type(out);
      if (is_mutable) expect_close();
      out.push_back(is_mutable ? 1 : 0);
      break;
    }
    default: return unexpected();
  }
  if (binds) define(*space, id);
  expect_close();
}

}  // namespace berth::text
