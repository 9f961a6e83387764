// Instructions that compute and fall through, as types: each knows its words and what it does to the
// machine. One step is an instruction; several in a row make a fused one, with the words of each left in
// place, so that a jump into the middle finds an ordinary instruction.
#pragma once

#include "interp/dispatch.h"
#include "interp/numeric.h"
#include "interp/numeric_memory.h"
#include "interp/op_traits.h"

namespace berth::interp {

#define BERTH_STEP [[gnu::always_inline]] static inline void

template <typename T, Src src>
[[gnu::always_inline]] inline T read_left(const Word* pc, const Slot* fp, u64 acc, v128 vacc) {
  if constexpr (src == Src::Slot) return load_slot<T>(fp, field_b(pc));
  else if constexpr (src == Src::Acc) return from_acc<T>(acc, vacc);
  else return load_slot<T>(pc, 2);
}
template <typename T, Src src>
[[gnu::always_inline]] inline T read_right(const Word* pc, const Slot* fp, u64 acc, v128 vacc) {
  if constexpr (src == Src::Slot) return load_slot<T>(fp, field_c(pc));
  else if constexpr (src == Src::Acc) return from_acc<T>(acc, vacc);
  else if constexpr (src == Src::Imm) return static_cast<T>(static_cast<i64>(field_imm(pc)));
  else return load_slot<T>(pc, 2);
}

template <wasm::Op op, Src L, Src R, Dst D>
struct Binary {
  static_assert(!traps(op));
  static constexpr u32 kWords = L == Src::Const || R == Src::Const ? 3 : 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128& vacc) {
    const auto x = read_left<OperandOf<op, 0>, L>(pc, fp, acc, vacc);
    const auto y = read_right<OperandOf<op, 1>, R>(pc, fp, acc, vacc);
    const auto z = Numeric<op>::apply(x, y);
    to_acc(z, acc, vacc);
    if constexpr (D == Dst::Slot) store_slot(fp, field_a(pc), z);
  }
};

template <wasm::Op op, Src S, Dst D>
struct Unary {
  static_assert(!traps(op));
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128& vacc) {
    const auto z = Numeric<op>::apply(read_left<OperandOf<op, 0>, S>(pc, fp, acc, vacc));
    to_acc(z, acc, vacc);
    if constexpr (D == Dst::Slot) store_slot(fp, field_a(pc), z);
  }
};

template <wasm::Op op>
[[gnu::always_inline]] inline auto load_from(const u8* p) {
  if constexpr (op == wasm::Op::V128Load) {
    v128 v;
    std::memcpy(&v, p, sizeof v);
    return v;
  } else {
    return Load<op>::apply(p);
  }
}
template <wasm::Op op, typename T>
[[gnu::always_inline]] inline void store_to(u8* p, T v) {
  if constexpr (op == wasm::Op::V128Store) std::memcpy(p, &v, sizeof v);
  else Store<op>::apply(p, v);
}

// Accesses of the guarded memory 0; the fault handler takes care of bounds.
template <wasm::Op op, Src A, Dst D>
struct LoadStep {
  static constexpr u32 kWords = A == Src::Const ? 3 : 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8* mem, abi::InstanceContext*& ctx, abi::StoreContext*& st, u64& acc, v128& vacc) {
    u64 address;
    if constexpr (A == Src::Slot) address = u64{load_slot<u32>(fp, field_b(pc))} + static_cast<u32>(field_imm(pc));
    else if constexpr (A == Src::Acc) address = u64{static_cast<u32>(acc)} + static_cast<u32>(field_imm(pc));
    else address = pc[2];
    BERTH_ACCESS_BARRIER();
    const auto value = load_from<op>(mem + address);
    BERTH_ACCESS_BARRIER();
    to_acc(value, acc, vacc);
    if constexpr (D == Dst::Slot) store_slot(fp, field_a(pc), value);
  }
};

template <wasm::Op op, Src A, Src V>
struct StoreStep {
  static constexpr u32 kWords = 2 + (A == Src::Const) + (V == Src::Const);
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8* mem, abi::InstanceContext*& ctx, abi::StoreContext*& st, u64& acc, v128& vacc) {
    using T = OperandOf<op, 1>;
    u64 address;
    if constexpr (A == Src::Slot) address = u64{load_slot<u32>(fp, field_a(pc))} + static_cast<u32>(field_imm(pc));
    else if constexpr (A == Src::Acc) address = u64{static_cast<u32>(acc)} + static_cast<u32>(field_imm(pc));
    else address = pc[2];
    T value;
    if constexpr (V == Src::Slot) value = load_slot<T>(fp, field_b(pc));
    else if constexpr (V == Src::Acc) value = from_acc<T>(acc, vacc);
    else value = load_slot<T>(pc, A == Src::Const ? 3 : 2);
    BERTH_ACCESS_BARRIER();
    store_to<op>(mem + address, value);
    BERTH_ACCESS_BARRIER();
  }
};

