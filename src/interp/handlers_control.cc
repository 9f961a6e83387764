// Handlers of jumps, moves, globals, and of the table and memory instructions that the runtime carries out.
#include "interp/handlers.h"
#include "interp/machine.h"
#include "runtime/builtins.h"

namespace berth::interp {

BERTH_HANDLER op_unreachable(BERTH_REGS) { BERTH_RAISE(TrapCode::Unreachable); }

BERTH_HANDLER op_br_table(BERTH_REGS) {
  const u32 count = static_cast<u32>(field_imm(pc));
  u32 index = load_slot<u32>(fp, field_a(pc));
  index = index < count ? index : count;
  // Targets may lie behind; a loop made of br_table alone must still see interrupts.
  if (st->interrupt.load(std::memory_order_relaxed)) [[unlikely]] {
    acc = reinterpret_cast<u64>(pc + static_cast<i64>(pc[2 + index]));
    BERTH_TAIL(branch_interrupted);
  }
  BERTH_GO(pc + static_cast<i64>(pc[2 + index]));
}

BERTH_HANDLER op_fuel(BERTH_REGS) {
  st->fuel -= static_cast<u32>(field_imm(pc));
  if (st->fuel < 0) [[unlikely]]
    BERTH_RAISE(TrapCode::OutOfFuel);
  BERTH_NEXT(2);
}

namespace {

// Makes the NaNs among the values in a slot canonical.
template <typename Float, typename Bits, u32 count>
[[gnu::always_inline]] inline void make_canonical(Slot* slot, Bits canonical) {
  Float values[count];
  std::memcpy(values, slot, sizeof values);
  for (Float& v : values)
    if (v != v) std::memcpy(&v, &canonical, sizeof v);
  std::memcpy(slot, values, sizeof values);
}
constexpr u32 kCanonical32 = 0x7FC00000;
constexpr u64 kCanonical64 = 0x7FF8000000000000;

}  // namespace

BERTH_HANDLER op_canonical_f32(BERTH_REGS) {
  make_canonical<f32, u32, 1>(fp + field_a(pc), kCanonical32);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_canonical_f64(BERTH_REGS) {
  make_canonical<f64, u64, 1>(fp + field_a(pc), kCanonical64);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_canonical_f32x4(BERTH_REGS) {
  make_canonical<f32, u32, 4>(fp + field_a(pc), kCanonical32);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_canonical_f64x2(BERTH_REGS) {
  make_canonical<f64, u64, 2>(fp + field_a(pc), kCanonical64);
  BERTH_NEXT(2);
}

BERTH_HANDLER op_copy_v128(BERTH_REGS) {
  std::memcpy(&vacc, fp + field_b(pc), sizeof vacc);
  std::memcpy(fp + field_a(pc), &vacc, sizeof vacc);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_const64(BERTH_REGS) {
  fp[field_a(pc)] = pc[2];
  BERTH_NEXT(3);
}
BERTH_HANDLER op_const128(BERTH_REGS) {
  std::memcpy(&vacc, pc + 2, sizeof vacc);
  std::memcpy(fp + field_a(pc), &vacc, sizeof vacc);
  BERTH_NEXT(4);
}

BERTH_HANDLER op_select_v128(BERTH_REGS) {
  const u32 source = load_slot<u32>(fp, field_d(pc)) != 0 ? field_b(pc) : field_c(pc);
  std::memcpy(&vacc, fp + source, sizeof vacc);
  std::memcpy(fp + field_a(pc), &vacc, sizeof vacc);
  BERTH_NEXT(2);
}

BERTH_HANDLER op_global_get_float(BERTH_REGS) {
  f64 v;
  std::memcpy(&v, ctx->defined_globals[static_cast<u32>(field_imm(pc))].value, sizeof v);
  to_acc(v, acc, vacc);
  store_slot(fp, field_a(pc), v);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_global_get_any(BERTH_REGS) {
  std::memcpy(fp + field_a(pc), ctx->globals[static_cast<u32>(field_imm(pc))]->value, field_b(pc) ? 16 : 8);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_global_set_any(BERTH_REGS) {
  std::memcpy(ctx->globals[static_cast<u32>(field_imm(pc))]->value, fp + field_a(pc), field_b(pc) ? 16 : 8);
  BERTH_NEXT(2);
}

namespace {

// An index or size, by the width of its address type.
[[gnu::always_inline]] inline u64 address(const Slot* fp, u32 slot, bool is_64) {
  return is_64 ? fp[slot] : u64{load_slot<u32>(fp, slot)};
}
// A size or -1, as the address type has it.
[[gnu::always_inline]] inline u64 grown(i64 result, bool is_64) {
  return is_64 ? static_cast<u64>(result) : static_cast<u32>(result);
}

}  // namespace

BERTH_HANDLER op_table_get(BERTH_REGS) {
  const abi::TableRecord* t = ctx->tables[field_c(pc)];
  const u64 index = address(fp, field_b(pc), field_d(pc));
  if (index >= t->size) [[unlikely]]
    BERTH_RAISE(TrapCode::TableOutOfBounds);
  Ref value = t->elements[index];
  if (value == abi::kNull) [[unlikely]]
    value = runtime::table_look_up(ctx, field_c(pc), index);
  fp[field_a(pc)] = value;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_table_set(BERTH_REGS) {
  const abi::TableRecord* t = ctx->tables[field_c(pc)];
  const u64 index = address(fp, field_b(pc), field_d(pc));
  if (index >= t->size) [[unlikely]]
    BERTH_RAISE(TrapCode::TableOutOfBounds);
  t->elements[index] = fp[field_a(pc)];
  BERTH_NEXT(2);
}
BERTH_HANDLER op_table_size(BERTH_REGS) {
  fp[field_a(pc)] = ctx->tables[field_b(pc)]->size;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_table_grow(BERTH_REGS) {
  const bool is_64 = pc[2];
  fp[field_a(pc)] =
      grown(runtime::table_grow(ctx, field_d(pc), fp[field_b(pc)], address(fp, field_c(pc), is_64)), is_64);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_table_fill(BERTH_REGS) {
  const bool is_64 = pc[2];
  const TrapCode code = runtime::table_fill(ctx, field_d(pc), address(fp, field_a(pc), is_64), fp[field_b(pc)],
                                            address(fp, field_c(pc), is_64));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_table_copy(BERTH_REGS) {
  const bool dst_64 = pc[3] & 1, src_64 = pc[3] & 2;
  const TrapCode code =
      runtime::table_copy(ctx, static_cast<u32>(pc[2]), static_cast<u32>(pc[2] >> 32), address(fp, field_a(pc), dst_64),
                          address(fp, field_b(pc), src_64), address(fp, field_c(pc), dst_64 && src_64));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(4);
}
BERTH_HANDLER op_table_init(BERTH_REGS) {
  const TrapCode code = runtime::table_init(ctx, static_cast<u32>(pc[2]), static_cast<u32>(pc[2] >> 32),
                                            address(fp, field_a(pc), field_d(pc)), load_slot<u32>(fp, field_b(pc)),
                                            load_slot<u32>(fp, field_c(pc)));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_elem_drop(BERTH_REGS) {
  runtime::elem_drop(ctx, static_cast<u32>(field_imm(pc)));
  BERTH_NEXT(2);
}

BERTH_HANDLER op_memory_size(BERTH_REGS) {
  acc = runtime::memory_size(ctx, field_b(pc));
  fp[field_a(pc)] = acc;
  BERTH_NEXT(2);
}
BERTH_HANDLER op_memory_grow(BERTH_REGS) {
  const bool is_64 = field_d(pc);
  fp[field_a(pc)] = grown(runtime::memory_grow(ctx, field_c(pc), address(fp, field_b(pc), is_64)), is_64);
  BERTH_NEXT(2);
}
BERTH_HANDLER op_memory_fill(BERTH_REGS) {
  const bool is_64 = pc[2];
  const TrapCode code = runtime::memory_fill(ctx, field_d(pc), address(fp, field_a(pc), is_64),
                                             static_cast<u8>(fp[field_b(pc)]), address(fp, field_c(pc), is_64));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_memory_copy(BERTH_REGS) {
  const bool dst_64 = pc[3] & 1, src_64 = pc[3] & 2;
  const TrapCode code = runtime::memory_copy(ctx, static_cast<u32>(pc[2]), static_cast<u32>(pc[2] >> 32),
                                             address(fp, field_a(pc), dst_64), address(fp, field_b(pc), src_64),
                                             address(fp, field_c(pc), dst_64 && src_64));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(4);
}
BERTH_HANDLER op_memory_init(BERTH_REGS) {
  const TrapCode code = runtime::memory_init(ctx, static_cast<u32>(pc[2]), static_cast<u32>(pc[2] >> 32),
                                             address(fp, field_a(pc), field_d(pc)), load_slot<u32>(fp, field_b(pc)),
                                             load_slot<u32>(fp, field_c(pc)));
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  BERTH_NEXT(3);
}
BERTH_HANDLER op_data_drop(BERTH_REGS) {
  runtime::data_drop(ctx, static_cast<u32>(field_imm(pc)));
  BERTH_NEXT(2);
}

}  // namespace berth::interp
