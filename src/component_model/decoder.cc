#include "component_model/decoder.h"

#include <algorithm>
#include <array>

#include "decode/decoder.h"
#include "text/utf8.h"
#include "validate/validate.h"
#include "wasm/code_reader.h"

namespace berth::component_model {

const char* to_string(Space space) {
  static constexpr const char* kNames[kSpaces] = {
      "core func",     "core table", "core memory", "core global", "core tag",  "core type", "core module",
      "core instance", "func",       "value",       "type",        "component", "instance"};
  return kNames[static_cast<size_t>(space)];
}

namespace {

using wasm::CodeReader;

std::string hex(u32 byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  return std::string("0x") + kDigits[byte >> 4 & 15] + kDigits[byte & 15];
}

// Core types of a scope, as bytes that a module's type section may hold.
struct CoreTypes {
  struct Entry {
    std::vector<u8> bytes;   // of the group; empty for its members after the first
    bool is_alone = true;    // a group of one without references to other types
    bool is_module = false;  // stands for a module type
  };
  std::vector<Entry> entries;
  void append_to(std::vector<u8>& out) const {
    for (const Entry& e : entries) out.insert(out.end(), e.bytes.begin(), e.bytes.end());
  }
  u32 groups() const {
    return static_cast<u32>(std::ranges::count_if(entries, [](const Entry& e) { return !e.bytes.empty(); }));
  }
};

void put_leb(std::vector<u8>& out, u64 v) {
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<u8>(v | 0x80));
  out.push_back(static_cast<u8>(v));
}

class Decoder {
 public:
  Decoder(std::span<const u8> bytes, const ModuleLoader& load, const wasm::FeatureSet& features, const Limits& limits)
      : bytes_(bytes), load_(load), features_(features), limits_(limits), reader_(bytes) {}

  Result<Component> run() {
    Component component;
    decode_component(component, 0, bytes_.size());
    if (error_) return std::unexpected(std::move(*error_));
    return component;
  }

 private:
  bool ok() {
    if (!error_ && !reader_.ok()) error_ = reader_.error();
    return !error_;
  }
  void fail(Error error) {
    if (ok()) error_ = std::move(error);
  }
  void malformed(u64 at, std::string what) { fail(Error(ErrorCode::MalformedComponent, std::move(what)).at(at)); }
  void limit(u64 at, const char* what, u64 most) {
    fail(Error(ErrorCode::LimitExceeded, std::string(what) + ": at most " + std::to_string(most)).at(at));
  }

  // --- primitives

