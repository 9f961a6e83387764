// Atomic accesses as functions of raw memory (proposal: threads; instructions of prefix 0xFE). All
// are sequentially consistent. The address is the caller's to check, for bounds and for alignment
// to the access's width. Safe from several threads at once.
//
//   AtomicLoad<Op>::apply(p)                   AtomicStore<Op>::apply(p, v)
//   AtomicRmw<Op>::apply(p, v)                 the old value; cmpxchg: apply(p, expected,
//   replacement)
//
// Narrow forms wrap their operands to the width of the access and extend what they read with zeros.
#pragma once

#include "base/types.h"
#include "wasm/opcodes.h"

namespace berth::interp {

using wasm::Op;

template <Op>
struct AtomicLoad;
template <Op>
struct AtomicStore;
template <Op>
struct AtomicRmw;

#define BERTH_ATOMIC_ACCESS(load, store, T, M)                                        \
  template <>                                                                         \
  struct AtomicLoad<Op::load> {                                                       \
    [[gnu::always_inline]] static T apply(const u8* p) {                              \
      return __atomic_load_n(reinterpret_cast<const M*>(p), __ATOMIC_SEQ_CST);        \
    }                                                                                 \
  };                                                                                  \
  template <>                                                                         \
  struct AtomicStore<Op::store> {                                                     \
    [[gnu::always_inline]] static void apply(u8* p, T v) {                            \
      __atomic_store_n(reinterpret_cast<M*>(p), static_cast<M>(v), __ATOMIC_SEQ_CST); \
    }                                                                                 \
  };
BERTH_ATOMIC_ACCESS(I32AtomicLoad, I32AtomicStore, u32, u32)
BERTH_ATOMIC_ACCESS(I32AtomicLoad8U, I32AtomicStore8, u32, u8)
BERTH_ATOMIC_ACCESS(I32AtomicLoad16U, I32AtomicStore16, u32, u16)
BERTH_ATOMIC_ACCESS(I64AtomicLoad, I64AtomicStore, u64, u64)
BERTH_ATOMIC_ACCESS(I64AtomicLoad8U, I64AtomicStore8, u64, u8)
BERTH_ATOMIC_ACCESS(I64AtomicLoad16U, I64AtomicStore16, u64, u16)
BERTH_ATOMIC_ACCESS(I64AtomicLoad32U, I64AtomicStore32, u64, u32)
#undef BERTH_ATOMIC_ACCESS

#define BERTH_ATOMIC_RMW(op, T, M, builtin)                                         \
  template <>                                                                       \
  struct AtomicRmw<Op::op> {                                                        \
    [[gnu::always_inline]] static T apply(u8* p, T v) {                             \
      return builtin(reinterpret_cast<M*>(p), static_cast<M>(v), __ATOMIC_SEQ_CST); \
    }                                                                               \
  };
#define BERTH_ATOMIC_CMPXCHG(op, T, M)                                                                \
  template <>                                                                                         \
  struct AtomicRmw<Op::op> {                                                                          \
    [[gnu::always_inline]] static T apply(u8* p, T expected, T replacement) {                         \
      M seen = static_cast<M>(expected);                                                              \
      __atomic_compare_exchange_n(reinterpret_cast<M*>(p), &seen, static_cast<M>(replacement), false, \
                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                                \
      return seen;                                                                                    \
    }                                                                                                 \
  };
// Every operation of one width; `suffix` is empty for the full width.
#define BERTH_ATOMIC_WIDTH(p, suffix, T, M)                    \
  BERTH_ATOMIC_RMW(p##Add##suffix, T, M, __atomic_fetch_add)   \
  BERTH_ATOMIC_RMW(p##Sub##suffix, T, M, __atomic_fetch_sub)   \
  BERTH_ATOMIC_RMW(p##And##suffix, T, M, __atomic_fetch_and)   \
  BERTH_ATOMIC_RMW(p##Or##suffix, T, M, __atomic_fetch_or)     \
  BERTH_ATOMIC_RMW(p##Xor##suffix, T, M, __atomic_fetch_xor)   \
  BERTH_ATOMIC_RMW(p##Xchg##suffix, T, M, __atomic_exchange_n) \
  BERTH_ATOMIC_CMPXCHG(p##Cmpxchg##suffix, T, M)
BERTH_ATOMIC_WIDTH(I32AtomicRmw, , u32, u32)
BERTH_ATOMIC_WIDTH(I32AtomicRmw8, U, u32, u8)
BERTH_ATOMIC_WIDTH(I32AtomicRmw16, U, u32, u16)
BERTH_ATOMIC_WIDTH(I64AtomicRmw, , u64, u64)
BERTH_ATOMIC_WIDTH(I64AtomicRmw8, U, u64, u8)
BERTH_ATOMIC_WIDTH(I64AtomicRmw16, U, u64, u16)
BERTH_ATOMIC_WIDTH(I64AtomicRmw32, U, u64, u32)
#undef BERTH_ATOMIC_WIDTH
#undef BERTH_ATOMIC_CMPXCHG
#undef BERTH_ATOMIC_RMW

}  // namespace berth::interp
