// The printer of one component; component_model/printer.h is what others use. One thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "component_model/printer.h"
#include "text/identifiers.h"

namespace berth::component_model {

class ComponentPrinter {
 public:
  explicit ComponentPrinter(const text::PrintOptions& options) : options_(options) {}
  Result<std::string> run(const Component& component);

 private:
  // The index spaces of a component or of a type, and what their items are called.
  struct Scope {
    std::array<u32, kSpaces> counts{};
    std::array<text::IdentifierList, kSpaces> ids;
    std::string name;      // of the component itself
    bool is_type = false;  // of a component or instance
    std::unordered_set<std::string> module_ids;
  };

  // --- component_printer.cc
  Result<> component(const Component& component);
  Result<> definitions(const Component& component);
  void read_names(const CustomSection& section, Scope& scope);
  void print(const CustomSection& section);
  Result<> print(const CoreModule& d);
  Result<> print(const CoreInstance& d);
  Result<> print(const CoreTypeDef& d);
  Result<> print(const NestedComponent& d);
  Result<> print(const Instance& d);
  Result<> print(const Alias& d);
  Result<> print(const TypeDef& d);
  Result<> print(const Canon& d);
  Result<> print(const Import& d);
  Result<> print(const Export& d);

  Scope& scope() { return *scopes_.back(); }
  void line();
  void literal(std::string_view bytes, bool is_text = true) { text::append_literal(out_, bytes, is_text); }
  // ` $id (;n;)` of what is defined next.
  void define(Space space);
  // Its number.
  u32 next(Space space) { return scope().counts[static_cast<size_t>(space)]++; }
  void index(Space space, u32 index);
  // `(func $f)`; without "core" where only core things can stand.
  void item(const SortIndex& item, bool with_core);
  void name(const ExternName& name);
  void type_index(Space space, u32 type);  // ` (type 3)`

  // --- print_types.cc
  void desc(const ExternDesc& desc, bool defines);
  void value_type(const TypeUse& use);
  void value(const TypeDef& d);
  void func(const TypeDef& d);
  Result<> declarations(const TypeDef& d);
  void core_type(const wasm::Module& module, u32 index);
  void core_group(const wasm::Module& module, u32 first, u32 count, bool is_rec, std::string_view prefix);
  void core_func(const wasm::FuncType& type);
  void core_field(const wasm::FieldType& type);
  void core_extern(const wasm::Module& module, const wasm::Import& import);
  void module_type(const CoreTypeDef& d);

  // --- print_canon.cc
  void options(const CanonOptions& options);
  void builtin(const Canon& d);

  const text::PrintOptions& options_;
  std::string out_;
  std::vector<std::unique_ptr<Scope>> scopes_;
  u32 depth_ = 0;
  std::optional<SortIndex> defining_;  // what the definition under way gives a name to
};

}  // namespace berth::component_model
