#include "component_model/component_decoder.h"

#include "decode/decoder.h"
#include "text/encoder.h"
#include "validate/validate.h"

namespace berth::component_model {

void ComponentDecoder::val_type(Group& group) {
  const wasm::ValType t = reader_.val_type();
  group.is_alone &= !(t.is_ref() && t.heap.is_index());
}

void ComponentDecoder::field_type(Group& group) {
  if (reader_.peek() == 0x78 || reader_.peek() == 0x77) {
    reader_.byte();
  } else {
    val_type(group);
  }
  reader_.byte();
}

void ComponentDecoder::sub_type(Group& group) {
  u64 at = reader_.offset();
  u8 form = reader_.byte();
  if (form == 0x50 || form == 0x4F) {
    vec([&] { index(), group.is_alone = false; });
    at = reader_.offset();
    form = reader_.byte();
  }
  if (!ok()) return;
  switch (form) {
    case 0x60:
      vec([&] { val_type(group); });
      vec([&] { val_type(group); });
      break;
    case 0x5F: vec([&] { field_type(group); }); break;
    case 0x5E: field_type(group); break;
    default: reader_.fail_at(ErrorCode::MalformedDefinitionType, at);
  }
}

ComponentDecoder::Group ComponentDecoder::rec_group() {
  Group group;
  if (reader_.peek() == 0x4E) {
    reader_.byte();
    group.size = 0;
    group.is_alone = false;
    group.is_rec = true;
    vec([&] { sub_type(group), ++group.size; });
  } else {
    sub_type(group);
  }
  return group;
}

void ComponentDecoder::add_group(const Group& group, const u8* begin) {
  if (!ok() || group.size == 0) return;
  auto& entries = scopes_.back()->entries;
  entries.push_back({{begin, reader_.position()}, group.is_alone, false});
  for (u32 i = 1; i < group.size; ++i) entries.push_back({{}, false, false});
}

Result<std::shared_ptr<const wasm::Module>> ComponentDecoder::model(size_t type_count, u32 import_count,
                                                                    const std::vector<u8>& imports) {
  std::vector<u8> binary = {0, 'a', 's', 'm', 1, 0, 0, 0};
  const auto put_section = [&](u8 id, u32 n, const std::vector<u8>& content) {
    std::vector<u8> head;
    text::put_u64(head, n);
    binary.push_back(id);
    text::put_u64(binary, head.size() + content.size());
    binary.insert(binary.end(), head.begin(), head.end());
    binary.insert(binary.end(), content.begin(), content.end());
  };
  std::vector<u8> type_bytes;
  u32 groups = 0;
  for (const CoreTypes::Entry& e : std::span(scopes_.back()->entries).first(type_count)) {
    type_bytes.insert(type_bytes.end(), e.bytes.begin(), e.bytes.end());
    groups += e.bytes.empty() ? 0 : 1;
  }
  if (groups != 0) put_section(1, groups, type_bytes);
  if (import_count != 0) put_section(2, import_count, imports);
  auto m = std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(binary), features_, limits_.modules)));
  validate::Options options;
  options.limits = limits_.modules;
  TRY(validate::validate_module(*m, options));
  return m;
}

// All at once, as each may refer to all before it.
void ComponentDecoder::finish_core_types(std::vector<Definition>& list) {
  std::vector<Definition*> groups;
  for (Definition& d : list) {
    const auto* type = std::get_if<CoreTypeDef>(&d.body);
    if (type != nullptr && !type->module) groups.push_back(&d);
  }
  if (groups.empty() || !ok()) return;
  const auto end_of = [&](size_t i) {
    const auto& type = std::get<CoreTypeDef>(groups[i]->body);
    return size_t{type.first} + type.count;
  };
  auto made = model(end_of(groups.size() - 1));
  if (made) {
    for (Definition* d : groups) std::get<CoreTypeDef>(d->body).group = *made;
    return;
  }
  // Which one it is: those before it are sound.
  size_t sound = 0, wrong = groups.size() - 1;
  while (sound < wrong) {
    const size_t middle = sound + (wrong - sound) / 2;
    if (model(end_of(middle))) {
      sound = middle + 1;
    } else {
      wrong = middle;
    }
  }
  // Offsets in the model mean nothing to anyone.
  auto error = model(end_of(wrong));
  fail((error ? std::move(made) : std::move(error)).error().at(groups[wrong]->offset));
}

