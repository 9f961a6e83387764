#include "native/entry.h"

#include "native/artifact.h"
#include "os/fault.h"
#include "os/fiber.h"
#include "runtime/guest_stack.h"

namespace berth::native {

using runtime::Unwind;
using runtime::UnwindKind;

namespace {

// What a trap leaves for `enter`, which takes it at once. Written by builtins and by the fault handler.
struct Trap {
  TrapCode code = TrapCode::None;
  Ref exception = abi::kNull;  // when not a trap
  Trace trace;
};
thread_local Trap t_trap;

void walk_entry(const runtime::Activation& activation, std::vector<runtime::Frame>& out) {
  // The activation is the first member of what it is part of.
  const auto& entry = static_cast<const Entry&>(reinterpret_cast<const EntryFrame&>(activation));
  if (entry.out == nullptr) return;
  Trace trace;
  collect(*entry.out, true, entry.sp, trace);
  append_frames(trace, out);
}

// Below the stack that the thread runs on.
bool in_stack_guard(const void* address) {
  const u8* const low = os::ExecutionStack::current().low();
  const u64 below = reinterpret_cast<u64>(low) - reinterpret_cast<u64>(address);
  return low != nullptr && below != 0 && below <= os::Fiber::kGuardBytes;
}

bool is_interrupted(const StoreContext& store) { return abi::is_stopped(store, std::memory_order_seq_cst); }

// What a fault in native code means; None when it is none of ours.
TrapCode meaning(const os::Fault& fault, const StoreContext& store) {
  switch (fault.kind()) {
    case os::FaultKind::Memory:
    case os::FaultKind::Bus:
      if (in_stack_guard(fault.address())) return TrapCode::StackExhausted;
      return runtime::in_guarded_memory(store, fault.address()) ? TrapCode::MemoryOutOfBounds : TrapCode::None;
    case os::FaultKind::Illegal:
    case os::FaultKind::Breakpoint: return trap_instruction(reinterpret_cast<const u8*>(fault.pc()));
    case os::FaultKind::Nudge: return is_interrupted(store) ? TrapCode::Interrupted : TrapCode::None;
    case os::FaultKind::Arithmetic: break;
  }
  return TrapCode::None;
}

// Room for the registers, and for what suspends the stack.
constexpr u64 kRoomToYield = 64 << 10;

// Lets others of the thread go on, called as if by the native code that was interrupted.
void give_way() {
  StoreContext& store = *current_entry()->store;
  const int thread = runtime::announce_native(store, 0);
  runtime::yield_if_asked(store);
  runtime::announce_native(store, thread);
  // The nudge that it was meant for may have come while it was suspended.
  if (is_interrupted(store)) runtime::nudge_when_back(store);
}

bool on_fault(os::Fault& fault, void*) {
  Entry* const entry = current_entry();
  if (entry == nullptr) return false;
  StoreContext& store = *entry->store;
  if (fault.kind() == os::FaultKind::Illegal && in_refusal(fault.pc())) {
    t_trap.code = TrapCode::StackExhausted;
    collect(registers_at_builtin(store), true, entry->sp, t_trap.trace);
  } else {
    if (Artifact::containing(fault.pc()) == nullptr) return false;
    const TrapCode code = meaning(fault, store);
    if (code == TrapCode::None && fault.kind() == os::FaultKind::Nudge &&
        (store.interrupt.load(std::memory_order_relaxed) & abi::kYield) != 0)
      return fault.sp() - reinterpret_cast<u64>(os::ExecutionStack::current().low()) > kRoomToYield &&
             fault.divert(give_way);
    if (code == TrapCode::None) return false;
    t_trap.code = code;
    collect(registers_at(fault), false, entry->sp, t_trap.trace);
  }
  fault.set_pc(unwound_point());
  fault.set_sp(entry->sp);
  return true;
}

abi::Status unwind_with(StoreContext& store, std::unique_ptr<Unwind> unwind) {
  store.pending = unwind.release();
  return abi::Status::Unwind;
}

abi::Status refuse(StoreContext& store, TrapCode code) {
  auto unwind = std::make_unique<Unwind>();
  unwind->trap = code;
  runtime::walk_activations(static_cast<runtime::Activation*>(store.activation), unwind->backtrace);
  return unwind_with(store, std::move(unwind));
}

// Why an entry was left, from what was noted meanwhile.
std::unique_ptr<Unwind> take_unwind(Entry& entry, const StoreContext& store) {
  if (entry.unwind != nullptr) return std::unique_ptr<Unwind>(std::exchange(entry.unwind, nullptr));
  auto unwind = std::make_unique<Unwind>();
  if (t_trap.code == TrapCode::None) {
    unwind->kind = UnwindKind::Exception;
    unwind->exception = std::exchange(t_trap.exception, abi::kNull);
  } else {
    unwind->trap = std::exchange(t_trap.code, TrapCode::None);
  }
  append_frames(t_trap.trace, unwind->backtrace);
  runtime::walk_activations(static_cast<runtime::Activation*>(store.activation), unwind->backtrace);
  return unwind;
}

}  // namespace

Result<> install_fault_handler() {
  static const Result<> installed = os::add_fault_handler(on_fault, nullptr);
  os::Fiber::set_exchange(
      [](void* next) -> void* { return std::exchange(berth_native_entry, static_cast<EntryFrame*>(next)); });
  if (!installed) return fail(installed.error().code(), installed.error().detail());
  return {};
}

abi::Status enter(StoreContext& store, void* target, const void* code, const void* trampoline, Slot* slots) {
  if (reinterpret_cast<u64>(__builtin_frame_address(0)) < store.native_limit)
    return refuse(store, TrapCode::StackExhausted);
  Entry entry{};
  entry.activation = {static_cast<runtime::Activation*>(store.activation), walk_entry};
  entry.store = &store;
  entry.outer = berth_native_entry;
  store.activation = &entry.activation;
  berth_native_entry = &entry;
  const int thread_before = runtime::announce_native(store, os::this_thread());
  Left left = Left::Unwound;
  if (is_interrupted(store)) {
    t_trap.code = TrapCode::Interrupted;
    t_trap.trace.count = 0;
  } else {
    left = berth_native_enter(&entry, trampoline, target, code, slots);
  }
  runtime::announce_native(store, thread_before);
  berth_native_entry = entry.outer;
  store.activation = entry.activation.previous;
  if (left == Left::Returned) [[likely]]
    return abi::Status::Ok;
  return unwind_with(store, take_unwind(entry, store));
}

namespace {
void to_end(const Entry& entry, Registers& at) {
  at.pc = unwound_point();
  at.sp = entry.sp;
}
}  // namespace

void leave_with_trap(StoreContext& store, TrapCode code) {
  Registers at = registers_at_builtin(store);
  prepare_to_trap(*current_entry(), code, at);
  berth_native_resume(&at, 0);
}

void prepare_to_trap(Entry& entry, TrapCode code, Registers& at) {
  t_trap.code = code;
  collect(at, true, entry.sp, t_trap.trace);
  to_end(entry, at);
}

void prepare_to_leave(Entry& entry, std::unique_ptr<Unwind> unwind, Registers& at) {
  entry.unwind = unwind.release();
  to_end(entry, at);
}

bool prepare_to_catch(const Entry& entry, Registers& at) {
  const Registers thrown = at;
  if (find_landing(at, entry.sp)) return true;
  at = thrown;
  return false;
}

void prepare_to_throw(Entry& entry, Ref exception, Registers& at) {
  t_trap.code = TrapCode::None;
  t_trap.exception = exception;
  collect(at, true, entry.sp, t_trap.trace);
  to_end(entry, at);
}

bool interrupted_on_return(StoreContext& store) {
  runtime::announce_native(store, os::this_thread());
  return is_interrupted(store);
}

}  // namespace berth::native
