#include "component_model/wit.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "component_model/names.h"
#include "component_model/type_names.h"

namespace berth::component_model {
namespace {

constexpr std::string_view kKeywords[] = {
    "as",     "async",   "bool",    "borrow",   "char",   "constructor", "enum",         "export",    "f32",
    "f64",    "flags",   "from",    "func",     "future", "map",         "import",       "list",      "option",
    "own",    "include", "record",  "resource", "s16",    "s32",         "s64",          "interface", "s8",
    "static", "type",    "package", "stream",   "string", "tuple",       "result",       "u16",       "u32",
    "u64",    "u8",      "use",     "variant",  "with",   "world",       "error-context"};

std::string id(std::string_view label) {
  const bool is_keyword = std::ranges::find(kKeywords, label) != std::end(kKeywords);
  return (is_keyword ? "%" : "") + std::string(label);
}

// Text in quotes; what is no letter or digit as its number.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        std::string_view("-._:/").contains(text[i])) {
      out += text[i++];
      continue;
    }
    const u32 size = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    u32 code = size == 1 ? c : c & (0x7Fu >> size);
    for (u32 k = 1; k < size && i + k < text.size(); ++k)
      code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3Fu);
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, code, 16).ptr;
    out += "\\u{" + std::string(digits, end) + '}';
    i += size;
  }
  return out + '"';
}

// The package that an interface belongs to, "wasi:io@0.2.0", and the interface without it.
struct InterfaceName {
  std::string package, interface, version;
};
std::optional<InterfaceName> take_apart(std::string_view name) {
  const auto parsed = parse_name(name);
  if (!parsed || parsed->kind != ParsedName::Kind::Interface) return std::nullopt;
  const size_t slash = parsed->interface.rfind('/');
  InterfaceName out;
  out.version = parsed->version.empty() ? "" : "@" + std::string(parsed->version);
  out.package = std::string(parsed->interface.substr(0, slash)) + out.version;
  out.interface = parsed->interface.substr(slash + 1);
  return out;
}

class WitPrinter {
 public:
  WitPrinter(const Component& component, std::string_view skipped) : type_(*component.type) {
    for (const Definition& d : component.definitions) {
      if (const auto* import = std::get_if<Import>(&d.body)) imported_.emplace(import->name.name, &import->name);
      if (const auto* exported = std::get_if<Export>(&d.body)) exported_.emplace(exported->name.name, &exported->name);
    }
    if (!skipped.empty()) skip_ = std::string(skipped) + ":";
  }
  Result<std::string> run();

 private:
  static constexpr size_t kMaxText = size_t{16} << 20;
  // Something that has types of its own: an interface, or the world.
  struct Owner {
    std::string name;  // "wasi:io/error@0.2.0"; what an interface of the world alone is called; of the world nothing
    std::vector<NamedExtern> items;
    std::set<std::string, std::less<>> seen;
  };
  struct Package {
    std::vector<u32> interfaces;
    bool is_done = false;
  };

  using Names = std::map<std::string_view, const ExternName*>;
  u32 owner(const NamedExtern& e, const Names& names);
  void collect(const std::vector<NamedExtern>& list, const Names& names);

  void line() {
    out_ += '\n';
    out_.append(2 * size_t{depth_}, ' ');
  }
  // An empty line between one thing and the next.
  void separate(bool& any) {
    if (any) out_ += '\n';
    any = true;
    line();
  }
  void interface_items(u32 owner);
  void types(u32 owner, const std::vector<NamedExtern>& items, bool& any);
  void uses(u32 owner, const std::vector<NamedExtern>& items, bool& any);
  void type_definition(u32 owner, const NamedExtern& item, const std::vector<NamedExtern>& items);
  void resource(const NamedExtern& item, const std::vector<NamedExtern>& items);
  void func(const FuncType& type, std::string_view modifier, size_t skip);
  void parameters(const FuncType& type, size_t skip);
  void type(const ValType& type);
  void handle(const ValType& type);
  void structure(const ValType& type);
  void fields(const ValType& type);
  void world_item(const char* word, const NamedExtern& item, const Names& names);
  void external_id(const ExternName& name) {
    if (!name.external_id) return;
    out_ += "@external-id(" + quoted(*name.external_id) + ')';
    line();
  }
  void path(u32 to, u32 from);
  void package(const std::string& name, u32 depth);

