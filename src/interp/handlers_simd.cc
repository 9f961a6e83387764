// Handlers of vector instructions: operands in slots, the result in a slot and its accumulator.
#include <array>

#include "interp/checked.h"
#include "interp/handlers.h"
#include "interp/op_traits.h"
#include "interp/simd.h"

namespace berth::interp {

namespace {

using abi::TrapCode;
using wasm::Imm;
using wasm::Op;

template <Op op>
concept HasRelaxed = wasm::info(op).feature == wasm::Feature::RelaxedSimd;

template <Op op, bool fast>
using Semantics = std::conditional_t<fast, Relaxed<op>, Numeric<op>>;

template <Op op, bool fast>
BERTH_HANDLER vector_op(BERTH_REGS) {
  using F = Semantics<op, fast>;
  ResultOf<op> z;
  constexpr u32 n = operand_count(op);
  const auto x = load_slot<OperandOf<op, 0>>(fp, field_b(pc));
  if constexpr (n == 1) {
    z = F::apply(x);
  } else {
    const auto y = load_slot<OperandOf<op, 1>>(fp, field_c(pc));
    if constexpr (n == 2)
      z = F::apply(x, y);
    else
      z = F::apply(x, y, load_slot<OperandOf<op, 2>>(fp, field_d(pc)));
  }
  to_acc(z, acc, vacc);
  store_slot(fp, field_a(pc), z);
  BERTH_NEXT(2);
}

template <Op op>
BERTH_HANDLER lane_op(BERTH_REGS) {
  const auto v = load_slot<v128>(fp, field_b(pc));
  ResultOf<op> z;
  if constexpr (operand_count(op) == 1)
    z = Lane<op>::apply(v, field_d(pc));
  else
    z = Lane<op>::apply(v, load_slot<OperandOf<op, 1>>(fp, field_c(pc)), field_d(pc));
  to_acc(z, acc, vacc);
  store_slot(fp, field_a(pc), z);
  BERTH_NEXT(2);
}

BERTH_HANDLER shuffle_op(BERTH_REGS) {
  v128 lanes;
  std::memcpy(&lanes, pc + 2, sizeof lanes);
  vacc = Shuffle::apply(load_slot<v128>(fp, field_b(pc)), load_slot<v128>(fp, field_c(pc)), lanes);
  store_slot(fp, field_a(pc), vacc);
  BERTH_NEXT(4);
}

template <Op op>
BERTH_HANDLER vector_load(BERTH_REGS) {
  const u8* p = checked_address(ctx, pc, fp, wasm::info(op).width, field_d(pc));
  if (p == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::MemoryOutOfBounds);
  vacc = Load<op>::apply(p);
  store_slot(fp, field_a(pc), vacc);
  BERTH_NEXT(3);
}

template <Op op>
BERTH_HANDLER lane_access(BERTH_REGS) {
  u8* p = checked_address(ctx, pc, fp, wasm::info(op).width, pc[3] >> 8);
  if (p == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::MemoryOutOfBounds);
  const auto v = load_slot<v128>(fp, field_d(pc));
  if constexpr (result_count(op) == 1) {
    vacc = LoadLane<op>::apply(p, v, pc[3] & 0xFF);
    store_slot(fp, field_a(pc), vacc);
  } else {
    StoreLane<op>::apply(p, v, pc[3] & 0xFF);
  }
  BERTH_NEXT(4);
}

// Rows by opcode; other instructions than vector ones stay null.
using Rows = std::array<Handler, wasm::kOpCount>;

template <Op op, bool fast>
consteval void add_row(Rows& rows) {
  constexpr auto& about = wasm::info(op);
  if constexpr (about.prefix == 0xFD) {
    Handler& row = rows[static_cast<u32>(op)];
    if constexpr (about.imm == Imm::Shuffle)
      row = shuffle_op;
    else if constexpr (about.imm == Imm::Lane)
      row = lane_op<op>;
    else if constexpr (about.imm == Imm::MemArgLane)
      row = lane_access<op>;
    else if constexpr (about.imm == Imm::MemArg && !is_load(op) && !is_store(op))
      row = vector_load<op>;
    else if constexpr (about.imm == Imm::None)
      row = vector_op < op, fast && HasRelaxed < op >> ;
  }
}

template <bool fast>
consteval Rows make_rows() {
  Rows rows{};
#define BERTH_OP(id, ...) add_row<Op::id, fast>(rows);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}

constexpr Rows kDeterministic = make_rows<false>();

constexpr u32 kFirstRelaxed = static_cast<u32>(Op::I8x16RelaxedSwizzle);
constexpr u32 kRelaxedCount = static_cast<u32>(Op::I32x4RelaxedDotI8x16I7x16AddS) - kFirstRelaxed + 1;
consteval auto fast_rows() {
  constexpr Rows all = make_rows<true>();
  std::array<Handler, kRelaxedCount> rows{};
  for (u32 i = 0; i < kRelaxedCount; ++i) rows[i] = all[kFirstRelaxed + i];
  return rows;
}
constexpr auto kFast = fast_rows();

}  // namespace

Handler simd_handler(Op op) {
  const Handler h = kDeterministic[static_cast<u32>(op)];
  CHECK(h != nullptr);
  return h;
}

Handler relaxed_handler(Op op) {
  const u32 index = static_cast<u32>(op) - kFirstRelaxed;
  return index < kRelaxedCount ? kFast[index] : simd_handler(op);
}

Handler lane_memory_handler(Op op) { return simd_handler(op); }

}  // namespace berth::interp
