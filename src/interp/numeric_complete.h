// Holds the semantic functions against spec/opcodes.def at compile time: each instruction that
// computes or accesses memory has one, of the types that its signature says. Include it once, in a
// source file.
#pragma once

#include <type_traits>
#include <utility>

#include "interp/numeric.h"
#include "interp/numeric_atomic.h"
#include "interp/numeric_memory.h"
#include "interp/simd.h"

namespace berth::interp::detail {

template <char kLetter>
consteval auto operand_type() {
  if constexpr (kLetter == 'i') return std::type_identity<u32>{};
  if constexpr (kLetter == 'l') return std::type_identity<u64>{};
  if constexpr (kLetter == 'f') return std::type_identity<f32>{};
  if constexpr (kLetter == 'd') return std::type_identity<f64>{};
  if constexpr (kLetter == 'v') return std::type_identity<v128>{};
}

// An instruction's operands and result as C++ types, `kSkip` operands (an address) left out.
template <Op kOp, u32 kSkip = 0>
struct Signature {
  static constexpr std::string_view kText = wasm::info(kOp).signature();
  static constexpr size_t kColon = kText.find(':');
  static constexpr size_t kParams = kColon - kSkip;
  static constexpr size_t kResults = kText.size() - kColon - 1;

  template <size_t kIndex>
  using Letter = typename decltype(operand_type<kText[kIndex]>())::type;
  static consteval auto result_type() {
    if constexpr (kResults == 0) return std::type_identity<void>{};
    if constexpr (kResults == 1) return std::type_identity<Letter<kColon + 1>>{};
    if constexpr (kResults == 2) return std::type_identity<Wide>{};
  }
  using Result = typename decltype(result_type())::type;

  template <typename... Last, size_t... I>
  static auto with_last(std::index_sequence<I...>) -> Result (*)(Letter<kSkip + I>..., Last...);
  template <typename... First, size_t... I>
  static auto with_first(std::index_sequence<I...>) -> Result (*)(First..., Letter<kSkip + I>...);
  template <size_t... I>
  static auto with_out(std::index_sequence<I...>)
      -> TrapCode (*)(Letter<kSkip + I>..., std::conditional_t<kResults == 0, u8, Result>&);

  using Indices = std::make_index_sequence<kParams>;
  using Plain = decltype(with_last<>(Indices{}));
  using WithLane = decltype(with_last<u32>(Indices{}));
  using Reading = decltype(with_first<const u8*>(Indices{}));
  using Writing = decltype(with_first<u8*>(Indices{}));
  using Trapping = decltype(with_out(Indices{}));
};

template <typename S, typename F>
concept Applies = requires { sizeof(S); } && std::is_same_v<decltype(&S::apply), F>;

template <Op kOp>
consteval bool has_semantics() {
  constexpr const wasm::OpInfo& kInfo = wasm::info(kOp);
  using wasm::Imm;
  if constexpr (kInfo.signature() == "*" || kInfo.signature().find(':') == 0) {
    return true;  // context, constants, drops and fences: nothing to compute
  } else if constexpr (kInfo.prefix == 0xFE) {
    if constexpr (kOp == Op::MemoryAtomicNotify || kOp == Op::MemoryAtomicWait32 || kOp == Op::MemoryAtomicWait64) {
      return true;  // the runtime's
    } else {
      using S = Signature<kOp, 1>;
      return Applies<AtomicLoad<kOp>, typename S::Reading> || Applies<AtomicStore<kOp>, typename S::Writing> ||
             Applies<AtomicRmw<kOp>, typename S::Writing>;
    }
  } else if constexpr (kInfo.imm == Imm::MemArg) {
    using S = Signature<kOp, 1>;
    return Applies<Load<kOp>, typename S::Reading> || Applies<Store<kOp>, typename S::Writing>;
  } else if constexpr (kInfo.imm == Imm::MemArgLane) {
    if constexpr (Signature<kOp, 1>::kResults == 1) {
      return Applies<LoadLane<kOp>, v128 (*)(const u8*, v128, u32)>;
    } else {
      return Applies<StoreLane<kOp>, void (*)(u8*, v128, u32)>;
    }
  } else if constexpr (kInfo.imm == Imm::Lane) {
    return Applies<Lane<kOp>, typename Signature<kOp>::WithLane>;
  } else if constexpr (kInfo.imm == Imm::Shuffle) {
    return Applies<Shuffle, v128 (*)(v128, v128, v128)>;
  } else if constexpr (kInfo.imm == Imm::None) {
    using S = Signature<kOp>;
    if constexpr (kInfo.feature == wasm::Feature::RelaxedSimd) {
      return Applies<Numeric<kOp>, typename S::Plain> && Applies<Relaxed<kOp>, typename S::Plain>;
    } else if constexpr (requires { sizeof(Numeric<kOp>); }) {
      return Applies<Numeric<kOp>, typename S::Plain>;
    } else {
      return Applies<Trapping<kOp>, typename S::Trapping>;
    }
  } else {
    return true;  // memory.size and the like: the runtime's
  }
}

#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) \
  static_assert(has_semantics<Op::id>(),                                         \
                "no semantic function, or one of other "                         \
                "types: " mnemonic);
#include "spec/opcodes.def"
#undef BERTH_OP

}  // namespace berth::interp::detail
