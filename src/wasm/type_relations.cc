#include "wasm/type_relations.h"

#include <random>
#include <unordered_map>

namespace berth::wasm {

namespace {

// Different in each process, so that no module can be made to collide on purpose.
u64 hash_seed() {
  static const u64 seed = u64{std::random_device{}()} << 32 | std::random_device{}();
  return seed;
}

u64 mix(u64 hash, u64 value) {
  hash ^= value;
  hash *= 0x9E3779B97F4A7C15;
  return hash ^ hash >> 29;
}

// A heap type as it counts for equivalence: an index into the group itself is replaced by its
// position there, one to an earlier group by that type's representative.
struct GroupView {
  const Module& module;
  u32 start;
  u32 size;

  u64 key(TypeIdx t) const {
    if (t.value - start < size) return u64{1} << 32 | (t.value - start);
    return module.canonical[t.value].value;
  }
  u64 key(HeapType h) const { return h.is_index() ? key(h.index()) : h.bits(); }
  u64 key(ValType t) const { return key(t.heap) << 8 | static_cast<u64>(t.kind) << 1 | static_cast<u64>(t.nullable); }
  u64 mix_field(u64 hash, const FieldType& f) const {
    return mix(mix(hash, key(f.type)), static_cast<u64>(f.packed) << 1 | static_cast<u64>(f.is_mutable));
  }