  const ComponentType& type_;
  std::string skip_;           // how packages begin that are not printed
  Names imported_, exported_;  // as written
  TypeNames names_;
  std::vector<Owner> owners_{1};
  std::map<std::string, u32, std::less<>> by_name_;
  std::map<const NamedExtern*, u32> inline_;
  std::map<std::string, Package> packages_;
  std::vector<std::string> package_order_;
  std::string out_;
  u32 depth_ = 0;
  bool any_package_ = false;
};

const TypeNames::Place* origin(const TypeNames& names, const AnyType& type) {
  return type.kind == AnyType::Kind::Value      ? names.origin(type.value)
         : type.kind == AnyType::Kind::Resource ? names.origin(type.resource)
                                                : nullptr;
}

bool is_named_type(const NamedExtern& item) {
  return item.type.sort == Sort::Type &&
         (item.type.type.kind == AnyType::Kind::Value || item.type.type.kind == AnyType::Kind::Resource);
}
// Constructors, methods and static functions are printed with their resource.
bool is_of_resource(const NamedExtern& item) { return item.type.sort == Sort::Func && item.name.starts_with('['); }

// --- who owns what

u32 WitPrinter::owner(const NamedExtern& e, const Names& names) {
  // What has a label may be an interface with a name all the same.
  const auto& implements = names.at(e.name)->implements;
  const std::string& full = implements ? *implements : e.name;
  const auto name = take_apart(full);
  if (name) {
    if (const auto found = by_name_.find(full); found != by_name_.end()) return found->second;
  }
  const u32 made = names_.new_owner();
  owners_.emplace_back().name = full;
  if (!name) {
    inline_.emplace(&e, made);
    return made;
  }
  by_name_.emplace(full, made);
  Package& package = packages_[name->package];
  if (package.interfaces.empty()) package_order_.push_back(name->package);
  package.interfaces.push_back(made);
  return made;
}

void WitPrinter::collect(const std::vector<NamedExtern>& list, const Names& names) {
  for (const NamedExtern& e : list) {
    if (e.type.sort == Sort::Type) names_.add(0, e.name, e.type.type);
    if (e.type.sort != Sort::Instance) continue;
    const u32 to = owner(e, names);
    for (const NamedExtern& item : e.type.type.instance->exports) {
      // One interface may be imported and exported.
      if (owners_[to].seen.insert(item.name).second) owners_[to].items.push_back(item);
      if (item.type.sort == Sort::Type) names_.add(to, item.name, item.type.type);
    }
  }
}

// --- types

void WitPrinter::handle(const ValType& t) {
  const TypeNames::Place* place = names_.find(t.resource);
  if (!place) place = names_.origin(t.resource);
  const std::string name = place ? id(place->name) : "resource";
  out_ += t.kind == TypeKind::Own ? name : "borrow<" + name + ">";
}

void WitPrinter::type(const ValType& t) {
  if (out_.size() > kMaxText) return;
  if (const TypeNames::Place* place = names_.find(&t)) {
    out_ += id(place->name);
  } else {
    structure(t);
  }
}

void WitPrinter::structure(const ValType& t) {
  const auto list = [&](std::initializer_list<const ValType*> parts) {
    out_ += '<';
    const char* between = "";
    for (const ValType* part : parts) {
      out_ += between;
      part ? type(*part) : void(out_ += '_');
      between = ", ";
    }
    out_ += '>';
  };
  if (t.kind == TypeKind::Own || t.kind == TypeKind::Borrow) return handle(t);
  out_ += to_string(t.kind);
  switch (t.kind) {
    case TypeKind::List: list({t.element}); break;
    case TypeKind::FixedList:
      out_ += '<';
      type(*t.element);
      out_ += ", " + std::to_string(t.length) + ">";
      break;
    case TypeKind::Option: list({t.fields[1].type}); break;
    case TypeKind::Result:
      if (t.fields[1].type) {
        list({t.fields[0].type, t.fields[1].type});
      } else if (t.fields[0].type) {
        list({t.fields[0].type});
      }
      break;
    case TypeKind::Tuple: {
      const char* between = "<";
      for (const Field& f : t.fields) {
        out_ += between;
        type(*f.type);
        between = ", ";
      }
      out_ += '>';
      break;
    }
    case TypeKind::Stream:
    case TypeKind::Future:
      if (t.element) list({t.element});
      break;
    case TypeKind::Map: list({t.element->fields[0].type, t.element->fields[1].type}); break;
    default: break;
  }
}

