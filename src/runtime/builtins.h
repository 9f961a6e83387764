// What guest code cannot do inline: the runtime's helpers, called by the interpreter and by native code
// alike. Each takes the instance context of the code that runs. Functions that return TrapCode return
// TrapCode::None when all went well, and change nothing otherwise.
//
// Those that allocate may collect garbage: every reference that must survive is in a value-stack slot below
// StoreContext::stack_top (the caller sets it), in an instance, or in a register of the native stack.
#pragma once

#include "abi/context.h"

namespace berth::runtime {

using abi::InstanceContext;
using abi::Ref;
using abi::Slot;
using abi::TrapCode;

// Memories (specification: memory instructions). Addresses and sizes are zero-extended when 32 bits wide.
// memory_grow returns the old size in pages, or -1.
i64 memory_grow(InstanceContext*, u32 memory, u64 delta_pages);
u64 memory_size(InstanceContext*, u32 memory);
TrapCode memory_fill(InstanceContext*, u32 memory, u64 address, u8 value, u64 size);
TrapCode memory_copy(InstanceContext*, u32 dst_memory, u32 src_memory, u64 dst, u64 src, u64 size);
TrapCode memory_init(InstanceContext*, u32 memory, u32 data, u64 dst, u32 src, u32 size);
void data_drop(InstanceContext*, u32 data);

// Tables. table_grow returns the old size or -1.
i64 table_grow(InstanceContext*, u32 table, Ref init, u64 delta);
TrapCode table_fill(InstanceContext*, u32 table, u64 index, Ref value, u64 size);
TrapCode table_copy(InstanceContext*, u32 dst_table, u32 src_table, u64 dst, u64 src, u64 size);
TrapCode table_init(InstanceContext*, u32 table, u32 elem, u64 dst, u32 src, u32 size);
void elem_drop(InstanceContext*, u32 elem);
// What a nullable table of functions has at `index`, which is in bounds and reads as null; null if it is so.
Ref table_look_up(InstanceContext*, u32 table, u64 index);

// Atomics. `address` includes the offset and is already checked for bounds and alignment by the callee.
// wait returns 0 woken, 1 not equal, 2 timed out; a negative timeout waits for ever. A wait ends early with
// TrapCode::Interrupted when the store is interrupted.
TrapCode atomic_notify(InstanceContext*, u32 memory, u64 address, u32 count, u32* woken);
TrapCode atomic_wait32(InstanceContext*, u32 memory, u64 address, u32 expected, i64 timeout_ns, u32* result);
TrapCode atomic_wait64(InstanceContext*, u32 memory, u64 address, u64 expected, i64 timeout_ns, u32* result);

// Objects. The new object's fields are zero/null; *out receives it.
TrapCode struct_new(InstanceContext*, const abi::RuntimeType* type, Ref* out);
TrapCode array_new(InstanceContext*, const abi::RuntimeType* type, u32 length, Ref* out);
// `value` points to one slot (two for v128 elements).
TrapCode array_fill(InstanceContext*, Ref array, u32 index, const Slot* value, u32 count);
TrapCode array_copy(InstanceContext*, Ref dst, u32 dst_index, Ref src, u32 src_index, u32 count);
TrapCode array_new_data(InstanceContext*, const abi::RuntimeType* type, u32 data, u32 offset, u32 length, Ref* out);
TrapCode array_new_elem(InstanceContext*, const abi::RuntimeType* type, u32 elem, u32 offset, u32 length, Ref* out);
TrapCode array_init_data(InstanceContext*, Ref array, u32 index, u32 data, u32 offset, u32 count);
TrapCode array_init_elem(InstanceContext*, Ref array, u32 index, u32 elem, u32 offset, u32 count);

// Whether `ref` is of type `(ref null? heap)`; `heap` is of the running module.
bool ref_test(InstanceContext*, Ref ref, wasm::HeapType heap, bool nullable);

// A new exception of the module's tag `tag` with `values` (the slots of its parameters).
TrapCode exception_new(InstanceContext*, u32 tag, const Slot* values, Ref* out);

}  // namespace berth::runtime
