#include "component_model/component_decoder.h"

namespace berth::component_model {

std::optional<TypeKind> ComponentDecoder::primitive(u8 code) {
  if (code >= 0x73 && code <= 0x7F) return static_cast<TypeKind>(0x7F - code);
  if (code == 0x64) return TypeKind::ErrorContext;
  return std::nullopt;
}

TypeUse ComponentDecoder::type_use() {
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

std::optional<TypeUse> ComponentDecoder::optional_type() {
  if (choice("optional component value type", 1) == 0) return std::nullopt;
  return type_use();
}

LabeledType ComponentDecoder::labeled_type() {
  LabeledType t;
  t.label = name();
  t.type = type_use();
  return t;
}

std::optional<TypeUse> ComponentDecoder::result_list() {
  const u64 at = reader_.offset();
  if (choice("component function results", 1) == 0) return type_use();
  if (reader_.byte() != 0 && ok()) malformed(at, "named results are not supported");
  return std::nullopt;
}

TypeDef ComponentDecoder::type() {
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

void ComponentDecoder::declarations(TypeDef& t, bool is_component) {
  if (scopes_.size() >= limits_.nesting) return limit(reader_.offset(), "types inside of each other", limits_.nesting);
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
          malformed(at, std::string("only types and instances can be aliased in a type, not a ") + to_string(a.space));
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
  finish_core_types(t.declarations);
  scopes_.pop_back();
}

}  // namespace berth::component_model