void WitPrinter::parameters(const FuncType& t, size_t skip) {
  out_ += '(';
  const char* between = "";
  for (size_t i = skip; i < t.params.size(); ++i) {
    out_ += between + id(t.params[i].label) + ": ";
    type(*t.params[i].type);
    between = ", ";
  }
  out_ += ')';
}

void WitPrinter::func(const FuncType& t, std::string_view modifier, size_t skip) {
  out_ += modifier;
  out_ += t.is_async ? "async func" : "func";
  parameters(t, skip);
  if (t.result) {
    out_ += " -> ";
    type(*t.result);
  }
  out_ += ';';
}

void WitPrinter::fields(const ValType& t) {
  out_ += " {";
  ++depth_;
  for (const Field& f : t.fields) {
    if (out_.size() > kMaxText) break;
    line();
    out_ += id(f.label);
    if (f.type) {
      out_ += t.kind == TypeKind::Variant ? "(" : ": ";
      type(*f.type);
      if (t.kind == TypeKind::Variant) out_ += ')';
    }
    out_ += ',';
  }
  --depth_;
  line();
  out_ += '}';
}

void WitPrinter::resource(const NamedExtern& item, const std::vector<NamedExtern>& items) {
  out_ += "resource " + id(item.name);
  bool has_functions = false;
  for (const NamedExtern& f : items) {
    if (!is_of_resource(f)) continue;
    const auto name = parse_name(f.name);
    if (!name || name->resource != item.name) continue;
    if (!has_functions) {
      out_ += " {";
      ++depth_;
      has_functions = true;
    }
    line();
    const FuncType& t = *f.type.type.func;
    if (name->kind == ParsedName::Kind::Constructor) {
      out_ += "constructor";
      parameters(t, 0);
      if (t.result && t.result->kind != TypeKind::Own) {
        out_ += " -> ";
        type(*t.result);
      }
      out_ += ';';
    } else {
      out_ += id(name->label) + ": ";
      const bool is_method = name->kind == ParsedName::Kind::Method;
      func(t, is_method ? "" : "static ", is_method ? 1 : 0);
    }
  }
  if (!has_functions) {
    out_ += ';';
    return;
  }
  --depth_;
  line();
  out_ += '}';
}

void WitPrinter::type_definition(u32 owner, const NamedExtern& item, const std::vector<NamedExtern>& items) {
  const AnyType& t = item.type.type;
  if (const TypeNames::Place* from = origin(names_, t); from && from->owner == owner) {
    out_ += "type " + id(item.name) + " = " + id(from->name) + ";";
    return;
  }
  if (t.kind == AnyType::Kind::Resource) return resource(item, items);
  switch (t.value->kind) {
    case TypeKind::Record:
    case TypeKind::Variant:
    case TypeKind::Flags:
    case TypeKind::Enum: out_ += std::string(to_string(t.value->kind)) + ' ' + id(item.name); return fields(*t.value);
    default:
      out_ += "type " + id(item.name) + " = ";
      structure(*t.value);
      out_ += ';';
  }
}

void WitPrinter::path(u32 to, u32 from) {
  const auto target = take_apart(owners_[to].name), here = take_apart(owners_[from].name);
  if (!target) {
    out_ += id(owners_[to].name);
  } else if (here && here->package == target->package) {
    out_ += id(target->interface);
  } else {
    out_ += owners_[to].name;
  }
}

// Types of others, those of one that follow each other in a line.
void WitPrinter::uses(u32 owner, const std::vector<NamedExtern>& items, bool& any) {
  std::vector<std::pair<u32, std::string>> lists;
  for (const NamedExtern& item : items) {
    const auto* from = is_named_type(item) ? origin(names_, item.type.type) : nullptr;
    if (!from || from->owner == owner) continue;
    if (lists.empty() || lists.back().first != from->owner) lists.emplace_back(from->owner, "");
    std::string& list = lists.back().second;
    if (!list.empty()) list += ", ";
    list += id(from->name);
    if (from->name != item.name) list += " as " + id(item.name);
  }
  for (const auto& [from, list] : lists) {
    any = true;
    line();
    out_ += "use ";
    path(from, owner);
    out_ += ".{" + list + "};";
  }
}