  // A byte that chooses between forms of `what`.
  u8 choice(const char* what, u8 highest) {
    const u64 at = reader_.offset();
    const u8 b = reader_.byte();
    if (ok() && b > highest) malformed(at, "invalid leading byte (" + hex(b) + ") for " + what);
    return b;
  }
  u32 index() { return reader_.leb_u32(); }
  u32 count() {
    const u64 at = reader_.offset();
    const u32 n = reader_.leb_u32();
    if (n > limits_.definitions) limit(at, "items of a list", limits_.definitions);
    return ok() ? n : 0;
  }
  std::string name() {
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
  template <typename Read>
  void vec(Read&& read) {
    const u32 n = count();
    for (u32 i = 0; i < n && ok(); ++i) read();
  }

  // --- sections

  void decode_component(Component& out, u64 begin, u64 end) {
    const CodeReader outer = reader_;
    reader_ = CodeReader(bytes_.subspan(begin, end - begin), begin);
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
    scopes_.pop_back();
    if (ok()) reader_ = outer;
  }

  void section(Component& out) {
    const u64 at = reader_.offset();
    const u8 id = reader_.byte();
    const u64 size_at = reader_.offset();
    const u32 size = reader_.leb_u32();
    if (!ok()) return;
    if (size > reader_.remaining()) return reader_.fail_at(ErrorCode::UnexpectedEnd, size_at);
    const CodeReader outer = reader_;
    const u64 begin = reader_.offset();
    reader_ = CodeReader(std::span(reader_.position(), size), begin);
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

  void custom(Component& out) {
    CustomSection section;
    section.name = name();
    if (!ok()) return;
    section.payload.assign(reader_.position(), reader_.end());
    reader_.skip(reader_.remaining());
    out.customs.push_back(std::move(section));
  }

  void module(Component& out, u64 begin, u32 size) {
    const auto part = bytes_.subspan(begin, size);
    if (decode::is_component(part)) return malformed(begin, "a component where a core module is expected");
    auto loaded = load_({part.begin(), part.end()});
    if (!loaded) return fail(shifted(std::move(loaded).error(), begin));
    out.definitions.push_back({begin, CoreModule{std::move(*loaded)}});
  }
  static Error shifted(Error error, u64 by) {
    const u64 at = by + error.offset().value_or(0);
    return std::move(error).at(at);
  }

  // --- instances and aliases

  Space core_sort(u8 code, u64 at) {
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
  Space sort() {
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
  SortIndex sort_index() {
    const Space space = sort();
    return {space, index()};
  }
  SortIndex core_sort_index() {
    const u64 at = reader_.offset();
    const Space space = core_sort(reader_.byte(), at);
    return {space, index()};
  }

  CoreInstance core_instance() {
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

  Instance instance() {
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

  Alias alias() {
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

  void alias_core_type(const Alias& a, u64 at) {
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
    CoreTypes::Entry copy = target.entries[a.index];
    scopes_.back()->entries.push_back(std::move(copy));
  }

  // --- core types

  // Passes over a recursion group; how many types it has and whether it stands alone.
  struct Group {
    u32 size = 1;
    bool is_alone = true;
  };
  void val_type(Group& group) {
    const wasm::ValType t = reader_.val_type();
    group.is_alone &= !(t.is_ref() && t.heap.is_index());
  }
  void field_type(Group& group) {
    if (reader_.peek() == 0x78 || reader_.peek() == 0x77) {
      reader_.byte();
    } else {
      val_type(group);
    }
    reader_.byte();
  }
  void sub_type(Group& group) {
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
  Group rec_group() {
    Group group;
    if (reader_.peek() == 0x4E) {
      reader_.byte();
      group.size = 0;
      group.is_alone = false;
      vec([&] { sub_type(group), ++group.size; });
    } else {
      sub_type(group);
    }
    return group;
  }
  void add_group(const Group& group, const u8* begin) {
    if (!ok()) return;
    auto& entries = scopes_.back()->entries;
    entries.push_back({{begin, reader_.position()}, group.is_alone, false});
    for (u32 i = 1; i < group.size; ++i) entries.push_back({{}, false, false});
  }

  // A module that has the scope's types and `imports`, validated as far as that goes.
  std::shared_ptr<const wasm::Module> model(u64 at, u32 import_count = 0, const std::vector<u8>& imports = {}) {
    const CoreTypes& types = *scopes_.back();
    std::vector<u8> binary = {0, 'a', 's', 'm', 1, 0, 0, 0};
    const auto put_section = [&](u8 id, u32 n, const std::vector<u8>& content) {
      std::vector<u8> head;
      put_leb(head, n);
      binary.push_back(id);
      put_leb(binary, head.size() + content.size());
      binary.insert(binary.end(), head.begin(), head.end());
      binary.insert(binary.end(), content.begin(), content.end());
    };
    std::vector<u8> type_bytes;
    types.append_to(type_bytes);
    if (!types.entries.empty()) put_section(1, types.groups(), type_bytes);
    if (import_count != 0) put_section(2, import_count, imports);
    const auto make = [&]() -> Result<std::shared_ptr<const wasm::Module>> {
      auto m =
          std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(binary), features_, limits_.modules)));
      validate::Options options;
      options.limits = limits_.modules;
      TRY(validate::validate_module(*m, options));
      return m;
    };
    auto made = make();
    if (made) return std::move(*made);
    // Offsets in the model mean nothing to anyone.
    fail(std::move(made).error().at(at));
    return nullptr;
  }

  CoreTypeDef core_type() {
    CoreTypeDef def;
    const u64 at = reader_.offset();
    if (reader_.peek() == 0x50) {
      reader_.byte();
      def.module = module_type();
      // Takes an index that no core type can refer to.
      scopes_.back()->entries.push_back({{0x60, 0, 0}, false, true});
      return def;
    }
    if (reader_.peek() == 0x00) reader_.byte();  // before a subtype that is not final
    const u8* begin = reader_.position();
    const Group group = rec_group();
    add_group(group, begin);
    def.count = group.size;
    if (ok()) def.group = model(at);
    return def;
  }

  CoreModuleType module_type() {
    const u64 at = reader_.offset();
    CoreTypes types;
    scopes_.push_back(&types);
    is_module_type_ = true;
    std::vector<u8> imports, exports;
    u32 import_count = 0, export_count = 0;
    vec([&] {
      const u64 decl_at = reader_.offset();
      switch (choice("type definition", 3)) {
        case 0: {
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
          break;
        }
        case 2: {
          Alias a;
          if (reader_.byte() != 0x10 || reader_.byte() != 0x01)
            return malformed(decl_at, "invalid alias in a module type");
          a.count = index();
          a.index = index();
          if (ok()) alias_core_type(a, decl_at);
          break;
        }
        default: {
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
    CoreModuleType out;
    imports.insert(imports.end(), exports.begin(), exports.end());
    const auto m = ok() ? model(at, import_count + export_count, imports) : nullptr;
    scopes_.pop_back();
    is_module_type_ = false;
    if (!m) return out;
    for (u32 i = 0; i < m->imports.size(); ++i) {
      const wasm::Import& from = m->imports[i];
      CoreExtern type = core_extern(*m, from.kind, from.index);
      if (i < import_count) {
        out.imports.push_back({from.module, from.name, std::move(type)});
      } else {
        out.exports.push_back({from.name, std::move(type)});
      }
    }
    return out;
  }

  void core_extern_type() {
    Group ignored;
    switch (choice("core extern type", 4)) {
      case 0: index(); break;
      case 1: val_type(ignored), core_limits(); break;
      case 2: core_limits(); break;
      case 3: val_type(ignored), reader_.byte(); break;
      default: reader_.byte(), index();
    }
  }
  void core_limits() {
    const u8 flags = reader_.byte();
    reader_.leb_u64();
    if (flags & 1) reader_.leb_u64();
    if (flags & 8) reader_.leb_u32();
  }

  // --- types

  static std::optional<TypeKind> primitive(u8 code) {
    if (code >= 0x73 && code <= 0x7F) return static_cast<TypeKind>(0x7F - code);
    if (code == 0x64) return TypeKind::ErrorContext;
    return std::nullopt;
  }
  TypeUse type_use() {
    TypeUse use;
    const u64 at = reader_.offset();
    const i64 v = reader_.leb_s33();
    if (!ok()) return use;
    if (v >= 0) {
      use.index = static_cast<u32>(v);
    } else {
      use.primitive = v >= -64 ? primitive(static_cast<u8>(v & 0x7F)) : std::nullopt;
      if (!use.primitive)
        malformed(at, "invalid leading byte (" + hex(static_cast<u8>(v & 0x7F)) + ") for component value type");
    }
    return use;
  }
  std::optional<TypeUse> optional_type() {
    if (choice("optional component value type", 1) == 0) return std::nullopt;
    return type_use();
  }
  LabeledType labeled_type() {
    LabeledType t;
    t.label = name();
    t.type = type_use();
    return t;
  }
  std::optional<TypeUse> result_list() {
    const u64 at = reader_.offset();
    if (choice("component function results", 1) == 0) return type_use();
    if (reader_.byte() != 0 && ok()) malformed(at, "named results are not supported");
    return std::nullopt;
  }

  TypeDef type() {
    TypeDef t;
    const u64 at = reader_.offset();
    const u8 code = reader_.byte();
    if (!ok()) return t;
    if (const auto p = primitive(code)) {
      t.value = *p;
      return t;
    }
    const auto value = [&](TypeKind kind) { t.value = kind; };
    switch (code) {
      case 0x72: value(TypeKind::Record), vec([&] { t.items.push_back(labeled_type()); }); break;
      case 0x71:
        value(TypeKind::Variant);
        vec([&] {
          LabeledType& c = t.items.emplace_back();
          c.label = name();
          c.type = optional_type();
          const u64 refines_at = reader_.offset();
          if (reader_.byte() != 0 && ok()) malformed(refines_at, "invalid variant case: zero byte required");
        });
        break;
      case 0x70: value(TypeKind::List), t.first = type_use(); break;
      case 0x67: value(TypeKind::FixedList), t.first = type_use(), t.length = index(); break;
      case 0x6F: value(TypeKind::Tuple), vec([&] { t.items.push_back({"", type_use()}); }); break;
      case 0x6E: value(TypeKind::Flags), vec([&] { t.items.push_back({name(), {}}); }); break;
      case 0x6D: value(TypeKind::Enum), vec([&] { t.items.push_back({name(), {}}); }); break;
      case 0x6B: value(TypeKind::Option), t.first = type_use(); break;
      case 0x6A:
        value(TypeKind::Result);
        t.first = optional_type();
        t.second = optional_type();
        break;
      case 0x69: value(TypeKind::Own), t.resource = index(); break;
      case 0x68: value(TypeKind::Borrow), t.resource = index(); break;
      case 0x66: value(TypeKind::Stream), t.first = optional_type(); break;
      case 0x65: value(TypeKind::Future), t.first = optional_type(); break;
      case 0x63:
        value(TypeKind::Map);
        t.first = type_use();
        t.second = type_use();
        break;
      case 0x40:
      case 0x43:
        t.kind = TypeDef::Kind::Func;
        t.is_async = code == 0x43;
        vec([&] { t.items.push_back(labeled_type()); });
        t.result = result_list();
        break;
      case 0x41:
      case 0x42:
        t.kind = code == 0x41 ? TypeDef::Kind::Component : TypeDef::Kind::Instance;
        declarations(t, code == 0x41);
        break;
      case 0x3F:
        t.kind = TypeDef::Kind::Resource;
        t.representation = reader_.val_type();
        if (choice("resource destructor", 1) == 1) t.destructor = index();
        break;
      default: malformed(at, "invalid leading byte (" + hex(code) + ") for component type");
    }
    return t;
  }

  void declarations(TypeDef& t, bool is_component) {
    if (scopes_.size() >= limits_.nesting)
      return limit(reader_.offset(), "types inside of each other", limits_.nesting);
    CoreTypes types;
    scopes_.push_back(&types);
    vec([&] {
      const u64 at = reader_.offset();
      const u8 code = reader_.byte();
      const auto add = [&](auto body) { t.declarations.push_back({at, std::move(body)}); };
      switch (code) {
        case 0: add(core_type()); break;
        case 1: add(type()); break;
        case 2: {
          Alias a = alias();
          const bool allowed = a.kind == Alias::Kind::Outer ? a.space == Space::CoreType || a.space == Space::Type
                                                            : a.space == Space::Type || a.space == Space::Instance;
          if (ok() && (!allowed || a.kind == Alias::Kind::CoreExport)) {
            malformed(at,
                      std::string("only types and instances can be aliased in a type, not a ") + to_string(a.space));
          }
          add(std::move(a));
          break;
        }
        case 3:
          if (is_component) {
            ExternName n = extern_name();
            add(Import{std::move(n), extern_desc()});
            break;
          }
          [[fallthrough]];
        default:
          if (code != 4)
            return malformed(at, "invalid leading byte (" + hex(code) + ") for component or instance type declaration");
          ExternName n = extern_name();
          Export e{std::move(n), {}, extern_desc()};
          add(std::move(e));
      }
    });
    scopes_.pop_back();
  }

  // --- canonical definitions

  CanonOptions canon_options() {
    CanonOptions o;
    vec([&] {
      const u64 at = reader_.offset();
      const u8 code = choice("canonical option", 7);
      const auto once = [&](std::optional<u32>& to, const char* what) {
        const u32 value = index();
        if (to)
          return fail(Error(ErrorCode::InvalidComponent,
                            std::string("canonical option `") + what + "` is specified more than once")
                          .at(at));
        to = value;
      };
      switch (code) {
        case 0:
        case 1:
        case 2:
          if (o.encoding) {
            return fail(Error(ErrorCode::InvalidComponent, "canonical encoding option conflicts with another").at(at));
          }
          o.encoding = static_cast<StringEncoding>(code);
          break;
        case 3: once(o.memory, "memory"); break;
        case 4: once(o.realloc, "realloc"); break;
        case 5: once(o.post_return, "post-return"); break;
        case 6:
          if (o.is_async) {
            return fail(
                Error(ErrorCode::InvalidComponent, "canonical option `async` is specified more than once").at(at));
          }
          o.is_async = true;
          break;
        default: once(o.callback, "callback");
      }
    });
    return o;
  }

  bool flag(const char* what) { return choice(what, 1) == 1; }

  Canon canon() {
    using K = CanonKind;
    Canon c;
    const u64 at = reader_.offset();
    const u8 code = reader_.byte();
    const auto kind = [&](K k) { c.kind = k; };
    const auto with_type = [&](K k) { c.kind = k, c.type = index(); };
    const auto with_options = [&](K k) { c.kind = k, c.type = index(), c.options = canon_options(); };
    const auto with_async = [&](K k) { c.kind = k, c.type = index(), c.flag = flag("async"); };
    const auto cancellable = [&](K k) { c.kind = k, c.flag = flag("cancellable"); };
    switch (code) {
      case 0x00:
      case 0x01: {
        kind(code == 0 ? K::Lift : K::Lower);
        const u64 zero_at = reader_.offset();
        const u8 zero = reader_.byte();
        if (ok() && zero != 0) malformed(zero_at, "invalid leading byte (" + hex(zero) + ") for canonical function");
        c.func = index();
        c.options = canon_options();
        if (code == 0) c.type = index();
        break;
      }
      case 0x02: with_type(K::ResourceNew); break;
      case 0x03: with_type(K::ResourceDrop); break;
      case 0x04: with_type(K::ResourceRep); break;
      case 0x05: kind(K::TaskCancel); break;
      case 0x06: cancellable(K::SubtaskCancel); break;
      case 0x09:
        kind(K::TaskReturn);
        c.result = result_list();
        c.options = canon_options();
        break;
      case 0x0A:
      case 0x0B:
        kind(code == 0x0A ? K::ContextGet : K::ContextSet);
        c.slot_type = reader_.val_type();
        c.number = index();
        break;
      case 0x0C: cancellable(K::ThreadYield); break;
      case 0x0D: kind(K::SubtaskDrop); break;
      case 0x0E: with_type(K::StreamNew); break;
      case 0x0F: with_options(K::StreamRead); break;
      case 0x10: with_options(K::StreamWrite); break;
      case 0x11: with_async(K::StreamCancelRead); break;
      case 0x12: with_async(K::StreamCancelWrite); break;
      case 0x13: with_type(K::StreamDropReadable); break;
      case 0x14: with_type(K::StreamDropWritable); break;
      case 0x15: with_type(K::FutureNew); break;
      case 0x16: with_options(K::FutureRead); break;
      case 0x17: with_options(K::FutureWrite); break;
      case 0x18: with_async(K::FutureCancelRead); break;
      case 0x19: with_async(K::FutureCancelWrite); break;
      case 0x1A: with_type(K::FutureDropReadable); break;
      case 0x1B: with_type(K::FutureDropWritable); break;
      case 0x1C: kind(K::ErrorContextNew), c.options = canon_options(); break;
      case 0x1D: kind(K::ErrorContextDebugMessage), c.options = canon_options(); break;
      case 0x1E: kind(K::ErrorContextDrop); break;
      case 0x1F: kind(K::WaitableSetNew); break;
      case 0x20: cancellable(K::WaitableSetWait), c.options.memory = index(); break;
      case 0x21: cancellable(K::WaitableSetPoll), c.options.memory = index(); break;
      case 0x22: kind(K::WaitableSetDrop); break;
      case 0x23: kind(K::WaitableJoin); break;
      case 0x24: kind(K::BackpressureInc); break;
      case 0x25: kind(K::BackpressureDec); break;
      case 0x26: kind(K::ThreadIndex); break;
      case 0x27: with_type(K::ThreadNewIndirect), c.number = index(); break;
      case 0x28: kind(K::ThreadResumeLater); break;
      case 0x29: cancellable(K::ThreadSuspend); break;
      case 0x2A: cancellable(K::ThreadSuspendThenResume); break;
      case 0x2B: cancellable(K::ThreadYieldThenResume); break;
      case 0x2C: cancellable(K::ThreadSuspendThenPromote); break;
      case 0x2D: cancellable(K::ThreadYieldThenPromote); break;
      default:
        if (ok()) malformed(at, "invalid leading byte (" + hex(code) + ") for canonical function");
    }
    return c;
  }

  // --- imports and exports

  ExternName extern_name() {
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

  ExternDesc extern_desc() {
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

  Export export_definition() {
    Export e;
    e.name = extern_name();
    e.item = sort_index();
    if (choice("optional component export type", 1) == 1) e.desc = extern_desc();
    return e;
  }

  const std::span<const u8> bytes_;
  const ModuleLoader& load_;
  const wasm::FeatureSet& features_;
  const Limits& limits_;
  CodeReader reader_;
  std::optional<Error> error_;
  std::vector<CoreTypes*> scopes_;
  bool is_module_type_ = false;  // whether the innermost scope is that of a module type
};

}  // namespace

Result<Component> decode_component(std::span<const u8> bytes, const ModuleLoader& load,
                                   const wasm::FeatureSet& features, const Limits& limits) {
  if (bytes.size() > limits.modules.module_bytes)
    return fail(ErrorCode::LimitExceeded,
                "bytes of a component: at most " + std::to_string(limits.modules.module_bytes));
  return Decoder(bytes, load, features, limits).run();
}

}  // namespace berth::component_model