  u64 hash() const {
    u64 h = mix(hash_seed(), size);
    for (u32 i = start; i < start + size; ++i) {
      const SubType& t = module.types[i];
      h = mix(h, static_cast<u64>(t.kind) << 1 | static_cast<u64>(t.is_final));
      h = mix(h, t.super ? key(*t.super) : ~u64{0});
      switch (t.kind) {
        case CompositeKind::Func:
          h = mix(h, t.func.params.size());
          for (const ValType& p : t.func.params) h = mix(h, key(p));
          for (const ValType& r : t.func.results) h = mix(h, key(r));
          break;
        case CompositeKind::Struct:
          h = mix(h, t.strct.fields.size());
          for (const FieldType& f : t.strct.fields) h = mix_field(h, f);
          break;
        case CompositeKind::Array: h = mix_field(h, t.array.element); break;
      }
    }
    return h;
  }
};

bool same(const GroupView& a, const GroupView& b, ValType x, ValType y) { return a.key(x) == b.key(y); }
bool same(const GroupView& a, const GroupView& b, const FieldType& x, const FieldType& y) {
  return x.packed == y.packed && x.is_mutable == y.is_mutable && same(a, b, x.type, y.type);
}
template <typename T>
bool same(const GroupView& a, const GroupView& b, const std::vector<T>& x, const std::vector<T>& y) {
  if (x.size() != y.size()) return false;
  for (size_t i = 0; i < x.size(); ++i)
    if (!same(a, b, x[i], y[i])) return false;
  return true;
}

bool same_group(const GroupView& a, const GroupView& b) {
  if (a.size != b.size) return false;
  for (u32 i = 0; i < a.size; ++i) {
    const SubType& x = a.module.types[a.start + i];
    const SubType& y = b.module.types[b.start + i];
    if (x.kind != y.kind || x.is_final != y.is_final || x.super.has_value() != y.super.has_value()) return false;
    if (x.super && a.key(*x.super) != b.key(*y.super)) return false;
    switch (x.kind) {
      case CompositeKind::Func:
        if (!same(a, b, x.func.params, y.func.params) || !same(a, b, x.func.results, y.func.results)) return false;
        break;
      case CompositeKind::Struct:
        if (!same(a, b, x.strct.fields, y.strct.fields)) return false;
        break;
      case CompositeKind::Array:
        if (!same(a, b, x.array.element, y.array.element)) return false;
        break;
    }
  }
  return true;
}

}  // namespace

struct TypeCanonicalizer::Impl {
  explicit Impl(Module& m) : module(m) {}
  Module& module;
  std::unordered_multimap<u64, std::pair<u32, u32>> groups;  // hash to start and size of a representative
};

TypeCanonicalizer::TypeCanonicalizer(Module& module) : impl_(std::make_unique<Impl>(module)) {}
TypeCanonicalizer::~TypeCanonicalizer() = default;

void TypeCanonicalizer::add_group(u32 group_start, u32 group_size) {
  Module& module = impl_->module;
  module.canonical.resize(group_start + group_size);
  const GroupView group{module, group_start, group_size};
  const u64 hash = group.hash();
  u32 representative = group_start;
  auto [first, last] = impl_->groups.equal_range(hash);
  for (; first != last; ++first) {
    const auto [start, size] = first->second;
    if (same_group(group, GroupView{module, start, size})) {
      representative = start;
      break;
    }
  }
  if (representative == group_start) impl_->groups.emplace(hash, std::pair(group_start, group_size));
  for (u32 i = 0; i < group_size; ++i) module.canonical[group_start + i] = TypeIdx(representative + i);
}

HeapType top_of(const Module& module, HeapType type) {
  if (type.is_index()) {
    return module.types[type.index().value].kind == CompositeKind::Func ? HeapType::kFunc : HeapType::kAny;
  }
  switch (type.abstract()) {
    case HeapType::kFunc:
    case HeapType::kNoFunc: return HeapType::kFunc;
    case HeapType::kExtern:
    case HeapType::kNoExtern: return HeapType::kExtern;
    case HeapType::kExn:
    case HeapType::kNoExn: return HeapType::kExn;
    case HeapType::kBottom: return HeapType::kBottom;
    default: return HeapType::kAny;
  }
}

bool heap_matches(const Module& module, HeapType sub, HeapType super) {
  if (sub == super) return true;
  if (super.is_index()) {
    if (sub.is_index()) {
      const TypeIdx wanted = module.canonical[super.index().value];
      TypeIdx t = sub.index();
      while (module.canonical[t.value] != wanted) {
        const auto& up = module.types[t.value].super;
        if (!up) return false;
        t = *up;
      }
      return true;
    }
    switch (sub.abstract()) {
      case HeapType::kBottom: return true;
      case HeapType::kNone: return module.types[super.index().value].kind != CompositeKind::Func;
      case HeapType::kNoFunc: return module.types[super.index().value].kind == CompositeKind::Func;
      default: return false;
    }
  }
  if (sub.is_index()) {
    switch (module.types[sub.index().value].kind) {
      case CompositeKind::Func: return super == HeapType::kFunc;
      case CompositeKind::Struct:
        return super == HeapType::kStruct || super == HeapType::kEq || super == HeapType::kAny;
      case CompositeKind::Array: return super == HeapType::kArray || super == HeapType::kEq || super == HeapType::kAny;
    }
    return false;
  }
  switch (sub.abstract()) {
    case HeapType::kBottom: return true;
    case HeapType::kNoFunc: return super == HeapType::kFunc;
    case HeapType::kNoExtern: return super == HeapType::kExtern;
    case HeapType::kNoExn: return super == HeapType::kExn;
    case HeapType::kNone:
      return super == HeapType::kI31 || super == HeapType::kStruct || super == HeapType::kArray ||
             super == HeapType::kEq || super == HeapType::kAny;
    case HeapType::kI31:
    case HeapType::kStruct:
    case HeapType::kArray: return super == HeapType::kEq || super == HeapType::kAny;
    case HeapType::kEq: return super == HeapType::kAny;
    default: return false;
  }
}

bool slow_val_matches(const Module& module, ValType sub, ValType super) {
  if (sub.kind == ValKind::Bottom) return true;
  if (!sub.is_ref() || !super.is_ref()) return sub == super;
  if (sub.nullable && !super.nullable) return false;
  return heap_matches(module, sub.heap, super.heap);
}

bool heap_equal(const Module& module, HeapType a, HeapType b) {
  if (a == b) return true;
  return a.is_index() && b.is_index() && module.canonical[a.index().value] == module.canonical[b.index().value];
}

bool val_equal(const Module& module, ValType a, ValType b) {
  return a.kind == b.kind && a.nullable == b.nullable && heap_equal(module, a.heap, b.heap);
}

}  // namespace berth::wasm
