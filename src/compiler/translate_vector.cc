// Vectors: lanes, bits and accesses to memory.
#include "compiler/translate.h"

#include <cstring>
#include <numeric>

#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace berth::compiler {

namespace {

// The width of a lane, from the shape that the mnemonic starts with.
u32 shape_bits(wasm::Op op) {
  const std::string_view name = wasm::info(op).mnemonic();
  return name[1] == '8' ? 8 : name[1] == '1' ? 16 : name[1] == '3' ? 32 : 64;
}
bool shape_is_float(wasm::Op op) { return wasm::info(op).mnemonic()[0] == 'f'; }

}  // namespace

llvm::FixedVectorType* Translator::lanes_type(u32 lane_bits, bool is_float) const {
  llvm::LLVMContext& c = p_.context();
  llvm::Type* const lane = !is_float         ? llvm::Type::getIntNTy(c, lane_bits)
                           : lane_bits == 32 ? llvm::Type::getFloatTy(c)
                                             : llvm::Type::getDoubleTy(c);
  return llvm::FixedVectorType::get(lane, 128 / lane_bits);
}

Translator::Value Translator::as(Value v, u32 lane_bits, bool is_float) {
  return ir_.CreateBitCast(v, lanes_type(lane_bits, is_float));
}

void Translator::push_vector(Value v) { push(as(v, 64), wasm::kV128); }

Translator::Value Translator::swizzle(Value v, Value lanes) {
  llvm::FixedVectorType* const bytes = lanes_type(8);
  if (is_aarch64()) return ir_.CreateIntrinsic(llvm::Intrinsic::aarch64_neon_tbl1, {bytes}, {v, lanes});
  CHECK(is_x86());
  // pshufb gives 0 where the index has its top bit set and looks at the low four bits elsewhere.
  const Value marked = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::uadd_sat, lanes, llvm::ConstantInt::get(bytes, 0x70));
  return ir_.CreateIntrinsic(llvm::Intrinsic::x86_ssse3_pshuf_b_128, {}, {v, marked});
}

void Translator::shuffle(const V128& lanes) {
  const Value b = pop_as(8), a = pop_as(8);
  u8 bytes[16];
  std::memcpy(bytes, &lanes, sizeof bytes);
  push_vector(ir_.CreateShuffleVector(a, b, std::vector<int>(std::begin(bytes), std::end(bytes))));
}

void Translator::vector_load(Op op, const wasm::MemArgImm& m) {
  const Value index = pop();
  auto extended = [&](u32 bits, bool is_signed) {
    auto* narrow = llvm::FixedVectorType::get(ir_.getIntNTy(bits), 64 / bits);
    push_vector(widen(memory_load(narrow, m, index), is_signed));
  };
  const u32 bits = wasm::info(op).width * 8u;
  switch (op) {
    case Op::V128Load8x8S: return extended(8, true);
    case Op::V128Load8x8U: return extended(8, false);
    case Op::V128Load16x4S: return extended(16, true);
    case Op::V128Load16x4U: return extended(16, false);
    case Op::V128Load32x2S: return extended(32, true);
    case Op::V128Load32x2U: return extended(32, false);
    case Op::V128Load8Splat:
    case Op::V128Load16Splat:
    case Op::V128Load32Splat:
    case Op::V128Load64Splat:
      return push_vector(ir_.CreateVectorSplat(128 / bits, memory_load(ir_.getIntNTy(bits), m, index)));
    default: {
      CHECK(op == Op::V128Load32Zero || op == Op::V128Load64Zero);
      const Value none = llvm::Constant::getNullValue(lanes_type(bits));
      return push_vector(ir_.CreateInsertElement(none, memory_load(ir_.getIntNTy(bits), m, index), u64{0}));
    }
  }
}

void Translator::lane_access(Op op, const wasm::MemArgLaneImm& m) {
  const u32 bits = wasm::info(op).width * 8u;
  const Value v = pop_as(bits), index = pop();
  if (op >= Op::V128Store8Lane) return memory_store(ir_.CreateExtractElement(v, u64{m.lane}), m.mem, index);
  push_vector(ir_.CreateInsertElement(v, memory_load(ir_.getIntNTy(bits), m.mem, index), u64{m.lane}));
}

