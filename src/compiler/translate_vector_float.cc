// Vectors of floating-point numbers, and relaxed instructions.
#include "compiler/translate.h"

#include <llvm/IR/IntrinsicsX86.h>

namespace berth::compiler {

using llvm::CmpInst;

namespace {

llvm::Value* splat(llvm::Value* like, double value) { return llvm::ConstantFP::get(like->getType(), value); }

}  // namespace

// Of <2 x double> the upper lanes of the result are 0. LLVM takes its own vector conversions apart on x86-64.
Translator::Value Translator::truncate_lanes(Value v, bool is_signed) {
  namespace I = llvm::Intrinsic;
  const bool from_64 = v->getType()->getScalarType()->isDoubleTy();
  llvm::FixedVectorType* const ints = lanes_type(32);
  const Value none = llvm::Constant::getNullValue(v->getType());
  auto mask = [&](Value condition) { return ir_.CreateSExt(condition, lanes_type(from_64 ? 64 : 32)); };
  auto convert = [&](Value x) { return ir_.CreateIntrinsic(I::x86_sse2_cvttps2dq, {}, {x}); };
  if (!is_x86()) {
    const auto id = is_signed ? I::fptosi_sat : I::fptoui_sat;
    if (!from_64) return ir_.CreateIntrinsic(id, {ints, v->getType()}, {v});
    // To 64 bits first: there is an instruction for that, and one that narrows.
    const Value wide = ir_.CreateIntrinsic(id, {lanes_type(64), v->getType()}, {v});
    const Value highest = llvm::ConstantInt::get(wide->getType(), is_signed ? 0x7FFF'FFFF : 0xFFFF'FFFF);
    Value within = ir_.CreateBinaryIntrinsic(is_signed ? I::smin : I::umin, wide, highest);
    if (is_signed)
      within =
          ir_.CreateBinaryIntrinsic(I::smax, within, llvm::ConstantInt::getSigned(wide->getType(), -0x8000'0000LL));
    const Value narrow = ir_.CreateTrunc(within, llvm::FixedVectorType::get(ir_.getInt32Ty(), 2));
    return ir_.CreateShuffleVector(narrow, llvm::Constant::getNullValue(narrow->getType()), {0, 1, 2, 3});
  }
  // The machine's conversion gives the lowest number for whatever is out of range.
  if (is_signed) {
    const Value raw = ir_.CreateBitCast(v, lanes_type(from_64 ? 64 : 32));
    const Value a = ir_.CreateBitCast(ir_.CreateAnd(raw, mask(ir_.CreateFCmpORD(v, none))), v->getType());
    if (!from_64) return ir_.CreateXor(convert(a), mask(ir_.CreateFCmpOGE(a, splat(a, 0x1p31))));
    const Value highest = splat(a, 0x1p31 - 1);
    return ir_.CreateIntrinsic(I::x86_sse2_cvttpd2dq, {}, {smaller(a, highest, false)});
  }
  const Value a = smaller(v, none, true);
  if (!from_64) {
    // What the signed conversion gives, and what exceeds it, up to 2^31 - 1.
    const Value excess = ir_.CreateFSub(a, splat(a, 0x1p31));
    const Value rest = ir_.CreateXor(convert(excess), mask(ir_.CreateFCmpOGE(excess, splat(a, 0x1p31))));
    return ir_.CreateAdd(convert(a), ir_.CreateBinaryIntrinsic(I::smax, rest, llvm::Constant::getNullValue(ints)));
  }
  // An integer below 2^52 is in the low bits once 2^52 has been added.
  const Value highest = splat(a, 0x1p32 - 1);
  const Value within = smaller(a, highest, false);
  const Value raw = ir_.CreateFAdd(ir_.CreateUnaryIntrinsic(I::trunc, within), splat(a, 0x1p52));
  return ir_.CreateShuffleVector(ir_.CreateBitCast(raw, ints), llvm::Constant::getNullValue(ints), {0, 2, 4, 4});
}

#define BERTH_BOTH(name) \
  case Op::F32x4##name:  \
  case Op::F64x2##name

bool Translator::vector_float(Op op) {
  namespace I = llvm::Intrinsic;
  auto done = [&](Value v) {
    push_vector(v);
    return true;
  };
  switch (op) {
    case Op::I32x4TruncSatF32x4S: return done(truncate_lanes(pop_as(32, true), true));
    case Op::I32x4TruncSatF32x4U: return done(truncate_lanes(pop_as(32, true), false));
    case Op::I32x4TruncSatF64x2SZero: return done(truncate_lanes(pop_as(64, true), true));
    case Op::I32x4TruncSatF64x2UZero: return done(truncate_lanes(pop_as(64, true), false));
    case Op::F32x4ConvertI32x4S: return done(ir_.CreateSIToFP(pop_as(32), lanes_type(32, true)));
    case Op::F32x4ConvertI32x4U: return done(ir_.CreateUIToFP(pop_as(32), lanes_type(32, true)));
    case Op::F64x2ConvertLowI32x4S: return done(ir_.CreateSIToFP(half(pop_as(32), false), lanes_type(64, true)));
    case Op::F64x2ConvertLowI32x4U: return done(ir_.CreateUIToFP(half(pop_as(32), false), lanes_type(64, true)));
    case Op::F64x2PromoteLowF32x4:
      return done(fp(ir_.CreateFPExt(half(pop_as(32, true), false), lanes_type(64, true))));
    case Op::F32x4DemoteF64x2Zero: {
      const Value low = fp(ir_.CreateFPTrunc(pop_as(64, true), llvm::FixedVectorType::get(ir_.getFloatTy(), 2)));
      return done(ir_.CreateShuffleVector(low, llvm::Constant::getNullValue(low->getType()), {0, 1, 2, 3}));
    }
    default: break;
  }
  const wasm::OpInfo& about = wasm::info(op);
  if (about.mnemonic()[0] != 'f') return false;
  const u32 bits = about.mnemonic()[1] == '3' ? 32 : 64;
  const Value b = about.signature() == "vv:v" ? pop_as(bits, true) : nullptr;
  const Value a = pop_as(bits, true);
  auto compare = [&](CmpInst::Predicate p) { return done(compare_lanes(p, a, b)); };
  auto unary = [&](I::ID id) { return done(fp(ir_.CreateUnaryIntrinsic(id, a))); };
  switch (op) {
    BERTH_BOTH(Eq) : return compare(CmpInst::FCMP_OEQ);
    BERTH_BOTH(Ne) : return compare(CmpInst::FCMP_UNE);
    BERTH_BOTH(Lt) : return compare(CmpInst::FCMP_OLT);
    BERTH_BOTH(Gt) : return compare(CmpInst::FCMP_OGT);
    BERTH_BOTH(Le) : return compare(CmpInst::FCMP_OLE);
    BERTH_BOTH(Ge) : return compare(CmpInst::FCMP_OGE);
    BERTH_BOTH(Abs) : return done(ir_.CreateUnaryIntrinsic(I::fabs, a));
    BERTH_BOTH(Neg) : return done(ir_.CreateFNeg(a));
    BERTH_BOTH(Ceil) : return unary(I::ceil);
    BERTH_BOTH(Floor) : return unary(I::floor);
    BERTH_BOTH(Trunc) : return unary(I::trunc);
    BERTH_BOTH(Nearest) : return unary(I::roundeven);
    BERTH_BOTH(Sqrt) : return unary(I::sqrt);
    BERTH_BOTH(Add) : return done(fp(ir_.CreateFAdd(a, b)));
    BERTH_BOTH(Sub) : return done(fp(ir_.CreateFSub(a, b)));
    BERTH_BOTH(Mul) : return done(fp(ir_.CreateFMul(a, b)));
    BERTH_BOTH(Div) : return done(fp(ir_.CreateFDiv(a, b)));
    BERTH_BOTH(Min) : return done(minimum(a, b, false));
    BERTH_BOTH(Max) : return done(minimum(a, b, true));
    BERTH_BOTH(Pmin) : return done(smaller(b, a, false));
    BERTH_BOTH(Pmax) : return done(smaller(b, a, true));
    default: return false;
  }
}

// Fast forms are those of the interpreter, but for fused multiplications, which it has where its own build has them.
bool Translator::vector_relaxed(Op op) {
  namespace I = llvm::Intrinsic;
  const wasm::OpInfo& about = wasm::info(op);
  if (about.feature != wasm::Feature::RelaxedSimd) return false;
  const bool deterministic = p_.options().deterministic_relaxed;
  const bool fast_x86 = is_x86() && !deterministic;
  auto done = [&](Value v) {
    push_vector(v);
    return true;
  };
  auto multiply_add = [&](u32 bits, bool negate) {
    const Value c = pop_as(bits, true), b = pop_as(bits, true);
    Value a = pop_as(bits, true);
    if (negate) a = ir_.CreateFNeg(a);
    if (deterministic) return done(fp(ir_.CreateFAdd(ir_.CreateFMul(a, b), c)));
    return done(fp(ir_.CreateIntrinsic(I::fmuladd, {a->getType()}, {a, b, c})));
  };
  auto select_lanes = [&](u32 bits) {
    const Value mask = pop_as(bits), b = pop_as(bits), a = pop_as(bits);
    // x86-64 has instructions that look at the top bit, of all widths but this one.
    if (fast_x86 && bits != 16)
      return done(ir_.CreateSelect(ir_.CreateICmpSLT(mask, llvm::Constant::getNullValue(mask->getType())), a, b));
    return done(ir_.CreateOr(ir_.CreateAnd(a, mask), ir_.CreateAnd(b, ir_.CreateNot(mask))));
  };
  auto extreme = [&](u32 bits, bool is_max) {
    const Value b = pop_as(bits, true), a = pop_as(bits, true);
    if (!fast_x86) return done(minimum(a, b, is_max));
    return done(fp(smaller(a, b, is_max)));
  };
  auto dot = [&](Value a, Value b) -> Value {
    if (fast_x86) return ir_.CreateIntrinsic(I::x86_ssse3_pmadd_ub_sw_128, {}, {b, a});
    // Even and odd lanes in place, extended: no product of bytes overflows.
    const Value x = ir_.CreateBitCast(a, lanes_type(16)), y = ir_.CreateBitCast(b, lanes_type(16));
    auto even = [&](Value v) { return ir_.CreateAShr(ir_.CreateShl(v, 8), 8); };
    const Value low = ir_.CreateMul(even(x), even(y)), high = ir_.CreateMul(ir_.CreateAShr(x, 8), ir_.CreateAShr(y, 8));
    return ir_.CreateBinaryIntrinsic(I::sadd_sat, low, high);
  };
  switch (op) {
    case Op::I8x16RelaxedSwizzle: {
      const Value lanes = pop_as(8), v = pop_as(8);
      return done(fast_x86 ? ir_.CreateIntrinsic(I::x86_ssse3_pshuf_b_128, {}, {v, lanes}) : swizzle(v, lanes));
    }
    case Op::I32x4RelaxedTruncF32x4S: {
      const Value v = pop_as(32, true);
      return done(fast_x86 ? ir_.CreateIntrinsic(I::x86_sse2_cvttps2dq, {}, {v}) : truncate_lanes(v, true));
    }
    case Op::I32x4RelaxedTruncF64x2SZero: {
      const Value v = pop_as(64, true);
      return done(fast_x86 ? ir_.CreateIntrinsic(I::x86_sse2_cvttpd2dq, {}, {v}) : truncate_lanes(v, true));
    }
    case Op::I32x4RelaxedTruncF32x4U: return done(truncate_lanes(pop_as(32, true), false));
    case Op::I32x4RelaxedTruncF64x2UZero: return done(truncate_lanes(pop_as(64, true), false));
    case Op::F32x4RelaxedMadd: return multiply_add(32, false);
    case Op::F32x4RelaxedNmadd: return multiply_add(32, true);
    case Op::F64x2RelaxedMadd: return multiply_add(64, false);
    case Op::F64x2RelaxedNmadd: return multiply_add(64, true);
    case Op::I8x16RelaxedLaneselect: return select_lanes(8);
    case Op::I16x8RelaxedLaneselect: return select_lanes(16);
    case Op::I32x4RelaxedLaneselect: return select_lanes(32);
    case Op::I64x2RelaxedLaneselect: return select_lanes(64);
    case Op::F32x4RelaxedMin: return extreme(32, false);
    case Op::F32x4RelaxedMax: return extreme(32, true);
    case Op::F64x2RelaxedMin: return extreme(64, false);
    case Op::F64x2RelaxedMax: return extreme(64, true);
    case Op::I16x8RelaxedQ15mulrS: {
      const Value b = pop_as(16), a = pop_as(16);
      return done(multiply_q15(a, b, deterministic));
    }
    case Op::I16x8RelaxedDotI8x16I7x16S: {
      const Value b = pop_as(8), a = pop_as(8);
      return done(dot(a, b));
    }
    default: {
      CHECK(op == Op::I32x4RelaxedDotI8x16I7x16AddS);
      const Value c = pop_as(32), b = pop_as(8), a = pop_as(8);
      return done(ir_.CreateAdd(add_pairs(dot(a, b), true), c));
    }
  }
}

#undef BERTH_BOTH

}  // namespace berth::compiler
