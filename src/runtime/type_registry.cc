#include "runtime/type_registry.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "abi/object_layout.h"
#include "abi/size_classes.h"
#include "base/result.h"

namespace berth::runtime {

using abi::kLargeClass;
using abi::RuntimeType;
using abi::size_class;
using abi::TypeKind;

// One recursion group. Immutable once registered, but for `holders` and `next`, which the registry's lock guards.
struct TypeGroup {
  u64 hash = 0;
  TypeGroup* next = nullptr;  // in the registry's chain
  u64 holders = 0;
  u32 size = 0;                            // members
  u32 type_count = 0;                      // members, and other types that they name, whose groups this one holds
  std::vector<wasm::SubType> definitions;  // type indices are into `types`
  // In `block`, with the displays and offsets that `members` point to.
  RuntimeType* members = nullptr;
  const RuntimeType** types = nullptr;
  std::unique_ptr<u8[]> block;

  std::span<const RuntimeType* const> all_types() const { return {types, type_count}; }
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

// Turns a recursion group into its key: equal keys are equivalent groups. `types` are what type indices below
// `start` or at and above `start + size` mean.
class KeyBuilder {
 public:
  KeyBuilder(std::vector<u64>& key, std::span<const RuntimeType* const> types, u32 start, u32 size)
      : key_(key), types_(types), start_(start), size_(size) {
    key_.assign(1, size);
  }

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
      CHECK(index < types_.size());
      key_.push_back(reinterpret_cast<u64>(types_[index]));
    }
  }

  std::vector<u64>& key_;
  std::span<const RuntimeType* const> types_;
  u32 start_, size_;
};

// Makes the record of a group that is not known yet.
class GroupBuilder {
 public:
  GroupBuilder(std::span<const RuntimeType* const> earlier, u32 start, u32 size)
      : earlier_(earlier), start_(start), size_(size), group_(new TypeGroup) {}

  std::unique_ptr<TypeGroup> build(std::span<const wasm::SubType> types) {
    TypeGroup& g = *group_;
    g.size = size_;
    g.definitions.assign(types.begin(), types.end());
    for (auto& definition : g.definitions) localize(definition);
    g.type_count = size_ + static_cast<u32>(others_.size());
    std::vector<u8> depths(size_);
    size_t displays = 0, fields = 0, refs = 0;
    for (u32 i = 0; i < size_; ++i) {
      depths[i] = depth_of(i, depths);
      displays += depths[i] + 1u;
      fields += g.definitions[i].strct.fields.size();
      for (const auto& f : g.definitions[i].strct.fields) refs += is_traced(f);
    }
    const size_t pointers = g.type_count + displays;
    g.block =
        std::make_unique<u8[]>(size_ * sizeof(RuntimeType) + pointers * sizeof(void*) + (fields + refs) * sizeof(u32));
    g.members = new (g.block.get()) RuntimeType[size_]{};
    g.types = reinterpret_cast<const RuntimeType**>(g.members + size_);
    next_display_ = g.types + g.type_count;
    next_field_ = reinterpret_cast<u32*>(next_display_ + displays);
    next_ref_ = next_field_ + fields;
    for (u32 i = 0; i < size_; ++i) g.types[i] = &g.members[i];
    std::ranges::copy(others_, g.types + size_);
    for (u32 i = 0; i < size_; ++i) complete(i, depths[i]);
    return std::move(group_);
  }

