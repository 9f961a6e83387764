// Vectors of integers.
#include "compiler/translate.h"

#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace berth::compiler {

using llvm::CmpInst;

namespace {

llvm::Value* splat(llvm::Value* like, u64 value) { return llvm::ConstantInt::get(like->getType(), value); }

}  // namespace

// Two vectors as one with lanes of half the width, saturated: the lanes given are signed, the result as `is_signed`.
Translator::Value Translator::narrow_lanes(Value a, Value b, bool is_signed) {
  const auto* wide = llvm::cast<llvm::FixedVectorType>(a->getType());
  const u32 bits = wide->getScalarSizeInBits() / 2, count = wide->getNumElements() * 2;
  std::vector<int> all(count);
  for (u32 i = 0; i < count; ++i) all[i] = static_cast<int>(i);
  if (is_aarch64() && !is_signed) {
    llvm::Type* const t = llvm::FixedVectorType::get(ir_.getIntNTy(bits), count / 2);
    const Value low = ir_.CreateIntrinsic(llvm::Intrinsic::aarch64_neon_sqxtun, {t}, {a});
    return ir_.CreateShuffleVector(low, ir_.CreateIntrinsic(llvm::Intrinsic::aarch64_neon_sqxtun, {t}, {b}), all);
  }
  using llvm::APInt;
  const APInt lowest = is_signed ? APInt::getSignedMinValue(bits).sext(bits * 2) : APInt(bits * 2, 0);
  const APInt highest =
      is_signed ? APInt::getSignedMaxValue(bits).sext(bits * 2) : APInt::getMaxValue(bits).zext(bits * 2);
  const Value both = ir_.CreateShuffleVector(a, b, all);
  const Value above =
      ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, both, llvm::ConstantInt::get(both->getType(), lowest));
  const Value within =
      ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, above, llvm::ConstantInt::get(both->getType(), highest));
  return ir_.CreateTrunc(within, lanes_type(bits));
}

// Sums of neighbouring lanes, in lanes of twice the width.
Translator::Value Translator::add_pairs(Value v, bool is_signed) {
  const u32 bits = v->getType()->getScalarSizeInBits();
  llvm::Type* const wide = lanes_type(bits * 2);
  if (is_aarch64()) {
    const auto id = is_signed ? llvm::Intrinsic::aarch64_neon_saddlp : llvm::Intrinsic::aarch64_neon_uaddlp;
    return ir_.CreateIntrinsic(id, {wide, v->getType()}, {v});
  }
  if (is_x86() && bits == 8) {
    // Its first operand is unsigned, its second signed.
    const Value ones = splat(v, 1);
    return ir_.CreateIntrinsic(llvm::Intrinsic::x86_ssse3_pmadd_ub_sw_128, {},
                               {is_signed ? ones : v, is_signed ? v : ones});
  }
  if (is_x86() && is_signed) return ir_.CreateIntrinsic(llvm::Intrinsic::x86_sse2_pmadd_wd, {}, {v, splat(v, 1)});
  const Value pairs = ir_.CreateBitCast(v, wide);
  if (is_signed) return ir_.CreateAdd(ir_.CreateAShr(ir_.CreateShl(pairs, bits), bits), ir_.CreateAShr(pairs, bits));
  return ir_.CreateAdd(ir_.CreateAnd(pairs, splat(pairs, (u64{1} << bits) - 1)), ir_.CreateLShr(pairs, bits));
}

// Rounded products of fixed-point numbers with 15 bits of fraction. Only -1 times -1 overflows.
Translator::Value Translator::multiply_q15(Value a, Value b, bool saturate) {
  if (is_aarch64()) return ir_.CreateIntrinsic(llvm::Intrinsic::aarch64_neon_sqrdmulh, {a->getType()}, {a, b});
  CHECK(is_x86());
  const Value product = ir_.CreateIntrinsic(llvm::Intrinsic::x86_ssse3_pmul_hr_sw_128, {}, {a, b});
  if (!saturate) return product;
  return ir_.CreateXor(product, compare_lanes(CmpInst::ICMP_EQ, product, splat(product, 0x8000)));
}