void WitPrinter::types(u32 owner, const std::vector<NamedExtern>& items, bool& any) {
  uses(owner, items, any);
  for (const NamedExtern& item : items) {
    if (!is_named_type(item) || out_.size() > kMaxText) continue;
    const auto* from = origin(names_, item.type.type);
    if (from && from->owner != owner) continue;
    separate(any);
    if (owner == 0) external_id(*imported_.at(item.name));
    type_definition(owner, item, items);
  }
}

// --- interfaces and the world

void WitPrinter::interface_items(u32 owner) {
  const std::vector<NamedExtern>& items = owners_[owner].items;
  out_ += '{';
  ++depth_;
  bool any = false;
  types(owner, items, any);
  for (const NamedExtern& item : items) {
    if (out_.size() > kMaxText) break;
    if (is_named_type(item) || is_of_resource(item)) continue;
    separate(any);
    if (item.type.sort == Sort::Func) {
      out_ += id(item.name) + ": ";
      func(*item.type.type.func, "", 0);
    } else {
      out_ += "// " + item.name + ": " + to_string(item.type.sort);
    }
  }
  --depth_;
  line();
  out_ += '}';
}

void WitPrinter::world_item(const char* word, const NamedExtern& item, const Names& names) {
  const ExternName& name = *names.at(item.name);
  line();
  external_id(name);
  if (item.type.sort == Sort::Instance) {
    if (name.implements) {
      out_ += std::string(word) + ' ' + id(item.name) + ": " + *name.implements + ';';
    } else if (take_apart(item.name)) {
      out_ += std::string(word) + ' ' + item.name + ';';
    } else {
      out_ += std::string(word) + ' ' + id(item.name) + ": interface ";
      interface_items(inline_.at(&item));
    }
  } else if (item.type.sort == Sort::Func) {
    out_ += std::string(word) + ' ' + id(item.name) + ": ";
    func(*item.type.type.func, "", 0);
  } else {
    out_ += std::string("// ") + word + ' ' + item.name + ": " + to_string(item.type.sort);
  }
}

// A package after those that it uses.
void WitPrinter::package(const std::string& name, u32 depth) {
  constexpr u32 kMaxDepth = 1000;
  Package& p = packages_[name];
  if (p.is_done || depth > kMaxDepth) return;
  p.is_done = true;
  for (const u32 owner : p.interfaces) {
    for (const NamedExtern& item : owners_[owner].items) {
      const auto* from = is_named_type(item) ? origin(names_, item.type.type) : nullptr;
      if (!from) continue;
      if (const auto target = take_apart(owners_[from->owner].name)) package(target->package, depth + 1);
    }
  }
  if (!skip_.empty() && name.starts_with(skip_)) return;
  if (any_package_) out_ += "\n\n";
  any_package_ = true;
  out_ += "package " + name + " {";
  depth_ = 1;
  for (const u32 owner : p.interfaces) {
    line();
    out_ += "interface " + id(take_apart(owners_[owner].name)->interface) + ' ';
    interface_items(owner);
  }
  depth_ = 0;
  out_ += "\n}\n";
}

Result<std::string> WitPrinter::run() {
  collect(type_.imports, imported_);
  collect(type_.exports, exported_);
  out_ = "package root:component;\n\nworld root {";
  depth_ = 1;
  bool any = false;
  for (const NamedExtern& i : type_.imports) {
    if (i.type.sort == Sort::Func || is_named_type(i)) continue;
    world_item("import", i, imported_);
    any = true;
  }
  types(0, type_.imports, any);
  for (const NamedExtern& i : type_.imports) {
    if (i.type.sort != Sort::Func || is_of_resource(i)) continue;
    world_item("import", i, imported_);
    any = true;
  }
  if (any && !type_.exports.empty()) out_ += '\n';
  for (const NamedExtern& e : type_.exports) {
    if (is_named_type(e)) {
      line();
      out_ += "// export " + e.name + ": type";
    } else if (!is_of_resource(e)) {
      world_item("export", e, exported_);
    }
  }
  out_ += "\n}\n";
  depth_ = 0;
  for (const std::string& name : package_order_) {
    package(name, 0);
  }
  if (out_.size() > kMaxText) return fail(ErrorCode::LimitExceeded, "the component's WIT would be too large");
  return std::move(out_);
}

}  // namespace

Result<std::string> to_wit(const Component& component, std::string_view skipped_namespace) {
  return WitPrinter(component, skipped_namespace).run();
}

}  // namespace berth::component_model
