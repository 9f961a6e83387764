#include "component_model/types.h"

#include <algorithm>

namespace berth::component_model {
namespace {

using wasm::ValKind;

constexpr u64 kMaxValueBytes = u64{1} << 28;
constexpr u32 kMaxDepth = 100;

u64 align_to(u64 offset, u32 align) { return (offset + align - 1) / align * align; }

ValKind join(ValKind a, ValKind b) {
  if (a == b) return a;
  const auto is_32 = [](ValKind k) { return k == ValKind::I32 || k == ValKind::F32; };
  return is_32(a) && is_32(b) ? ValKind::I32 : ValKind::I64;
}

void append_flat(Layout& to, const Layout& from, u32 times = 1) {
  for (u32 i = 0; i < times && to.is_flat; ++i) {
    to.is_flat = from.is_flat && to.flat.size() + from.flat.size() < kFlatLimit;
    if (!to.is_flat) break;
    to.flat.insert(to.flat.end(), from.flat.begin(), from.flat.end());
    if (from.flat.empty()) break;
  }
  if (!to.is_flat) to.flat.clear();
}

Layout scalar(u32 bytes, ValKind flat) {
  Layout l;
  l.size = bytes, l.align = bytes;
  l.flat = {flat};
  return l;
}

Layout primitive_layout(TypeKind kind, PointerSize pointer) {
  switch (kind) {
    case TypeKind::Bool:
    case TypeKind::S8:
    case TypeKind::U8: return scalar(1, ValKind::I32);
    case TypeKind::S16:
    case TypeKind::U16: return scalar(2, ValKind::I32);
    case TypeKind::S64:
    case TypeKind::U64: return scalar(8, ValKind::I64);
    case TypeKind::F32: return scalar(4, ValKind::F32);
    case TypeKind::F64: return scalar(8, ValKind::F64);
    case TypeKind::String:
    case TypeKind::List:
    case TypeKind::Map: {
      const ValKind address = pointer == PointerSize::P32 ? ValKind::I32 : ValKind::I64;
      Layout l = scalar(pointer_bytes(pointer), address);
      l.size *= 2;
      l.flat = {address, address};
      return l;
    }
    default: return scalar(4, ValKind::I32);
  }
}

Layout record_layout(const ValType& type, PointerSize pointer) {
  Layout l;
  for (const Field& f : type.fields) {
    const Layout& field = f.type->at(pointer);
    l.size = align_to(l.size, field.align);
    l.offsets.push_back(static_cast<u32>(l.size));
    l.size += field.size;
    l.align = std::max(l.align, field.align);
    append_flat(l, field);
  }
  l.size = align_to(l.size, l.align);
  return l;
}

Layout variant_layout(const ValType& type, PointerSize pointer) {
  Layout l;
  u32 case_align = 1;
  u64 case_size = 0;
  std::vector<ValKind> joined;
  for (const Field& f : type.fields) {
    if (!f.type) continue;
    const Layout& c = f.type->at(pointer);
    case_align = std::max(case_align, c.align);
    case_size = std::max(case_size, c.size);
    l.is_flat = l.is_flat && c.is_flat && c.flat.size() + 1 < kFlatLimit;
    for (size_t i = 0; i < c.flat.size(); ++i) {
      if (i < joined.size()) {
        joined[i] = join(joined[i], c.flat[i]);
      } else {
        joined.push_back(c.flat[i]);
      }
    }
  }
  l.align = std::max<u32>(type.discriminant_bytes, case_align);
  l.payload_offset = static_cast<u32>(align_to(type.discriminant_bytes, case_align));
  l.size = align_to(l.payload_offset + case_size, l.align);
  if (l.is_flat) {
    l.flat = {ValKind::I32};
    l.flat.insert(l.flat.end(), joined.begin(), joined.end());
  }
  return l;
}

Layout layout_of(const ValType& type, PointerSize pointer) {
  switch (type.kind) {
    case TypeKind::Record:
    case TypeKind::Tuple: return record_layout(type, pointer);
    case TypeKind::Variant:
    case TypeKind::Enum:
    case TypeKind::Option:
    case TypeKind::Result: return variant_layout(type, pointer);
    case TypeKind::Flags: return scalar(type.fields.size() <= 8 ? 1 : type.fields.size() <= 16 ? 2 : 4, ValKind::I32);
    case TypeKind::FixedList: {
      const Layout& element = type.element->at(pointer);
      Layout l;
      l.align = element.align;
      l.size = element.size * type.length;
      append_flat(l, element, type.length);
      return l;
    }
    default: return primitive_layout(type.kind, pointer);
  }
}

}  // namespace

const char* to_string(TypeKind kind) {
  switch (kind) {
    case TypeKind::Bool: return "bool";
    case TypeKind::S8: return "s8";
    case TypeKind::U8: return "u8";
    case TypeKind::S16: return "s16";
    case TypeKind::U16: return "u16";
    case TypeKind::S32: return "s32";
    case TypeKind::U32: return "u32";
    case TypeKind::S64: return "s64";
    case TypeKind::U64: return "u64";
    case TypeKind::F32: return "f32";
    case TypeKind::F64: return "f64";
    case TypeKind::Char: return "char";
    case TypeKind::String: return "string";
    case TypeKind::ErrorContext: return "error-context";
    case TypeKind::Record: return "record";
    case TypeKind::Variant: return "variant";
    case TypeKind::List:
    case TypeKind::FixedList: return "list";
    case TypeKind::Tuple: return "tuple";
    case TypeKind::Flags: return "flags";
    case TypeKind::Enum: return "enum";
    case TypeKind::Option: return "option";
    case TypeKind::Result: return "result";
    case TypeKind::Own: return "own";
    case TypeKind::Borrow: return "borrow";
    case TypeKind::Stream: return "stream";
    case TypeKind::Future: return "future";
    case TypeKind::Map: return "map";
  }
  return "?";
}

const char* to_string(Sort sort) {
  switch (sort) {
    case Sort::CoreModule: return "core module";
    case Sort::Func: return "func";
    case Sort::Value: return "value";
    case Sort::Type: return "type";
    case Sort::Component: return "component";
    case Sort::Instance: return "instance";
  }
  return "?";
}

ExternType ExternType::of(const CoreModuleType* t) {
  ExternType e;
  e.sort = Sort::CoreModule;
  e.module = t;
  return e;
}
ExternType ExternType::of(const FuncType* t) {
  ExternType e;
  e.sort = Sort::Func;
  e.type.kind = AnyType::Kind::Func;
  e.type.func = t;
  return e;
}
ExternType ExternType::of(const ComponentType* t) {
  ExternType e;
  e.sort = Sort::Component;
  e.type.kind = AnyType::Kind::Component;
  e.type.component = t;
  return e;
}
ExternType ExternType::of(const InstanceType* t) {
  ExternType e;
  e.sort = Sort::Instance;
  e.type.kind = AnyType::Kind::Instance;
  e.type.instance = t;
  return e;
}
ExternType ExternType::of_type(const AnyType& t) {
  ExternType e;
  e.sort = Sort::Type;
  e.type = t;
  return e;
}

namespace {
const ExternType* find(const std::vector<NamedExtern>& list, std::string_view name) {
  const auto it = std::ranges::find(list, name, &NamedExtern::name);
  return it == list.end() ? nullptr : &it->type;
}
}  // namespace
const ExternType* InstanceType::find_export(std::string_view name) const { return find(exports, name); }
const ExternType* ComponentType::find_import(std::string_view name) const { return find(imports, name); }
const ExternType* ComponentType::find_export(std::string_view name) const { return find(exports, name); }

// --- the arena

TypeArena::TypeArena() {
  for (size_t i = 0; i <= static_cast<size_t>(TypeKind::ErrorContext); ++i) {
    ValType& t = primitives_.emplace_back();
    t.kind = static_cast<TypeKind>(i);
    t.has_pointer = t.kind == TypeKind::String;
    t.is_plain = t.kind >= TypeKind::S8 && t.kind <= TypeKind::F64;
    for (const PointerSize p : {PointerSize::P32, PointerSize::P64})
      t.layout[static_cast<u32>(p)] = primitive_layout(t.kind, p);
  }
}

const ValType* TypeArena::add(ValType type, const char** why) {
  type.has_resource = type.kind == TypeKind::Own || type.kind == TypeKind::Borrow;
  type.has_borrow = type.kind == TypeKind::Borrow;
  type.has_async = type.kind == TypeKind::Stream || type.kind == TypeKind::Future;
  type.has_pointer = type.kind == TypeKind::List || type.kind == TypeKind::Map;
  type.is_plain = type.kind == TypeKind::Record || type.kind == TypeKind::Tuple || type.kind == TypeKind::FixedList;
  u32 depth = 0;
  const auto contains = [&](const ValType* part) {
    if (!part) return;
    type.has_resource |= part->has_resource;
    type.has_borrow |= part->has_borrow;
    type.has_async |= part->has_async;
    type.has_pointer |= part->has_pointer;
    type.is_plain &= part->is_plain;
    depth = std::max(depth, part->depth);
  };
  for (const Field& f : type.fields) contains(f.type);
  contains(type.element);
  // What is passed of these is a handle.
  if (type.kind == TypeKind::Stream || type.kind == TypeKind::Future) type.has_pointer = false;
  type.depth = depth + 1;
  if (type.depth > kMaxDepth && why != nullptr) {
    *why = "type nesting is too deep";
    return nullptr;
  }
  if (type.is_variant()) {
    const size_t n = type.fields.size();
    type.discriminant_bytes = n <= 0x100 ? 1 : n <= 0x10000 ? 2 : 4;
  }
  for (const PointerSize p : {PointerSize::P32, PointerSize::P64}) {
    Layout& l = type.layout[static_cast<u32>(p)] = layout_of(type, p);
    // The pairs of a map are no type that anyone could write.
    if (l.size >= kMaxValueBytes && why != nullptr) {
      *why = "type is too large: a value must take less than 2^28 bytes of memory";
      return nullptr;
    }
  }
  // Padding between fields is left alone, so that such values are not copied as they are.
  if (type.is_plain && type.kind != TypeKind::FixedList) {
    u64 sum = 0;
    for (const Field& f : type.fields) sum += f.type->at(PointerSize::P32).size;
    type.is_plain = sum == type.at(PointerSize::P32).size;
  }
  return &values_.emplace_back(std::move(type));
}

const ValType* TypeArena::copy(const ValType& type) { return &values_.emplace_back(type); }

const ValType* TypeArena::rename(const ValType* type) {
  ValType& made = values_.emplace_back(*type);
  made.origin = type;
  return &made;
}

const ValType* TypeArena::pair(const ValType* key, const ValType* value) {
  ValType t;
  t.kind = TypeKind::Tuple;
  t.fields = {{"", key}, {"", value}};
  return add(std::move(t), nullptr);
}

const FuncType* TypeArena::add(FuncType type) {
  ValType tuple;
  tuple.kind = TypeKind::Tuple;
  for (const Field& p : type.params) tuple.fields.push_back({"", p.type});
  if (!tuple.fields.empty()) type.params_tuple = add(std::move(tuple), nullptr);
  return &funcs_.emplace_back(std::move(type));
}

namespace {

u32 size_of(const std::vector<NamedExtern>& list) {
  u32 sum = 0;
  for (const NamedExtern& e : list) {
    u32 size = 1;
    if (e.type.sort != Sort::CoreModule && e.type.type.instance) size += e.type.type.instance->size;
    if (e.type.sort != Sort::CoreModule && e.type.type.component) size += e.type.type.component->size;
    sum = sum + size < sum ? ~u32{0} : sum + size;
  }
  return sum;
}

bool has_resource(const std::vector<NamedExtern>& list) {
  return std::ranges::any_of(list, [](const NamedExtern& e) {
    std::unordered_set<ResourceVar> found;
    collect_resources(e.type, found);
    return !found.empty();
  });
}

}  // namespace

const InstanceType* TypeArena::add(InstanceType type) {
  type.has_resource = has_resource(type.exports);
  type.size = 1 + size_of(type.exports);
  return &instances_.emplace_back(std::move(type));
}
const ComponentType* TypeArena::add(ComponentType type) {
  type.size = 1 + size_of(type.imports) + size_of(type.exports);
  return &components_.emplace_back(std::move(type));
}
const CoreModuleType* TypeArena::add(CoreModuleType type) { return &modules_.emplace_back(std::move(type)); }

// --- substitution

ResourceRef Substituter::replace(ResourceRef r) const {
  if (const auto it = map_.find(r.var); it != map_.end()) r.var = it->second;
  return r;
}

void Substituter::replace_types(const ExternType& from, const ExternType& to) {
  if (from.sort != to.sort) return;
  if (from.sort == Sort::Type && from.type.kind == AnyType::Kind::Value && to.type.kind == AnyType::Kind::Value) {
    replaces_types_ = true;
    done_.emplace(from.type.value, to.type.value);
  } else if (from.sort == Sort::Instance) {
    for (const NamedExtern& e : from.type.instance->exports) {
      if (const ExternType* found = to.type.instance->find_export(e.name)) replace_types(e.type, *found);
    }
  }
}

const ValType* Substituter::operator()(const ValType* type) {
  if (!type || (!type->has_resource && !replaces_types_)) return type;
  if (const auto it = done_.find(type); it != done_.end()) return static_cast<const ValType*>(it->second);
  ValType made = *type;
  bool changed = type->has_resource;
  const auto part = [&](const ValType*& p) {
    const ValType* before = p;
    p = (*this)(p);
    changed |= p != before;
  };
  made.resource = replace(made.resource);
  part(made.element);
  for (Field& f : made.fields) part(f.type);
  // Names given to names can go on for as long as a component has definitions.
  constexpr u32 kMaxOrigins = 32;
  if (origins_ < kMaxOrigins) {
    ++origins_;
    part(made.origin);
    --origins_;
  } else {
    made.origin = nullptr;
  }
  const ValType* out = changed ? arena_.copy(made) : type;
  done_.emplace(type, out);
  return out;
}

const FuncType* Substituter::operator()(const FuncType* type) {
  const bool touched = (type->result && type->result->has_resource) ||
                       std::ranges::any_of(type->params, [](const Field& f) { return f.type->has_resource; });
  if (!touched && !replaces_types_) return type;
  if (const auto it = done_.find(type); it != done_.end()) return static_cast<const FuncType*>(it->second);
  FuncType made = *type;
  for (Field& f : made.params) f.type = (*this)(f.type);
  made.result = (*this)(made.result);
  const FuncType* out = arena_.add(std::move(made));
  done_.emplace(type, out);
  return out;
}

const InstanceType* Substituter::operator()(const InstanceType* type) {
  if (!type->has_resource && !replaces_types_) return type;
  if (const auto it = done_.find(type); it != done_.end()) return static_cast<const InstanceType*>(it->second);
  InstanceType made = *type;
  for (NamedExtern& e : made.exports) e.type = (*this)(e.type);
  for (ResourceVar& v : made.defined) v = replace({v, 0}).var;
  const InstanceType* out = arena_.add(std::move(made));
  done_.emplace(type, out);
  return out;
}

const ComponentType* Substituter::operator()(const ComponentType* type) {
  std::unordered_set<ResourceVar> free;
  AnyType any;
  any.kind = AnyType::Kind::Component;
  any.component = type;
  collect_resources(any, free);
  if (std::ranges::none_of(free, [&](ResourceVar v) { return map_.contains(v); })) return type;
  if (const auto it = done_.find(type); it != done_.end()) return static_cast<const ComponentType*>(it->second);
  ComponentType made = *type;
  for (NamedExtern& e : made.imports) e.type = (*this)(e.type);
  for (NamedExtern& e : made.exports) e.type = (*this)(e.type);
  const ComponentType* out = arena_.add(std::move(made));
  done_.emplace(type, out);
  return out;
}

AnyType Substituter::operator()(const AnyType& type) {
  AnyType out = type;
  switch (type.kind) {
    case AnyType::Kind::Value: out.value = (*this)(type.value); break;
    case AnyType::Kind::Func: out.func = (*this)(type.func); break;
    case AnyType::Kind::Component: out.component = (*this)(type.component); break;
    case AnyType::Kind::Instance: out.instance = (*this)(type.instance); break;
    case AnyType::Kind::Resource: out.resource = replace(type.resource); break;
  }
  return out;
}

ExternType Substituter::operator()(const ExternType& type) {
  ExternType out = type;
  if (type.sort != Sort::CoreModule) out.type = (*this)(type.type);
  return out;
}

namespace {

class Collector {
 public:
  explicit Collector(std::unordered_set<ResourceVar>& out) : out_(out) {}
  void visit(const ValType* t) {
    if (!t || !t->has_resource || !seen_.insert(t).second) return;
    if (t->kind == TypeKind::Own || t->kind == TypeKind::Borrow) add(t->resource.var);
    for (const Field& f : t->fields) visit(f.type);
    visit(t->element);
  }
  void visit(const AnyType& t) {
    switch (t.kind) {
      case AnyType::Kind::Value: visit(t.value); break;
      case AnyType::Kind::Func:
        for (const Field& f : t.func->params) visit(f.type);
        visit(t.func->result);
        break;
      case AnyType::Kind::Resource: add(t.resource.var); break;
      case AnyType::Kind::Instance:
        if (!t.instance->has_resource || !seen_.insert(t.instance).second) break;
        bound(t.instance->defined, {&t.instance->exports});
        break;
      case AnyType::Kind::Component: {
        if (!seen_.insert(t.component).second) break;
        std::vector<ResourceVar> both = t.component->imported;
        both.insert(both.end(), t.component->defined.begin(), t.component->defined.end());
        bound(both, {&t.component->imports, &t.component->exports});
        break;
      }
    }
  }

