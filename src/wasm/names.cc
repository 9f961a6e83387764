#include "wasm/names.h"

#include <algorithm>

#include "wasm/code_reader.h"

namespace berth::wasm {

namespace {

enum class NameSubsection : u8 {
  Module = 0,
  Function,
  Local,
  Label,
  Type,
  Table,
  Memory,
  Global,
  Elem,
  Data,
  Field,
  Tag,
};

std::optional<std::string_view> read_name(CodeReader& reader) {
  const u32 size = reader.leb_u32();
  if (!reader.ok() || size > reader.remaining()) {
    reader.fail_here(ErrorCode::LengthOutOfBounds);
    return std::nullopt;
  }
  std::string_view name(reinterpret_cast<const char*>(reader.position()), size);
  reader.skip(size);
  return name;
}

template <typename Entries>
void read_map(CodeReader& reader, Entries& entries) {
  const u32 count = reader.leb_u32();
  for (u32 i = 0; i < count && reader.ok(); ++i) {
    const u32 index = reader.leb_u32();
    const auto name = read_name(reader);
    if (name) entries.emplace_back(index, *name);
  }
  // The specification asks for ascending indices; not every tool obeys. The first name given counts.
  auto by_index = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.data() < b.second.data();
  };
  if (!std::ranges::is_sorted(entries, by_index)) std::ranges::sort(entries, by_index);
}

// The branch hints read so far, and whether the section was well-formed to its end.
struct ParsedHints {
  std::vector<FunctionBranchHints> functions;
  std::optional<u64> malformed_at;
};

ParsedHints parse_branch_hints(const Module& module) {
  ParsedHints out;
  const auto payload = custom_section(module, kBranchHintSection);
  if (!payload) return out;
  CodeReader reader(*payload, static_cast<u64>(payload->data() - module.bytes.data()));
  const u32 functions = reader.leb_u32();
  for (u32 i = 0; i < functions && reader.ok(); ++i) {
    const u64 at = reader.offset();
    FunctionBranchHints f{FuncIdx(reader.leb_u32()), {}};
    const u32 hints = reader.leb_u32();
    for (u32 j = 0; j < hints && reader.ok(); ++j) {
      const u64 hint_at = reader.offset();
      const u32 offset = reader.leb_u32();
      const u32 size = reader.leb_u32();
      const u8 value = reader.byte();
      const bool ascending = f.hints.empty() || f.hints.back().offset < offset;
      if (reader.ok() && (size != 1 || value > 1 || !ascending)) reader.fail_at(ErrorCode::MalformedCustom, hint_at);
      if (reader.ok()) f.hints.push_back({offset, value == 1});
    }
    const bool ascending = out.functions.empty() || out.functions.back().func < f.func;
    const bool exists = f.func.value >= module.imported_functions && f.func.value < module.functions.size();
    if (reader.ok() && (!ascending || !exists)) reader.fail_at(ErrorCode::MalformedCustom, at);
    if (reader.ok()) out.functions.push_back(std::move(f));
  }
  if (reader.ok() && !reader.at_end()) reader.fail_here(ErrorCode::MalformedCustom);
  if (!reader.ok()) out.malformed_at = reader.error_offset();
  return out;
}

struct OpReader {
  Op op{};
  template <Op O>
  bool on(const ImmOf<O>&) {
    op = O;
    return true;
  }
};

bool may_have_hint(Op op) {
  switch (op) {
    case Op::BrIf:
    case Op::If:
    case Op::BrOnNull:
    case Op::BrOnNonNull:
    case Op::BrOnCast:
    case Op::BrOnCastFail: return true;
    default: return false;
  }
}

}  // namespace

std::optional<std::string_view> NameMap::find(u32 index) const {
  const auto it = std::ranges::lower_bound(entries_, index, {}, [](const auto& e) { return e.first; });
  if (it == entries_.end() || it->first != index) return std::nullopt;
  return it->second;
}

