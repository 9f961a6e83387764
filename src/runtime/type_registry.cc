#include "runtime/type_registry.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <unordered_map>

#include "base/result.h"
#include "runtime/size_classes.h"

namespace berth::runtime {

using abi::RuntimeType;
using abi::TypeKind;

// One recursion group. Immutable once registered, but for `holders`, which the registry's lock
// guards.
struct TypeGroup {
  std::vector<u64> key;  // the group's structure; equal keys are equivalent groups
  u64 hash = 0;
  u64 holders = 0;
  u32 size = 0;                           // members
  std::vector<const RuntimeType*> types;  // members, then other types that they name
  std::vector<RuntimeType> members;
  std::vector<wasm::SubType> definitions;  // type indices are into `types`
  std::vector<const RuntimeType*> displays;
  std::vector<u32> field_offsets;
  std::vector<u32> ref_offsets;
  std::vector<TypeGroup*> uses;  // other groups, held
};

namespace {

u64 hash_key(std::span<const u64> key) {
  u64 h = 0x9E3779B97F4A7C15;
  for (const u64 word : key) {
    h = (h ^ word) * 0xFF51AFD7ED558CCD;
    h ^= h >> 32;
  }
  return h;
}

TypeGroup* group_of(const RuntimeType* type) { return static_cast<TypeGroup*>(const_cast<void*>(type->group)); }

// Turns a recursion group of a module into its key.
class KeyBuilder {
 public:
  KeyBuilder(std::span<const RuntimeType* const> earlier, u32 start, u32 size)
      : earlier_(earlier), start_(start), size_(size) {}

  void add(const wasm::SubType& type) {
    key_.push_back(static_cast<u64>(type.kind) | u64{type.is_final} << 8 | u64{type.super.has_value()} << 9);
    if (type.super) add_index(type.super->value);
    switch (type.kind) {
      case wasm::CompositeKind::Func:
        key_.push_back(type.func.params.size() << 32 | type.func.results.size());
        for (const auto& t : type.func.params) add(t);
        for (const auto& t : type.func.results) add(t);
        break;
      case wasm::CompositeKind::Struct:
        key_.push_back(type.strct.fields.size());
        for (const auto& f : type.strct.fields) add(f);
        break;
      case wasm::CompositeKind::Array: add(type.array.element); break;
    }
  }
  std::vector<u64>& key() { return key_; }

 private:
  void add(const wasm::FieldType& field) {
    add(field.type, static_cast<u64>(field.packed) << 16 | u64{field.is_mutable} << 24);
  }
  void add(wasm::ValType type, u64 more = 0) {
    const u64 head = static_cast<u64>(type.kind) | u64{type.nullable} << 8 | more;
    if (!type.is_ref()) {
      key_.push_back(head);
    } else if (type.heap.is_index()) {
      key_.push_back(head | u64{1} << 32);
      add_index(type.heap.index().value);
    } else {
      key_.push_back(head | u64{2} << 32 | u64{type.heap.bits() & 0xFF} << 40);
    }
  }
  // A member by its place, any other type by its identity. Both are one word; addresses have bit 63
  // clear.
  void add_index(u32 index) {
    if (index - start_ < size_) {
      key_.push_back(u64{1} << 63 | (index - start_));
    } else {
      CHECK(index < earlier_.size());
      key_.push_back(reinterpret_cast<u64>(earlier_[index]));
    }
  }

  std::span<const RuntimeType* const> earlier_;
  u32 start_, size_;
  std::vector<u64> key_;
};

// Makes the record of a group that is not known yet.
class GroupBuilder {
 public:
  GroupBuilder(std::span<const RuntimeType* const> earlier, u32 start, u32 size)
      : earlier_(earlier), start_(start), size_(size), group_(new TypeGroup) {
    group_->size = size;
    group_->members.resize(size);
    for (auto& member : group_->members) group_->types.push_back(&member);
  }

  std::unique_ptr<TypeGroup> build(std::span<const wasm::SubType> types) {
    TypeGroup& g = *group_;
    g.definitions.assign(types.begin(), types.end());
    for (auto& definition : g.definitions) localize(definition);
    size_t displays = 0, fields = 0, refs = 0;
    for (u32 i = 0; i < size_; ++i) {
      set_depth(i);
      displays += g.members[i].depth + 1u;
      fields += g.definitions[i].strct.fields.size();
      for (const auto& f : g.definitions[i].strct.fields) refs += is_traced(f);
    }
    // Pointers into these stay valid: they never grow again.
    g.displays.resize(displays);
    g.field_offsets.resize(fields);
    g.ref_offsets.resize(refs);
    for (u32 i = 0; i < size_; ++i) complete(i);
    for (size_t i = size_; i < g.types.size(); ++i) g.uses.push_back(group_of(g.types[i]));
    std::ranges::sort(g.uses);
    const auto repeated = std::ranges::unique(g.uses);
    g.uses.erase(repeated.begin(), repeated.end());
    return std::move(group_);
  }

