// Types (specification 3.0: text format, types, and modules, type uses).
#include "text/module_parser.h"

namespace berth::text {

namespace {

struct TypeByte {
  Word word;
  u8 byte;
};
constexpr TypeByte kNumberTypes[] = {
    {kw::I32, 0x7F}, {kw::I64, 0x7E}, {kw::F32, 0x7D}, {kw::F64, 0x7C}, {kw::V128, 0x7B},
};
constexpr TypeByte kRefTypes[] = {
    {kw::FuncRef, 0x70},  {kw::NullFuncRef, 0x73}, {kw::ExternRef, 0x6F}, {kw::NullExternRef, 0x72},
    {kw::AnyRef, 0x6E},   {kw::EqRef, 0x6D},       {kw::I31Ref, 0x6C},    {kw::StructRef, 0x6B},
    {kw::ArrayRef, 0x6A}, {kw::NullRef, 0x71},     {kw::ExnRef, 0x69},    {kw::NullExnRef, 0x74},
};
constexpr TypeByte kHeapTypes[] = {
    {kw::Func, 0x70}, {kw::NoFunc, 0x73}, {kw::Extern, 0x6F}, {kw::NoExtern, 0x72}, {kw::Any, 0x6E}, {kw::Eq, 0x6D},
    {kw::I31, 0x6C},  {kw::Struct, 0x6B}, {kw::Array, 0x6A},  {kw::None, 0x71},     {kw::Exn, 0x69}, {kw::NoExn, 0x74},
};

template <size_t N>
u8 find_byte(const TypeByte (&table)[N], Word w) {
  for (const TypeByte& row : table) {
    if (row.word == w) return row.byte;
  }
  return 0;
}

}  // namespace

void ModuleParser::heap_type(Bytes& out) {
  if (const u8 byte = find_byte(kHeapTypes, word())) {
    advance();
    out.push_back(byte);
  } else {
    put_s64(out, take_index(Space::Type));
  }
}

bool ModuleParser::at_ref_type() const { return at_list(kw::Ref) || find_byte(kRefTypes, word()) != 0; }

void ModuleParser::ref_type(Bytes& out, bool* nullable, Bytes* heap) {
  if (const u8 byte = find_byte(kRefTypes, word())) {
    advance();
    out.push_back(byte);
    if (nullable) *nullable = true, heap->push_back(byte);
    return;
  }
  expect_list(kw::Ref);
  const bool null = take_word(kw::Null);
  Bytes type;
  heap_type(type);
  expect_close();
  if (nullable) *nullable = null, put_bytes(*heap, type);
  // The binary format has one byte for a nullable reference to an abstract type.
  const bool is_abstract = type.size() == 1 && type[0] >= 0x69 && type[0] <= 0x74;
  if (!null || !is_abstract) out.push_back(null ? 0x63 : 0x64);
  put_bytes(out, type);
}

void ModuleParser::val_type(Bytes& out) {
  if (const u8 byte = find_byte(kNumberTypes, word())) {
    advance();
    out.push_back(byte);
  } else {
    ref_type(out);
  }
}

void ModuleParser::field_type(Bytes& out) {
  const bool is_mutable = take_list(kw::Mut);
  if (take_word(kw::I8)) {
    out.push_back(0x78);
  } else if (take_word(kw::I16)) {
    out.push_back(0x77);
  } else {
    val_type(out);
  }
  if (is_mutable) expect_close();
  out.push_back(is_mutable);
}

void ModuleParser::type_fields() {
  Section& types = section(wasm::SectionId::Type);
  u32 index = 0;
  for (const u32 at : type_fields_) {
    move_to(at);
    types.mark(peek().offset);
    ++types.count;
    if (at_list(kw::Type)) {
      type_definition(index++);
      continue;
    }
    expect_list(kw::Rec);
    const size_t start = types.bytes.size();
    const u32 first = index;
    while (ok() && !at_close()) type_definition(index++);
    expect_close();
    const u32 count = index - first;
    if (count == 1) continue;
    // A recursion group of one is written like a type alone; any other gets its header now.
    Bytes header = {0x4E};
    put_u32(header, count);
    types.bytes.insert(types.bytes.begin() + static_cast<std::ptrdiff_t>(start), header.begin(), header.end());
    const auto shift = static_cast<u32>(header.size());
    for (auto e = types.map.rbegin(); e != types.map.rend() && e->binary >= start; ++e) {
      if (e + 1 == types.map.rend() || (e + 1)->binary < start) break;  // the group itself
      e->binary += shift;
    }
    for (u32 i = first; i < index; ++i) {
      TypeInfo& info = types_[i];
      if (info.is_func) {
        const auto encoding = types.bytes.begin() + info.begin;
        // Inside a group of several, a function type is not what a type use stands for.
        const auto found = func_types_.find(std::string(encoding + shift, encoding + shift + (info.end - info.begin)));
        if (found != func_types_.end() && found->second == i) func_types_.erase(found);
        info.begin += shift;
        info.end += shift;
      }
    }
  }
}

void ModuleParser::type_definition(u32 index) {
  Section& types = section(wasm::SectionId::Type);
  types.mark(peek().offset);
  expect_list(kw::Type);
  Token id{};
  if (kind() == TokenKind::Id) id = take();
  note_name(Space::Type, index, id);

  bool plain = true;  // final, without supertypes
  const bool sub = take_list(kw::Sub);
  if (sub) {
    const bool is_final = take_word(kw::Final);
    Bytes supers;
    u32 count = 0;
    for (; at_index(); ++count) put_u32(supers, take_index(Space::Type));
    plain = is_final && count == 0;
    if (!plain) {
      types.bytes.push_back(is_final ? 0x4F : 0x50);
      put_u32(types.bytes, count);
      put_bytes(types.bytes, supers);
    }
  }

  types_.resize(index + 1);
  switch (list_word()) {
    case kw::Func: {
      types.bytes.push_back(0x60);
      advance(), advance();
      TypeInfo info;
      info.is_func = true;
      info.begin = static_cast<u32>(types.bytes.size());
      begin_scope();
      const TypeUse use = type_use(true);
      if (use.has_type) fail(use.type_source, "unexpected token (type");
      put_u32(types.bytes, use.params);
      put_bytes(types.bytes, use_params_);
      put_u32(types.bytes, use.results);
      put_bytes(types.bytes, use_results_);
      info.params = use.params;
      info.end = static_cast<u32>(types.bytes.size());
      types_[index] = info;
      if (plain) func_types_.try_emplace(std::string(types.bytes.begin() + info.begin, types.bytes.end()), index);
      break;
    }
    case kw::Struct:
      types.bytes.push_back(0x5F);
      advance(), advance();
      struct_type(index);
      break;
    case kw::Array:
      types.bytes.push_back(0x5E);
      advance(), advance();
      field_type(types.bytes);
      break;
    default: unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
  }
  expect_close();
  if (sub) expect_close();
  expect_close();
}

void ModuleParser::struct_type(u32 index) {
  Section& types = section(wasm::SectionId::Type);
  Bytes fields;
  u32 count = 0;
  NameList names;
  while (take_list(kw::Field)) {
    if (kind() == TokenKind::Id) {
      const Token id = take();
      const u32 symbol = intern(id);
      if (!struct_fields_.try_emplace(u64{index} << 32 | symbol, count).second)
        fail(id, "duplicate field " + shown(id));
      const auto annotated = name_annotation();
      names.emplace_back(count, annotated ? *annotated : std::string(symbols_[symbol].name));
      field_type(fields);
      ++count;
    } else {
      for (; ok() && !at_close(); ++count) {
        if (auto name = name_annotation()) names.emplace_back(count, std::move(*name));
        field_type(fields);
      }
    }
    expect_close();
  }
  put_u32(types.bytes, count);
  put_bytes(types.bytes, fields);
  if (!names.empty()) all_field_names_.push_back({index, std::move(names)});
}

void ModuleParser::bind_local(Token id, u32 index) {
  if (!locals_known_) fail(id, "unknown type");
  const u32 s = intern(id);
  Symbol& symbol = symbols_[s];
  if (symbol.local_scope == scope_) {
    fail(id, "duplicate local " + shown(id));
    return;
  }
  symbol.local_scope = scope_;
  symbol.local = index;
  const auto annotated = name_annotation();
  if (options_.names) local_names_.emplace_back(index, annotated ? *annotated : std::string(symbol.name));
}

void ModuleParser::name_local(u32 index) {
  auto name = name_annotation();
  if (name && options_.names) local_names_.emplace_back(index, std::move(*name));
}

ModuleParser::TypeUse ModuleParser::type_use(bool bind_params) {
  TypeUse use;
  if (at_list(kw::Type)) {
    use.type_source = peek().offset;
    advance(), advance();
    use.has_type = true;
    use.type = take_index(Space::Type);
    expect_close();
  }
  use_params_.clear();
  use_results_.clear();
  while (take_list(kw::Param)) {
    if (kind() == TokenKind::Id && bind_params) {
      const Token id = take();
      bind_local(id, use.params);
      val_type(use_params_);
      ++use.params;
    } else {
      for (; ok() && !at_close(); ++use.params) {
        if (bind_params) name_local(use.params);
        val_type(use_params_);
      }
    }
    expect_close();
  }
  while (take_list(kw::Result)) {
    for (; ok() && !at_close(); ++use.results) val_type(use_results_);
    expect_close();
  }
  if (at_list(kw::Param) || at_list(kw::Type)) unexpected(peek(1));  // out of order
  return use;
}

u32 ModuleParser::type_index(const TypeUse& use) {
  if (use.has_type && use.params + use.results == 0) return use.type;
  use_key_.clear();
  Bytes count;
  put_u32(count, use.params);
  use_key_.append(count.begin(), count.end());
  use_key_.append(use_params_.begin(), use_params_.end());
  count.clear();
  put_u32(count, use.results);
  use_key_.append(count.begin(), count.end());
  use_key_.append(use_results_.begin(), use_results_.end());

  Section& types = section(wasm::SectionId::Type);
  if (use.has_type) {
    if (use.type >= types_.size()) {
      fail(use.type_source, "unknown type " + std::to_string(use.type));
      return 0;
    }
    const TypeInfo& info = types_[use.type];
    const auto* bytes = reinterpret_cast<const char*>(types.bytes.data());
    if (!info.is_func || std::string_view(bytes + info.begin, info.end - info.begin) != use_key_) {
      fail(use.type_source, "inline function type does not match type " + std::to_string(use.type));
    }
    return use.type;
  }
  const auto [found, is_new] = func_types_.try_emplace(use_key_, static_cast<u32>(types_.size()));
  if (is_new) {
    ++types.count;
    types.mark(peek().offset);
    types.bytes.push_back(0x60);
    TypeInfo info{true, use.params, static_cast<u32>(types.bytes.size()), 0};
    types.bytes.insert(types.bytes.end(), use_key_.begin(), use_key_.end());
    info.end = static_cast<u32>(types.bytes.size());
    types_.push_back(info);
  }
  return found->second;
}

u32 ModuleParser::param_count(const TypeUse& use) const {
  if (!use.has_type || use.params + use.results != 0) return use.params;
  return use.type < types_.size() ? types_[use.type].params : kNone;
}

void ModuleParser::block_type(Bytes& out) {
  const TypeUse use = type_use(false);
  if (!use.has_type && use.params == 0 && use.results == 0) {
    out.push_back(0x40);
  } else if (!use.has_type && use.params == 0 && use.results == 1) {
    put_bytes(out, use_results_);
  } else {
    put_s64(out, type_index(use));
  }
}

}  // namespace berth::text
