// How native code looks from outside: calling convention, entry and exit, stacks, traps, and the tables that
// come with it. `compiler` makes it, `native` runs it.
//
// Native functions have the target's C calling convention, and no argument is ever passed on the stack, so that any
// function can tail-call any other. A function of type T is
//   result f(target, params...)
// with `target` the InstanceContext of the defining instance. i32, i64, f32, f64 are themselves, a v128 is
// <2 x i64>, a reference is a pointer. Parameters beyond kIntegerRegisters and kVectorRegisters (passing()) lie, as
// slots, in StoreContext::overflow, from which the callee takes them before it does anything else. One result is
// returned as such; more than one (returns_in_memory) go, as slots, to a buffer whose address is the second
// parameter, and the function returns void.
//
// What `FunctionInstance::native_code` points to is called with `FunctionInstance::native_target` first. For a
// function with native code these are its code and its instance's context. For any other (a host function, a
// body that only the interpreter has) they are a stub of the runtime and the FunctionInstance itself: the stub
// jumps to RuntimeType::native_exit, an exit trampoline which packs the arguments into slots and calls
// Builtin::CallOut. Both fields are changed only by the thread that runs the store.
//
// Trampolines, one of each for every function type that a module has; artifacts bring them along:
//   void enter(InstanceContext* or FunctionInstance* target, void* code, Slot* slots, Slot* overflow)
//     calls `code` with the arguments in `slots` and leaves the results there; `overflow` is the store's;
//   result exit(FunctionInstance*, [Slot* results,] params...)
//     calls StoreContext::builtins' CallOut(FunctionInstance::context, which may be null, the instance, slots).
// A host function is told which instance called it: that of StoreContext::caller.
//
// Traps: a memory access that faults at an address within a guarded reservation of the store is
// MemoryOutOfBounds; a trap instruction (x86-64: ud1 with the code as displacement of its operand, as
// llvm.ubsantrap makes it; AArch64: brk #0x5500 + code) is that TrapCode; an access below the stack's limit is
// StackExhausted. Functions probe frames larger than a page and do not check the stack otherwise: the runtime
// puts a guard below it, and builtins check that there is room for the host.
//
// Interrupts: Store::interrupt sends the thread a signal; when that finds it in native code it traps on the spot.
// Builtins look at StoreContext::interrupt before they return.
#pragma once

#include "abi/context.h"

namespace berth::abi {

// Changes with anything in context.h, native.h, artifact.h, builtins.def or traps.def that native code knows.
inline constexpr u32 kAbiVersion = 2;

// Room in StoreContext::overflow: the most parameters that a function may have, all vectors.
inline constexpr u32 kOverflowSlots = 2000;

enum class Builtin : u32 {
#define BERTH_BUILTIN(id, result, arguments) id,
#include "spec/builtins.def"
#undef BERTH_BUILTIN
};
inline constexpr u32 kBuiltinCount = 0
#define BERTH_BUILTIN(id, result, arguments) +1
#include "spec/builtins.def"
#undef BERTH_BUILTIN
    ;

inline bool returns_in_memory(const wasm::FuncType& type) { return type.results.size() > 1; }

// Registers for parameters after `target` and the buffer for results: general ones, and those of f32, f64 and v128.
inline constexpr u32 kIntegerRegisters = 5;
inline constexpr u32 kVectorRegisters = 8;

// For each parameter, kInRegister or the slot of StoreContext::overflow that it is passed in.
inline constexpr u32 kInRegister = 0xFFFFFFFF;
inline std::vector<u32> passing(const wasm::FuncType& type) {
  u32 integers = returns_in_memory(type) ? 1 : 0, vectors = 0, slot = 0;
  std::vector<u32> places;
  for (const auto& t : type.params) {
    const bool is_vector = t.kind == wasm::ValKind::F32 || t.kind == wasm::ValKind::F64 || t.is_vector();
    const bool fits = is_vector ? vectors++ < kVectorRegisters : integers++ < kIntegerRegisters;
    places.push_back(fits ? kInRegister : slot);
    if (!fits) slot += t.is_vector() ? 2 : 1;
  }
  return places;
}

// Slots between the locals of an interpreter's frame and its operands, whose places are in order of height.
inline constexpr u32 kFrameHeaderSlots = 3;

// Slots of all parameters or results: what `enter` and `exit` use.
inline u32 slot_count(const std::vector<wasm::ValType>& types) {
  u32 slots = 0;
  for (const auto& t : types) slots += t.is_vector() ? 2 : 1;
  return slots;
}

}  // namespace berth::abi
