// The identifiers of one module and what each stands for in every index space. One thread.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace berth::text {

// The index spaces of a module that have identifiers.
enum class Space : u8 { Func, Table, Memory, Global, Tag, Type, Elem, Data };
inline constexpr u32 kSpaces = 8;

inline constexpr u32 kNone = 0xFFFFFFFF;

struct Symbol {
  std::string_view name;  // without its dollar
  size_t hash = 0;
  u32 index[kSpaces] = {kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone};
  u32 local = kNone;  // index of the local of that name, when `local_scope` is the current function's
  u32 local_scope = 0;
  u32 label = 0;  // depth, from 1, of the innermost label of that name; 0 if none
};

// Maps names to small numbers, so that everything else is a plain index.
class SymbolTable {
 public:
  SymbolTable() : slots_(256, kNone) {}

  // The number of the identifier whose token text is `id`, which must outlive the table.
  u32 intern(std::string_view id, std::string (*unquote)(std::string_view)) {
    if (id[1] != '"') return find(id.substr(1));
    const std::string value = unquote(id);
    const size_t before = symbols_.size();
    const u32 s = find(value);
    if (symbols_.size() != before) symbols_[s].name = unquoted_.emplace_back(value);
    return s;
  }
  Symbol& operator[](u32 i) { return symbols_[i]; }
  const Symbol& operator[](u32 i) const { return symbols_[i]; }

 private:
  u32 find(std::string_view name) {
    const size_t hash = std::hash<std::string_view>()(name);
    size_t i = hash & (slots_.size() - 1);
    for (; slots_[i] != kNone; i = (i + 1) & (slots_.size() - 1)) {
      const Symbol& s = symbols_[slots_[i]];
      if (s.hash == hash && s.name == name) return slots_[i];
    }
    const auto number = static_cast<u32>(symbols_.size());
    slots_[i] = number;
    symbols_.emplace_back();
    symbols_.back().name = name;
    symbols_.back().hash = hash;
    if (symbols_.size() * 2 > slots_.size()) grow();
    return number;
  }
  void grow() {
    slots_.assign(slots_.size() * 2, kNone);
    for (u32 n = 0; n < symbols_.size(); ++n) {
      size_t i = symbols_[n].hash & (slots_.size() - 1);
      while (slots_[i] != kNone) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = n;
    }
  }

  std::vector<Symbol> symbols_;
  std::vector<u32> slots_;
  std::deque<std::string> unquoted_;
};

}  // namespace berth::text
