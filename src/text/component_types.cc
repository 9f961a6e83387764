#include "text/component_text.h"

namespace berth::text {
namespace {

constexpr u32 kMaxTypeNesting = 100;

struct NestingGuard {
  explicit NestingGuard(u32& depth) : depth_(depth) { ++depth_; }
  ~NestingGuard() { --depth_; }
  u32& depth_;
};

}  // namespace

u32 ComponentParser::define_type(Sink content, const std::optional<Token>& id) {
  emit(Item::Type, std::move(content));
  return define(Space::Type, id);
}

bool ComponentParser::primitive(Bytes& out) {
  static constexpr struct {
    std::string_view word;
    u8 code;
  } kPrimitives[] = {{"bool", 0x7F},   {"s8", 0x7E},   {"u8", 0x7D},     {"s16", 0x7C},           {"u16", 0x7B},
                     {"s32", 0x7A},    {"u32", 0x79},  {"s64", 0x78},    {"u64", 0x77},           {"f32", 0x76},
                     {"f64", 0x75},    {"char", 0x74}, {"string", 0x73}, {"error-context", 0x64}, {"float32", 0x76},
                     {"float64", 0x75}};
  for (const auto& p : kPrimitives) {
    if (next_text() != p.word) continue;
    advance();
    out.push_back(p.code);
    return true;
  }
  return false;
}

// A value type in a place where only primitives and indices are written: others get a definition of their own.
void ComponentParser::val_type(Bytes& out) {
  const NestingGuard guard(nesting_);
  if (nesting_ > kMaxTypeNesting) return fail(peek(), "unexpected token: types nested too deeply");
  if (kind() == TokenKind::Word) {
    if (!primitive(out)) unexpected();
    return;
  }
  if (at_index() || at_form("type")) {
    put_s64(out, index_or_ref(Space::Type, false));
    return;
  }
  Sink content;
  content.mark(peek().offset);
  def_type(content);
  if (ok()) put_s64(out, define_type(std::move(content)));
}

void ComponentParser::optional_val_type(Bytes& out) {
  if (at_close()) {
    out.push_back(0);
  } else {
    out.push_back(1);
    val_type(out);
  }
}

u32 ComponentParser::label(Bytes& out) {
  put_name(out, take_name());
  return 1;
}

void ComponentParser::def_type(Sink& sink) {
  Bytes& out = sink.bytes;
  if (kind() == TokenKind::Word) {
    if (!primitive(out)) unexpected();
    return;
  }
  const std::string_view word = list_text();
  const Token at = peek(1);
  expect_open();
  advance();
  // `(word item…)` as a vector; `item` writes one and says how many that is.
  const auto vec = [&](u8 code, auto&& item) {
    Bytes items;
    u32 count = 0;
    while (ok() && !at_close()) count += item(items);
    out.push_back(code);
    put_u32(out, count);
    put_bytes(out, items);
  };
  if (word == "record") {
    vec(0x72, [&](Bytes& o) {
      if (!take_form("field")) unexpected();
      label(o);
      val_type(o);
      expect_close();
      return 1;
    });
  } else if (word == "variant") {
    vec(0x71, [&](Bytes& o) {
      if (!take_form("case")) unexpected();
      optional_id();
      label(o);
      optional_val_type(o);
      expect_close();
      o.push_back(0);
      return 1;
    });
  } else if (word == "list") {
    Bytes element;
    val_type(element);
    const bool fixed = kind() == TokenKind::Nat;
    out.push_back(fixed ? 0x67 : 0x70);
    put_bytes(out, element);
    if (fixed) put_u32(out, static_cast<u32>(take_nat(32)));
  } else if (word == "tuple") {
    vec(0x6F, [&](Bytes& o) { return val_type(o), 1; });
  } else if (word == "flags") {
    vec(0x6E, [&](Bytes& o) { return label(o); });
  } else if (word == "enum") {
    vec(0x6D, [&](Bytes& o) { return label(o); });
  } else if (word == "option") {
    out.push_back(0x6B);
    val_type(out);
  } else if (word == "result") {
    Bytes good, bad;
    if (at_form("error") || at_close()) {
      good.push_back(0);
    } else {
      good.push_back(1);
      val_type(good);
    }
    if (take_form("error")) {
      bad.push_back(1);
      val_type(bad);
      expect_close();
    } else {
      bad.push_back(0);
    }
    out.push_back(0x6A);
    put_bytes(out, good);
    put_bytes(out, bad);
  } else if (word == "own" || word == "borrow") {
    const u32 index = index_or_ref(Space::Type, false);
    out.push_back(word == "own" ? 0x69 : 0x68);
    put_u32(out, index);
  } else if (word == "stream" || word == "future") {
    Bytes element;
    optional_val_type(element);
    out.push_back(word == "stream" ? 0x66 : 0x65);
    put_bytes(out, element);
  } else if (word == "map") {
    Bytes key, value;
    val_type(key);
    val_type(value);
    out.push_back(0x63);
    put_bytes(out, key);
    put_bytes(out, value);
  } else {
    return unexpected(at);
  }
  expect_close();
}

void ComponentParser::result_list(Bytes& out) {
  if (!take_form("result")) {
    out.push_back(1);
    out.push_back(0);
    return;
  }
  out.push_back(0);
  val_type(out);
  expect_close();
}

// `async? (param …)* (result …)?`
void ComponentParser::func_type(Sink& out) {
  const bool is_async = take_text("async");
  Bytes params, result;
  u32 count = 0;
  for (; take_form("param"); ++count) {
    label(params);
    val_type(params);
    expect_close();
  }
  result_list(result);
  out.bytes.push_back(is_async ? 0x43 : 0x40);
  put_u32(out.bytes, count);
  put_bytes(out.bytes, params);
  put_bytes(out.bytes, result);
}

// A function type by index or written in place; its index.
u32 ComponentParser::func_type_use() {
  if (take_form("type")) {
    const u32 index = index_or_ref(Space::Type, false);
    expect_close();
    return index;
  }
  Sink content;
  content.mark(peek().offset);
  func_type(content);
  return define_type(std::move(content));
}

void ComponentParser::type_definition() {
  advance(), advance();
  const auto id = optional_id();
  const InlineNames names = inline_names();
  if (names.import) {
    Sink type;
    type.bytes = {0x03};
    if (take_form("eq")) {
      type.bytes.push_back(0);
      put_u32(type.bytes, index_or_ref(Space::Type, false));
    } else if (take_form("sub")) {
      expect_text("resource");
      type.bytes.push_back(1);
    } else {
      return unexpected();
    }
    expect_close();
    const u32 index = scope().spaces[static_cast<size_t>(Space::Type)].count;
    emit_import(*names.import, type, Space::Type, id);
    emit_exports(names, Space::Type, index);
    return expect_close();
  }
  u32 index = 0;
  Sink content;
  content.mark(peek().offset);
  const std::string_view word = list_text();
  const u32 closing = kind() == TokenKind::LParen ? Tokens::closing(peek()) : pos();
  if (word == "alias") {
    advance(), advance();
    expect_text("export");
    const u32 instance = resolve(Space::Instance);
    index = export_alias(Space::Type, instance, take_name());
    if (id) scope().spaces[static_cast<size_t>(Space::Type)].by_id.emplace(id_value(text(*id)), index);
    expect_close();
    emit_exports(names, Space::Type, index);
    return expect_close();
  }
  if (word == "func") {
    advance(), advance();
    func_type(content);
    expect_close();
  } else if (word == "component" || word == "instance") {
    const bool is_component = word == "component";
    advance(), advance();
    content.bytes.push_back(is_component ? 0x41 : 0x42);
    push_scope(is_component ? Scope::Kind::ComponentType : Scope::Kind::InstanceType);
    if (id) scope().id = id_value(text(*id));
    while (ok() && pos() < closing) declaration();
    content.append(pop_scope());
    expect_close();
  } else if (word == "resource") {
    advance(), advance();
    if (!take_form("rep")) return unexpected();
    Bytes representation;
    core_val_type(representation);
    expect_close();
    std::optional<u32> destructor;
    if (take_form("dtor")) {
      destructor = index_or_ref(Space::CoreFunc, true);
      expect_close();
    }
    content.bytes.push_back(0x3F);
    put_bytes(content.bytes, representation);
    content.bytes.push_back(destructor ? 1 : 0);
    if (destructor) put_u32(content.bytes, *destructor);
    expect_close();
  } else if (at_index()) {
    return unexpected();
  } else {
    def_type(content);
  }
  index = define_type(std::move(content), id);
  emit_exports(names, Space::Type, index);
  expect_close();
}

// --- what types of components and instances are made of

void ComponentParser::declaration() {
  const std::string_view word = list_text();
  const u32 closing = kind() == TokenKind::LParen ? Tokens::closing(peek()) : pos();
  if (word == "core") {
    advance(), advance();
    const bool is_rec = next_text() == "rec";
    if (!is_rec && next_text() != "type") return unexpected();
    core_type_definition(is_rec);
  } else if (word == "type") {
    type_definition();
  } else if (word == "alias") {
    alias_definition();
  } else if (word == "import" && scope().kind == Scope::Kind::ComponentType) {
    import_definition();
  } else if (word == "export") {
    advance(), advance();
    Sink item = extern_name();
    Space space{};
    std::optional<Token> id;
    item.append(extern_type(&space, &id));
    emit(Item::Export, std::move(item));
    define(space, id);
    expect_close();
  } else {
    return unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
  }
  if (ok() && pos() != closing + 1) unexpected();
}

// What is imported, or exported in a type: `(sort $id? type)`.
Sink ComponentParser::extern_type(Space* space, std::optional<Token>* id) {
  Sink out;
  const u32 closing = kind() == TokenKind::LParen ? Tokens::closing(peek()) : pos();
  expect_open();
  const bool core = take_text("core");
  const Token at = peek();
  if (const auto s = sort_word(core)) *space = *s;
  *id = optional_id();
  const auto by_index = [&](Space of) {
    if (!at_type_use()) return false;
    advance(), advance();
    put_u32(out.bytes, index_or_ref(of, of == Space::CoreType));
    expect_close();
    return true;
  };
  const auto declared = [&](u8 code, Scope::Kind scope_kind) {
    Sink content;
    content.mark(at.offset);
    content.bytes.push_back(code);
    push_scope(scope_kind);
    while (ok() && pos() < closing) declaration();
    content.append(pop_scope());
    put_u32(out.bytes, define_type(std::move(content)));
  };
  switch (*space) {
    case Space::CoreModule: {
      out.bytes = {0x00, 0x11};
      if (by_index(Space::CoreType)) break;
      Sink content;
      module_type(content);
      emit(Item::CoreType, std::move(content));
      put_u32(out.bytes, define(Space::CoreType, std::nullopt));
      break;
    }
    case Space::Func:
      out.bytes = {0x01};
      put_u32(out.bytes, func_type_use());
      break;
    case Space::Type:
      out.bytes = {0x03};
      if (take_form("eq")) {
        out.bytes.push_back(0);
        put_u32(out.bytes, index_or_ref(Space::Type, false));
      } else if (take_form("sub")) {
        expect_text("resource");
        out.bytes.push_back(1);
      } else {
        unexpected();
      }
      expect_close();
      break;
    case Space::Component:
      out.bytes = {0x04};
      if (!by_index(Space::Type)) declared(0x41, Scope::Kind::ComponentType);
      break;
    case Space::Instance:
      out.bytes = {0x05};
      if (!by_index(Space::Type)) declared(0x42, Scope::Kind::InstanceType);
      break;
    case Space::Value: fail(at.offset, "values of components are not supported", ErrorCode::NotSupported); break;
    default: unexpected(at);
  }
  expect_close();
  return out;
}

}  // namespace berth::text
