#include "text/component_text.h"

namespace berth::text {
namespace {

constexpr u32 kMaxNesting = 100;
constexpr u8 kHeader[] = {0, 'a', 's', 'm', 0x0D, 0, 1, 0};

bool is_core(ComponentSpace s) { return s <= ComponentSpace::CoreInstance; }

const char* space_name(ComponentSpace s) {
  static constexpr const char* kNames[] = {"core func", "core table",  "core memory",   "core global", "core tag",
                                           "core type", "core module", "core instance", "func",        "value",
                                           "type",      "component",   "instance"};
  return kNames[static_cast<size_t>(s)];
}

}  // namespace

// --- scopes and index spaces

void ComponentParser::push_scope(Scope::Kind kind) {
  if (scopes_.size() >= kMaxNesting) fail(peek(), "unexpected token: components and types nested too deeply");
  auto made = std::make_unique<Scope>();
  made->kind = kind;
  scopes_.push_back(std::move(made));
}

Sink ComponentParser::pop_scope() {
  flush();
  Sink out = std::move(scope().out);
  if (scope().kind != Scope::Kind::Component) {
    Sink counted;
    put_u32(counted.bytes, scope().declarations);
    counted.append(out);
    out = std::move(counted);
  }
  scopes_.pop_back();
  return out;
}

void ComponentParser::flush() {
  Scope& s = scope();
  if (s.run.count == 0) return;
  Bytes count;
  put_u32(count, s.run.count);
  s.out.bytes.push_back(static_cast<u8>(s.run_item));
  put_u64(s.out.bytes, count.size() + s.run.bytes.size());
  put_bytes(s.out.bytes, count);
  s.out.append(s.run);
  s.run = {};
}

void ComponentParser::emit(Item item, Sink content) {
  Scope& s = scope();
  if (s.kind == Scope::Kind::Component) {
    const bool alone = item == Item::CoreModule || item == Item::Component;
    if (alone || item != s.run_item) flush();
    if (alone) {
      s.out.bytes.push_back(static_cast<u8>(item));
      put_u64(s.out.bytes, content.bytes.size());
      s.out.append(content);
      return;
    }
    s.run_item = item;
    s.run.append(content);
    ++s.run.count;
    return;
  }
  u8 code = 0;
  const bool is_module = s.kind == Scope::Kind::ModuleType;
  switch (item) {
    case Item::CoreType: code = is_module ? 1 : 0; break;
    case Item::Type: code = 1; break;
    case Item::Alias: code = 2; break;
    case Item::Import: code = is_module ? 0 : 3; break;
    default: code = is_module ? 3 : 4;
  }
  s.out.bytes.push_back(code);
  s.out.append(content);
  ++s.declarations;
}

u32 ComponentParser::define(Space space, const std::optional<Token>& id) {
  auto& names = scope().spaces[static_cast<size_t>(space)];
  if (id && !names.by_id.emplace(id_value(text(*id)), names.count).second) {
    fail(*id, std::string("duplicate ") + space_name(space) + " identifier " + std::string(text(*id)));
  }
  return names.count++;
}

std::optional<Token> ComponentParser::optional_id() {
  if (kind() != TokenKind::Id) return std::nullopt;
  return take();
}

u32 ComponentParser::resolve(Space space) {
  if (kind() == TokenKind::Nat) return static_cast<u32>(take_nat(32));
  if (kind() != TokenKind::Id) {
    unexpected();
    return 0;
  }
  return find_id(space, take());
}

u32 ComponentParser::find_id(Space space, Token id) {
  const std::string name = id_value(text(id));
  for (size_t up = 0; up < scopes_.size(); ++up) {
    const auto& names = scopes_[scopes_.size() - 1 - up]->spaces[static_cast<size_t>(space)].by_id;
    const auto found = names.find(name);
    if (found == names.end()) continue;
    if (up == 0) return found->second;
    const bool can_alias =
        space == Space::CoreModule || space == Space::CoreType || space == Space::Component || space == Space::Type;
    if (!can_alias) break;
    const u32 index = outer_alias(space, static_cast<u32>(up), found->second);
    scope().spaces[static_cast<size_t>(space)].by_id.emplace(name, index);
    return index;
  }
  fail(id, std::string("unknown ") + space_name(space) + ": failed to find name `" + std::string(text(id)) + "`");
  return 0;
}

u32 ComponentParser::outer_alias(Space space, u32 count, u32 index) {
  Sink alias;
  alias.mark(peek().offset);
  if (scope().kind == Scope::Kind::ModuleType) {
    alias.bytes = {0x10, 0x01};
  } else {
    put_sort(alias.bytes, space);
    alias.bytes.push_back(0x02);
  }
  put_u32(alias.bytes, count);
  put_u32(alias.bytes, index);
  emit(Item::Alias, std::move(alias));
  return define(space, std::nullopt);
}

u32 ComponentParser::export_alias(Space space, u32 instance, const std::string& name) {
  Sink alias;
  alias.mark(peek().offset);
  put_sort(alias.bytes, space);
  alias.bytes.push_back(is_core(space) && space != Space::CoreModule ? 0x01 : 0x00);
  put_u32(alias.bytes, instance);
  put_name(alias.bytes, name);
  emit(Item::Alias, std::move(alias));
  return define(space, std::nullopt);
}

void ComponentParser::put_sort(Bytes& out, Space space) {
  static constexpr u8 kCore[] = {0, 1, 2, 3, 4, 0x10, 0x11, 0x12};
  static constexpr u8 kComponent[] = {1, 2, 3, 4, 5};
  const auto at = static_cast<size_t>(space);
  if (is_core(space)) {
    out.push_back(0);
    out.push_back(kCore[at]);
  } else {
    out.push_back(kComponent[at - 8]);
  }
}

// --- words

bool ComponentParser::take_form(std::string_view word) {
  if (!at_form(word)) return false;
  advance(), advance();
  return true;
}
bool ComponentParser::take_text(std::string_view word) {
  if (next_text() != word) return false;
  advance();
  return true;
}
void ComponentParser::expect_text(std::string_view word) {
  if (!take_text(word)) unexpected();
}

std::optional<ComponentSpace> ComponentParser::sort_word(bool core) {
  static constexpr std::string_view kCore[] = {"func", "table", "memory", "global",
                                               "tag",  "type",  "module", "instance"};
  static constexpr std::string_view kComponent[] = {"func", "value", "type", "component", "instance"};
  const std::string_view word = next_text();
  if (core) {
    for (size_t i = 0; i < std::size(kCore); ++i) {
      if (word == kCore[i]) return advance(), static_cast<Space>(i);
    }
  } else {
    for (size_t i = 0; i < std::size(kComponent); ++i) {
      if (word == kComponent[i]) return advance(), static_cast<Space>(i + 8);
    }
  }
  unexpected();
  return std::nullopt;
}

// --- references

// `base "name"…`: exports of exports of instance `base`.
u32 ComponentParser::trailing_names(Space space, u32 base, bool core) {
  std::string name = take_name();
  while (kind() == TokenKind::String && ok()) {
    if (core) {
      unexpected();
      return 0;
    }
    base = export_alias(Space::Instance, base, name);
    name = take_name();
  }
  return export_alias(space, base, name);
}

ComponentParser::Ref ComponentParser::item_ref(bool in_core, bool with_names) {
  Ref ref;
  expect_open();
  const bool core = take_text("core") || in_core;
  const auto space = sort_word(core);
  if (!space) return ref;
  ref.space = *space;
  // Of modules alone components are asked, not core instances.
  const bool from_core = core && *space != Space::CoreModule;
  if (with_names && at_index() && peek(1).kind() == TokenKind::String) {
    const u32 base = resolve(from_core ? Space::CoreInstance : Space::Instance);
    ref.index = trailing_names(*space, base, from_core);
  } else {
    ref.index = resolve(*space);
  }
  expect_close();
  return ref;
}

u32 ComponentParser::index_or_ref(Space space, bool in_core) {
  if (at_index()) return resolve(space);
  const Token at = peek();
  const Ref ref = item_ref(in_core);
  if (ok() && ref.space != space) fail(at, std::string("unexpected token, expected a ") + space_name(space));
  return ref.index;
}

// --- names of imports and exports

Sink ComponentParser::extern_name() {
  Sink out;
  out.mark(peek().offset);
  const std::string name = take_name();
  std::vector<std::pair<u8, std::string>> attributes;
  for (;;) {
    u8 code = 0;
    if (at_form("implements")) {
      code = 0;
    } else if (at_form("versionsuffix")) {
      code = 1;
    } else if (at_form("external-id")) {
      code = 2;
    } else {
      break;
    }
    advance(), advance();
    attributes.emplace_back(code, take_name());
    expect_close();
  }
  out.bytes.push_back(attributes.empty() ? 0 : 2);
  put_name(out.bytes, name);
  if (!attributes.empty()) {
    put_u64(out.bytes, attributes.size());
    for (const auto& [code, value] : attributes) {
      out.bytes.push_back(code);
      put_name(out.bytes, value);
    }
  }
  return out;
}

// Whether `(word "name")` comes next, which says that the definition around it is exported or imported.
bool ComponentParser::at_inline(std::string_view what) {
  if (!at_form(what)) return false;
  u32 i = 2;
  if (peek(i).kind() != TokenKind::String) return false;
  for (++i; peek(i).kind() == TokenKind::LParen; i += 4) {
    const std::string_view word = text(peek(i + 1));
    if (word != "implements" && word != "versionsuffix" && word != "external-id") return false;
  }
  return peek(i).kind() == TokenKind::RParen;
}

// Whether `(type idx)` comes next rather than the definition of a type.
bool ComponentParser::at_type_use() const {
  const TokenKind index = peek(2).kind(), after = peek(3).kind();
  return kind() == TokenKind::LParen && text(peek(1)) == "type" &&
         (peek(2).kind() == TokenKind::LParen ? text(peek(3)) == "type"
                                              : (index == TokenKind::Id || index == TokenKind::Nat) &&
                                                    (after == TokenKind::RParen || after == TokenKind::String));
}

ComponentParser::InlineNames ComponentParser::inline_names() {
  InlineNames names;
  while (at_inline("export")) {
    advance(), advance();
    names.exports.push_back(extern_name());
    expect_close();
  }
  if (at_inline("import")) {
    advance(), advance();
    names.import = extern_name();
    expect_close();
  }
  return names;
}

void ComponentParser::emit_exports(const InlineNames& names, Space space, u32 index) {
  for (const Sink& name : names.exports) {
    Sink item = name;
    put_sort(item.bytes, space);
    put_u32(item.bytes, index);
    item.bytes.push_back(0);
    emit(Item::Export, std::move(item));
    define(space, std::nullopt);
  }
}

void ComponentParser::emit_import(const Sink& name, const Sink& type, Space space, const std::optional<Token>& id) {
  Sink item = name;
  item.append(type);
  emit(Item::Import, std::move(item));
  define(space, id);
}

// --- definitions

void ComponentParser::component_fields(u32 closing) {
  while (ok() && pos() < closing) {
    custom_annotations();
    definition();
  }
  custom_annotations();
}

void ComponentParser::definition() {
  if (kind() != TokenKind::LParen) return unexpected();
  const std::string_view word = list_text();
  const u32 closing = Tokens::closing(peek());
  if (word == "core") {
    core_definition();
  } else if (word == "component") {
    component_definition();
  } else if (word == "instance") {
    instance_definition();
  } else if (word == "alias") {
    alias_definition();
  } else if (word == "type") {
    type_definition();
  } else if (word == "canon") {
    canon_definition();
  } else if (word == "func") {
    func_definition();
  } else if (word == "import") {
    import_definition();
  } else if (word == "export") {
    export_definition();
  } else if (word == "start" || word == "value") {
    fail(peek(1).offset, "values and start functions of components are not supported", ErrorCode::NotSupported);
  } else {
    unexpected(peek(1));
  }
  if (ok() && pos() != closing + 1) unexpected();
}

void ComponentParser::core_definition() {
  const u32 open = pos();
  advance(), advance();
  const std::string_view word = next_text();
  if (word == "module") {
    core_module_definition(open);
  } else if (word == "instance") {
    core_instance_definition();
  } else if (word == "type" || word == "rec") {
    core_type_definition(word == "rec");
  } else if (const auto space = sort_word(true)) {
    core_item_definition(*space);
  }
}

void ComponentParser::strings(Sink& out) {
  while (kind() == TokenKind::String) append_string(text(take()), out.bytes);
}

// The module whose fields are the tokens up to `closing`.
Sink ComponentParser::module_range(u32 begin_token, u32 closing, const std::optional<Token>& id) {
  Sink out;
  // Annotations may come first.
  const Token before = tokens().tokens[begin_token - 1], first = tokens().tokens[begin_token];
  ParseOptions options = options_;
  if (id) options.module_name = id_value(text(*id));
  auto parsed = parse_module(source_, options, before.offset + text(before).size(), tokens().tokens[closing].offset);
  if (!parsed) {
    const u32 at = static_cast<u32>(parsed.error().offset().value_or(first.offset));
    fail(at, parsed.error().detail(), parsed.error().code());
    return out;
  }
  out.bytes = std::move(parsed->binary);
  out.map = std::move(parsed->map.entries);
  return out;
}

void ComponentParser::core_module_definition(u32 open) {
  const u32 closing = Tokens::closing(tokens().tokens[open]);
  const u32 source = tokens().tokens[open].offset;
  advance();
  const auto id = optional_id();
  const InlineNames names = inline_names();
  if (names.import) {
    Sink type;
    Sink content;
    if (at_type_use()) {
      advance(), advance();
      type.bytes = {0x00, 0x11};
      put_u32(type.bytes, index_or_ref(Space::CoreType, true));
      expect_close();
    } else {
      module_type(content);
      emit(Item::CoreType, std::move(content));
      type.bytes = {0x00, 0x11};
      put_u32(type.bytes, define(Space::CoreType, std::nullopt));
    }
    const u32 index = scope().spaces[static_cast<size_t>(Space::CoreModule)].count;
    emit_import(*names.import, type, Space::CoreModule, id);
    emit_exports(names, Space::CoreModule, index);
    return expect_close();
  }
  Sink content;
  content.mark(source);
  if (take_text("binary")) {
    strings(content);
  } else if (take_text("quote")) {
    std::string quoted;
    for (; kind() == TokenKind::String; advance()) quoted += string_value(text(peek())) + " ";
    auto parsed = parse_module(quoted, options_);
    if (!parsed) return fail(source, parsed.error().detail(), parsed.error().code());
    content.bytes = std::move(parsed->binary);
  } else {
    content = module_range(pos(), closing, id);
    if (content.map.empty()) content.map.push_back({0, source});
    move_to(closing);
  }
  emit(Item::CoreModule, std::move(content));
  const u32 index = define(Space::CoreModule, id);
  emit_exports(names, Space::CoreModule, index);
  expect_close();
}

// `(export "name" (sort idx))…` as an instance.
u32 ComponentParser::core_instance_of_exports() {
  Sink item;
  item.mark(peek().offset);
  item.bytes.push_back(1);
  Bytes exports;
  u32 count = 0;
  for (; at_form("export"); ++count) {
    advance(), advance();
    put_name(exports, take_name());
    const Ref ref = item_ref(true);
    static constexpr u8 kCore[] = {0, 1, 2, 3, 4, 0x10, 0x11, 0x12};
    if (ok()) exports.push_back(kCore[static_cast<size_t>(ref.space)]);
    put_u32(exports, ref.index);
    expect_close();
  }
  put_u32(item.bytes, count);
  put_bytes(item.bytes, exports);
  emit(Item::CoreInstance, std::move(item));
  return 0;
}

void ComponentParser::core_instance_definition() {
  advance();
  const auto id = optional_id();
  if (take_form("alias")) {
    fail(peek(), "unexpected token: core instances cannot be aliased");
  } else if (take_form("instantiate")) {
    Sink item;
    item.mark(peek().offset);
    item.bytes.push_back(0);
    put_u32(item.bytes, index_or_ref(Space::CoreModule, true));
    Bytes arguments;
    u32 count = 0;
    for (; take_form("with"); ++count) {
      put_name(arguments, take_name());
      if (!at_form("instance") && !at_core_form("instance")) return unexpected();
      const bool core_word = at_form("core");
      const Token after = peek(core_word ? 3 : 2);
      u32 index = 0;
      if (after.kind() == TokenKind::LParen || after.kind() == TokenKind::RParen) {
        advance(), advance();
        if (core_word) advance();
        core_instance_of_exports();
        index = define(Space::CoreInstance, std::nullopt);
        expect_close();
      } else {
        index = item_ref(true).index;
      }
      arguments.push_back(0x12);
      put_u32(arguments, index);
      expect_close();
    }
    expect_close();
    put_u32(item.bytes, count);
    put_bytes(item.bytes, arguments);
    emit(Item::CoreInstance, std::move(item));
  } else {
    core_instance_of_exports();
  }
  define(Space::CoreInstance, id);
  expect_close();
}

// `(core func $id? (canon …))`, `(core memory $id? (alias …))` and their like.
void ComponentParser::core_item_definition(Space space) {
  const auto id = optional_id();
  if (take_form("alias")) {
    take_text("core");
    expect_text("export");
    const u32 instance = resolve(Space::CoreInstance);
    const std::string name = take_name();
    const u32 index = export_alias(space, instance, name);
    if (id) scope().spaces[static_cast<size_t>(space)].by_id.emplace(id_value(text(*id)), index);
    expect_close();
    return expect_close();
  }
  if (space != Space::CoreFunc || !take_form("canon")) return unexpected();
  Sink item;
  item.mark(peek().offset);
  const Token at = peek();
  if (canon(item, nullptr) != Space::CoreFunc && ok())
    fail(at, "unexpected token: a lifted function is no core function");
  emit(Item::Canon, std::move(item));
  define(space, id);
  expect_close();
  expect_close();
}

void ComponentParser::component_body(u32 closing) {
  put_bytes(scope().out.bytes, Bytes(std::begin(kHeader), std::end(kHeader)));
  component_fields(closing);
}

void ComponentParser::component_definition() {
  const u32 closing = Tokens::closing(peek());
  const u32 source = peek().offset;
  advance(), advance();
  const auto id = optional_id();
  const InlineNames names = inline_names();
  if (names.import) {
    Sink type;
    type.bytes = {0x04};
    if (at_type_use() && take_form("type")) {
      put_u32(type.bytes, index_or_ref(Space::Type, false));
      expect_close();
    } else {
      Sink content;
      content.bytes.push_back(0x41);
      push_scope(Scope::Kind::ComponentType);
      while (ok() && pos() < closing) declaration();
      content.append(pop_scope());
      put_u32(type.bytes, define_type(std::move(content)));
    }
    const u32 index = scope().spaces[static_cast<size_t>(Space::Component)].count;
    emit_import(*names.import, type, Space::Component, id);
    emit_exports(names, Space::Component, index);
    return expect_close();
  }
  Sink content;
  if (take_text("binary")) {
    content.mark(source);
    strings(content);
  } else {
    push_scope(Scope::Kind::Component);
    if (id) scope().id = id_value(text(*id));
    component_body(closing);
    content = pop_scope();
  }
  emit(Item::Component, std::move(content));
  const u32 index = define(Space::Component, id);
  emit_exports(names, Space::Component, index);
  expect_close();
}

u32 ComponentParser::instance_of_exports() {
  Sink item;
  item.mark(peek().offset);
  item.bytes.push_back(1);
  Sink exports;
  u32 count = 0;
  for (; take_form("export"); ++count) {
    exports.append(extern_name());
    const Ref ref = item_ref(false);
    put_sort(exports.bytes, ref.space);
    put_u32(exports.bytes, ref.index);
    expect_close();
  }
  put_u32(item.bytes, count);
  item.append(exports);
  emit(Item::Instance, std::move(item));
  return 0;
}

void ComponentParser::instance_definition() {
  const u32 closing = Tokens::closing(peek());
  advance(), advance();
  const auto id = optional_id();
  const InlineNames names = inline_names();
  u32 index = scope().spaces[static_cast<size_t>(Space::Instance)].count;
  if (names.import) {
    Sink type;
    type.bytes = {0x05};
    if (at_type_use() && take_form("type")) {
      put_u32(type.bytes, index_or_ref(Space::Type, false));
      expect_close();
    } else {
      Sink content;
      content.bytes.push_back(0x42);
      push_scope(Scope::Kind::InstanceType);
      while (ok() && pos() < closing) declaration();
      content.append(pop_scope());
      put_u32(type.bytes, define_type(std::move(content)));
    }
    index = scope().spaces[static_cast<size_t>(Space::Instance)].count;
    emit_import(*names.import, type, Space::Instance, id);
    emit_exports(names, Space::Instance, index);
    return expect_close();
  }
  if (take_form("instantiate")) {
    Sink item;
    item.mark(peek().offset);
    item.bytes.push_back(0);
    put_u32(item.bytes, index_or_ref(Space::Component, false));
    Bytes arguments;
    u32 count = 0;
    for (; take_form("with"); ++count) {
      put_name(arguments, take_name());
      Ref ref;
      if (at_form("instance") && (peek(2).kind() == TokenKind::LParen || peek(2).kind() == TokenKind::RParen)) {
        advance(), advance();
        instance_of_exports();
        ref = {Space::Instance, define(Space::Instance, std::nullopt)};
        expect_close();
      } else {
        ref = item_ref(false);
      }
      put_sort(arguments, ref.space);
      put_u32(arguments, ref.index);
      expect_close();
    }
    expect_close();
    put_u32(item.bytes, count);
    put_bytes(item.bytes, arguments);
    emit(Item::Instance, std::move(item));
    index = define(Space::Instance, id);
  } else if (take_form("alias")) {
    if (take_text("export")) {
      const u32 instance = resolve(Space::Instance);
      index = export_alias(Space::Instance, instance, take_name());
      if (id) scope().spaces[static_cast<size_t>(Space::Instance)].by_id.emplace(id_value(text(*id)), index);
    } else {
      unexpected();
    }
    expect_close();
  } else {
    instance_of_exports();
    index = define(Space::Instance, id);
  }
  emit_exports(names, Space::Instance, index);
  expect_close();
}

void ComponentParser::func_definition() {
  advance(), advance();
  const auto id = optional_id();
  const InlineNames names = inline_names();
  u32 index = 0;
  if (names.import) {
    Sink type;
    type.bytes = {0x01};
    put_u32(type.bytes, func_type_use());
    index = scope().spaces[static_cast<size_t>(Space::Func)].count;
    emit_import(*names.import, type, Space::Func, id);
  } else if (take_form("alias")) {
    expect_text("export");
    const u32 instance = resolve(Space::Instance);
    index = export_alias(Space::Func, instance, take_name());
    if (id) scope().spaces[static_cast<size_t>(Space::Func)].by_id.emplace(id_value(text(*id)), index);
    expect_close();
  } else {
    std::optional<u32> type = func_type_use();
    if (!take_form("canon")) return unexpected();
    Sink item;
    item.mark(peek().offset);
    const Token at = peek();
    if (canon(item, &type) != Space::Func && ok()) fail(at, "unexpected token, expected `lift`");
    expect_close();
    emit(Item::Canon, std::move(item));
    index = define(Space::Func, id);
  }
  emit_exports(names, Space::Func, index);
  expect_close();
}

void ComponentParser::alias_definition() {
  advance(), advance();
  Sink item;
  item.mark(peek().offset);
  const auto target = [&](Space* space, std::optional<Token>* id, bool core_needed) {
    expect_open();
    const bool core = take_text("core") || core_needed;
    if (const auto s = sort_word(core)) *space = *s;
    *id = optional_id();
    expect_close();
  };
  Space space{};
  std::optional<Token> id;
  const bool core = take_text("core");
  if (take_text("export")) {
    const u32 instance = resolve(core ? Space::CoreInstance : Space::Instance);
    const std::string name = take_name();
    target(&space, &id, false);
    put_sort(item.bytes, space);
    item.bytes.push_back(core ? 1 : 0);
    put_u32(item.bytes, instance);
    put_name(item.bytes, name);
  } else {
    expect_text("outer");
    u32 count = 0;
    if (kind() == TokenKind::Id) {
      const Token outer = take();
      const std::string name = id_value(text(outer));
      while (count < scopes_.size() && scopes_[scopes_.size() - 1 - count]->id != name) ++count;
      if (count == scopes_.size()) return fail(outer, "outer component `" + name + "` not found");
    } else {
      count = static_cast<u32>(take_nat(32));
    }
    const Token item_token = take();
    target(&space, &id, false);
    if (scope().kind == Scope::Kind::ModuleType) space = Space::CoreType;
    u32 index = 0;
    if (item_token.kind() == TokenKind::Id) {
      if (count >= scopes_.size()) return unexpected(item_token);
      const auto& names = scopes_[scopes_.size() - 1 - count]->spaces[static_cast<size_t>(space)].by_id;
      const auto found = names.find(id_value(text(item_token)));
      if (found == names.end()) {
        return fail(item_token, std::string("unknown ") + space_name(space) + ": failed to find name `" +
                                    std::string(text(item_token)) + "`");
      }
      index = found->second;
    } else if (item_token.kind() == TokenKind::Nat) {
      index = static_cast<u32>(std::strtoull(std::string(text(item_token)).c_str(), nullptr, 0));
    } else {
      return unexpected(item_token);
    }
    if (scope().kind == Scope::Kind::ModuleType) {
      item.bytes = {0x10, 0x01};
    } else {
      put_sort(item.bytes, space);
      item.bytes.push_back(2);
    }
    put_u32(item.bytes, count);
    put_u32(item.bytes, index);
  }
  emit(Item::Alias, std::move(item));
  define(space, id);
  expect_close();
}

void ComponentParser::import_definition() {
  advance(), advance();
  const Sink name = extern_name();
  Space space{};
  std::optional<Token> id;
  const Sink type = extern_type(&space, &id);
  emit_import(name, type, space, id);
  expect_close();
}

void ComponentParser::export_definition() {
  advance(), advance();
  const auto id = optional_id();
  Sink item = extern_name();
  const Ref ref = item_ref(false);
  put_sort(item.bytes, ref.space);
  put_u32(item.bytes, ref.index);
  if (kind() == TokenKind::LParen) {
    Space space{};
    std::optional<Token> ignored;
    item.bytes.push_back(1);
    item.append(extern_type(&space, &ignored));
  } else {
    item.bytes.push_back(0);
  }
  emit(Item::Export, std::move(item));
  define(ref.space, id);
  expect_close();
}

}  // namespace berth::text
