// Vector loads and stores as pure functions of raw bytes (specification: memory instructions).
// Extends Load<Op> and Store<Op> of interp/numeric_memory.h; the address is the caller's to check.
// Stateless.
//
//   LoadLane<Op>::apply(p, v, lane)    v with one lane read from p
//   StoreLane<Op>::apply(p, v, lane)   writes one lane of v
#pragma once

#include "interp/numeric_memory.h"
#include "interp/vector.h"

namespace berth::interp {

template <Op>
struct LoadLane;
template <Op>
struct StoreLane;

#define BERTH_VECTOR_LOAD(op, ...)                                                          \
  template <>                                                                               \
  struct Load<Op::op> {                                                                     \
    [[gnu::always_inline]] static v128 apply(const u8* p) { return as<v128>(__VA_ARGS__); } \
  };
#define BERTH_WIDENING_LOAD(op, T, n, Wider) BERTH_VECTOR_LOAD(op, __builtin_convertvector((read<Vec<T, n>>(p)), Wider))

BERTH_VECTOR_LOAD(V128Load, read<V128>(p))
BERTH_WIDENING_LOAD(V128Load8x8S, i8, 8, i16x8)
BERTH_WIDENING_LOAD(V128Load8x8U, u8, 8, u16x8)
BERTH_WIDENING_LOAD(V128Load16x4S, i16, 4, i32x4)
BERTH_WIDENING_LOAD(V128Load16x4U, u16, 4, u32x4)
BERTH_WIDENING_LOAD(V128Load32x2S, i32, 2, i64x2)
BERTH_WIDENING_LOAD(V128Load32x2U, u32, 2, u64x2)
BERTH_VECTOR_LOAD(V128Load8Splat, u8x16(read<u8>(p)))
BERTH_VECTOR_LOAD(V128Load16Splat, u16x8(read<u16>(p)))
BERTH_VECTOR_LOAD(V128Load32Splat, u32x4(read<u32>(p)))
BERTH_VECTOR_LOAD(V128Load64Splat, u64x2(read<u64>(p)))
BERTH_VECTOR_LOAD(V128Load32Zero, u32x4{read<u32>(p), 0, 0, 0})
BERTH_VECTOR_LOAD(V128Load64Zero, u64x2{read<u64>(p), 0})
#undef BERTH_VECTOR_LOAD
#undef BERTH_WIDENING_LOAD

template <>
struct Store<Op::V128Store> {
  [[gnu::always_inline]] static void apply(u8* p, v128 v) { write(p, v); }
};

#define BERTH_LANE_ACCESS(bits, Lanes)                                                                           \
  template <>                                                                                                    \
  struct LoadLane<Op::V128Load##bits##Lane> {                                                                    \
    [[gnu::always_inline]] static v128 apply(const u8* p, v128 v, u32 lane) {                                    \
      Lanes lanes = as<Lanes>(v);                                                                                \
      lanes[lane] = read<u##bits>(p);                                                                            \
      return as<v128>(lanes);                                                                                    \
    }                                                                                                            \
  };                                                                                                             \
  template <>                                                                                                    \
  struct StoreLane<Op::V128Store##bits##Lane> {                                                                  \
    [[gnu::always_inline]] static void apply(u8* p, v128 v, u32 lane) { write<u##bits>(p, as<Lanes>(v)[lane]); } \
  };
BERTH_LANE_ACCESS(8, u8x16)
BERTH_LANE_ACCESS(16, u16x8)
BERTH_LANE_ACCESS(32, u32x4)
BERTH_LANE_ACCESS(64, u64x2)
#undef BERTH_LANE_ACCESS

}  // namespace berth::interp
