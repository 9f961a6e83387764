// Handlers of atomic memory accesses and of wide arithmetic.
#include <array>

#include "interp/handlers.h"
#include "interp/machine.h"
#include "interp/numeric.h"
#include "interp/numeric_atomic.h"
#include "interp/op_traits.h"
#include "runtime/builtins.h"

namespace berth::interp {

namespace {

using wasm::Op;

// Effective address of an access, checked for bounds and alignment.
[[gnu::always_inline]] inline TrapCode effective(InstanceContext* ctx, const Word* pc, const Slot* fp, u32 width,
                                                 u64& address) {
  const abi::MemoryRecord* memory = ctx->memories[field_c(pc)];
  const u64 index = field_d(pc) ? fp[field_b(pc)] : u64{load_slot<u32>(fp, field_b(pc))};
  const bool overflow = __builtin_add_overflow(index, pc[2], &address);
  if ((address & (width - 1)) != 0) [[unlikely]]
    return TrapCode::UnalignedAtomic;
  const u64 bytes = memory->bytes.load(std::memory_order_acquire);
  if (overflow || address > bytes || bytes - address < width) [[unlikely]]
    return TrapCode::MemoryOutOfBounds;
  return TrapCode::None;
}

inline u32 first_operand(const Word* pc) { return static_cast<u16>(pc[3]); }
inline u32 second_operand(const Word* pc) { return static_cast<u16>(pc[3] >> 16); }

template <Op op>
BERTH_HANDLER atomic_op(BERTH_REGS) {
  u64 address;
  if (const TrapCode code = effective(ctx, pc, fp, wasm::info(op).width, address); code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  u8* const p = ctx->memories[field_c(pc)]->base + address;
  if constexpr (result_count(op) == 0) {
    AtomicStore<op>::apply(p, load_slot<OperandOf<op, 1>>(fp, first_operand(pc)));
  } else {
    ResultOf<op> z;
    constexpr u32 n = operand_count(op);
    if constexpr (n == 1) {
      z = AtomicLoad<op>::apply(p);
    } else {
      const auto x = load_slot<OperandOf<op, 1>>(fp, first_operand(pc));
      if constexpr (n == 2)
        z = AtomicRmw<op>::apply(p, x);
      else
        z = AtomicRmw<op>::apply(p, x, load_slot<OperandOf<op, 2>>(fp, second_operand(pc)));
    }
    acc = z;
    store_slot(fp, field_a(pc), z);
  }
  BERTH_NEXT(4);
}

template <Op op>
BERTH_HANDLER wait_op(BERTH_REGS) {
  u64 address;
  TrapCode code = effective(ctx, pc, fp, wasm::info(op).width, address);
  u32 result = 0;
  if (code == TrapCode::None) {
    if constexpr (op == Op::MemoryAtomicNotify) {
      code = runtime::atomic_notify(ctx, field_c(pc), address, load_slot<u32>(fp, first_operand(pc)), &result);
    } else {
      const i64 timeout = static_cast<i64>(fp[second_operand(pc)]);
      if constexpr (op == Op::MemoryAtomicWait32)
        code =
            runtime::atomic_wait32(ctx, field_c(pc), address, load_slot<u32>(fp, first_operand(pc)), timeout, &result);
      else
        code = runtime::atomic_wait64(ctx, field_c(pc), address, fp[first_operand(pc)], timeout, &result);
    }
  }
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  acc = result;
  store_slot(fp, field_a(pc), result);
  BERTH_NEXT(4);
}

constexpr u32 kFirst = static_cast<u32>(Op::MemoryAtomicNotify);
constexpr u32 kCount = wasm::kOpCount - kFirst;
static_assert(static_cast<u32>(Op::I64AtomicRmw32CmpxchgU) == wasm::kOpCount - 1);

template <Op op>
consteval void add_row(std::array<Handler, kCount>& rows) {
  if constexpr (wasm::info(op).prefix == 0xFE && wasm::info(op).imm == wasm::Imm::MemArg) {
    Handler& row = rows[static_cast<u32>(op) - kFirst];
    if constexpr (op == Op::MemoryAtomicNotify || op == Op::MemoryAtomicWait32 || op == Op::MemoryAtomicWait64)
      row = wait_op<op>;
    else
      row = atomic_op<op>;
  }
}
consteval auto make_rows() {
  std::array<Handler, kCount> rows{};
#define BERTH_OP(id, ...) add_row<Op::id>(rows);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}
constexpr auto kRows = make_rows();

void put(Slot* fp, u32 slot, Wide value) {
  fp[slot] = value.low;
  fp[slot + 1] = value.high;
}

}  // namespace

Handler atomic_handler(Op op) {
  const u32 index = static_cast<u32>(op) - kFirst;
  CHECK(index < kCount && kRows[index] != nullptr);
  return kRows[index];
}

BERTH_HANDLER op_atomic_fence(BERTH_REGS) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  BERTH_NEXT(2);
}

BERTH_HANDLER op_add128(BERTH_REGS) {
  const u32 a = field_a(pc);
  put(fp, a, Numeric<Op::I64Add128>::apply(fp[a], fp[a + 1], fp[a + 2], fp[a + 3]));
  BERTH_NEXT(2);
}
BERTH_HANDLER op_sub128(BERTH_REGS) {
  const u32 a = field_a(pc);
  put(fp, a, Numeric<Op::I64Sub128>::apply(fp[a], fp[a + 1], fp[a + 2], fp[a + 3]));
  BERTH_NEXT(2);
}
BERTH_HANDLER op_mul_wide_s(BERTH_REGS) {
  const u32 a = field_a(pc);
  put(fp, a, Numeric<Op::I64MulWideS>::apply(fp[a], fp[a + 1]));
  BERTH_NEXT(2);
}
BERTH_HANDLER op_mul_wide_u(BERTH_REGS) {
  const u32 a = field_a(pc);
  put(fp, a, Numeric<Op::I64MulWideU>::apply(fp[a], fp[a + 1]));
  BERTH_NEXT(2);
}

}  // namespace berth::interp
