// The parser of one component's text; text/component_parser.h is what others use. One thread, one
// component each.
//
// Definitions are written as they are read: what an abbreviation stands for goes before the definition
// that holds it.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/component_parser.h"
#include "text/component_space.h"
#include "text/cursor.h"
#include "text/encoder.h"
#include "text/sink.h"

namespace berth::text {

class ComponentParser : private Cursor {
 public:
  ComponentParser(const Tokens& tokens, std::string_view source, const ParseOptions& options)
      : Cursor(tokens), source_(source), options_(options) {}
  Result<ParsedComponent> run();

 private:
  using Space = ComponentSpace;
  // Sections of a binary; in types, declarations.
  enum class Item : u8 {
    CoreModule = 1,
    CoreInstance,
    CoreType,
    Component,
    Instance,
    Alias,
    Type,
    Canon,
    Import = 10,
    Export
  };

  struct Scope {
    enum class Kind : u8 { Component, ComponentType, InstanceType, ModuleType } kind = Kind::Component;
    std::optional<std::string> id;
    struct Names {
      std::unordered_map<std::string, u32> by_id;
      u32 count = 0;
    };
    std::array<Names, 13> spaces;
    Sink out;
    Section run;  // items of the section under way
    Item run_item = Item::CoreModule;
    u32 declarations = 0;
  };
  struct Ref {
    Space space = Space::Func;
    u32 index = 0;
  };
  struct InlineNames {
    std::vector<Sink> exports;  // their names, encoded
    std::optional<Sink> import;
  };

  // --- component_parser.cc: structure
  Scope& scope() { return *scopes_.back(); }
  void push_scope(Scope::Kind kind);
  Sink pop_scope();
  void emit(Item item, Sink content);
  void flush();
  u32 define(Space space, const std::optional<Token>& id);
  u32 resolve(Space space);
  u32 find_id(Space space, Token id);
  u32 outer_alias(Space space, u32 count, u32 index);
  u32 export_alias(Space space, u32 instance, const std::string& name);
  std::optional<Token> optional_id();
  std::string_view next_text() { return kind() == TokenKind::Word ? text(peek()) : std::string_view(); }
  std::string_view list_text() {
    return kind() == TokenKind::LParen && peek(1).kind() == TokenKind::Word ? text(peek(1)) : std::string_view();
  }
  bool at_form(std::string_view word) { return list_text() == word; }
  bool at_core_form(std::string_view word) { return at_form("core") && text(peek(2)) == word; }
  bool take_form(std::string_view word);
  bool take_text(std::string_view word);
  void expect_text(std::string_view word);
  bool at_index() const { return kind() == TokenKind::Id || kind() == TokenKind::Nat; }
  void strings(Sink& out);

  void component_body(u32 closing);
  void component_fields(u32 closing);
  // Custom sections that are written before the next token.
  void custom_annotations();
  void definition();
  void core_definition();
  void core_module_definition(u32 open);
  void core_instance_definition();
  void core_item_definition(Space space);
  void component_definition();
  void instance_definition();
  void func_definition();
  void alias_definition();
  void type_definition();
  void import_definition();
  void export_definition();
  InlineNames inline_names();
  void emit_exports(const InlineNames& names, Space space, u32 index);
  void emit_import(const Sink& name, const Sink& type, Space space, const std::optional<Token>& id);
  Sink extern_name();
  Ref item_ref(bool in_core, bool with_names = true);
  u32 index_or_ref(Space space, bool in_core);
  u32 trailing_names(Space space, u32 base, bool is_core);
  u32 instance_of_exports();
  u32 core_instance_of_exports();
  std::optional<Space> sort_word(bool core);
  void put_sort(Bytes& out, Space space);
  bool at_type_use() const;
  bool at_inline(std::string_view what);
  Sink module_range(u32 begin_token, u32 closing, const std::optional<Token>& id);

  // --- component_types.cc
  u32 define_type(Sink content, const std::optional<Token>& id = std::nullopt);
  void val_type(Bytes& out);
  bool primitive(Bytes& out);
  void optional_val_type(Bytes& out);
  void def_type(Sink& out);
  void func_type(Sink& out);
  void result_list(Bytes& out);
  u32 func_type_use();
  void declarations(Scope::Kind kind);
  void declaration();
  Sink extern_type(Space* space, std::optional<Token>* id);
  u32 label(Bytes& out);

  // --- component_core_types.cc
  void core_type_definition(bool is_rec);
  void core_rec(Bytes& out);
  void core_sub_type(Bytes& out, bool at_top);
  void core_func_type(Bytes& out);
  void core_val_type(Bytes& out);
  void core_heap_type(Bytes& out);
  void core_field(Bytes& out);
  void core_limits(Bytes& out, bool is_memory);
  void module_type(Sink& out);
  void module_declaration();
  void core_extern_type(Bytes& out, bool binds);
  u32 core_type_use();

  // --- component_canon.cc
  // `(canon …` up to its last clause; what kind of function it makes.
  Space canon(Sink& out, std::optional<u32>* lifted_type);
  void canon_definition();
  void canon_options(Bytes& out);
  bool canon_builtin(std::string_view word, Bytes& out);
  u32 memory_option();

  const std::string_view source_;
  const ParseOptions& options_;
  std::vector<std::unique_ptr<Scope>> scopes_;
  u32 nesting_ = 0;
};

}  // namespace berth::text
