#include "component_model/component_decoder.h"

#include "decode/decoder.h"
#include "text/utf8.h"

namespace berth::component_model {

const char* to_string(Space space) {
  static constexpr const char* kNames[kSpaces] = {
      "core func",     "core table", "core memory", "core global", "core tag",  "core type", "core module",
      "core instance", "func",       "value",       "type",        "component", "instance"};
  return kNames[static_cast<size_t>(space)];
}

std::string hex(u32 byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  return std::string("0x") + kDigits[byte >> 4 & 15] + kDigits[byte & 15];
}

Result<Component> ComponentDecoder::run() {
  Component component;
  decode_component(component, 0, bytes_.size());
  if (error_) return std::unexpected(std::move(*error_));
  return component;
}

// --- primitives

// A byte that chooses between forms of `what`.
u8 ComponentDecoder::choice(const char* what, u8 highest) {
  const u64 at = reader_.offset();
  const u8 b = reader_.byte();
  if (ok() && b > highest) malformed(at, "invalid leading byte (" + hex(b) + ") for " + what);
  return b;
}

u32 ComponentDecoder::count() {
  const u64 at = reader_.offset();
  const u32 n = reader_.leb_u32();
  if (n > limits_.definitions) limit(at, "items of a list", limits_.definitions);
  return ok() ? n : 0;
}

std::string ComponentDecoder::name() {
  const u64 at = reader_.offset();
  const u32 size = reader_.leb_u32();
  if (!ok()) return {};
  if (size > reader_.remaining()) {
    reader_.fail_at(ErrorCode::LengthOutOfBounds, at);
    return {};
  }
  if (size > limits_.modules.name_bytes) {
    limit(at, "bytes of a name", limits_.modules.name_bytes);
    return {};
  }
  std::string text(reinterpret_cast<const char*>(reader_.position()), size);
  if (!text::is_utf8(text)) fail(Error(ErrorCode::MalformedUtf8, "in a name").at(reader_.offset()));
  reader_.skip(size);
  return text;
}

// --- sections

void ComponentDecoder::decode_component(Component& out, u64 begin, u64 end) {
  const wasm::CodeReader outer = reader_;
  reader_ = wasm::CodeReader(bytes_.subspan(begin, end - begin), begin);
  if (scopes_.size() >= limits_.nesting) return limit(begin, "components inside of each other", limits_.nesting);
  static constexpr u8 kHeader[] = {0, 'a', 's', 'm', 0x0D, 0, 1, 0};
  for (u32 i = 0; i < sizeof kHeader && ok(); ++i) {
    const u64 at = reader_.offset();
    if (reader_.byte() == kHeader[i]) continue;
    if (ok()) fail(Error(i < 4 ? ErrorCode::MagicHeader : ErrorCode::UnknownVersion).at(at));
  }
  CoreTypes core_types;
  scopes_.push_back(&core_types);
  while (ok() && !reader_.at_end()) section(out);
  finish_core_types(out.definitions);
  scopes_.pop_back();
  if (ok()) reader_ = outer;
}

void ComponentDecoder::section(Component& out) {
  const u64 at = reader_.offset();
  const u8 id = reader_.byte();
  const u64 size_at = reader_.offset();
  const u32 size = reader_.leb_u32();
  if (!ok()) return;
  if (size > reader_.remaining()) return reader_.fail_at(ErrorCode::UnexpectedEnd, size_at);
  const wasm::CodeReader outer = reader_;
  const u64 begin = reader_.offset();
  reader_ = wasm::CodeReader(std::span(reader_.position(), size), begin);
  const auto items = [&](auto&& read) {
    vec([&] {
      const u64 item_at = reader_.offset();
      auto body = read();
      if (out.definitions.size() >= limits_.definitions) return limit(item_at, "definitions", limits_.definitions);
      out.definitions.push_back({item_at, std::move(body)});
    });
  };
  switch (id) {
    case 0: custom(out); break;
    case 1: module(out, begin, size); break;
    case 2: items([&] { return core_instance(); }); break;
    case 3: items([&] { return core_type(); }); break;
    case 4: {
      auto nested = std::make_shared<Component>();
      decode_component(*nested, begin, begin + size);
      if (ok()) out.definitions.push_back({begin, NestedComponent{std::move(nested)}});
      break;
    }
    case 5: items([&] { return instance(); }); break;
    case 6: items([&] { return alias(); }); break;
    case 7: items([&] { return type(); }); break;
    case 8: items([&] { return canon(); }); break;
    case 10: items([&] { return Import{extern_name(), extern_desc()}; }); break;
    case 11: items([&] { return export_definition(); }); break;
    case 9:
    case 12: fail(Error(ErrorCode::NotSupported, "values and start functions of components").at(at)); break;
    default: fail(Error(ErrorCode::MalformedSectionId, std::to_string(id)).at(at));
  }
  if (!ok()) return;
  if (id != 1 && id != 4 && !reader_.at_end()) {
    return fail(Error(ErrorCode::SectionSizeMismatch, std::to_string(reader_.remaining()) + " bytes left over")
                    .at(reader_.offset()));
  }
  reader_ = outer;
  reader_.skip(size);
}

void ComponentDecoder::custom(Component& out) {
  CustomSection section;
  section.before = out.definitions.size();
  section.name = name();
  if (!ok()) return;
  section.payload.assign(reader_.position(), reader_.end());
  reader_.skip(reader_.remaining());
  out.customs.push_back(std::move(section));
}

void ComponentDecoder::module(Component& out, u64 begin, u32 size) {
  const auto part = bytes_.subspan(begin, size);
  if (decode::is_component(part)) return malformed(begin, "a component where a core module is expected");
  auto loaded = load_({part.begin(), part.end()});
  if (!loaded) return fail(shifted(std::move(loaded).error(), begin));
  out.definitions.push_back({begin, CoreModule{std::move(*loaded)}});
}

Error ComponentDecoder::shifted(Error error, u64 by) {
  const u64 at = by + error.offset().value_or(0);
  return std::move(error).at(at);
}

// --- instances and aliases

Space ComponentDecoder::core_sort(u8 code, u64 at) {
  switch (code) {
    case 0: return Space::CoreFunc;
    case 1: return Space::CoreTable;
    case 2: return Space::CoreMemory;
    case 3: return Space::CoreGlobal;
    case 4: return Space::CoreTag;
    case 0x10: return Space::CoreType;
    case 0x11: return Space::CoreModule;
    case 0x12: return Space::CoreInstance;
    default: malformed(at, "invalid leading byte (" + hex(code) + ") for core sort"); return Space::CoreFunc;
  }
}

Space ComponentDecoder::sort() {
  const u64 at = reader_.offset();
  const u8 code = reader_.byte();
  switch (code) {
    case 0: {
      const u64 core_at = reader_.offset();
      return core_sort(reader_.byte(), core_at);
    }
    case 1: return Space::Func;
    case 2: return Space::Value;
    case 3: return Space::Type;
    case 4: return Space::Component;
    case 5: return Space::Instance;
    default: malformed(at, "invalid leading byte (" + hex(code) + ") for component sort"); return Space::Func;
  }
}

SortIndex ComponentDecoder::sort_index() {
  const Space space = sort();
  return {space, index()};
}

SortIndex ComponentDecoder::core_sort_index() {
  const u64 at = reader_.offset();
  const Space space = core_sort(reader_.byte(), at);
  return {space, index()};
}

CoreInstance ComponentDecoder::core_instance() {
  CoreInstance i;
  if (choice("core instance", 1) == 0) {
    i.module = index();
    vec([&] {
      Argument& a = i.arguments.emplace_back();
      a.name = name();
      const u64 at = reader_.offset();
      const u8 kind = reader_.byte();
      if (ok() && kind != 0x12) malformed(at, "invalid leading byte (" + hex(kind) + ") for instantiation arg kind");
      a.item = {Space::CoreInstance, index()};
    });
  } else {
    vec([&] {
      std::string n = name();
      i.exports.push_back({std::move(n), core_sort_index()});
    });
  }
  return i;
}

Instance ComponentDecoder::instance() {
  Instance i;
  if (choice("instance", 1) == 0) {
    i.component = index();
    vec([&] {
      std::string n = name();
      i.arguments.push_back({std::move(n), sort_index()});
    });
  } else {
    vec([&] {
      ExternName n = extern_name();
      i.exports.push_back({std::move(n), sort_index()});
    });
  }
  return i;
}

Alias ComponentDecoder::alias() {
  Alias a;
  a.space = sort();
  const u8 target = choice("alias", 2);
  a.kind = static_cast<Alias::Kind>(target);
  if (a.kind == Alias::Kind::Outer) {
    const u64 at = reader_.offset();
    a.count = index();
    a.index = index();
    if (ok() && a.space == Space::CoreType) alias_core_type(a, at);
    if (ok() && a.space != Space::CoreType && a.space != Space::CoreModule && a.space != Space::Type &&
        a.space != Space::Component) {
      malformed(at, std::string("invalid outer alias kind: ") + to_string(a.space));
    }
  } else {
    a.instance = index();
    a.name = name();
    if (ok() && a.kind == Alias::Kind::CoreExport && a.space > Space::CoreTag) {
      malformed(reader_.offset(), std::string("invalid core export alias of sort ") + to_string(a.space));
    }
  }
  return a;
}

void ComponentDecoder::alias_core_type(const Alias& a, u64 at) {
  if (a.count >= scopes_.size()) {
    return fail(Error(ErrorCode::InvalidComponent, "invalid outer alias count of " + std::to_string(a.count)).at(at));
  }
  const CoreTypes& target = *scopes_[scopes_.size() - 1 - a.count];
  if (a.index >= target.entries.size()) {
    return fail(
        Error(ErrorCode::InvalidComponent, "unknown type " + std::to_string(a.index) + ": type index out of bounds")
            .at(at));
  }
  if (target.entries[a.index].is_module && is_module_type_) {
    return fail(Error(ErrorCode::InvalidComponent, "module types cannot be aliased in module types").at(at));
  }
  if (!target.entries[a.index].is_alone && !target.entries[a.index].is_module) {
    return fail(Error(ErrorCode::NotSupported, "an alias of a core type that refers to others").at(at));
  }
  // A short alias stands for a type of any length.
  constexpr size_t kMaxAliased = size_t{16} << 20;
  aliased_bytes_ += target.entries[a.index].bytes.size();
  if (aliased_bytes_ > kMaxAliased) return limit(at, "bytes of core types that are aliased", kMaxAliased);
  CoreTypes::Entry copy = target.entries[a.index];
  scopes_.back()->entries.push_back(std::move(copy));
}

// --- imports and exports

ExternName ComponentDecoder::extern_name() {
  ExternName n;
  const u8 form = choice("import/export name", 2);
  n.name = name();
  if (form == 2) {
    vec([&] {
      const u64 at = reader_.offset();
      const u8 code = choice("import/export attribute", 2);
      std::optional<std::string>& to = code == 0 ? n.implements : code == 1 ? n.version_suffix : n.external_id;
      std::string value = name();
      if (to) return malformed(at, "duplicate attribute of an import or export");
      to = std::move(value);
    });
  }
  return n;
}

ExternDesc ComponentDecoder::extern_desc() {
  ExternDesc d;
  const u64 at = reader_.offset();
  switch (choice("component external kind", 5)) {
    case 0: {
      const u8 code = reader_.byte();
      if (ok() && code != 0x11) malformed(at, "invalid leading byte (" + hex(code) + ") for component external kind");
      d.sort = Sort::CoreModule;
      d.type = index();
      break;
    }
    case 1: d.sort = Sort::Func, d.type = index(); break;
    case 2: fail(Error(ErrorCode::NotSupported, "values of components").at(at)); break;
    case 3:
      d.sort = Sort::Type;
      d.is_resource = choice("type bound", 1) == 1;
      if (!d.is_resource) d.type = index();
      break;
    case 4: d.sort = Sort::Component, d.type = index(); break;
    default: d.sort = Sort::Instance, d.type = index();
  }
  return d;
}

Export ComponentDecoder::export_definition() {
  Export e;
  e.name = extern_name();
  e.item = sort_index();
  if (choice("optional component export type", 1) == 1) e.desc = extern_desc();
  return e;
}

Result<Component> decode_component(std::span<const u8> bytes, const ModuleLoader& load,
                                   const wasm::FeatureSet& features, const Limits& limits) {
  if (bytes.size() > limits.modules.module_bytes)
    return fail(ErrorCode::LimitExceeded,
                "bytes of a component: at most " + std::to_string(limits.modules.module_bytes));
  return ComponentDecoder(bytes, load, features, limits).run();
}

}  // namespace berth::component_model
