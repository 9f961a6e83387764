// Numbers.
#include "compiler/translate.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace berth::compiler {

using llvm::CmpInst;
using wasm::kF32;
using wasm::kF64;
using wasm::kI32;
using wasm::kI64;

namespace {

// A constant operand for which LLVM would take the operation away, and with it the quieting of a signalling NaN.
bool is_neutral(llvm::Value* v) {
  const auto* c = llvm::dyn_cast<llvm::ConstantFP>(v);
  return c != nullptr && (c->isExactlyValue(1.0) || c->isExactlyValue(-1.0) || c->isZero());
}

}  // namespace

Translator::Value Translator::fp(Value v) {
  if (!p_.options().deterministic_nan) return v;
  llvm::Type* const t = v->getType();
  return ir_.CreateSelect(ir_.CreateFCmpUNO(v, v), llvm::ConstantFP::getQNaN(t), v);
}

// The value with a signalling NaN made quiet, which is all that an operation with a neutral operand does. Also of
// vectors.
Translator::Value Translator::quiet(Value v) {
  llvm::Type* const t = v->getType();
  const unsigned bits = t->getScalarSizeInBits();
  const u64 quiet_bit = bits == 32 ? u64{1} << 22 : u64{1} << 51;
  const Value raw = ir_.CreateBitCast(v, t->getWithNewType(ir_.getIntNTy(bits)));
  const Value quieted = ir_.CreateBitCast(ir_.CreateOr(raw, llvm::ConstantInt::get(raw->getType(), quiet_bit)), t);
  return ir_.CreateSelect(ir_.CreateFCmpUNO(v, v), quieted, v);
}

// What x86-64's minimum and maximum give: the second operand unless the first is better.
Translator::Value Translator::smaller(Value a, Value b, bool is_max) {
  namespace I = llvm::Intrinsic;
  const bool is_double = a->getType()->getScalarType()->isDoubleTy();
  // As comparisons, those of <2 x double> are lost among casts from and to the type of v128.
  if (is_x86() && a->getType()->isVectorTy()) {
    return ir_.CreateIntrinsic(is_double ? (is_max ? I::x86_sse2_max_pd : I::x86_sse2_min_pd)
                                         : (is_max ? I::x86_sse_max_ps : I::x86_sse_min_ps),
                               {}, {a, b});
  }
  return ir_.CreateSelect(is_max ? ir_.CreateFCmpOGT(a, b) : ir_.CreateFCmpOLT(a, b), a, b);
}

// Also of vectors.
Translator::Value Translator::minimum(Value a, Value b, bool is_max) {
  if (is_x86()) {
    // What LLVM makes of its intrinsic returns signalling NaNs as they are, and branches on scalars. When zeros meet,
    // both orders together have both signs.
    llvm::Type* const t = a->getType();
    llvm::Type* const bits = t->getWithNewType(ir_.getIntNTy(t->getScalarSizeInBits()));
    const Value one = ir_.CreateBitCast(smaller(a, b, is_max), bits);
    const Value other = ir_.CreateBitCast(smaller(b, a, is_max), bits);
    const Value joined = ir_.CreateBitCast(is_max ? ir_.CreateAnd(one, other) : ir_.CreateOr(one, other), t);
    return fp(ir_.CreateSelect(ir_.CreateFCmpUNO(a, b), ir_.CreateFAdd(a, b), joined));
  }
  // Of constants the instruction is not asked: LLVM computes with them, and leaves signalling NaNs as they are.
  if (llvm::isa<llvm::Constant>(a)) a = quiet(a);
  if (llvm::isa<llvm::Constant>(b)) b = quiet(b);
  return fp(ir_.CreateBinaryIntrinsic(is_max ? llvm::Intrinsic::maximum : llvm::Intrinsic::minimum, a, b));
}

