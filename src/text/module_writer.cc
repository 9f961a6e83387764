// Annotations, names and the final binary (specification 3.0: appendix, custom sections and custom
// annotations).
#include <algorithm>

#include "text/module_parser.h"
#include "text/utf8.h"

namespace berth::text {

using wasm::SectionId;

namespace {

// Subsections of the name section by what they name.
constexpr std::pair<u8, Space> kNameSections[] = {
    {1, Space::Func},   {4, Space::Type}, {5, Space::Table}, {6, Space::Memory},
    {7, Space::Global}, {8, Space::Elem}, {9, Space::Data},  {11, Space::Tag},
};

std::optional<size_t> section_place(std::string_view word) {
  constexpr std::string_view kWords[] = {"type",   "import", "func", "table",     "memory", "tag", "global",
                                         "export", "start",  "elem", "datacount", "code",   "data"};
  static_assert(std::size(kWords) == kSectionOrder.size());
  const auto* found = std::find(std::begin(kWords), std::end(kWords), word);
  if (found == std::end(kWords)) return std::nullopt;
  return static_cast<size_t>(found - std::begin(kWords));
}

void put_name_list(Bytes& out, const NameList& names) {
  put_u64(out, names.size());
  for (const auto& [index, name] : names) {
    put_u32(out, index);
    put_name(out, name);
  }
}

void put_section(Bytes& out, u8 id, const Bytes& content) {
  out.push_back(id);
  put_u64(out, content.size());
  put_bytes(out, content);
}

}  // namespace

const Annotation* ModuleParser::annotation_at(u32 token, Annotation::Kind kind) {
  const auto& all = tokens().annotations;
  if (all.empty()) return nullptr;
  auto it = std::lower_bound(all.begin(), all.end(), token, [](const Annotation& a, u32 t) { return a.token < t; });
  for (; it != all.end() && it->token == token; ++it) {
    const auto number = static_cast<size_t>(it - all.begin());
    if (it->kind == kind && !annotation_used_[number]) {
      annotation_used_[number] = true;
      return &*it;
    }
  }
  return nullptr;
}

u32 ModuleParser::hint_at(u32 token) {
  if (tokens().annotations.empty() || current_function_ == kNone) return kNone;
  const auto& all = tokens().annotations;
  u32 first = kNone;
  while (const Annotation* a = annotation_at(token, Annotation::Code)) {
    const auto number = static_cast<u32>(a - all.data());
    if (first == kNone) first = number;
    for (u32 i = first; i < number; ++i) {
      if (all[i].name == a->name) fail(a->offset, "@" + a->name + " annotation: duplicate annotation");
    }
  }
  return first;
}

void ModuleParser::check_annotations() {
  for (size_t i = 0; i < annotation_used_.size(); ++i) {
    if (annotation_used_[i]) continue;
    const Annotation& a = tokens().annotations[i];
    if (a.kind == Annotation::Code) {
      fail(a.offset, "@" + a.name + " annotation: not in a function");
    } else {
      fail(a.offset, "misplaced @" + a.name + " annotation");
    }
    return;
  }
}

std::optional<std::string> ModuleParser::name_annotation() {
  const Annotation* a = annotation_at(pos(), Annotation::Name);
  if (!a) return std::nullopt;
  if (a->last != a->first + 1 || tokens().annotation_tokens[a->first].kind() != TokenKind::String) {
    fail(a->offset, "@name annotation: unexpected token");
    return std::nullopt;
  }
  std::string name = string_value(text(tokens().annotation_tokens[a->first]));
  if (!is_utf8(name)) {
    fail(a->offset, "@name annotation: malformed UTF-8 encoding");
    return std::nullopt;
  }
  return name;
}

void ModuleParser::note_name(Space space, u32 index, Token id) {
  auto name = name_annotation();
  if (!options_.names) return;
  if (!name && id.kind() == TokenKind::Id) name = std::string(symbols_[intern(id)].name);
  if (name) names_[static_cast<size_t>(space)].emplace_back(index, std::move(*name));
}

void ModuleParser::custom_annotations() {
  while (const Annotation* a = annotation_at(pos(), Annotation::Custom)) custom_annotation(*a);
}

void ModuleParser::custom_annotation(const Annotation& a) {
  const auto& all = tokens().annotation_tokens;
  u32 i = a.first;
  const auto kind = [&] { return i < a.last ? all[i].kind() : TokenKind::End; };
  const auto bad = [&](const char* what) { fail(a.offset, std::string("@custom annotation: ") + what); };
  if (kind() != TokenKind::String) return bad("missing section name");
  const std::string name = string_value(text(all[i++]));
  if (!is_utf8(name)) return bad("malformed UTF-8 encoding");

  size_t place = customs_.size() - 1;
  if (kind() == TokenKind::LParen) {
    ++i;
    const std::string_view side = kind() == TokenKind::Word ? text(all[i]) : std::string_view();
    if (side != "before" && side != "after") return bad("malformed placement");
    ++i;
    const std::string_view what = kind() == TokenKind::Word ? text(all[i]) : std::string_view();
    if (side == "before" && what == "first") {
      place = 0;
    } else if (side == "after" && what == "last") {
      place = customs_.size() - 1;
    } else if (const auto section = section_place(what)) {
      place = 1 + 2 * *section + (side == "after" ? 1 : 0);
    } else {
      return bad("malformed section kind");
    }
    ++i;
    if (kind() != TokenKind::RParen) return bad("unexpected token");
    ++i;
  }
  Bytes content;
  put_name(content, name);
  for (; kind() == TokenKind::String; ++i) append_string(text(all[i]), content);
  if (i != a.last) return bad("unexpected token");
  customs_[place].push_back(std::move(content));
}

// One entry of a section of code metadata (tool conventions: code metadata): offset in the function's
// body and bytes.
void ModuleParser::code_annotation(const Annotation& a, u32 offset) {
  Bytes bytes;
  for (u32 i = a.first; i < a.last; ++i) {
    const Token t = tokens().annotation_tokens[i];
    if (t.kind() != TokenKind::String) {
      fail(a.offset, "@" + a.name + " annotation: unexpected token");
      return;
    }
    append_string(text(t), bytes);
  }
  auto it = std::find_if(code_metadata_.begin(), code_metadata_.end(), [&](const auto& m) { return m.name == a.name; });
  if (it == code_metadata_.end()) {
    code_metadata_.push_back({.name = a.name, .bytes = {}, .function_bytes = {}});
    it = std::prev(code_metadata_.end());
  }
  CodeMetadata& m = *it;
  if (m.last_function != current_function_) {
    if (m.last_function != kNone) {
      put_u32(m.bytes, m.last_function);
      put_u32(m.bytes, m.count);
      put_bytes(m.bytes, m.function_bytes);
    }
    m.function_bytes.clear();
    m.count = 0;
    m.last_function = current_function_;
    ++m.functions;
  }
  ++m.count;
  put_u32(m.function_bytes, offset);
  put_u64(m.function_bytes, bytes.size());
  put_bytes(m.function_bytes, bytes);
}

Bytes ModuleParser::name_section() const {
  Bytes out, part;
  const auto put_nested = [&](u8 id, const std::vector<NestedNames>& all) {
    if (all.empty()) return;
    part.clear();
    put_u64(part, all.size());
    for (const auto& [index, names] : all) {
      put_u32(part, index);
      put_name_list(part, names);
    }
    put_section(out, id, part);
  };
  if (module_name_) {
    put_name(part, *module_name_);
    put_section(out, 0, part);
  }
  for (const auto& [id, space] : kNameSections) {
    if (id == 4) {
      put_nested(2, all_local_names_);
      put_nested(3, all_label_names_);
    }
    if (id == 11) put_nested(10, all_field_names_);
    const NameList& names = names_[static_cast<size_t>(space)];
    if (names.empty()) continue;
    part.clear();
    put_name_list(part, names);
    put_section(out, id, part);
  }
  return out;
}

ParsedModule ModuleParser::assemble() {
  // How many segments there are, for code that names them (specification: binary format, data count).
  Section& count = section(SectionId::DataCount);
  count.clear();
  if (uses_data_count_) {
    put_u32(count.bytes, section(SectionId::Data).count);
    count.count = 1;
  }

  size_t size = 64;
  for (const Section& s : sections_) size += s.bytes.size() + 16;
  Bytes& out = out_.binary;
  out.reserve(size);
  out = {0, 'a', 's', 'm', 1, 0, 0, 0};
  const auto put_customs = [&](size_t place) {
    for (const Bytes& content : customs_[place]) put_section(out, 0, content);
  };
  put_customs(0);
  for (size_t i = 0; i < kSectionOrder.size(); ++i) {
    const SectionId id = kSectionOrder[i];
    put_customs(1 + 2 * i);
    if (id == SectionId::Code) {
      for (CodeMetadata& m : code_metadata_) {
        put_u32(m.bytes, m.last_function);
        put_u32(m.bytes, m.count);
        put_bytes(m.bytes, m.function_bytes);
        Bytes content;
        put_name(content, m.name);
        put_u32(content, m.functions);
        put_bytes(content, m.bytes);
        put_section(out, 0, content);
      }
    }
    Section& s = section(id);
    if (s.count != 0) {
      // The start function and the data count stand alone, without a count of themselves.
      const bool counted = id != SectionId::Start && id != SectionId::DataCount;
      Bytes number;
      if (counted) put_u32(number, s.count);
      out.push_back(static_cast<u8>(id));
      put_u64(out, number.size() + s.bytes.size());
      put_bytes(out, number);
      const auto base = static_cast<u32>(out.size());
      put_bytes(out, s.bytes);
      for (const auto& e : s.map) out_.map.entries.push_back({e.binary + base, e.source});
      s.bytes = {};
    }
    put_customs(2 + 2 * i);
  }
  if (options_.names) {
    if (const Bytes names = name_section(); !names.empty()) {
      Bytes content;
      put_name(content, "name");
      put_bytes(content, names);
      put_section(out, 0, content);
    }
  }
  put_customs(customs_.size() - 1);
  return std::move(out_);
}

}  // namespace berth::text