struct CopyStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128&) {
    acc = fp[field_b(pc)];
    fp[field_a(pc)] = acc;
  }
};
struct CopyFloatStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128& vacc) {
    const f64 v = load_slot<f64>(fp, field_b(pc));
    to_acc(v, acc, vacc);
    store_slot(fp, field_a(pc), v);
  }
};
struct Copy2Step {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64&, v128&) {
    const Slot first = fp[field_b(pc)], second = fp[field_d(pc)];
    fp[field_a(pc)] = first;
    fp[field_c(pc)] = second;
  }
};
struct Const32Step {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64&, v128&) {
    fp[field_a(pc)] = static_cast<u64>(static_cast<i64>(field_imm(pc)));
  }
};
struct AccToSlotStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128&) {
    fp[field_a(pc)] = acc;
  }
};
struct SelectStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128&) {
    const u32 source = load_slot<u32>(fp, field_d(pc)) != 0 ? field_b(pc) : field_c(pc);
    acc = fp[source];
    fp[field_a(pc)] = acc;
  }
};
struct SelectAccStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*&, abi::StoreContext*&, u64& acc, v128&) {
    const u32 source = static_cast<u32>(acc) != 0 ? field_b(pc) : field_c(pc);
    acc = fp[source];
    fp[field_a(pc)] = acc;
  }
};
struct GlobalGetStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*& ctx, abi::StoreContext*&, u64& acc, v128&) {
    acc = ctx->defined_globals[static_cast<u32>(field_imm(pc))].value[0];
    fp[field_a(pc)] = acc;
  }
};
struct GlobalSetStep {
  static constexpr u32 kWords = 2;
  BERTH_STEP run(const Word*& pc, Slot*& fp, u8*, abi::InstanceContext*& ctx, abi::StoreContext*&, u64&, v128&) {
    ctx->defined_globals[static_cast<u32>(field_imm(pc))].value[0] = fp[field_a(pc)];
  }
};

// Where control may go elsewhere. `taken` decides, `offset` says where to, in words from the branch.
template <wasm::Op op, Src L, Src R, bool if_true>
struct CompareBranch {
  static constexpr u32 kWords = R == Src::Const ? 3 : 2;
  [[gnu::always_inline]] static inline bool taken(const Word* pc, const Slot* fp, u64 acc, v128 vacc) {
    using T = OperandOf<op, 0>;
    T x, y;
    if constexpr (L == Src::Slot) x = load_slot<T>(fp, field_a(pc));
    else x = from_acc<T>(acc, vacc);
    if constexpr (R == Src::Slot) y = load_slot<T>(fp, field_b(pc));
    else if constexpr (R == Src::Acc) y = from_acc<T>(acc, vacc);
    else y = load_slot<T>(pc, 2);
    return (Numeric<op>::apply(x, y) != 0) == if_true;
  }
};
template <Src src, bool if_true>
struct TestBranch {
  static constexpr u32 kWords = 2;
  [[gnu::always_inline]] static inline bool taken(const Word* pc, const Slot* fp, u64 acc, v128) {
    return ((src == Src::Slot ? load_slot<u32>(fp, field_a(pc)) : static_cast<u32>(acc)) != 0) == if_true;
  }
};
template <Src src, bool if_null>
struct NullBranch {
  static constexpr u32 kWords = 2;
  [[gnu::always_inline]] static inline bool taken(const Word* pc, const Slot* fp, u64 acc, v128) {
    return ((src == Src::Slot ? fp[field_a(pc)] : acc) == 0) == if_null;
  }
};
struct Jump {
  static constexpr u32 kWords = 2;
  [[gnu::always_inline]] static inline bool taken(const Word*, const Slot*, u64, v128) { return true; }
};

#undef BERTH_STEP

BERTH_HANDLER_CC void op_interrupted(BERTH_REGS);

// Steps in a row.
template <typename... Steps>
BERTH_HANDLER steps(BERTH_REGS) {
  ((Steps::run(pc, fp, mem, ctx, st, acc, vacc), pc += Steps::kWords), ...);
  BERTH_NEXT(0);
}

// Steps and then a branch. A backward one gives an interrupt its chance.
template <typename Branch, bool backward, typename... Steps>
BERTH_HANDLER steps_and_branch(BERTH_REGS) {
  ((Steps::run(pc, fp, mem, ctx, st, acc, vacc), pc += Steps::kWords), ...);
  if (Branch::taken(pc, fp, acc, vacc)) {
    if constexpr (backward) {
      if (st->interrupt.load(std::memory_order_relaxed)) [[unlikely]] BERTH_TAIL(op_interrupted);
    }
    BERTH_GO(pc + field_imm(pc));
  }
  BERTH_NEXT(Branch::kWords);
}

}  // namespace berth::interp