// What a sequence of lanes twice as wide has: the low or the high lanes.
Translator::Value Translator::half(Value v, bool high) {
  const u32 count = llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements() / 2;
  std::vector<int> lanes(count);
  std::iota(lanes.begin(), lanes.end(), high ? static_cast<int>(count) : 0);
  return ir_.CreateShuffleVector(v, lanes);
}

Translator::Value Translator::widen(Value v, bool is_signed) {
  llvm::Type* const wider = llvm::VectorType::getExtendedElementVectorType(llvm::cast<llvm::VectorType>(v->getType()));
  return is_signed ? ir_.CreateSExt(v, wider) : ir_.CreateZExt(v, wider);
}

Translator::Value Translator::compare_lanes(llvm::CmpInst::Predicate p, Value a, Value b) {
  const u32 bits = a->getType()->getScalarSizeInBits();
  return ir_.CreateSExt(ir_.CreateCmp(p, a, b), lanes_type(bits));
}

void Translator::vector(Op op, u32 lane) {
  const u32 bits = shape_bits(op);
  const bool is_float = shape_is_float(op);
  auto extract = [&](bool is_signed) {
    Value v = ir_.CreateExtractElement(pop_as(bits, is_float), u64{lane});
    if (is_float) return push(v, bits == 32 ? wasm::kF32 : wasm::kF64);
    if (bits < 32) v = is_signed ? ir_.CreateSExt(v, ir_.getInt32Ty()) : ir_.CreateZExt(v, ir_.getInt32Ty());
    push(v, bits == 64 ? wasm::kI64 : wasm::kI32);
  };
  auto pop_lane = [&] {
    const Value v = pop();
    return bits < 32 ? ir_.CreateTrunc(v, ir_.getIntNTy(bits)) : v;
  };
  switch (op) {
    case Op::I8x16Splat:
    case Op::I16x8Splat:
    case Op::I32x4Splat:
    case Op::I64x2Splat:
    case Op::F32x4Splat:
    case Op::F64x2Splat: return push_vector(ir_.CreateVectorSplat(128 / bits, pop_lane()));
    case Op::I8x16ExtractLaneS:
    case Op::I16x8ExtractLaneS: return extract(true);
    case Op::I8x16ExtractLaneU:
    case Op::I16x8ExtractLaneU:
    case Op::I32x4ExtractLane:
    case Op::I64x2ExtractLane:
    case Op::F32x4ExtractLane:
    case Op::F64x2ExtractLane: return extract(false);
    case Op::I8x16ReplaceLane:
    case Op::I16x8ReplaceLane:
    case Op::I32x4ReplaceLane:
    case Op::I64x2ReplaceLane:
    case Op::F32x4ReplaceLane:
    case Op::F64x2ReplaceLane: {
      const Value v = pop_lane();
      return push_vector(ir_.CreateInsertElement(pop_as(bits, is_float), v, u64{lane}));
    }
    case Op::I8x16Swizzle: {
      const Value lanes = pop_as(8);
      return push_vector(swizzle(pop_as(8), lanes));
    }
    case Op::V128Not: return push_vector(ir_.CreateNot(pop()));
    case Op::V128And:
    case Op::V128Andnot:
    case Op::V128Or:
    case Op::V128Xor: {
      const Value b = pop(), a = pop();
      switch (op) {
        case Op::V128And: return push_vector(ir_.CreateAnd(a, b));
        case Op::V128Andnot: return push_vector(ir_.CreateAnd(a, ir_.CreateNot(b)));
        case Op::V128Or: return push_vector(ir_.CreateOr(a, b));
        default: return push_vector(ir_.CreateXor(a, b));
      }
    }
    case Op::V128Bitselect: {
      const Value mask = pop(), b = pop(), a = pop();
      return push_vector(ir_.CreateOr(ir_.CreateAnd(a, mask), ir_.CreateAnd(b, ir_.CreateNot(mask))));
    }
    case Op::V128AnyTrue: {
      const Value joined = ir_.CreateOrReduce(pop());
      return push(ir_.CreateZExt(ir_.CreateICmpNE(joined, i64(0)), ir_.getInt32Ty()), wasm::kI32);
    }
    default: {
      const bool done = vector_relaxed(op) || vector_float(op) || vector_integer(op);
      CHECK(done);
    }
  }
}

}  // namespace berth::compiler
