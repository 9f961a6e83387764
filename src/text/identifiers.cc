#include "text/identifiers.h"

#include <algorithm>

#include "text/utf8.h"

namespace berth::text {

namespace {

bool is_plain(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && std::string_view("!#$%&'*+-./:<=>?@\\^_`|~").find(c) != std::string_view::npos);
  });
}

const Identifier kNoIdentifier;
const IdentifierList kNoIdentifiers;

}  // namespace

void append_literal(std::string& out, std::string_view bytes, bool is_text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!bytes.empty()) {
    const auto c = static_cast<u8>(bytes[0]);
    const u32 sequence = is_text ? utf8_sequence(bytes) : 0;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += bytes[0];
    } else if (c >= 0x20 && c < 0x7F) {
      out += bytes[0];
    } else if (sequence > 1) {
      out += bytes.substr(0, sequence);
      bytes.remove_prefix(sequence - 1);
    } else {
      out += '\\';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
    bytes.remove_prefix(1);
  }
  out += '"';
}

void append_id(std::string& out, std::string_view name) {
  out += '$';
  if (is_plain(name)) {
    out += name;
  } else {
    append_literal(out, name, true);
  }
}

const Identifier& IdentifierList::operator[](u32 index) const {
  const auto found = list_.find(index);
  return found == list_.end() ? kNoIdentifier : found->second;
}

void IdentifierList::append(std::string& out, u32 index) const {
  const std::string& id = (*this)[index].id;
  out += id.empty() ? std::to_string(index) : id;
}

void IdentifierList::add(u32 index, std::string_view name) {
  if (!is_utf8(name)) return;
  Identifier identifier;
  std::string id(name);
  // A name that another item has already gets its index added, and stays known through an annotation.
  while (!id.empty() && !used_.try_emplace(id, index).second) id += "." + std::to_string(index);
  if (!id.empty()) append_id(identifier.id, id);
  if (id != name || id.empty()) {
    if (notes_) {
      identifier.note = " (@name ";
      append_literal(identifier.note, name, true);
      identifier.note += ')';
    }
  }
  list_.emplace(index, std::move(identifier));
}

Identifiers::Identifiers(const wasm::Module& m, bool names, bool notes) : names_(names), notes_(notes) {
  if (!names) return;
  read_ = wasm::Names::parse(m);
  const auto list = [&](Space space, size_t count, auto&& name) {
    spaces_[static_cast<size_t>(space)] = IdentifierList(static_cast<u32>(count), name, notes);
  };
  list(Space::Func, m.functions.size(), [&](u32 i) { return read_.function(wasm::FuncIdx(i)); });
  list(Space::Table, m.tables.size(), [&](u32 i) { return read_.table(wasm::TableIdx(i)); });
  list(Space::Memory, m.memories.size(), [&](u32 i) { return read_.memory(wasm::MemoryIdx(i)); });
  list(Space::Global, m.globals.size(), [&](u32 i) { return read_.global(wasm::GlobalIdx(i)); });
  list(Space::Tag, m.tags.size(), [&](u32 i) { return read_.tag(wasm::TagIdx(i)); });
  list(Space::Type, m.types.size(), [&](u32 i) { return read_.type(wasm::TypeIdx(i)); });
  list(Space::Elem, m.elems.size(), [&](u32 i) { return read_.elem(wasm::ElemIdx(i)); });
  list(Space::Data, m.datas.size(), [&](u32 i) { return read_.data(wasm::DataIdx(i)); });
  for (u32 t = 0; t < m.types.size(); ++t) {
    if (m.types[t].kind != wasm::CompositeKind::Struct) continue;
    const auto count = static_cast<u32>(m.types[t].strct.fields.size());
    fields_.emplace(t, IdentifierList(count, [&](u32 i) { return read_.field(wasm::TypeIdx(t), i); }, notes));
  }
}

const IdentifierList& Identifiers::fields(u32 type) const {
  const auto found = fields_.find(type);
  return found == fields_.end() ? kNoIdentifiers : found->second;
}

IdentifierList Identifiers::locals(u32 func, u32 count) const {
  if (!names_) return {};
  return IdentifierList(count, [&](u32 i) { return read_.local(wasm::FuncIdx(func), wasm::LocalIdx(i)); }, notes_);
}

std::string_view Identifiers::label(u32 func, u32 number) const {
  if (!names_) return {};
  const auto name = read_.label(wasm::FuncIdx(func), number);
  return name && is_utf8(*name) ? *name : std::string_view();
}

std::optional<std::string_view> Identifiers::module() const {
  if (!names_ || !read_.module() || !is_utf8(*read_.module())) return std::nullopt;
  return read_.module();
}

}  // namespace berth::text