void Translator::integer_division(Op op, Value a, Value b) {
  const bool is_64 = a->getType()->isIntegerTy(64);
  const wasm::ValType t = is_64 ? kI64 : kI32;
  const Value none = llvm::ConstantInt::get(a->getType(), 0);
  const Value minus_one = llvm::ConstantInt::getSigned(a->getType(), -1);
  trap_if(ir_.CreateICmpEQ(b, none), TrapCode::IntegerDivideByZero);
  switch (op) {
    case Op::I32DivU:
    case Op::I64DivU: return push(ir_.CreateUDiv(a, b), t);
    case Op::I32RemU:
    case Op::I64RemU: return push(ir_.CreateURem(a, b), t);
    case Op::I32DivS:
    case Op::I64DivS: {
      const Value lowest = llvm::ConstantInt::get(a->getType(), is_64 ? u64{1} << 63 : u64{1} << 31);
      trap_if(ir_.CreateAnd(ir_.CreateICmpEQ(a, lowest), ir_.CreateICmpEQ(b, minus_one)), TrapCode::IntegerOverflow);
      return push(ir_.CreateSDiv(a, b), t);
    }
    default: {
      // The remainder of a division by -1 is 0, also where the quotient overflows.
      const Value safe = ir_.CreateSelect(ir_.CreateICmpEQ(b, minus_one), llvm::ConstantInt::get(a->getType(), 1), b);
      return push(ir_.CreateSRem(a, safe), t);
    }
  }
}

// Trapping truncations: in range when lowest - 1 < v < highest + 1, in floating point.
void Translator::truncate(Op op, Value v) {
  const bool to_64 = op >= Op::I64TruncF32S;
  const bool is_signed =
      op == Op::I32TruncF32S || op == Op::I32TruncF64S || op == Op::I64TruncF32S || op == Op::I64TruncF64S;
  llvm::Type* const from = v->getType();
  const bool from_64 = from->isDoubleTy();
  trap_if(ir_.CreateFCmpUNO(v, v), TrapCode::InvalidConversionToInteger);
  const int bits = to_64 ? 64 : 32;
  const double high = is_signed ? (to_64 ? 0x1p63 : 0x1p31) : (to_64 ? 0x1p64 : 0x1p32);
  const Value below_high = ir_.CreateFCmpOLT(v, llvm::ConstantFP::get(from, high));
  Value above_low;
  if (!is_signed) {
    above_low = ir_.CreateFCmpOGT(v, llvm::ConstantFP::get(from, -1.0));
  } else if (from_64 && !to_64) {
    above_low = ir_.CreateFCmpOGT(v, llvm::ConstantFP::get(from, -0x1p31 - 1.0));
  } else {
    above_low = ir_.CreateFCmpOGE(v, llvm::ConstantFP::get(from, -high));
  }
  trap_if(ir_.CreateNot(ir_.CreateAnd(below_high, above_low)), TrapCode::IntegerOverflow);
  llvm::Type* const to = ir_.getIntNTy(static_cast<unsigned>(bits));
  push(is_signed ? ir_.CreateFPToSI(v, to) : ir_.CreateFPToUI(v, to), to_64 ? kI64 : kI32);
}

void Translator::wide(Op op) {
  llvm::Type* const i128 = ir_.getInt128Ty();
  auto push_halves = [&](Value v) {
    push(ir_.CreateTrunc(v, ir_.getInt64Ty()), kI64);
    push(ir_.CreateTrunc(ir_.CreateLShr(v, 64), ir_.getInt64Ty()), kI64);
  };
  if (op == Op::I64MulWideS || op == Op::I64MulWideU) {
    const bool is_signed = op == Op::I64MulWideS;
    const Value b = pop(), a = pop();
    auto widen = [&](Value v) { return is_signed ? ir_.CreateSExt(v, i128) : ir_.CreateZExt(v, i128); };
    return push_halves(ir_.CreateMul(widen(a), widen(b)));
  }
  auto join = [&] {
    const Value high = pop(), low = pop();
    return ir_.CreateOr(ir_.CreateShl(ir_.CreateZExt(high, i128), 64), ir_.CreateZExt(low, i128));
  };
  const Value b = join(), a = join();
  push_halves(op == Op::I64Add128 ? ir_.CreateAdd(a, b) : ir_.CreateSub(a, b));
}

