// Tables (specification: execution, table instances). A table belongs to one store and is used by
// its thread.
#pragma once

#include <memory>
#include <span>

#include "runtime/memory.h"
#include "runtime/types.h"

namespace berth::runtime {

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
  std::span<abi::Ref> elements() const { return {record_.elements, record_.size}; }
  // `index` must be in bounds.
  abi::Ref at(u64 index) const { return record_.elements[index]; }
  void set(u64 index, abi::Ref value) { record_.elements[index] = value; }

  // Adds `delta` elements (specification: growing tables); the old size, or -1 when the type's
  // maximum, the store's limits or the system forbid it.
  i64 grow(u64 delta, abi::Ref init);

  // Makes these its elements, of which there were as many at some time.
  void reset(std::span<const abi::Ref> elements);

  abi::TableRecord& record() { return record_; }

 private:
  Table(const wasm::TableType& type, const ResolvedType& element, Allowance& allowance)
      : type_(type), element_(element), allowance_(allowance) {}

  const wasm::TableType type_;
  const ResolvedType element_;
  abi::TableRecord record_{nullptr, 0};
  u64 capacity_ = 0;
  Allowance& allowance_;
};

}  // namespace berth::runtime
