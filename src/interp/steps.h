// Instructions that compute and fall through, as types: each knows its words and what it does to the
// machine. One step is an instruction; several in a row make a fused one, with the words of each left in
// place, so that a jump into the middle finds an ordinary instruction.
//
// A tuned sequence does no more than it must: an operand that an earlier step has read or made stays in a
// register, results that nobody reads from their slot are not stored, offsets of zero are not added. Which
// sequence of instructions it may stand for is decided by fusion.h, which looks at their operands.
#pragma once

#include "interp/dispatch.h"
#include "interp/fused_rows.h"
#include "interp/numeric.h"
#include "interp/numeric_memory.h"
#include "interp/op_traits.h"

namespace berth::interp {

#define BERTH_STEP [[gnu::always_inline]] static inline
#define BERTH_STEP_REGS                                                                   \
  [[maybe_unused]] const Word *&pc, [[maybe_unused]] Slot *&fp, [[maybe_unused]] u8 *mem, \
      [[maybe_unused]] abi::InstanceContext *&ctx, [[maybe_unused]] abi::StoreContext *&st
#define BERTH_READ_REGS \
  [[maybe_unused]] const Word *pc, [[maybe_unused]] const Slot *fp, [[maybe_unused]] u64 acc, [[maybe_unused]] v128 vacc

// What a step that has no such operand or result has instead.
struct Nothing {};

// The slot that a field names.
template <Field f>
[[gnu::always_inline]] inline u32 field(const Word* pc) {
  static_assert(f != Field::None);
  if constexpr (f == Field::A)
    return field_a(pc);
  else if constexpr (f == Field::B)
    return field_b(pc);
  else if constexpr (f == Field::C)
    return field_c(pc);
  else
    return field_d(pc);
}

template <typename T, Src src, Field f = Field::B>
[[gnu::always_inline]] inline T read_left(BERTH_READ_REGS) {
  if constexpr (src == Src::Slot)
    return load_slot<T>(fp, field<f>(pc));
  else if constexpr (src == Src::Acc)
    return from_acc<T>(acc, vacc);
  else
    return load_slot<T>(pc, 2);
}
template <typename T, Src src, Field f = Field::C>
[[gnu::always_inline]] inline T read_right(BERTH_READ_REGS) {
  if constexpr (src == Src::Slot)
    return load_slot<T>(fp, field<f>(pc));
  else if constexpr (src == Src::Acc)
    return from_acc<T>(acc, vacc);
  else if constexpr (src == Src::Imm)
    return static_cast<T>(static_cast<i64>(field_imm(pc)));
  else
    return load_slot<T>(pc, 2);
}
constexpr Field if_slot(Src src, Field f) { return src == Src::Slot ? f : Field::None; }

// A step has up to two operands, from slots or elsewhere, and up to one result. What most of them do not say:
struct StepDefaults {
  using Left = Nothing;
  using Right = Nothing;
  using Result = u64;
  static constexpr u32 kWords = 2;
  static constexpr Field kLeft = Field::None, kRight = Field::None, kResult = Field::None, kSecondResult = Field::None;
  static constexpr bool kToAcc = true;       // the result goes to an accumulator too
  static constexpr bool kPops = false;       // takes its operands off the stack: those in temporaries are dead then
  static constexpr bool kHasOffset = false;  // adds the immediate to an address
  static constexpr bool kStores = true, kAddsOffset = true;  // tuned steps may not
  static constexpr Field kAlsoReads[2] = {};                 // slots read beside the operands
  BERTH_STEP Nothing left(BERTH_READ_REGS) { return {}; }
  BERTH_STEP Nothing right(BERTH_READ_REGS) { return {}; }
};

template <wasm::Op op, Src L, Src R, Dst D>
struct Binary : StepDefaults {
  static_assert(!traps(op));
  using Left = OperandOf<op, 0>;
  using Right = OperandOf<op, 1>;
  using Result = ResultOf<op>;
  static constexpr u32 kWords = L == Src::Const || R == Src::Const ? 3 : 2;
  static constexpr Field kLeft = if_slot(L, Field::B), kRight = if_slot(R, Field::C);
  static constexpr Field kResult = D == Dst::Slot ? Field::A : Field::None;
  static constexpr bool kPops = true;
  BERTH_STEP Left left(BERTH_READ_REGS) { return read_left<Left, L>(pc, fp, acc, vacc); }
  BERTH_STEP Right right(BERTH_READ_REGS) { return read_right<Right, R>(pc, fp, acc, vacc); }
  BERTH_STEP auto apply(BERTH_STEP_REGS, u64, Left x, Right y) { return Numeric<op>::apply(x, y); }
};

template <wasm::Op op, Src S, Dst D>
struct Unary : StepDefaults {
  static_assert(!traps(op));
  using Left = OperandOf<op, 0>;
  using Result = ResultOf<op>;
  static constexpr Field kLeft = if_slot(S, Field::B);
  static constexpr Field kResult = D == Dst::Slot ? Field::A : Field::None;
  static constexpr bool kPops = true;
  BERTH_STEP Left left(BERTH_READ_REGS) { return read_left<Left, S>(pc, fp, acc, vacc); }
  BERTH_STEP auto apply(BERTH_STEP_REGS, u64, Left x, Nothing) { return Numeric<op>::apply(x); }
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
  if constexpr (op == wasm::Op::V128Store)
    write(p, v);
  else
    Store<op>::apply(p, v);
}

// Accesses of the guarded memory 0; the fault handler takes care of bounds. A constant address is the word
// after the operands, with its offset.
template <Src A>
using AddressOf = std::conditional_t<A == Src::Const, u64, u32>;

template <wasm::Op op, Src A, Dst D>
struct LoadStep : StepDefaults {
  using Left = AddressOf<A>;
  using Result = ResultOf<op>;
  static constexpr u32 kWords = A == Src::Const ? 3 : 2;
  static constexpr Field kLeft = if_slot(A, Field::B);
  static constexpr Field kResult = D == Dst::Slot ? Field::A : Field::None;
  static constexpr bool kPops = true;
  static constexpr bool kHasOffset = A != Src::Const;
  BERTH_STEP Left left(BERTH_READ_REGS) { return read_left<Left, A>(pc, fp, acc, vacc); }
  BERTH_STEP auto apply(BERTH_STEP_REGS, u64 offset, Left address, Nothing) {
    const u8* p = mem + (u64{address} + offset);
    BERTH_ACCESS_BARRIER();
    const auto value = load_from<op>(p);
    BERTH_ACCESS_BARRIER();
    return value;
  }
};

template <wasm::Op op, Src A, Src V>
struct StoreStep : StepDefaults {
  using Left = AddressOf<A>;
  using Right = OperandOf<op, 1>;
  static constexpr u32 kWords = 2 + (A == Src::Const) + (V == Src::Const);
  static constexpr Field kLeft = if_slot(A, Field::A), kRight = if_slot(V, Field::B);
  static constexpr bool kPops = true;
  static constexpr bool kHasOffset = A != Src::Const;
  BERTH_STEP Left left(BERTH_READ_REGS) { return read_left<Left, A, Field::A>(pc, fp, acc, vacc); }
  BERTH_STEP Right right(BERTH_READ_REGS) {
    if constexpr (V == Src::Const)
      return load_slot<Right>(pc, A == Src::Const ? 3 : 2);
    else
      return read_right<Right, V, Field::B>(pc, fp, acc, vacc);
  }
  BERTH_STEP Nothing apply(BERTH_STEP_REGS, u64 offset, Left address, Right value) {
    u8* p = mem + (u64{address} + offset);
    BERTH_ACCESS_BARRIER();
    store_to<op>(p, value);
    BERTH_ACCESS_BARRIER();
    return {};
  }
};

struct CopyStep : StepDefaults {
  using Left = u64;
  static constexpr Field kLeft = Field::B, kResult = Field::A;
  BERTH_STEP u64 left(BERTH_READ_REGS) { return fp[field_b(pc)]; }
  BERTH_STEP u64 apply(BERTH_STEP_REGS, u64, u64 x, Nothing) { return x; }
};
struct CopyFloatStep : StepDefaults {
  using Left = f64;
  using Result = f64;
  static constexpr Field kLeft = Field::B, kResult = Field::A;
  BERTH_STEP f64 left(BERTH_READ_REGS) { return load_slot<f64>(fp, field_b(pc)); }
  BERTH_STEP f64 apply(BERTH_STEP_REGS, u64, f64 x, Nothing) { return x; }
};
// The second copy does not read what the first one writes.
struct Copy2Step : StepDefaults {
  using Left = u64;
  using Right = u64;
  static constexpr Field kLeft = Field::B, kRight = Field::D, kResult = Field::A, kSecondResult = Field::C;
  static constexpr bool kToAcc = false;
  BERTH_STEP u64 left(BERTH_READ_REGS) { return fp[field_b(pc)]; }
  BERTH_STEP u64 right(BERTH_READ_REGS) { return fp[field_d(pc)]; }
  BERTH_STEP u64 apply(BERTH_STEP_REGS, u64, u64 x, u64 y) {
    fp[field_c(pc)] = y;
    return x;
  }
};
struct Const32Step : StepDefaults {
  static constexpr Field kResult = Field::A;
  static constexpr bool kToAcc = false;
  BERTH_STEP u64 apply(BERTH_STEP_REGS, u64, Nothing, Nothing) {
    return static_cast<u64>(static_cast<i64>(field_imm(pc)));
  }
};
struct AccToSlotStep : StepDefaults {
  using Left = u64;
  static constexpr Field kResult = Field::A;
  BERTH_STEP u64 left(BERTH_READ_REGS) { return acc; }
  BERTH_STEP u64 apply(BERTH_STEP_REGS, u64, u64 x, Nothing) { return x; }
};
template <Src condition>
struct SelectStepOf : StepDefaults {
  using Left = u32;
  static constexpr Field kLeft = if_slot(condition, Field::D), kResult = Field::A;
  static constexpr Field kAlsoReads[2] = {Field::B, Field::C};
  static constexpr bool kPops = true;
  BERTH_STEP u32 left(BERTH_READ_REGS) { return read_left<u32, condition, Field::D>(pc, fp, acc, vacc); }
  BERTH_STEP u64 apply(BERTH_STEP_REGS, u64, u32 x, Nothing) { return fp[x != 0 ? field_b(pc) : field_c(pc)]; }
};
using SelectStep = SelectStepOf<Src::Slot>;
using SelectAccStep = SelectStepOf<Src::Acc>;
struct GlobalGetStep : StepDefaults {
  static constexpr Field kResult = Field::A;
  BERTH_STEP u64 apply(BERTH_STEP_REGS, u64, Nothing, Nothing) {
    return ctx->defined_globals[static_cast<u32>(field_imm(pc))].value[0];
  }
};
struct GlobalSetStep : StepDefaults {
  using Left = u64;
  static constexpr Field kLeft = Field::A;
  BERTH_STEP u64 left(BERTH_READ_REGS) { return fp[field_a(pc)]; }
  BERTH_STEP Nothing apply(BERTH_STEP_REGS, u64, u64 x, Nothing) {
    ctx->defined_globals[static_cast<u32>(field_imm(pc))].value[0] = x;
    return {};
  }
};

// Where control may go elsewhere. `taken` decides, the immediate says where to, in words from the branch.
template <wasm::Op op, Src L, Src R, bool if_true>
struct CompareBranch : StepDefaults {
  using Left = OperandOf<op, 0>;
  using Right = OperandOf<op, 0>;
  static constexpr u32 kWords = R == Src::Const ? 3 : 2;
  static constexpr Field kLeft = if_slot(L, Field::A), kRight = if_slot(R, Field::B);
  static constexpr bool kPops = true;
  BERTH_STEP Left left(BERTH_READ_REGS) { return read_left<Left, L, Field::A>(pc, fp, acc, vacc); }
  BERTH_STEP Right right(BERTH_READ_REGS) { return read_right<Right, R, Field::B>(pc, fp, acc, vacc); }
  BERTH_STEP bool taken(Left x, Right y) { return (Numeric<op>::apply(x, y) != 0) == if_true; }
};
template <Src src, bool if_true>
struct TestBranch : StepDefaults {
  using Left = u32;
  static constexpr Field kLeft = if_slot(src, Field::A);
  static constexpr bool kPops = true;
  BERTH_STEP u32 left(BERTH_READ_REGS) { return read_left<u32, src, Field::A>(pc, fp, acc, vacc); }
  BERTH_STEP bool taken(u32 x, Nothing) { return (x != 0) == if_true; }
};
template <Src src, bool if_null>
struct NullBranch : StepDefaults {
  using Left = u64;
  static constexpr Field kLeft = if_slot(src, Field::A);
  BERTH_STEP u64 left(BERTH_READ_REGS) { return read_left<u64, src, Field::A>(pc, fp, acc, vacc); }
  BERTH_STEP bool taken(u64 x, Nothing) { return (x == 0) == if_null; }
};
struct Jump : StepDefaults {
  BERTH_STEP bool taken(Nothing, Nothing) { return true; }
};

// The values of a tuned sequence. Never in memory: every index is a constant, and checks of the index, which would keep
// it there, are left out.
#define BERTH_VALUE_ACCESS [[gnu::always_inline, clang::no_sanitize("undefined")]]
struct Values {
  u64 ints[kMaxValues];
  f32 floats[kMaxValues];
  f64 doubles[kMaxValues];
  template <typename T>
  BERTH_VALUE_ACCESS T get(u32 index) const {
    if constexpr (kIsInt<T>)
      return static_cast<T>(ints[index]);
    else if constexpr (std::is_same_v<T, f32>)
      return floats[index];
    else
      return doubles[index];
  }
  template <typename T>
  BERTH_VALUE_ACCESS void set(u32 index, T value) {
    if constexpr (kIsInt<T>)
      ints[index] = value;
    else if constexpr (std::is_same_v<T, f32>)
      floats[index] = value;
    else if constexpr (std::is_same_v<T, f64>)
      doubles[index] = value;
  }
};

// A step as number `at` of a tuned sequence. `left` and `right` say of which earlier value an operand is the
// same, or kNoValue when it is read as usual.
template <typename S, u32 at, u32 left = kNoValue, u32 right = kNoValue, bool stores = true, bool adds_offset = true>
struct Tuned : S {
  using Ordinary = S;
  static constexpr u32 kAt = at, kLeftFrom = left, kRightFrom = right;
  static constexpr bool kStores = stores, kAddsOffset = adds_offset;
};
template <typename S>
concept IsTuned = requires { S::kAt; };

// One operand, from its slot or an earlier step.
template <typename S, typename V>
[[gnu::always_inline]] inline auto operand_left(BERTH_READ_REGS, V& values) {
  if constexpr (!IsTuned<S>) {
    return S::left(pc, fp, acc, vacc);
  } else {
    typename S::Left x;
    if constexpr (S::kLeftFrom != kNoValue)
      x = values.template get<typename S::Left>(S::kLeftFrom);
    else
      x = S::left(pc, fp, acc, vacc);
    values.set(left_of(S::kAt), x);
    return x;
  }
}
template <typename S, typename V>
[[gnu::always_inline]] inline auto operand_right(BERTH_READ_REGS, V& values) {
  if constexpr (!IsTuned<S>) {
    return S::right(pc, fp, acc, vacc);
  } else {
    typename S::Right x;
    if constexpr (S::kRightFrom != kNoValue)
      x = values.template get<typename S::Right>(S::kRightFrom);
    else
      x = S::right(pc, fp, acc, vacc);
    values.set(right_of(S::kAt), x);
    return x;
  }
}

template <typename S, typename V>
[[gnu::always_inline]] inline void run_step(const Word*& pc, Slot*& fp, u8* mem, abi::InstanceContext*& ctx,
                                            abi::StoreContext*& st, u64& acc, v128& vacc, V& values) {
  const auto x = operand_left<S>(pc, fp, acc, vacc, values);
  const auto y = operand_right<S>(pc, fp, acc, vacc, values);
  // Read before an access, after which the operand word would have to be loaded again.
  u32 to = 0;
  u64 offset = 0;
  constexpr bool stores = S::kResult != Field::None && S::kStores;
  if constexpr (stores) to = field<S::kResult>(pc);
  if constexpr (S::kHasOffset && S::kAddsOffset) offset = static_cast<u32>(field_imm(pc));
  const auto z = S::apply(pc, fp, mem, ctx, st, offset, x, y);
  if constexpr (!std::is_same_v<decltype(z), const Nothing>) {
    if constexpr (S::kToAcc) to_acc(z, acc, vacc);
    if constexpr (stores) store_slot(fp, to, z);
    if constexpr (IsTuned<S>) values.set(result_of(S::kAt), z);
  }
  pc += S::kWords;
}

// Instead of a backward branch that is taken, while StoreContext::interrupt is set: [… offset32].
BERTH_HANDLER_CC void op_interrupted(BERTH_REGS);

// Steps in a row.
template <typename... Steps>
BERTH_HANDLER steps(BERTH_REGS) {
  [[maybe_unused]] std::conditional_t<(IsTuned<Steps> || ...), Values, Nothing> values;
  (run_step<Steps>(pc, fp, mem, ctx, st, acc, vacc, values), ...);
  BERTH_NEXT(0);
}

// Steps and then a branch. A backward one gives an interrupt its chance.
template <typename Branch, bool backward, typename... Steps>
BERTH_HANDLER steps_and_branch(BERTH_REGS) {
  [[maybe_unused]] std::conditional_t<(IsTuned<Steps> || ...), Values, Nothing> values;
  (run_step<Steps>(pc, fp, mem, ctx, st, acc, vacc, values), ...);
  if (Branch::taken(operand_left<Branch>(pc, fp, acc, vacc, values),
                    operand_right<Branch>(pc, fp, acc, vacc, values))) {
    if constexpr (backward) {
      if (st->interrupt.load(std::memory_order_relaxed)) [[unlikely]]
        BERTH_TAIL(op_interrupted);
    }
    BERTH_GO(pc + field_imm(pc));
  }
  BERTH_NEXT(Branch::kWords);
}

#undef BERTH_STEP
#undef BERTH_VALUE_ACCESS
#undef BERTH_STEP_REGS
#undef BERTH_READ_REGS

}  // namespace berth::interp