#define BERTH_SHAPES_3(name) \
  case Op::I8x16##name:      \
  case Op::I16x8##name:      \
  case Op::I32x4##name
#define BERTH_SHAPES_4(name) BERTH_SHAPES_3(name) : case Op::I64x2##name
#define BERTH_WIDENINGS(name, sign)  \
  case Op::I16x8##name##I8x16##sign: \
  case Op::I32x4##name##I16x8##sign: \
  case Op::I64x2##name##I32x4##sign

bool Translator::vector_integer(Op op) {
  namespace I = llvm::Intrinsic;
  const wasm::OpInfo& about = wasm::info(op);
  if (about.mnemonic()[0] != 'i') return false;
  u32 bits = about.mnemonic()[1] == '8' ? 8 : about.mnemonic()[1] == '1' ? 16 : about.mnemonic()[1] == '3' ? 32 : 64;
  // Instructions that say what they read by a second shape, "…_i8x16…", read lanes of half or of twice the width.
  const size_t second = about.mnemonic().find("_i");
  const bool narrows = about.mnemonic().find(".narrow_") != std::string_view::npos;
  if (second != std::string_view::npos) bits = narrows ? bits * 2 : bits / 2;

  const bool shifts = about.signature() == "vi:v";
  const bool binary = about.signature() == "vv:v";
  Value amount = shifts ? pop() : nullptr;
  const Value b = binary ? pop_as(bits) : nullptr;
  const Value a = pop_as(bits);
  if (shifts) {
    amount = ir_.CreateAnd(amount, i32(bits - 1));
    amount = ir_.CreateVectorSplat(128 / bits, ir_.CreateZExtOrTrunc(amount, ir_.getIntNTy(bits)));
  }

  auto done = [&](Value v) {
    push_vector(v);
    return true;
  };
  auto compare = [&](CmpInst::Predicate p) { return done(compare_lanes(p, a, b)); };
  auto intrinsic = [&](llvm::Intrinsic::ID id) { return done(ir_.CreateBinaryIntrinsic(id, a, b)); };
  auto multiply = [&](bool high, bool is_signed) {
    return done(ir_.CreateMul(widen(half(a, high), is_signed), widen(half(b, high), is_signed)));
  };
  auto push_i32 = [&](Value v) {
    push(ir_.CreateZExt(v, ir_.getInt32Ty()), wasm::kI32);
    return true;
  };
  switch (op) {
    BERTH_SHAPES_4(Eq) : return compare(CmpInst::ICMP_EQ);
    BERTH_SHAPES_4(Ne) : return compare(CmpInst::ICMP_NE);
    BERTH_SHAPES_4(LtS) : return compare(CmpInst::ICMP_SLT);
    BERTH_SHAPES_3(LtU) : return compare(CmpInst::ICMP_ULT);
    BERTH_SHAPES_4(GtS) : return compare(CmpInst::ICMP_SGT);
    BERTH_SHAPES_3(GtU) : return compare(CmpInst::ICMP_UGT);
    BERTH_SHAPES_4(LeS) : return compare(CmpInst::ICMP_SLE);
    BERTH_SHAPES_3(LeU) : return compare(CmpInst::ICMP_ULE);
    BERTH_SHAPES_4(GeS) : return compare(CmpInst::ICMP_SGE);
    BERTH_SHAPES_3(GeU) : return compare(CmpInst::ICMP_UGE);
    BERTH_SHAPES_4(Abs) : return done(ir_.CreateBinaryIntrinsic(I::abs, a, ir_.getFalse()));
    BERTH_SHAPES_4(Neg) : return done(ir_.CreateNeg(a));
    BERTH_SHAPES_4(Add) : return done(ir_.CreateAdd(a, b));
    BERTH_SHAPES_4(Sub) : return done(ir_.CreateSub(a, b));
    case Op::I16x8Mul:
    case Op::I32x4Mul:
    case Op::I64x2Mul:
      return done(ir_.CreateMul(a, b));
      BERTH_SHAPES_3(MinS) : return intrinsic(I::smin);
      BERTH_SHAPES_3(MinU) : return intrinsic(I::umin);
      BERTH_SHAPES_3(MaxS) : return intrinsic(I::smax);
      BERTH_SHAPES_3(MaxU) : return intrinsic(I::umax);
    case Op::I8x16AddSatS:
    case Op::I16x8AddSatS: return intrinsic(I::sadd_sat);
    case Op::I8x16AddSatU:
    case Op::I16x8AddSatU: return intrinsic(I::uadd_sat);
    case Op::I8x16SubSatS:
    case Op::I16x8SubSatS: return intrinsic(I::ssub_sat);
    case Op::I8x16SubSatU:
    case Op::I16x8SubSatU:
      return intrinsic(I::usub_sat);
      BERTH_SHAPES_4(Shl) : return done(ir_.CreateShl(a, amount));
      BERTH_SHAPES_4(ShrS) : return done(ir_.CreateAShr(a, amount));
      BERTH_SHAPES_4(ShrU) : return done(ir_.CreateLShr(a, amount));
      BERTH_SHAPES_4(AllTrue) : return push_i32(ir_.CreateAndReduce(ir_.CreateICmpNE(a, splat(a, 0))));
      BERTH_SHAPES_4(Bitmask)
          : return push_i32(ir_.CreateBitCast(ir_.CreateICmpSLT(a, splat(a, 0)), ir_.getIntNTy(128 / bits)));
    case Op::I8x16Popcnt: return done(ir_.CreateUnaryIntrinsic(I::ctpop, a));
    case Op::I8x16AvgrU:
    case Op::I16x8AvgrU: {
      const Value sum = ir_.CreateAdd(widen(a, false), widen(b, false));
      return done(ir_.CreateTrunc(ir_.CreateLShr(ir_.CreateAdd(sum, splat(sum, 1)), 1), a->getType()));
    }
    case Op::I16x8Q15mulrSatS: return done(multiply_q15(a, b, true));
    case Op::I32x4DotI16x8S: {
      const Value products = ir_.CreateNSWMul(widen(a, true), widen(b, true));
      return done(ir_.CreateAdd(ir_.CreateShuffleVector(products, {0, 2, 4, 6}),
                                ir_.CreateShuffleVector(products, {1, 3, 5, 7})));
    }
    case Op::I8x16NarrowI16x8S:
    case Op::I16x8NarrowI32x4S: return done(narrow_lanes(a, b, true));
    case Op::I8x16NarrowI16x8U:
    case Op::I16x8NarrowI32x4U: return done(narrow_lanes(a, b, false));
    case Op::I16x8ExtaddPairwiseI8x16S:
    case Op::I32x4ExtaddPairwiseI16x8S: return done(add_pairs(a, true));
    case Op::I16x8ExtaddPairwiseI8x16U:
    case Op::I32x4ExtaddPairwiseI16x8U:
      return done(add_pairs(a, false));
      BERTH_WIDENINGS(ExtendLow, S) : return done(widen(half(a, false), true));
      BERTH_WIDENINGS(ExtendHigh, S) : return done(widen(half(a, true), true));
      BERTH_WIDENINGS(ExtendLow, U) : return done(widen(half(a, false), false));
      BERTH_WIDENINGS(ExtendHigh, U) : return done(widen(half(a, true), false));
      BERTH_WIDENINGS(ExtmulLow, S) : return multiply(false, true);
      BERTH_WIDENINGS(ExtmulHigh, S) : return multiply(true, true);
      BERTH_WIDENINGS(ExtmulLow, U) : return multiply(false, false);
      BERTH_WIDENINGS(ExtmulHigh, U) : return multiply(true, false);
    default: return false;
  }
}

#undef BERTH_SHAPES_3
#undef BERTH_SHAPES_4
#undef BERTH_WIDENINGS

}  // namespace berth::compiler
