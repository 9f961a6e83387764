// Table instructions (specification: execution, table instructions).

#include <algorithm>
#include <cstring>

#include "runtime/builtins.h"
#include "runtime/store_impl.h"

namespace berth::runtime {

namespace {
bool in_bounds(u64 start, u64 count, u64 size) { return count <= size && start <= size - count; }
}  // namespace

i64 table_grow(InstanceContext* context, u32 table, Ref init, u64 delta) {
  return StoreAccess::of(context).tables[table]->grow(delta, init);
}

TrapCode table_fill(InstanceContext* context, u32 table, u64 index, Ref value, u64 size) {
  abi::TableRecord& record = *context->tables[table];
  if (!in_bounds(index, size, record.size)) return TrapCode::TableOutOfBounds;
  std::fill_n(record.elements + index, size, value);
  return TrapCode::None;
}

TrapCode table_copy(InstanceContext* context, u32 dst_table, u32 src_table, u64 dst, u64 src, u64 size) {
  abi::TableRecord& to = *context->tables[dst_table];
  const abi::TableRecord& from = *context->tables[src_table];
  if (!in_bounds(src, size, from.size) || !in_bounds(dst, size, to.size)) return TrapCode::TableOutOfBounds;
  if (size != 0) std::memmove(to.elements + dst, from.elements + src, size * sizeof(Ref));
  return TrapCode::None;
}

TrapCode table_init(InstanceContext* context, u32 table, u32 elem, u64 dst, u32 src, u32 size) {
  abi::TableRecord& record = *context->tables[table];
  const InstanceImpl& instance = StoreAccess::of(context);
  if (!in_bounds(src, size, instance.elem_size(elem)) || !in_bounds(dst, size, record.size))
    return TrapCode::TableOutOfBounds;
  for (u32 i = 0; i < size; ++i) record.elements[dst + i] = instance.elem_at(elem, src + i);
  return TrapCode::None;
}

Ref table_look_up(InstanceContext* context, u32 table, u64 index) {
  Table& t = *StoreAccess::of(context).tables[table];
  return t.is_lazy() ? t.look_up(index) : abi::kNull;
}

void elem_drop(InstanceContext* context, u32 elem) {
  StoreAccess::of(context).segments_changed = true;
  ElemState& state = StoreAccess::of(context).elems[elem];
  state.dropped = true;
  if (state.is_kept) return;
  std::free(state.refs);
  state.refs = nullptr;
}

}  // namespace berth::runtime