std::optional<std::string_view> Names::find(const IndirectMap& map, u32 outer, u32 inner) {
  const auto it = map.find(outer);
  return it == map.end() ? std::nullopt : it->second.find(inner);
}

Names Names::parse(const Module& module) {
  Names names;
  for (const CustomSection& custom : module.customs)
    if (custom.name == "name") names.parse_section(module, custom.payload);
  return names;
}

void Names::parse_section(const Module& module, Range payload) {
  CodeReader section(module.range(payload), payload.offset);
  auto read_indirect = [](CodeReader& reader, IndirectMap& map) {
    const u32 count = reader.leb_u32();
    for (u32 i = 0; i < count && reader.ok(); ++i) {
      const u32 outer = reader.leb_u32();
      if (reader.ok()) read_map(reader, map[outer].entries_);
    }
  };
  while (section.ok() && !section.at_end()) {
    const u8 id = section.byte();
    const u32 size = section.leb_u32();
    if (!section.ok()) return;
    CodeReader reader(std::span(section.position(), std::min<size_t>(size, section.remaining())), section.offset());
    section.skip(reader.remaining());
    switch (static_cast<NameSubsection>(id)) {
      case NameSubsection::Module:
        if (const auto name = read_name(reader)) module_ = name;
        break;
      case NameSubsection::Function: read_map(reader, functions_.entries_); break;
      case NameSubsection::Local: read_indirect(reader, locals_); break;
      case NameSubsection::Label: read_indirect(reader, labels_); break;
      case NameSubsection::Type: read_map(reader, types_.entries_); break;
      case NameSubsection::Table: read_map(reader, tables_.entries_); break;
      case NameSubsection::Memory: read_map(reader, memories_.entries_); break;
      case NameSubsection::Global: read_map(reader, globals_.entries_); break;
      case NameSubsection::Elem: read_map(reader, elems_.entries_); break;
      case NameSubsection::Data: read_map(reader, datas_.entries_); break;
      case NameSubsection::Field: read_indirect(reader, fields_); break;
      case NameSubsection::Tag: read_map(reader, tags_.entries_); break;
      default: break;  // of a later specification
    }
  }
}

std::vector<FunctionBranchHints> branch_hints(const Module& module) { return parse_branch_hints(module).functions; }

void mark_branch_hints(Module& module) {
  for (const FunctionBranchHints& f : parse_branch_hints(module).functions)
    module.functions[f.func.value].has_branch_hints = !f.hints.empty();
}

Result<> check_branch_hints(const Module& module) {
  const ParsedHints parsed = parse_branch_hints(module);
  if (parsed.malformed_at)
    return fail(Error(ErrorCode::MalformedCustom, std::string(kBranchHintSection)).at(*parsed.malformed_at));
  for (const FunctionBranchHints& f : parsed.functions) {
    const Range body = module.functions[f.func.value].body;
    CodeReader reader(module.range(body), body.offset);
    const u32 groups = reader.leb_u32();
    for (u32 i = 0; i < groups && reader.ok(); ++i) {
      reader.leb_u32();
      reader.val_type();
    }
    auto hint = f.hints.begin();
    OpReader op;
    while (hint != f.hints.end() && reader.ok() && !reader.at_end()) {
      const u32 at = reader.local_offset();
      if (!decode_op(reader, op)) break;
      if (at > hint->offset) break;
      if (at < hint->offset) continue;
      if (!may_have_hint(op.op)) break;
      ++hint;
    }
    if (hint != f.hints.end()) {
      return fail(Error(ErrorCode::InvalidCustom, "@metadata.code.branch_hint annotation: invalid target")
                      .at(u64{body.offset} + hint->offset)
                      .in_function(f.func.value));
    }
  }
  return {};
}

std::optional<std::span<const u8>> custom_section(const Module& module, std::string_view name) {
  for (const CustomSection& custom : module.customs)
    if (custom.name == name) return module.range(custom.payload);
  return std::nullopt;
}

}  // namespace berth::wasm
