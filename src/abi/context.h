// The layout that interpreter, native code and runtime share: what guest code reaches at run time, and
// where. Plain structs of fixed layout; `runtime` creates and owns every one of them and keeps their
// addresses stable for as long as the instance lives. A context is used by one thread at a time.
//
// Values at run time are 8-byte slots: i32 and f32 in the low four bytes (the high four undefined),
// i64 and f64 whole, v128 in two slots, references as `Ref`.
#pragma once

#include <atomic>
#include <cstddef>

#include "abi/trap_code.h"
#include "wasm/types.h"

namespace berth::abi {

using Slot = u64;

// A reference value. Zero is null. A function reference is a FunctionInstance*. Any other is either an
// i31 (bit 0 set, the value in bits 1 to 31) or an Object*. any.convert_extern and
// extern.convert_any change nothing.
using Ref = u64;
constexpr Ref kNull = 0;
constexpr bool is_i31(Ref r) { return r & 1; }
constexpr Ref make_i31(u32 v) { return static_cast<u32>(v << 1) | Ref{1}; }
constexpr i32 i31_signed(Ref r) { return static_cast<i32>(static_cast<u32>(r)) >> 1; }
constexpr u32 i31_unsigned(Ref r) { return static_cast<u32>(r) >> 1; }

struct InstanceContext;
struct StoreContext;
struct RuntimeType;
struct FunctionInstance;

// What an object is. Struct and Array are the guest's; Host carries an external value, Exception a thrown one.
enum class TypeKind : u8 { Func, Struct, Array, Host, Exception };

// A type as it is at run time, one per equivalence class in the process: types are equivalent exactly
// when the pointers are equal. Immutable.
struct RuntimeType {
  TypeKind kind;
  bool is_final;
  u8 depth;                           // number of proper supertypes
  u8 element_log2;                    // arrays: log2 of the element's size
  u8 size_class;                      // structs: index into StoreContext::allocation_runs
  u32 object_bytes;                   // structs: size of an object, header included
  bool has_refs;                      // whether the collector must look into objects of this type
  u32 param_slots, result_slots;      // functions: slots of all parameters, of all results
  const RuntimeType* const* display;  // depth + 1 entries: display[i] is the supertype at depth i; the last is this
  const wasm::SubType* definition;    // Func, Struct, Array; type indices in it are those of `group`'s members
  const u32* field_offsets;           // structs: byte offset of each field from the start of the object
  const void* group;                  // runtime's record of the recursion group
  const u32* ref_offsets;             // structs: where the fields are that the collector follows
  u32 ref_count;                      // how many; arrays: 1 if it follows the elements
  mutable const void* native_exit;  // functions: exit trampoline (abi/native.h) once there is one; accessed atomically
};

// Subtyping of concrete types in constant time.
inline bool is_subtype(const RuntimeType* sub, const RuntimeType* super) {
  return sub == super || (sub->depth > super->depth && sub->display[super->depth] == super);
}

// Every object of the garbage-collected heap starts with its type. Struct fields follow at field_offsets.
struct Object {
  const RuntimeType* type;
};
struct ArrayObject : Object {
  u32 length;
  u32 unused;
  u8* data() { return reinterpret_cast<u8*>(this + 1); }
};
static_assert(sizeof(Object) == 8 && sizeof(ArrayObject) == 16);
inline constexpr u32 kStructFieldsStart = 8;
struct TagInstance;
struct ExceptionObject : Object {
  const TagInstance* tag;
  u32 slot_count;
  u32 unused;
  Slot* values() { return reinterpret_cast<Slot*>(this + 1); }
};
// An external value given by the host; `payload` is the host's business.
struct HostObject : Object {
  u64 payload;
};

// Linear memory as guest code sees it. `base` never moves for 32-bit guarded memories; others may move
// when they grow. `bytes` of a shared memory is read without a lock and only ever grows.
struct MemoryRecord {
  u8* base;
  std::atomic<u64> bytes;
};
struct TableRecord {
  Ref* elements;
  u64 size;
};
// 16 bytes: v128 needs two slots.
struct alignas(16) GlobalCell {
  Slot value[2];
};
struct TagInstance {
  const RuntimeType* type;
};

// What a host function leaves behind: Ok and its results written over its arguments, or Unwind with the
// reason stored in the StoreContext.
enum class Status : u8 { Ok, Unwind };
// `values` holds the parameters' slots and receives the results' slots; it has room for both.
using HostEntry = Status (*)(void* data, InstanceContext* caller, Slot* values);

// A function as a value: what a funcref points to. Lives as long as its store.
struct FunctionInstance {
  const RuntimeType* type;
  InstanceContext* context;  // the defining instance; of a host function: null
  void* code;                // interpreter's FunctionCode of the body; of a host function: null
  HostEntry host;            // null when defined in wasm
  void* host_data;
  u32 index;  // in the defining module's function index space
  u32 unused;
  const void* native_code;  // what native code calls, with native_target first (abi/native.h)
  void* native_target;
  StoreContext* store;
};

// Free memory of the garbage-collected heap for objects of one size class: [cursor, limit) reads as zero.
// Allocating an object is moving `cursor` up by `cell_bytes` and storing its type, when that stays within
// `limit`; else the runtime's helper does it.
struct AllocationRun {
  u8* cursor;
  u8* limit;
  u64 cell_bytes;
};

// The heap is collected by generations: whoever stores a reference into an object that is not new marks the card that
// the place is on, so that a collection of what is new finds references out of what is old. New is what was allocated
// since control last left for the runtime; what is null, an i31 or a function need not be noted.
inline constexpr u32 kCardLog2 = 9;

// Bits of StoreContext::interrupt.
enum InterruptBit : u32 {
  kStop = 1u << 0,     // trap with Interrupted at the next backward branch
  kObserve = 1u << 1,  // the interpreter: note at the next backward branch where you are, and clear this
  kYield = 1u << 2,    // let others of the thread go on, and clear this
};

// Per store: what one thread of execution needs at hand.
struct StoreContext {
  Slot* stack_limit;               // frames must end at or below; null: stop calls, stack_base: note the next one
  std::atomic<u32> interrupt;      // InterruptBit: looked at by backward branches
  i64 fuel;                        // remaining, when fuel is counted
  Slot* stack_top;                 // first free slot of the value stack above all frames, while a host function runs
  void* activation;                // the executor's innermost activation, for backtraces and stack scanning
  void* store;                     // runtime::Store
  void* pending;                   // runtime::Unwind*, owned: why a HostEntry returned Status::Unwind; null otherwise
  Slot* stack_base;                // the value stack's first slot
  AllocationRun* allocation_runs;  // by size class
  const void* const* builtins;     // by abi::Builtin; null when there is no native code
  Slot* overflow;                  // kOverflowSlots: arguments that native calls have no registers for
  InstanceContext* caller;         // whose code calls: native code sets it right before each call that may reach a
                                   // host function (of imports, indirect, by reference); see Builtin::CallOut
  u64 guest_sp,
      guest_fp;      // native code's stack and frame pointer at the call of the builtin that runs; builtins set it
  u64 guest_pc;      // and, where calls do not push it, that call's return address
  u64 native_limit;  // builtins are refused to native code whose stack pointer is below
  Slot* stack_end;   // what stack_limit is when nothing stops calls
  u64 cards;  // the byte at cards + (address >> kCardLog2) is the card of a place in an object; set with the heap
};

// Notes that a reference was stored at `place` in an object. Objects exist only once `cards` is set.
inline void mark_card(const StoreContext& store, const void* place) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the table's start lies elsewhere
  *reinterpret_cast<u8*>(store.cards + (reinterpret_cast<u64>(place) >> kCardLog2)) = 1;
}
// The same for `bytes` from `place` on, of which there is at least one.
inline void mark_cards(const StoreContext& store, const void* place, u64 bytes) {
  const u64 first = reinterpret_cast<u64>(place) >> kCardLog2;
  const u64 last = (reinterpret_cast<u64>(place) + bytes - 1) >> kCardLog2;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as above
  for (u64 card = first; card <= last; ++card) *reinterpret_cast<u8*>(store.cards + card) = 1;
}

// Whether the store's guest has to stop. Any thread.
inline bool is_stopped(const StoreContext& store, std::memory_order order = std::memory_order_relaxed) {
  return (store.interrupt.load(order) & kStop) != 0;
}

// Per instance. Arrays are indexed by the module's index spaces, imports first unless said otherwise.
struct InstanceContext {
  u8* memory0_base;             // memories[0]->base when memory 0 exists and is guarded
  GlobalCell* defined_globals;  // by index minus the imported ones
  GlobalCell** globals;         // all
  StoreContext* store;
  MemoryRecord** memories;
  TableRecord** tables;
  FunctionInstance** functions;     // all
  const RuntimeType* const* types;  // by type index
  TagInstance** tags;
  void* instance;               // runtime::Instance
  void* module_code;            // the executor's data for the module
  const void* const* builtins;  // by abi::Builtin; null when there is no native code
};

// Whether 32-bit memories of this process are guarded: reserved with so much inaccessible space behind
// them that no 32-bit address plus 32-bit offset can leave the reservation.
inline constexpr u64 kGuardedReservation = (u64{1} << 33) + (u64{64} << 10);

}  // namespace berth::abi
