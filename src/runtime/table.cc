#include "runtime/table.h"

#include <algorithm>
#include <cstdlib>

#include "runtime/store_impl.h"

namespace berth::runtime {

using abi::Ref;

Result<std::unique_ptr<Table>> Table::create(const wasm::TableType& type, const ResolvedType& element, Ref init,
                                             Allowance& allowance) {
  const u64 size = type.limits.min;
  if (!allowance.charge(size)) {
    return fail(ErrorCode::LimitExceeded, "a table of " + std::to_string(size) + " elements; the store may have " +
                                              std::to_string(allowance.limit) + ", " + std::to_string(allowance.used) +
                                              " are in use");
  }
  std::unique_ptr<Table> table(new Table(type, element, allowance));
  if (size != 0) {
    // calloc leaves large tables untouched until they are used.
    table->record_.elements = static_cast<Ref*>(std::calloc(size, sizeof(Ref)));
    if (table->record_.elements == nullptr) {
      allowance.give_back(size);
      return fail(ErrorCode::OutOfMemory, "a table of " + std::to_string(size) + " elements");
    }
    table->record_.size = table->capacity_ = size;
    if (init != abi::kNull) std::ranges::fill(table->elements(), init);
  }
  return table;
}

Table::~Table() {
  allowance_.give_back(record_.size);
  std::free(record_.elements);
}

void Table::add_lazy(u64 index, u32 size, Instance& instance, u32 segment, u32 offset) {
  CHECK(is_lazy_);
  // What has been looked up there counts no more.
  std::fill_n(record_.elements + index, size, abi::kNull);
  lazy_.push_back({index, size, &instance, segment, offset});
}

void Table::forget_lazy(size_t count) {
  for (; lazy_.size() > count; lazy_.pop_back())
    std::fill_n(record_.elements + lazy_.back().index, lazy_.back().size, abi::kNull);
}

Ref Table::look_up(u64 index) {
  for (size_t i = lazy_.size(); i-- > 0;) {
    const Lazy& l = lazy_[i];
    if (index - l.index >= l.size) continue;
    const InstanceImpl& instance = StoreAccess::of(*l.instance);
    const wasm::ElemSegment& segment = instance.module->module().elems[l.segment];
    return record_.elements[index] =
               reinterpret_cast<Ref>(instance.function(segment.funcs[l.offset + (index - l.index)].value));
  }
  return abi::kNull;
}

void Table::fill_in_all() {
  is_lazy_ = false;
  for (u64 i = 0; i < record_.size && !lazy_.empty(); ++i) {
    if (record_.elements[i] == abi::kNull) look_up(i);
  }
  lazy_ = {};
}

void Table::reset(std::span<const Ref> elements) {
  CHECK(!is_lazy_);
  CHECK(elements.size() <= record_.size);
  allowance_.give_back(record_.size - elements.size());
  record_.size = elements.size();
  std::ranges::copy(elements, record_.elements);
}

i64 Table::grow(u64 delta, Ref init) {
  fill_in();
  const u64 old_size = record_.size;
  const u64 most = type_.is_64 ? ~u64{0} >> 8 : ~u32{0};
  const u64 max = std::min(type_.limits.max.value_or(most), most);
  if (delta > max - std::min(max, old_size)) return -1;
  if (delta == 0) return static_cast<i64>(old_size);
  if (!allowance_.charge(delta)) return -1;
  const u64 new_size = old_size + delta;
  if (new_size > capacity_) {
    const u64 capacity = std::min(max, std::max(new_size, capacity_ + capacity_ / 2));
    void* larger = std::realloc(record_.elements, capacity * sizeof(Ref));
    if (larger == nullptr) {
      allowance_.give_back(delta);
      return -1;
    }
    record_.elements = static_cast<Ref*>(larger);
    capacity_ = capacity;
  }
  std::fill_n(record_.elements + old_size, delta, init);
  record_.size = new_size;
  return static_cast<i64>(old_size);
}

}  // namespace berth::runtime
