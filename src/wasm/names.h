// The custom sections that this project reads (specification: appendix, custom sections): names and
// branch hints, and access to all others, DWARF among them. They never make a module invalid: what is
// malformed is left out. All functions read only; thread-safe for a module that no longer changes.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::wasm {

// A map from indices to names, sorted by index.
class NameMap {
 public:
  std::optional<std::string_view> find(u32 index) const;
  std::span<const std::pair<u32, std::string_view>> entries() const { return entries_; }

 private:
  friend class Names;
  std::vector<std::pair<u32, std::string_view>> entries_;
};

// What the `name` section holds. The views point into the module's bytes and live as long as these.
class Names {
 public:
  // Parses the name sections of `module`; a malformed subsection counts up to where it is malformed.
  static Names parse(const Module& module);

  std::optional<std::string_view> module() const { return module_; }
  std::optional<std::string_view> function(FuncIdx i) const { return functions_.find(i.value); }
  std::optional<std::string_view> type(TypeIdx i) const { return types_.find(i.value); }
  std::optional<std::string_view> table(TableIdx i) const { return tables_.find(i.value); }
  std::optional<std::string_view> memory(MemoryIdx i) const { return memories_.find(i.value); }
  std::optional<std::string_view> global(GlobalIdx i) const { return globals_.find(i.value); }
  std::optional<std::string_view> elem(ElemIdx i) const { return elems_.find(i.value); }
  std::optional<std::string_view> data(DataIdx i) const { return datas_.find(i.value); }
  std::optional<std::string_view> tag(TagIdx i) const { return tags_.find(i.value); }
  std::optional<std::string_view> local(FuncIdx f, LocalIdx i) const { return find(locals_, f.value, i.value); }
  // `i` counts the labels of the function in the order of their instructions.
  std::optional<std::string_view> label(FuncIdx f, u32 i) const { return find(labels_, f.value, i); }
  std::optional<std::string_view> field(TypeIdx t, u32 i) const { return find(fields_, t.value, i); }

 private:
  using IndirectMap = std::map<u32, NameMap>;
  static std::optional<std::string_view> find(const IndirectMap& map, u32 outer, u32 inner);
  void parse_section(const Module& module, Range payload);

  std::optional<std::string_view> module_;
  NameMap functions_, types_, tables_, memories_, globals_, elems_, datas_, tags_;
  IndirectMap locals_, labels_, fields_;
};

// A branch hint (custom section metadata.code.branch_hint).
struct BranchHint {
  u32 offset;  // of the br_if, if or other conditional branch, from the start of the function's body
  bool likely;
};
struct FunctionBranchHints {
  FuncIdx func;
  std::vector<BranchHint> hints;  // ascending by offset
};

inline constexpr std::string_view kBranchHintSection = "metadata.code.branch_hint";

// All branch hints of the module, ascending by function; what is malformed is left out.
std::vector<FunctionBranchHints> branch_hints(const Module& module);
// Sets Function::has_branch_hints from the section; done once by the decoder.
void mark_branch_hints(Module& module);
// The strict reading, for tools: an error of code InvalidCustom or MalformedCustom when the section is
// malformed or a hint does not stand on a `br_if`, `if` or `br_on_*` instruction.
Result<> check_branch_hints(const Module& module);

// The payload of the first custom section called `name`, for instance ".debug_line".
std::optional<std::span<const u8>> custom_section(const Module& module, std::string_view name);

}  // namespace berth::wasm