CoreTypeDef ComponentDecoder::core_type() {
  CoreTypeDef def;
  if (reader_.peek() == 0x50) {
    reader_.byte();
    module_type(def);
    // Takes an index that no core type can refer to.
    scopes_.back()->entries.push_back({{0x60, 0, 0}, false, true});
    return def;
  }
  if (reader_.peek() == 0x00) reader_.byte();  // before a subtype that is not final
  const u8* begin = reader_.position();
  def.first = static_cast<u32>(scopes_.back()->entries.size());
  const Group group = rec_group();
  add_group(group, begin);
  def.count = group.size;
  def.is_rec = group.is_rec;
  return def;
}

void ComponentDecoder::module_type(CoreTypeDef& def) {
  const u64 at = reader_.offset();
  CoreTypes types;
  scopes_.push_back(&types);
  is_module_type_ = true;
  std::vector<u8> imports, exports;
  u32 import_count = 0, export_count = 0;
  vec([&] {
    const u64 decl_at = reader_.offset();
    CoreDeclaration& d = def.declarations.emplace_back();
    switch (choice("type definition", 3)) {
      case 0: {
        d.kind = CoreDeclaration::Kind::Import;
        const u8* begin = reader_.position();
        name(), name();
        core_extern_type();
        if (!ok()) return;
        imports.insert(imports.end(), begin, reader_.position());
        ++import_count;
        break;
      }
      case 1: {
        if (reader_.peek() == 0x50) return malformed(decl_at, "module types cannot be defined in module types");
        if (reader_.peek() == 0x00) reader_.byte();
        const u8* begin = reader_.position();
        const Group group = rec_group();
        add_group(group, begin);
        d.count = group.size;
        d.is_rec = group.is_rec;
        break;
      }
      case 2: {
        Alias a;
        if (reader_.byte() != 0x10 || reader_.byte() != 0x01)
          return malformed(decl_at, "invalid alias in a module type");
        a.count = index();
        a.index = index();
        if (ok()) alias_core_type(a, decl_at);
        d = {CoreDeclaration::Kind::Alias, a.count, a.index};
        break;
      }
      default: {
        d.kind = CoreDeclaration::Kind::Export;
        const u8* begin = reader_.position();
        name();
        core_extern_type();
        if (!ok()) return;
        exports.push_back(0);  // a module name, for the import that stands for it
        exports.insert(exports.end(), begin, reader_.position());
        ++export_count;
      }
    }
  });
  imports.insert(imports.end(), exports.begin(), exports.end());
  std::shared_ptr<const wasm::Module> m;
  if (ok()) {
    auto made = model(types.entries.size(), import_count + export_count, imports);
    if (made) {
      m = std::move(*made);
    } else {
      fail(std::move(made).error().at(at));
    }
  }
  scopes_.pop_back();
  is_module_type_ = false;
  if (!m) return;
  CoreModuleType& out = def.module.emplace();
  for (u32 i = 0; i < m->imports.size(); ++i) {
    const wasm::Import& from = m->imports[i];
    CoreExtern type = core_extern(*m, from.kind, from.index);
    if (i < import_count) {
      out.imports.push_back({from.module, from.name, std::move(type)});
    } else {
      out.exports.push_back({from.name, std::move(type)});
    }
  }
  def.group = std::move(m);
}

void ComponentDecoder::core_extern_type() {
  Group ignored;
  switch (choice("core extern type", 4)) {
    case 0: index(); break;
    case 1: val_type(ignored), core_limits(); break;
    case 2: core_limits(); break;
    case 3: val_type(ignored), reader_.byte(); break;
    default: reader_.byte(), index();
  }
}

void ComponentDecoder::core_limits() {
  const u8 flags = reader_.byte();
  reader_.leb_u64();
  if (flags & 1) reader_.leb_u64();
  if (flags & 8) reader_.leb_u32();
}

}  // namespace berth::component_model
