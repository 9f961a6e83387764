// The functions that native code calls (spec/builtins.def), reached through the stubs of machine.cc. They leave
// by jumping when they fail, so none of them may own anything at that moment.
#include "runtime/builtins.h"

#include "native/entry.h"
#include "native/executor.h"
#include "runtime/guest_stack.h"

namespace berth::native {

using abi::FunctionInstance;
using abi::RuntimeType;
using runtime::UnwindKind;

namespace {

// Types of arguments and results as spec/builtins.def spells them.
using V = void;
using I = u32;
using L = u64;

// After a builtin that may have taken a while.
void look_for_interrupt(InstanceContext* ctx) {
  if (abi::is_stopped(*ctx->store)) [[unlikely]]
    leave_with_trap(*ctx->store, TrapCode::Interrupted);
}

void finish(InstanceContext* ctx, TrapCode code) {
  if (code != TrapCode::None) [[unlikely]]
    leave_with_trap(*ctx->store, code);
  look_for_interrupt(ctx);
}

}  // namespace

extern "C" {

L berth_builtin_MemoryGrow(InstanceContext* ctx, I memory, L pages) {
  const i64 old = runtime::memory_grow(ctx, memory, pages);
  look_for_interrupt(ctx);
  return static_cast<u64>(old);
}
V berth_builtin_MemoryFill(InstanceContext* ctx, I memory, L address, I value, L size) {
  finish(ctx, runtime::memory_fill(ctx, memory, address, static_cast<u8>(value), size));
}
V berth_builtin_MemoryCopy(InstanceContext* ctx, I to, I from, L to_address, L from_address, L size) {
  finish(ctx, runtime::memory_copy(ctx, to, from, to_address, from_address, size));
}
V berth_builtin_MemoryInit(InstanceContext* ctx, I memory, I data, L address, I offset, I size) {
  finish(ctx, runtime::memory_init(ctx, memory, data, address, offset, size));
}
V berth_builtin_DataDrop(InstanceContext* ctx, I data) { runtime::data_drop(ctx, data); }

L berth_builtin_TableGrow(InstanceContext* ctx, I table, Ref value, L elements) {
  const i64 old = runtime::table_grow(ctx, table, value, elements);
  look_for_interrupt(ctx);
  return static_cast<u64>(old);
}
V berth_builtin_TableFill(InstanceContext* ctx, I table, L index, Ref value, L size) {
  finish(ctx, runtime::table_fill(ctx, table, index, value, size));
}
V berth_builtin_TableCopy(InstanceContext* ctx, I to, I from, L to_index, L from_index, L size) {
  finish(ctx, runtime::table_copy(ctx, to, from, to_index, from_index, size));
}
V berth_builtin_TableInit(InstanceContext* ctx, I table, I elem, L index, I offset, I size) {
  finish(ctx, runtime::table_init(ctx, table, elem, index, offset, size));
}
Ref berth_builtin_TableLookUp(InstanceContext* ctx, I table, L index) {
  return runtime::table_look_up(ctx, table, index);
}
V berth_builtin_ElemDrop(InstanceContext* ctx, I elem) { runtime::elem_drop(ctx, elem); }

I berth_builtin_AtomicNotify(InstanceContext* ctx, I memory, L address, I count) {
  u32 woken = 0;
  finish(ctx, runtime::atomic_notify(ctx, memory, address, count, &woken));
  return woken;
}
I berth_builtin_AtomicWait32(InstanceContext* ctx, I memory, L address, I expected, L timeout) {
  u32 result = 0;
  finish(ctx, runtime::atomic_wait32(ctx, memory, address, expected, static_cast<i64>(timeout), &result));
  return result;
}
I berth_builtin_AtomicWait64(InstanceContext* ctx, I memory, L address, L expected, L timeout) {
  u32 result = 0;
  finish(ctx, runtime::atomic_wait64(ctx, memory, address, expected, static_cast<i64>(timeout), &result));
  return result;
}

Ref berth_builtin_StructNew(InstanceContext* ctx, const RuntimeType* type) {
  Ref made = abi::kNull;
  finish(ctx, runtime::struct_new(ctx, type, &made));
  return made;
}
Ref berth_builtin_ArrayNew(InstanceContext* ctx, const RuntimeType* type, I length, const Slot* value) {
  Ref made = abi::kNull;
  TrapCode code = runtime::array_new(ctx, type, length, &made);
  if (code == TrapCode::None && value != nullptr) code = runtime::array_fill(ctx, made, 0, value, length);
  finish(ctx, code);
  return made;
}
Ref berth_builtin_ArrayNewData(InstanceContext* ctx, const RuntimeType* type, I data, I offset, I length) {
  Ref made = abi::kNull;
  finish(ctx, runtime::array_new_data(ctx, type, data, offset, length, &made));
  return made;
}
Ref berth_builtin_ArrayNewElem(InstanceContext* ctx, const RuntimeType* type, I elem, I offset, I length) {
  Ref made = abi::kNull;
  finish(ctx, runtime::array_new_elem(ctx, type, elem, offset, length, &made));
  return made;
}
V berth_builtin_ArrayFill(InstanceContext* ctx, Ref array, I index, const Slot* value, I count) {
  finish(ctx, runtime::array_fill(ctx, array, index, value, count));
}
V berth_builtin_ArrayCopy(InstanceContext* ctx, Ref to, I to_index, Ref from, I from_index, I count) {
  finish(ctx, runtime::array_copy(ctx, to, to_index, from, from_index, count));
}
V berth_builtin_ArrayInitData(InstanceContext* ctx, Ref array, I index, I data, I offset, I count) {
  finish(ctx, runtime::array_init_data(ctx, array, index, data, offset, count));
}
V berth_builtin_ArrayInitElem(InstanceContext* ctx, Ref array, I index, I elem, I offset, I count) {
  finish(ctx, runtime::array_init_elem(ctx, array, index, elem, offset, count));
}

I berth_builtin_RefTest(InstanceContext* ctx, Ref ref, I heap, I nullable) {
  return runtime::ref_test(ctx, ref, wasm::HeapType::from_bits(heap), nullable != 0) ? 1 : 0;
}

Ref berth_builtin_ExceptionNew(InstanceContext* ctx, I tag, const Slot* values) {
  Ref made = abi::kNull;
  finish(ctx, runtime::exception_new(ctx, tag, values, &made));
  return made;
}

// Returns what to resume with; `at` is then where.
u64 berth_builtin_Throw(InstanceContext* ctx, Ref exception, Registers* at) {
  Entry& entry = *current_entry();
  if (exception == abi::kNull) {
    prepare_to_trap(entry, TrapCode::NullExceptionReference, *at);
  } else if (abi::is_stopped(*ctx->store)) [[unlikely]] {
    prepare_to_trap(entry, TrapCode::Interrupted, *at);
  } else if (!prepare_to_catch(entry, *at)) {
    prepare_to_throw(entry, exception, *at);
  }
  return exception;
}

// Returns 0 to go on after the call, else what to resume with at `at`.
u64 berth_builtin_CallOut(InstanceContext*, FunctionInstance* function, Slot* slots, Registers* at) {
  Entry& entry = *current_entry();
  StoreContext& store = *entry.store;
  entry.out = at;
  runtime::announce_native(store, 0);
  const abi::Status status = function->host != nullptr
                                 ? function->host(function->host_data, std::exchange(store.caller, nullptr), slots)
                                 : executor_of(store).call_out(*function, store, slots);
  entry.out = nullptr;
  const bool interrupted = interrupted_on_return(store);
  if (status == abi::Status::Ok) [[likely]] {
    if (!interrupted) [[likely]]
      return 0;
    prepare_to_trap(entry, TrapCode::Interrupted, *at);
    return 1;
  }
  std::unique_ptr<runtime::Unwind> unwind(static_cast<runtime::Unwind*>(std::exchange(store.pending, nullptr)));
  CHECK(unwind != nullptr);
  if (unwind->kind == UnwindKind::Exception && !interrupted && prepare_to_catch(entry, *at)) return unwind->exception;
  if (unwind->kind == UnwindKind::Trap && unwind->backtrace.empty()) {
    Trace trace;
    collect(*at, true, entry.sp, trace);
    append_frames(trace, unwind->backtrace);
    runtime::walk_activations(entry.activation.previous, unwind->backtrace);
  }
  prepare_to_leave(entry, std::move(unwind), *at);
  return 1;
}

V berth_builtin_Interrupted(InstanceContext* ctx) { look_for_interrupt(ctx); }

// For the exit stub: an exit trampoline for functions of the instance's type.
const void* berth_native_find_exit(const FunctionInstance* function) {
  const RuntimeType* const type = function->type;
  // Whoever calls has one for the type that it calls through, which is a supertype.
  for (u32 depth = type->depth; depth-- > 0;) {
    const void* const found = std::atomic_ref(type->display[depth]->native_exit).load(std::memory_order_acquire);
    if (found == nullptr) continue;
    std::atomic_ref(type->native_exit).store(found, std::memory_order_release);
    return found;
  }
  leave_with_trap(*current_entry()->store, TrapCode::HostError);
}

}  // extern "C"

}  // namespace berth::native