void Translator::numeric(Op op) {
  using llvm::Intrinsic::ID;
  namespace I = llvm::Intrinsic;
  const bool binary = wasm::info(op).signature().find(':') == 2;
  const Value b = binary ? pop() : nullptr;
  const Value a = pop();
  llvm::Type* const int32 = ir_.getInt32Ty();
  llvm::Type* const int64 = ir_.getInt64Ty();

  auto compare = [&](CmpInst::Predicate p) { push(ir_.CreateZExt(ir_.CreateCmp(p, a, b), int32), kI32); };
  auto same = [&](Value v) {
    llvm::Type* const t = v->getType();
    push(v, t->isIntegerTy(32) ? kI32 : t->isIntegerTy(64) ? kI64 : t->isFloatTy() ? kF32 : kF64);
  };
  auto masked = [&] {
    return ir_.CreateAnd(b, llvm::ConstantInt::get(b->getType(), b->getType()->getIntegerBitWidth() - 1));
  };
  auto count = [&](ID id) { same(ir_.CreateBinaryIntrinsic(id, a, ir_.getFalse())); };
  auto unary = [&](ID id) { same(fp(ir_.CreateUnaryIntrinsic(id, a))); };
  auto rotate = [&](ID id) { same(ir_.CreateIntrinsic(id, {a->getType()}, {a, a, b})); };
  auto extend = [&](unsigned bits) { same(ir_.CreateSExt(ir_.CreateTrunc(a, ir_.getIntNTy(bits)), a->getType())); };
  auto saturate = [&](ID id, llvm::Type* to) { same(ir_.CreateIntrinsic(id, {to, a->getType()}, {a})); };
  auto arithmetic = [&](llvm::Instruction::BinaryOps o) {
    if (is_neutral(b)) {
      // x * 1, x / 1, x + -0, x - 0 would become x; x * -1 and x / -1 a negation, which does not quiet either.
      const auto* c = llvm::cast<llvm::ConstantFP>(b);
      const bool identity = o == llvm::Instruction::FMul || o == llvm::Instruction::FDiv
                                ? c->isExactlyValue(1.0)
                                : c->isZero() && (o == llvm::Instruction::FAdd) == c->isNegative();
      if (identity) return same(fp(quiet(a)));
      if (c->isExactlyValue(-1.0) && o != llvm::Instruction::FAdd && o != llvm::Instruction::FSub)
        return same(fp(ir_.CreateFNeg(quiet(a))));
    }
    if (is_neutral(a)) {
      const auto* c = llvm::cast<llvm::ConstantFP>(a);
      if (o == llvm::Instruction::FMul && c->isExactlyValue(1.0)) return same(fp(quiet(b)));
      if (o == llvm::Instruction::FMul && c->isExactlyValue(-1.0)) return same(fp(ir_.CreateFNeg(quiet(b))));
      if (o == llvm::Instruction::FAdd && c->isZero() && c->isNegative()) return same(fp(quiet(b)));
      if (o == llvm::Instruction::FSub && c->isZero() && c->isNegative()) return same(fp(ir_.CreateFNeg(quiet(b))));
    }
    same(fp(ir_.CreateBinOp(o, a, b)));
  };

  switch (op) {
    case Op::I32Eqz:
    case Op::I64Eqz:
      return push(ir_.CreateZExt(ir_.CreateICmpEQ(a, llvm::ConstantInt::get(a->getType(), 0)), int32), kI32);
    case Op::I32Eq:
    case Op::I64Eq: return compare(CmpInst::ICMP_EQ);
    case Op::I32Ne:
    case Op::I64Ne: return compare(CmpInst::ICMP_NE);
    case Op::I32LtS:
    case Op::I64LtS: return compare(CmpInst::ICMP_SLT);
    case Op::I32LtU:
    case Op::I64LtU: return compare(CmpInst::ICMP_ULT);
    case Op::I32GtS:
    case Op::I64GtS: return compare(CmpInst::ICMP_SGT);
    case Op::I32GtU:
    case Op::I64GtU: return compare(CmpInst::ICMP_UGT);
    case Op::I32LeS:
    case Op::I64LeS: return compare(CmpInst::ICMP_SLE);
    case Op::I32LeU:
    case Op::I64LeU: return compare(CmpInst::ICMP_ULE);
    case Op::I32GeS:
    case Op::I64GeS: return compare(CmpInst::ICMP_SGE);
    case Op::I32GeU:
    case Op::I64GeU: return compare(CmpInst::ICMP_UGE);
    case Op::F32Eq:
    case Op::F64Eq: return compare(CmpInst::FCMP_OEQ);
    case Op::F32Ne:
    case Op::F64Ne: return compare(CmpInst::FCMP_UNE);
    case Op::F32Lt:
    case Op::F64Lt: return compare(CmpInst::FCMP_OLT);
    case Op::F32Gt:
    case Op::F64Gt: return compare(CmpInst::FCMP_OGT);
    case Op::F32Le:
    case Op::F64Le: return compare(CmpInst::FCMP_OLE);
    case Op::F32Ge:
    case Op::F64Ge: return compare(CmpInst::FCMP_OGE);
    case Op::I32Clz:
    case Op::I64Clz: return count(I::ctlz);
    case Op::I32Ctz:
    case Op::I64Ctz: return count(I::cttz);
    case Op::I32Popcnt:
    case Op::I64Popcnt: return same(ir_.CreateUnaryIntrinsic(I::ctpop, a));
    case Op::I32Add:
    case Op::I64Add: return same(ir_.CreateAdd(a, b));
    case Op::I32Sub:
    case Op::I64Sub: return same(ir_.CreateSub(a, b));
    case Op::I32Mul:
    case Op::I64Mul: return same(ir_.CreateMul(a, b));
    case Op::I32And:
    case Op::I64And: return same(ir_.CreateAnd(a, b));
    case Op::I32Or:
    case Op::I64Or: return same(ir_.CreateOr(a, b));
    case Op::I32Xor:
    case Op::I64Xor: return same(ir_.CreateXor(a, b));
    case Op::I32Shl:
    case Op::I64Shl: return same(ir_.CreateShl(a, masked()));
    case Op::I32ShrS:
    case Op::I64ShrS: return same(ir_.CreateAShr(a, masked()));
    case Op::I32ShrU:
    case Op::I64ShrU: return same(ir_.CreateLShr(a, masked()));
    case Op::I32Rotl:
    case Op::I64Rotl: return rotate(I::fshl);
    case Op::I32Rotr:
    case Op::I64Rotr: return rotate(I::fshr);
    case Op::I32DivS:
    case Op::I32DivU:
    case Op::I32RemS:
    case Op::I32RemU:
    case Op::I64DivS:
    case Op::I64DivU:
    case Op::I64RemS:
    case Op::I64RemU: return integer_division(op, a, b);
    case Op::F32Abs:
    case Op::F64Abs: return same(ir_.CreateUnaryIntrinsic(I::fabs, a));
    case Op::F32Neg:
    case Op::F64Neg: return same(ir_.CreateFNeg(a));
    case Op::F32Ceil:
    case Op::F64Ceil: return unary(I::ceil);
    case Op::F32Floor:
    case Op::F64Floor: return unary(I::floor);
    case Op::F32Trunc:
    case Op::F64Trunc: return unary(I::trunc);
    case Op::F32Nearest:
    case Op::F64Nearest: return unary(I::roundeven);
    case Op::F32Sqrt:
    case Op::F64Sqrt: return unary(I::sqrt);
    case Op::F32Add:
    case Op::F64Add: return arithmetic(llvm::Instruction::FAdd);
    case Op::F32Sub:
    case Op::F64Sub: return arithmetic(llvm::Instruction::FSub);
    case Op::F32Mul:
    case Op::F64Mul: return arithmetic(llvm::Instruction::FMul);
    case Op::F32Div:
    case Op::F64Div: return arithmetic(llvm::Instruction::FDiv);
    case Op::F32Min:
    case Op::F64Min: return same(minimum(a, b, false));
    case Op::F32Max:
    case Op::F64Max: return same(minimum(a, b, true));
    case Op::F32Copysign:
    case Op::F64Copysign: return same(ir_.CreateBinaryIntrinsic(I::copysign, a, b));
    case Op::I32WrapI64: return same(ir_.CreateTrunc(a, int32));
    case Op::I64ExtendI32S: return same(ir_.CreateSExt(a, int64));
    case Op::I64ExtendI32U: return same(ir_.CreateZExt(a, int64));
    case Op::I32TruncF32S:
    case Op::I32TruncF32U:
    case Op::I32TruncF64S:
    case Op::I32TruncF64U:
    case Op::I64TruncF32S:
    case Op::I64TruncF32U:
    case Op::I64TruncF64S:
    case Op::I64TruncF64U: return truncate(op, a);
    case Op::F32ConvertI32S:
    case Op::F32ConvertI64S: return same(ir_.CreateSIToFP(a, ir_.getFloatTy()));
    case Op::F32ConvertI32U:
    case Op::F32ConvertI64U: return same(ir_.CreateUIToFP(a, ir_.getFloatTy()));
    case Op::F64ConvertI32S:
    case Op::F64ConvertI64S: return same(ir_.CreateSIToFP(a, ir_.getDoubleTy()));
    case Op::F64ConvertI32U:
    case Op::F64ConvertI64U: return same(ir_.CreateUIToFP(a, ir_.getDoubleTy()));
    case Op::F32DemoteF64:
      // Of a promoted f32 LLVM would make that f32 again, as it was.
      if (auto* promoted = llvm::dyn_cast<llvm::FPExtInst>(a)) return same(fp(quiet(promoted->getOperand(0))));
      return same(fp(ir_.CreateFPTrunc(a, ir_.getFloatTy())));
    case Op::F64PromoteF32: return same(fp(ir_.CreateFPExt(a, ir_.getDoubleTy())));
    case Op::I32ReinterpretF32: return same(ir_.CreateBitCast(a, int32));
    case Op::I64ReinterpretF64: return same(ir_.CreateBitCast(a, int64));
    case Op::F32ReinterpretI32: return same(ir_.CreateBitCast(a, ir_.getFloatTy()));
    case Op::F64ReinterpretI64: return same(ir_.CreateBitCast(a, ir_.getDoubleTy()));
    case Op::I32Extend8S:
    case Op::I64Extend8S: return extend(8);
    case Op::I32Extend16S:
    case Op::I64Extend16S: return extend(16);
    case Op::I64Extend32S: return extend(32);
    case Op::I32TruncSatF32S:
    case Op::I32TruncSatF64S: return saturate(I::fptosi_sat, int32);
    case Op::I32TruncSatF32U:
    case Op::I32TruncSatF64U: return saturate(I::fptoui_sat, int32);
    case Op::I64TruncSatF32S:
    case Op::I64TruncSatF64S: return saturate(I::fptosi_sat, int64);
    case Op::I64TruncSatF32U:
    case Op::I64TruncSatF64U: return saturate(I::fptoui_sat, int64);
    default: CHECK(!"not a numeric instruction");
  }
}

}  // namespace berth::compiler
