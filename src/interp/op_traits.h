// What the opcode table says about an instruction, as types at compile time.
#pragma once

#include <string_view>
#include <type_traits>

#include "interp/vector.h"
#include "wasm/opcodes.h"

namespace berth::interp {

namespace detail {
template <char C>
struct TypeOf;
template <>
struct TypeOf<'i'> {
  using T = u32;
};
template <>
struct TypeOf<'l'> {
  using T = u64;
};
template <>
struct TypeOf<'f'> {
  using T = f32;
};
template <>
struct TypeOf<'d'> {
  using T = f64;
};
template <>
struct TypeOf<'v'> {
  using T = v128;
};
template <>
struct TypeOf<'a'> {
  using T = u64;
};
}  // namespace detail

// Number of operands in the signature.
constexpr u32 operand_count(wasm::Op op) {
  const std::string_view s = wasm::info(op).signature();
  const size_t colon = s.find(':');
  return colon == s.npos ? 0 : static_cast<u32>(colon);
}
constexpr char operand_code(wasm::Op op, u32 index) { return wasm::info(op).signature()[index]; }
constexpr char result_code(wasm::Op op) {
  const std::string_view s = wasm::info(op).signature();
  const size_t colon = s.find(':');
  return colon == s.npos || colon + 1 >= s.size() ? '\0' : s[colon + 1];
}
constexpr u32 result_count(wasm::Op op) {
  const std::string_view s = wasm::info(op).signature();
  const size_t colon = s.find(':');
  return colon == s.npos ? 0 : static_cast<u32>(s.size() - colon - 1);
}

template <wasm::Op op, u32 index>
using OperandOf = typename detail::TypeOf<operand_code(op, index)>::T;
template <wasm::Op op>
using ResultOf = typename detail::TypeOf<result_code(op)>::T;

constexpr bool is_scalar_code(char c) { return c == 'i' || c == 'l' || c == 'f' || c == 'd'; }

// Scalar instructions without memory: one-byte opcodes and saturating truncations.
constexpr bool is_scalar_numeric(wasm::Op op) {
  const auto& i = wasm::info(op);
  return (i.prefix == 0 || (i.prefix == 0xFC && i.code < 8)) && i.imm == wasm::Imm::None && i.signature() != "*" &&
         operand_count(op) > 0 && result_count(op) == 1;
}
constexpr bool is_binary(wasm::Op op) { return is_scalar_numeric(op) && operand_count(op) == 2; }
constexpr bool is_unary(wasm::Op op) { return is_scalar_numeric(op) && operand_count(op) == 1; }
// Two operands of one type, i32 result, never trapping.
constexpr bool is_compare(wasm::Op op) { return op >= wasm::Op::I32Eq && op <= wasm::Op::F64Ge && is_binary(op); }
constexpr bool is_float_compare(wasm::Op op) { return op >= wasm::Op::F32Eq && op <= wasm::Op::F64Ge; }

// Instructions that may trap for a reason of their own.
constexpr bool traps(wasm::Op op) {
  using enum wasm::Op;
  switch (op) {
    case I32DivS:
    case I32DivU:
    case I32RemS:
    case I32RemU:
    case I64DivS:
    case I64DivU:
    case I64RemS:
    case I64RemU:
    case I32TruncF32S:
    case I32TruncF32U:
    case I32TruncF64S:
    case I32TruncF64U:
    case I64TruncF32S:
    case I64TruncF32U:
    case I64TruncF64S:
    case I64TruncF64U: return true;
    default: return false;
  }
}

// Arithmetic on floats whose NaN results may differ between machines (specification: NaN propagation).
constexpr bool makes_nan(wasm::Op op) {
  const std::string_view mnemonic = wasm::info(op).mnemonic();
  const size_t dot = mnemonic.find('.');
  if (mnemonic[0] != 'f' || dot == mnemonic.npos) return false;
  constexpr std::string_view kArithmetic[] = {"add",
                                              "sub",
                                              "mul",
                                              "div",
                                              "sqrt",
                                              "min",
                                              "max",
                                              "ceil",
                                              "floor",
                                              "trunc",
                                              "nearest",
                                              "demote_f64",
                                              "promote_f32",
                                              "demote_f64x2_zero",
                                              "promote_low_f32x4",
                                              "relaxed_madd",
                                              "relaxed_nmadd",
                                              "relaxed_min",
                                              "relaxed_max"};
  for (const std::string_view name : kArithmetic)
    if (mnemonic.substr(dot + 1) == name) return true;
  return false;
}

// Plain loads and stores of scalars and whole vectors.
constexpr bool is_load(wasm::Op op) {
  return (op >= wasm::Op::I32Load && op <= wasm::Op::I64Load32U) || op == wasm::Op::V128Load;
}
constexpr bool is_store(wasm::Op op) {
  return (op >= wasm::Op::I32Store && op <= wasm::Op::I64Store32) || op == wasm::Op::V128Store;
}

// The type in memory of a plain load or store.
template <wasm::Op op>
constexpr auto memory_type() {
  constexpr auto& i = wasm::info(op);
  constexpr char v = is_load(op) ? result_code(op) : operand_code(op, 1);
  constexpr bool is_signed = i.mnemonic().ends_with("_s");
  if constexpr (v == 'f')
    return f32{};
  else if constexpr (v == 'd')
    return f64{};
  else if constexpr (v == 'v')
    return v128{};
  else if constexpr (i.width == 1)
    return std::conditional_t<is_signed, i8, u8>{};
  else if constexpr (i.width == 2)
    return std::conditional_t<is_signed, i16, u16>{};
  else if constexpr (i.width == 4)
    return std::conditional_t<is_signed, i32, u32>{};
  else
    return u64{};
}
template <wasm::Op op>
using MemoryTypeOf = decltype(memory_type<op>());

}  // namespace berth::interp