 private:
  void add(ResourceVar v) {
    if (!bound_.contains(v)) out_.insert(v);
  }
  void bound(const std::vector<ResourceVar>& vars, std::initializer_list<const std::vector<NamedExtern>*> lists) {
    bound_.insert(vars.begin(), vars.end());
    for (const auto* list : lists) {
      for (const NamedExtern& e : *list) {
        if (e.type.sort != Sort::CoreModule) visit(e.type.type);
      }
    }
  }
  std::unordered_set<ResourceVar>& out_;
  std::unordered_set<ResourceVar> bound_;
  std::unordered_set<const void*> seen_;
};

}  // namespace

void collect_resources(const AnyType& type, std::unordered_set<ResourceVar>& out) { Collector(out).visit(type); }
void collect_resources(const ExternType& type, std::unordered_set<ResourceVar>& out) {
  if (type.sort != Sort::CoreModule) collect_resources(type.type, out);
}

std::string to_string(const ValType& type) {
  if (is_primitive(type.kind)) return to_string(type.kind);
  std::string out = "(" + std::string(to_string(type.kind));
  switch (type.kind) {
    case TypeKind::Record:
      for (const Field& f : type.fields) out += " (field \"" + f.label + "\" " + to_string(*f.type) + ")";
      break;
    case TypeKind::Variant:
      for (const Field& f : type.fields)
        out += " (case \"" + f.label + "\"" + (f.type ? " " + to_string(*f.type) : "") + ")";
      break;
    case TypeKind::Tuple:
      for (const Field& f : type.fields) out += " " + to_string(*f.type);
      break;
    case TypeKind::Flags:
    case TypeKind::Enum:
      for (const Field& f : type.fields) out += " \"" + f.label + "\"";
      break;
    case TypeKind::Option: out += " " + to_string(*type.fields[1].type); break;
    case TypeKind::Result:
      if (type.fields[0].type) out += " " + to_string(*type.fields[0].type);
      if (type.fields[1].type) out += " (error " + to_string(*type.fields[1].type) + ")";
      break;
    case TypeKind::Own:
    case TypeKind::Borrow: out += " " + std::to_string(type.resource.var); break;
    case TypeKind::Map:
      out += " " + to_string(*type.element->fields[0].type) + " " + to_string(*type.element->fields[1].type);
      break;
    default:
      if (type.element) out += " " + to_string(*type.element);
      if (type.kind == TypeKind::FixedList) out += " " + std::to_string(type.length);
  }
  return out + ")";
}

CallShape flatten(const FuncType& type, PointerSize pointer, Direction direction, bool is_async, bool has_callback) {
  constexpr size_t kMaxParams = 16, kMaxAsyncParams = 4, kMaxResults = 1;
  const ValKind address = pointer == PointerSize::P32 ? ValKind::I32 : ValKind::I64;
  const bool lower = direction == Direction::Lower;
  CallShape shape;
  Layout params;
  for (const Field& p : type.params) append_flat(params, p.type->at(pointer));
  const size_t limit = is_async && lower ? kMaxAsyncParams : kMaxParams;
  shape.params_in_memory = !params.is_flat || params.flat.size() > limit;
  if (shape.params_in_memory) {
    shape.core.params = {address};
  } else {
    shape.core.params.assign(params.flat.begin(), params.flat.end());
  }
  if (is_async && !lower) {
    if (has_callback) shape.core.results = {wasm::kI32};
    return shape;
  }
  if (type.result) {
    const Layout& result = type.result->at(pointer);
    shape.results_in_memory = is_async || !result.is_flat || result.flat.size() > kMaxResults;
    if (!shape.results_in_memory) {
      shape.core.results.assign(result.flat.begin(), result.flat.end());
    } else if (lower) {
      shape.core.params.push_back(address);
    } else {
      shape.core.results = {address};
    }
  }
  if (is_async) shape.core.results = {wasm::kI32};
  return shape;
}

}  // namespace berth::component_model
