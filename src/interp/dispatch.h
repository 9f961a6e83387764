// How handlers are written: reading operands, continuing with the next instruction, trapping.
#pragma once

#include <cstring>
#include <type_traits>

#include "base/result.h"

#include "interp/code.h"

// Handlers live in a section of their own, so that a fault in guest code can be told from any other.
#define BERTH_GUEST_SECTION "berth_guest"
#define BERTH_HANDLER __attribute__((section(BERTH_GUEST_SECTION))) BERTH_HANDLER_CC void

// Continues at `target`.
#define BERTH_GO(target)                                                                          \
  do {                                                                                            \
    pc = (target);                                                                                \
    [[clang::musttail]] return reinterpret_cast<::berth::interp::Handler>(*pc)(BERTH_REG_VALUES); \
  } while (false)
#define BERTH_NEXT(words) BERTH_GO(pc + (words))

// Leaves the interpreter with a trap at the current instruction.
#define BERTH_RAISE(code)                                                     \
  do {                                                                        \
    acc = static_cast<::berth::u64>(code);                                    \
    [[clang::musttail]] return ::berth::interp::raise_trap(BERTH_REG_VALUES); \
  } while (false)

// Runs a slow path that cannot be inlined, with the machine's registers.
#define BERTH_TAIL(handler) [[clang::musttail]] return handler(BERTH_REG_VALUES)

// Stands before and after an access that may fault, and keeps `pc` where the fault handler finds it: what was
// added to it has been added, what follows has not, and it is in the register that handlers receive it in.
#if defined(__x86_64__)
#define BERTH_PC_REGISTER "r12"
#elif defined(__aarch64__)
#define BERTH_PC_REGISTER "x20"
#endif
#ifdef BERTH_PC_REGISTER
#define BERTH_ACCESS_BARRIER()                                              \
  do {                                                                      \
    register const ::berth::interp::Word* here asm(BERTH_PC_REGISTER) = pc; \
    asm volatile("" : "+r"(here), "+r"(fp), "+r"(ctx), "+r"(st)::"memory"); \
    pc = here;                                                              \
  } while (false)
#else
#define BERTH_ACCESS_BARRIER() asm volatile("" : "+r"(pc), "+r"(fp), "+r"(ctx), "+r"(st)::"memory")
#endif

namespace berth::interp {

// acc holds the TrapCode.
BERTH_HANDLER_CC void raise_trap(BERTH_REGS);

// Where a thread goes on after a fault in guest code, its registers as they were.
BERTH_HANDLER_CC void fault_landing(BERTH_REGS);

// The first operand word: four 16-bit fields, the upper two also read as one 32-bit number. Each is cut from
// the whole word, so that an instruction loads it once: load ports are what limits fused instructions.
inline u32 field_a(const Word* pc) { return static_cast<u16>(pc[1]); }
inline u32 field_b(const Word* pc) { return static_cast<u16>(pc[1] >> 16); }
inline u32 field_c(const Word* pc) { return static_cast<u16>(pc[1] >> 32); }
inline u32 field_d(const Word* pc) { return static_cast<u32>(pc[1] >> 48); }
inline i32 field_imm(const Word* pc) { return static_cast<i32>(pc[1] >> 32); }

inline Word pack(u32 a, u32 b, u32 c, u32 d) { return Word{a} | Word{b} << 16 | Word{c} << 32 | Word{d} << 48; }
inline Word pack_imm(u32 a, u32 b, i32 imm) { return Word{a} | Word{b} << 16 | Word{static_cast<u32>(imm)} << 32; }

// Slots as typed values.
template <typename T>
inline T load_slot(const Slot* fp, u32 index) {
  T v;
  std::memcpy(&v, fp + index, sizeof(T));
  return v;
}
template <typename T>
inline void store_slot(Slot* fp, u32 index, T value) {
  if constexpr (sizeof(T) == 4 && std::is_integral_v<T>) {
    fp[index] = static_cast<u32>(value);
  } else {
    std::memcpy(fp + index, &value, sizeof(T));
  }
}

template <typename T>
inline constexpr bool kIsInt = std::is_integral_v<T>;

// Values in the accumulators.
template <typename T>
inline T from_acc(u64 acc, v128 vacc) {
  if constexpr (kIsInt<T>) {
    return static_cast<T>(acc);
  } else if constexpr (sizeof(T) == 16) {
    return vacc;
  } else {
    typedef T Lanes __attribute__((vector_size(16)));
    return reinterpret_cast<Lanes>(vacc)[0];
  }
}
template <typename T>
inline void to_acc(T value, u64& acc, v128& vacc) {
  if constexpr (kIsInt<T>) {
    if constexpr (sizeof(T) == 4)
      acc = static_cast<u32>(value);
    else
      acc = static_cast<u64>(value);
  } else if constexpr (sizeof(T) == 16) {
    vacc = value;
  } else {
    // The other lanes are left undefined: keeping them would chain every instruction to the one before.
    typedef T Lanes __attribute__((vector_size(16)));
    const Lanes lanes = {value};
    if constexpr (sizeof(T) == 8)
      vacc = reinterpret_cast<v128>(__builtin_shufflevector(lanes, lanes, 0, -1));
    else
      vacc = reinterpret_cast<v128>(__builtin_shufflevector(lanes, lanes, 0, -1, -1, -1));
  }
}

// Where an operand comes from: a slot, the accumulator, a 32-bit constant in the operand word, or a 64-bit
// constant in the word after it.
enum class Src : u8 { Slot, Acc, Imm, Const };
// Where a result goes: a slot (and the accumulator), or the accumulator alone.
enum class Dst : u8 { Slot, Acc };

}  // namespace berth::interp
