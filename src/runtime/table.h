// Tables (specification: execution, table instances). A table belongs to one store and is used by
// its thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/memory.h"
#include "runtime/types.h"

namespace berth::runtime {

class Instance;

class Table {
 public:
  // All elements are `init`. `element` is `type.element` resolved. Charges `allowance`, which must
  // outlive the table, with one unit an element. Fails with LimitExceeded or OutOfMemory.
  static Result<std::unique_ptr<Table>> create(const wasm::TableType& type, const ResolvedType& element, abi::Ref init,
                                               Allowance& allowance);
  ~Table();
  Table(const Table&) = delete;

  // As declared; type indices in it are those of the defining module.
  const wasm::TableType& type() const { return type_; }
  const ResolvedType& element_type() const { return element_; }
  // As declared, with the current size as the minimum.
  wasm::Limits current_limits() const { return {size(), type_.limits.max}; }

  u64 size() const { return record_.size; }
  // Stale once the table grew.
  std::span<abi::Ref> elements() {
    fill_in();
    return {record_.elements, record_.size};
  }
  // `index` must be in bounds.
  abi::Ref at(u64 index) { return record_.elements[index] != abi::kNull ? record_.elements[index] : look_up(index); }
  void set(u64 index, abi::Ref value) {
    fill_in();
    record_.elements[index] = value;
  }

  // A lazy table is one that nothing changes once its segments are in it. Its elements are null until `look_up` is
  // asked for them; a null then is one for good.
  bool is_lazy() const { return is_lazy_; }
  void set_lazy() { is_lazy_ = true; }
  // Elements from `index` on are the functions of a segment from `offset` on; as many as are given are in bounds.
  void add_lazy(u64 index, u32 size, Instance& instance, u32 segment, u32 offset);
  size_t lazy_count() const { return lazy_.size(); }
  // Undoes all but the first `count` of them.
  void forget_lazy(size_t count);
  // What is at `index`, which is in bounds and reads as null.
  abi::Ref look_up(u64 index);
  // Makes it a table like any other.
  void fill_in() {
    if (is_lazy_) [[unlikely]]
      fill_in_all();
  }

  // Adds `delta` elements (specification: growing tables); the old size, or -1 when the type's
  // maximum, the store's limits or the system forbid it.
  i64 grow(u64 delta, abi::Ref init);

  // Makes these its elements, of which there were as many at some time.
  void reset(std::span<const abi::Ref> elements);

  abi::TableRecord& record() { return record_; }

 private:
  struct Lazy {
    u64 index;
    u32 size;
    Instance* instance;
    u32 segment, offset;
  };
  void fill_in_all();
  Table(const wasm::TableType& type, const ResolvedType& element, Allowance& allowance)
      : type_(type), element_(element), allowance_(allowance) {}

  const wasm::TableType type_;
  const ResolvedType element_;
  abi::TableRecord record_{nullptr, 0};
  u64 capacity_ = 0;
  bool is_lazy_ = false;
  std::vector<Lazy> lazy_;  // later ones count first
  Allowance& allowance_;
};

}  // namespace berth::runtime
