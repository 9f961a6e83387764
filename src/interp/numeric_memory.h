// Scalar loads and stores as pure functions of raw bytes (specification: memory instructions). The
// address is the caller's to check; no alignment is needed. Stateless.
//
//   Load<Op>::apply(p)      the value at p, extended as the instruction says
//   Store<Op>::apply(p, v)  writes v, wrapped to the instruction's width
#pragma once

#include "base/types.h"
#include "wasm/opcodes.h"

namespace berth::interp {

using wasm::Op;

template <Op>
struct Load;
template <Op>
struct Store;

// An unaligned access of any plain type.
template <typename T>
[[gnu::always_inline]] inline T read(const u8* p) {
  T v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <typename T>
[[gnu::always_inline]] inline void write(u8* p, T v) {
#if defined(__aarch64__)
  // A store across the end of the memory may write what lies before it there. Reading the last byte finds that first.
  if constexpr (sizeof v > 1) asm volatile("ldrb wzr, %0" : : "Q"(p[sizeof v - 1]) : "memory");
#endif
  __builtin_memcpy(p, &v, sizeof v);
}

// `memory` is the type in memory: signed to extend with the sign. `via` has the value's width and
// the signedness of `memory`.
#define BERTH_LOAD(op, value, via, memory)                          \
  template <>                                                       \
  struct Load<Op::op> {                                             \
    [[gnu::always_inline]] static value apply(const u8* p) {        \
      return static_cast<value>(static_cast<via>(read<memory>(p))); \
    }                                                               \
  };
#define BERTH_STORE(op, value, memory)                                                                     \
  template <>                                                                                              \
  struct Store<Op::op> {                                                                                   \
    [[gnu::always_inline]] static void apply(u8* p, value v) { write<memory>(p, static_cast<memory>(v)); } \
  };

BERTH_LOAD(I32Load, u32, u32, u32)
BERTH_LOAD(I64Load, u64, u64, u64)
BERTH_LOAD(F32Load, f32, f32, f32)
BERTH_LOAD(F64Load, f64, f64, f64)
BERTH_LOAD(I32Load8S, u32, i32, i8)
BERTH_LOAD(I32Load8U, u32, u32, u8)
BERTH_LOAD(I32Load16S, u32, i32, i16)
BERTH_LOAD(I32Load16U, u32, u32, u16)
BERTH_LOAD(I64Load8S, u64, i64, i8)
BERTH_LOAD(I64Load8U, u64, u64, u8)
BERTH_LOAD(I64Load16S, u64, i64, i16)
BERTH_LOAD(I64Load16U, u64, u64, u16)
BERTH_LOAD(I64Load32S, u64, i64, i32)
BERTH_LOAD(I64Load32U, u64, u64, u32)
BERTH_STORE(I32Store, u32, u32)
BERTH_STORE(I64Store, u64, u64)
BERTH_STORE(F32Store, f32, f32)
BERTH_STORE(F64Store, f64, f64)
BERTH_STORE(I32Store8, u32, u8)
BERTH_STORE(I32Store16, u32, u16)
BERTH_STORE(I64Store8, u64, u8)
BERTH_STORE(I64Store16, u64, u16)
BERTH_STORE(I64Store32, u64, u32)
#undef BERTH_LOAD
#undef BERTH_STORE

}  // namespace berth::interp