 private:
  // Rewrites a type index of the module into one of `group_->types`.
  wasm::TypeIdx localize(wasm::TypeIdx index) {
    if (index.value - start_ < size_) return wasm::TypeIdx(index.value - start_);
    auto& types = group_->types;
    const RuntimeType* type = earlier_[index.value];
    const auto [at, is_new] = others_.try_emplace(type, static_cast<u32>(types.size()));
    if (is_new) types.push_back(type);
    return wasm::TypeIdx(at->second);
  }
  void localize(wasm::ValType& type) {
    if (type.is_ref() && type.heap.is_index())
      type = wasm::ValType::ref(wasm::HeapType(localize(type.heap.index())), type.nullable);
  }
  void localize(wasm::SubType& type) {
    if (type.super) type.super = localize(*type.super);
    for (auto& t : type.func.params) localize(t);
    for (auto& t : type.func.results) localize(t);
    for (auto& f : type.strct.fields) localize(f.type);
    if (type.kind == wasm::CompositeKind::Array) localize(type.array.element.type);
    type.group_start = 0;
    type.group_size = size_;
  }

  // A supertype comes before its subtypes (specification: recursive types), so its depth is known.
  void set_depth(u32 i) {
    const auto& super = group_->definitions[i].super;
    if (super) {
      CHECK(super->value >= size_ || super->value < i);
      group_->members[i].depth = static_cast<u8>(group_->types[super->value]->depth + 1);
    }
  }

  // Whether the collector follows a field. A heap type of the group itself may not have its kind
  // set yet, so ask its definition.
  bool is_traced(const wasm::FieldType& field) const {
    if (field.packed != wasm::Packed::None || !field.type.is_ref()) return false;
    if (!field.type.heap.is_index()) return may_be_object(resolve_abstract(field.type));
    const u32 index = field.type.heap.index().value;
    if (index < size_) return group_->definitions[index].kind != wasm::CompositeKind::Func;
    return group_->types[index]->kind != TypeKind::Func;
  }

  void complete(u32 i) {
    TypeGroup& g = *group_;
    const wasm::SubType& definition = g.definitions[i];
    RuntimeType& type = g.members[i];
    type.is_final = definition.is_final;
    type.definition = &definition;
    type.group = &g;
    const RuntimeType** display = g.displays.data() + next_display_;
    next_display_ += type.depth + 1u;
    if (definition.super) {
      const RuntimeType* super = g.types[definition.super->value];
      std::copy_n(super->display, super->depth + 1u, display);
    }
    display[type.depth] = &type;
    type.display = display;
    switch (definition.kind) {
      case wasm::CompositeKind::Func:
        type.kind = TypeKind::Func;
        for (const auto& t : definition.func.params) type.param_slots += slot_count(t);
        for (const auto& t : definition.func.results) type.result_slots += slot_count(t);
        break;
      case wasm::CompositeKind::Struct: lay_out_struct(type, definition.strct); break;
      case wasm::CompositeKind::Array:
        type.kind = TypeKind::Array;
        type.element_log2 = static_cast<u8>(std::countr_zero(definition.array.element.size()));
        type.has_refs = is_traced(definition.array.element);
        type.ref_count = type.has_refs ? 1 : 0;
        type.object_bytes = sizeof(abi::ArrayObject);
        type.size_class = kLargeClass;
        break;
    }
  }

  void lay_out_struct(RuntimeType& type, const wasm::StructType& definition) {
    TypeGroup& g = *group_;
    type.kind = TypeKind::Struct;
    u32* offsets = g.field_offsets.data() + next_field_;
    u32* refs = g.ref_offsets.data() + next_ref_;
    type.field_offsets = offsets;
    type.ref_offsets = refs;
    u32 end = abi::kStructFieldsStart;
    u32 alignment = 8;
    for (const auto& field : definition.fields) {
      const u32 bytes = field.size();
      alignment = std::max(alignment, bytes);
      end = (end + bytes - 1) & ~(bytes - 1);
      *offsets++ = end;
      if (is_traced(field)) refs[type.ref_count++] = end;
      end += bytes;
    }
    next_field_ += static_cast<u32>(definition.fields.size());
    next_ref_ += type.ref_count;
    // A multiple of 16 when a field needs that alignment: see runtime/size_classes.h.
    type.object_bytes = (end + alignment - 1) & ~(alignment - 1);
    type.has_refs = type.ref_count != 0;
    type.size_class = size_class(type.object_bytes);
  }

