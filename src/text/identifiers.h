// Chooses an identifier for everything in a module that has a name. Read only once made; refers to
// the module.
#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/symbols.h"
#include "wasm/module.h"
#include "wasm/names.h"

namespace berth::text {

// Appends the bytes as a string literal. Text in UTF-8 stays readable if `is_text`; otherwise everything
// that is not ASCII is written as two digits.
void append_literal(std::string& out, std::string_view bytes, bool is_text);
// Appends `$name` or `$"name"`; the name must not be empty.
void append_id(std::string& out, std::string_view name);

// How one thing is called.
struct Identifier {
  std::string id;    // with its dollar; empty if it has none
  std::string note;  // ` (@name "…")` when the identifier is not the name itself
  bool empty() const { return id.empty() && note.empty(); }
};

// Identifiers of one index space, none of them twice.
class IdentifierList {
 public:
  IdentifierList() = default;
  // For the `count` items of the space, of which `names` names some. The annotations are left out
  // unless wanted.
  template <typename FindName>
  IdentifierList(u32 count, FindName&& name, bool notes) : notes_(notes) {
    for (u32 i = 0; i < count; ++i) {
      if (const auto n = name(i)) add(i, *n);
    }
  }
  // The identifier, empty if the item has none.
  const Identifier& operator[](u32 index) const;
  bool empty() const { return list_.empty(); }
  // Appends the identifier of the item, or its index.
  void append(std::string& out, u32 index) const;

 private:
  void add(u32 index, std::string_view name);
  bool notes_ = true;
  std::unordered_map<u32, Identifier> list_;
  std::unordered_map<std::string, u32> used_;
};

// The identifiers of a module.
class Identifiers {
 public:
  // Without names everything is called by its index.
  Identifiers(const wasm::Module& module, bool names, bool notes);

  const IdentifierList& operator[](Space space) const { return spaces_[static_cast<size_t>(space)]; }
  // The fields of a struct type.
  const IdentifierList& fields(u32 type) const;
  IdentifierList locals(u32 func, u32 count) const;
  // The label's name, empty if it has none: see wasm::Names::label.
  std::string_view label(u32 func, u32 number) const;
  std::optional<std::string_view> module() const;

 private:
  const bool names_, notes_;
  wasm::Names read_;
  std::array<IdentifierList, kSpaces> spaces_;
  std::unordered_map<u32, IdentifierList> fields_;
};

}  // namespace berth::text