 private:
  // Rewrites a type index of the module into one of the group's types.
  wasm::TypeIdx localize(wasm::TypeIdx index) {
    if (index.value - start_ < size_) return wasm::TypeIdx(index.value - start_);
    const RuntimeType* type = earlier_[index.value];
    const auto [at, is_new] = other_places_.try_emplace(type, size_ + static_cast<u32>(others_.size()));
    if (is_new) others_.push_back(type);
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
  u8 depth_of(u32 i, const std::vector<u8>& depths) const {
    const auto& super = group_->definitions[i].super;
    if (!super) return 0;
    CHECK(super->value >= size_ || super->value < i);
    return static_cast<u8>((super->value < size_ ? depths[super->value] : others_[super->value - size_]->depth) + 1);
  }

  // Whether the collector follows a field. A heap type of the group itself may not have its kind
  // set yet, so ask its definition.
  bool is_traced(const wasm::FieldType& field) const {
    if (field.packed != wasm::Packed::None || !field.type.is_ref()) return false;
    if (!field.type.heap.is_index()) return may_be_object(resolve_abstract(field.type));
    const u32 index = field.type.heap.index().value;
    if (index < size_) return group_->definitions[index].kind != wasm::CompositeKind::Func;
    return others_[index - size_]->kind != TypeKind::Func;
  }

  void complete(u32 i, u8 depth) {
    TypeGroup& g = *group_;
    const wasm::SubType& definition = g.definitions[i];
    RuntimeType& type = g.members[i];
    type.depth = depth;
    type.is_final = definition.is_final;
    type.definition = &definition;
    type.group = &g;
    const RuntimeType** display = next_display_;
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
    type.kind = TypeKind::Struct;
    u32* offsets = next_field_;
    u32* refs = next_ref_;
    type.field_offsets = offsets;
    type.ref_offsets = refs;
    abi::StructLayout layout;
    for (const auto& field : definition.fields) {
      const u32 offset = layout.add(field);
      *offsets++ = offset;
      if (is_traced(field)) refs[type.ref_count++] = offset;
    }
    next_field_ += static_cast<u32>(definition.fields.size());
    next_ref_ += type.ref_count;
    // A multiple of 16 when a field needs that alignment: see abi/size_classes.h.
    type.object_bytes = layout.object_bytes();
    type.has_refs = type.ref_count != 0;
    type.size_class = size_class(type.object_bytes);
  }

  std::span<const RuntimeType* const> earlier_;
  u32 start_, size_;
  std::unique_ptr<TypeGroup> group_;
  std::vector<const RuntimeType*> others_;  // types outside the group, in the order of their first mention
  std::unordered_map<const RuntimeType*, u32> other_places_;
  const RuntimeType** next_display_ = nullptr;
  u32* next_field_ = nullptr;
  u32* next_ref_ = nullptr;
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
    return count_;
  }

  // The group's record, held once more. `types` are the group's; `earlier` those of the module before it.
  TypeGroup* acquire(std::span<const wasm::SubType> types, std::span<const RuntimeType* const> earlier, u32 start) {
    const u32 size = static_cast<u32>(types.size());
    KeyBuilder keys(key_, earlier, start, size);
    for (const auto& type : types) keys.add(type);
    const u64 hash = hash_key(key_);
    for (TypeGroup* group = chain(hash); group != nullptr; group = group->next) {
      if (group->hash == hash && has_key(*group)) {
        ++group->holders;
        return group;
      }
    }
    TypeGroup* group = GroupBuilder(earlier, start, size).build(types).release();
    group->hash = hash;
    group->holders = 1;
    for (const RuntimeType* used : group->all_types().subspan(size)) ++group_of(used)->holders;
    insert(group);
    return group;
  }

  // Gives back what huge groups needed for a moment.
  void trim() {
    if (key_.capacity() <= kKeptKeyWords) return;
    key_ = {};
    other_key_ = {};
  }

  void release(TypeGroup* released) {
    std::vector<TypeGroup*> work{released};
    while (!work.empty()) {
      TypeGroup* group = work.back();
      work.pop_back();
      if (--group->holders != 0) continue;
      for (const RuntimeType* used : group->all_types().subspan(group->size)) work.push_back(group_of(used));
      remove(group);
      delete group;
    }
  }

 private:
  // Whether `key_` is the group's key.
  bool has_key(const TypeGroup& group) {
    KeyBuilder keys(other_key_, group.all_types(), 0, group.size);
    for (const auto& type : group.definitions) keys.add(type);
    return key_ == other_key_;
  }

  // The set of groups: chains by hash.
  TypeGroup*& chain(u64 hash) { return chains_[hash & (chains_.size() - 1)]; }
  void insert(TypeGroup* group) {
    if (++count_ > chains_.size()) resize(chains_.size() * 2);
    group->next = chain(group->hash);
    chain(group->hash) = group;
  }
  void remove(TypeGroup* group) {
    TypeGroup** at = &chain(group->hash);
    while (*at != group) at = &(*at)->next;
    *at = group->next;
    if (--count_ < chains_.size() / 8 && chains_.size() > kMinChains) resize(chains_.size() / 2);
  }
  void resize(size_t size) {
    std::vector<TypeGroup*> old(size, nullptr);
    old.swap(chains_);
    for (TypeGroup* group : old) {
      while (group != nullptr) {
        TypeGroup* const next = group->next;
        group->next = chain(group->hash);
        chain(group->hash) = group;
        group = next;
      }
    }
  }

  static constexpr size_t kMinChains = 64;
  static constexpr size_t kKeptKeyWords = 1 << 16;
  std::mutex mutex_;
  std::vector<TypeGroup*> chains_ = std::vector<TypeGroup*>(kMinChains, nullptr);
  size_t count_ = 0;
  std::vector<u64> key_, other_key_;  // scratch
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
    types.insert(types.end(), group->types, group->types + size);
  }
  registry.trim();
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
  return static_cast<const TypeGroup*>(type.group)->all_types();
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