  std::span<const RuntimeType* const> earlier_;
  u32 start_, size_;
  std::unique_ptr<TypeGroup> group_;
  std::unordered_map<const RuntimeType*, u32> others_;
  u32 next_display_ = 0, next_field_ = 0, next_ref_ = 0;
};

class TypeRegistry {
 public:
  static TypeRegistry& instance() {
    static TypeRegistry* registry = new TypeRegistry;
    return *registry;
  }

  std::mutex& mutex() { return mutex_; }
  u64 size() {
    const std::lock_guard lock(mutex_);
    return groups_.size();
  }

  // The group's record, held once more. `types` are the group's; `earlier` those of the module
  // before it.
  TypeGroup* acquire(std::span<const wasm::SubType> types, std::span<const RuntimeType* const> earlier, u32 start) {
    const u32 size = static_cast<u32>(types.size());
    KeyBuilder keys(earlier, start, size);
    keys.key().push_back(size);
    for (const auto& type : types) keys.add(type);
    const u64 hash = hash_key(keys.key());
    auto [first, last] = groups_.equal_range(hash);
    for (; first != last; ++first) {
      if (first->second->key == keys.key()) {
        ++first->second->holders;
        return first->second.get();
      }
    }
    auto group = GroupBuilder(earlier, start, size).build(types);
    group->key = std::move(keys.key());
    group->hash = hash;
    group->holders = 1;
    for (TypeGroup* used : group->uses) ++used->holders;
    TypeGroup* made = group.get();
    groups_.emplace(hash, std::move(group));
    return made;
  }

  void release(TypeGroup* group) {
    std::vector<TypeGroup*> work{group};
    while (!work.empty()) {
      TypeGroup* g = work.back();
      work.pop_back();
      if (--g->holders != 0) continue;
      work.insert(work.end(), g->uses.begin(), g->uses.end());
      auto [first, last] = groups_.equal_range(g->hash);
      while (first->second.get() != g) ++first;
      groups_.erase(first);
    }
  }

 private:
  std::mutex mutex_;
  std::unordered_multimap<u64, std::unique_ptr<TypeGroup>> groups_;
};

}  // namespace

TypeGroups::~TypeGroups() {
  TypeRegistry& registry = TypeRegistry::instance();
  const std::lock_guard lock(registry.mutex());
  for (TypeGroup* group : held_) registry.release(group);
}

std::vector<const RuntimeType*> TypeGroups::add_module(const wasm::Module& module) {
  TypeRegistry& registry = TypeRegistry::instance();
  const std::lock_guard lock(registry.mutex());
  std::vector<const RuntimeType*> types;
  types.reserve(module.types.size());
  const std::span all(module.types);
  while (types.size() < all.size()) {
    const u32 start = static_cast<u32>(types.size());
    const u32 size = all[start].group_size;
    CHECK(all[start].group_start == start && size != 0 && size <= all.size() - start);
    TypeGroup* group = registry.acquire(all.subspan(start, size), types, start);
    held_.push_back(group);
    types.insert(types.end(), group->types.begin(), group->types.begin() + size);
  }
  return types;
}

const RuntimeType* TypeGroups::add_function(const wasm::FuncType& type) {
  wasm::SubType definition;
  definition.func = type;
  TypeRegistry& registry = TypeRegistry::instance();
  const std::lock_guard lock(registry.mutex());
  TypeGroup* group = registry.acquire(std::span(&definition, 1), {}, 0);
  held_.push_back(group);
  return group->types[0];
}

std::span<const RuntimeType* const> definition_types(const RuntimeType& type) {
  return static_cast<const TypeGroup*>(type.group)->types;
}

const RuntimeType& host_object_type() {
  static const RuntimeType type = [] {
    RuntimeType t{};
    t.kind = TypeKind::Host;
    t.is_final = true;
    t.object_bytes = sizeof(abi::HostObject);
    t.size_class = size_class(t.object_bytes);
    return t;
  }();
  return type;
}

const RuntimeType& exception_object_type() {
  static const RuntimeType type = [] {
    RuntimeType t{};
    t.kind = TypeKind::Exception;
    t.is_final = true;
    t.object_bytes = sizeof(abi::ExceptionObject);
    t.has_refs = true;
    t.size_class = kLargeClass;
    return t;
  }();
  return type;
}

u64 registered_group_count() { return TypeRegistry::instance().size(); }

}  // namespace berth::runtime
