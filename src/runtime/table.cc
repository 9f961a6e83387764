#include "runtime/table.h"

#include <algorithm>
#include <cstdlib>

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

void Table::reset(std::span<const Ref> elements) {
  CHECK(elements.size() <= record_.size);
  allowance_.give_back(record_.size - elements.size());
  record_.size = elements.size();
  std::ranges::copy(elements, record_.elements);
}

i64 Table::grow(u64 delta, Ref init) {
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
