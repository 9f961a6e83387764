#include "wasm/code_reader.h"

namespace berth::wasm {

template <int Bits, bool Signed>
u64 CodeReader::leb_slow() {
  constexpr int kMaxBytes = (Bits + 6) / 7;
  constexpr int kLastBits = Bits - 7 * (kMaxBytes - 1);
  u64 value = 0;
  for (int i = 0;; ++i) {
    const u64 at = offset();
    const u8 b = byte();
    if (failed_) return 0;
    value |= u64{b & 0x7Fu} << (7 * i);
    if (i == kMaxBytes - 1) {
      if (b & 0x80) {
        fail_at(ErrorCode::IntegerTooLong, at);
        return 0;
      }
      const u8 high = static_cast<u8>(b & (0x7F << (Signed ? kLastBits - 1 : kLastBits)) & 0x7F);
      const u8 all_ones = static_cast<u8>((0x7F << (Signed ? kLastBits - 1 : kLastBits)) & 0x7F);
      if (high != 0 && !(Signed && high == all_ones)) {
        fail_at(ErrorCode::IntegerTooLarge, at);
        return 0;
      }
    }
    if (!(b & 0x80)) {
      if (Signed && (b & 0x40) && 7 * (i + 1) < 64) value |= ~u64{0} << (7 * (i + 1));
      return value;
    }
  }
}
template u64 CodeReader::leb_slow<32, false>();
template u64 CodeReader::leb_slow<64, false>();
template u64 CodeReader::leb_slow<32, true>();
template u64 CodeReader::leb_slow<64, true>();
template u64 CodeReader::leb_slow<33, true>();

namespace {
// Abstract heap types by their one-byte code; kBottom when there is none.
HeapType::Abstract abstract_heap_type(u8 code) {
  switch (code) {
    case 0x74: return HeapType::kNoExn;
    case 0x73: return HeapType::kNoFunc;
    case 0x72: return HeapType::kNoExtern;
    case 0x71: return HeapType::kNone;
    case 0x70: return HeapType::kFunc;
    case 0x6F: return HeapType::kExtern;
    case 0x6E: return HeapType::kAny;
    case 0x6D: return HeapType::kEq;
    case 0x6C: return HeapType::kI31;
    case 0x6B: return HeapType::kStruct;
    case 0x6A: return HeapType::kArray;
    case 0x69: return HeapType::kExn;
    default: return HeapType::kBottom;
  }
}
}  // namespace

HeapType CodeReader::heap_type() {
  const u64 at = offset();
  if (auto a = abstract_heap_type(peek()); a != HeapType::kBottom) {
    byte();
    return a;
  }
  const i64 index = leb_s33();
  if (failed_) return {};
  if (index < 0 || index > 0x7FFFFFFF) {
    fail_at(ErrorCode::MalformedHeapType, at);
    return {};
  }
  return HeapType(TypeIdx(static_cast<u32>(index)));
}

ValType CodeReader::ref_type() {
  const u64 at = offset();
  const u8 b = byte();
  if (failed_) return {};
  if (b == 0x63 || b == 0x64) return ValType::ref(heap_type(), b == 0x63);
  if (auto a = abstract_heap_type(b); a != HeapType::kBottom) return ValType::ref(a, true);
  fail_at(ErrorCode::MalformedReferenceType, at);
  return {};
}

ValType CodeReader::val_type() {
  switch (peek()) {
    case 0x7F: ++pos_; return kI32;
    case 0x7E: ++pos_; return kI64;
    case 0x7D: ++pos_; return kF32;
    case 0x7C: ++pos_; return kF64;
    case 0x7B: ++pos_; return kV128;
    default: break;
  }
  if (at_end()) {
    fail_here(ErrorCode::UnexpectedEnd);
    return {};
  }
  const bool was_ok = ok();
  ValType t = ref_type();
  if (was_ok && !ok() && error_ == ErrorCode::MalformedReferenceType) error_ = ErrorCode::MalformedValueType;
  return t;
}

BlockType CodeReader::block_type() {
  const u64 at = offset();
  const u8 b = peek();
  if (at_end()) {
    fail_here(ErrorCode::UnexpectedEnd);
    return {};
  }
  if (b == 0x40) {
    ++pos_;
    return {};
  }
  if ((b & 0xC0) == 0x40) {  // a negative one-byte number: a value type
    BlockType t{BlockType::Value, val_type(), {}};
    return t;
  }
  const i64 index = leb_s33();
  if (failed_) return {};
  if (index < 0 || index > 0x7FFFFFFF) {
    fail_at(ErrorCode::MalformedBlockType, at);
    return {};
  }
  return {BlockType::Type, {}, TypeIdx(static_cast<u32>(index))};
}

CatchClause CodeReader::catch_clause() {
  const u64 at = offset();
  const u8 kind = byte();
  if (failed_) return {};
  if (kind > 3) {
    fail_at(ErrorCode::MalformedCatchKind, at);
    return {};
  }
  CatchClause c{static_cast<CatchClause::Kind>(kind), {}, {}};
  if (kind <= 1) c.tag = TagIdx(leb_u32());
  c.label = LabelIdx(leb_u32());
  return c;
}

LabelTableImm CodeReader::imm(LabelTableImm*) {
  const u64 at = offset();
  const u32 count = leb_u32();
  if (count >= remaining()) {
    fail_at(ErrorCode::UnexpectedEnd, at);
    return {};
  }
  const u8* start = pos_;
  for (u64 i = 0; i <= count && ok(); ++i) leb_u32();
  if (!ok()) return {};
  return {count, std::span(start, static_cast<size_t>(pos_ - start))};
}

BrOnCastImm CodeReader::imm(BrOnCastImm*) {
  const u64 at = offset();
  const u8 flags = byte();
  if (failed_) return {};
  if (flags > 3) {
    fail_at(ErrorCode::IllegalOpcode, at);
    return {};
  }
  BrOnCastImm b;
  b.label = LabelIdx(leb_u32());
  b.from = ValType::ref(heap_type(), flags & 1);
  b.to = ValType::ref(heap_type(), flags & 2);
  return b;
}

SelectTypesImm CodeReader::imm(SelectTypesImm*) {
  SelectTypesImm s{leb_u32(), {}};
  for (u32 i = 0; i < s.count && ok(); ++i) {
    ValType t = val_type();
    if (i == 0) s.first = t;
  }
  return s;
}

TryTableImm CodeReader::imm(TryTableImm*) {
  TryTableImm t{block_type(), leb_u32(), {}};
  const u8* start = pos_;
  for (u32 i = 0; i < t.count && ok(); ++i) catch_clause();
  if (!ok()) return {};
  t.clauses = std::span(start, static_cast<size_t>(pos_ - start));
  return t;
}

}  // namespace berth::wasm
