// Reads the instructions of a function body or constant expression (specification: binary format,
// instructions). One reader per thread of control; it does not own the bytes.
//
// Errors are sticky: a failed read records the first error, moves to the end and yields zero, so that
// hot loops test `ok()` once an instruction and keep error wording out of the way.
#pragma once

#include <bit>
#include <cstring>
#include <span>

#include "base/result.h"
#include "wasm/opcodes.h"

namespace berth::wasm {

class CodeReader {
 public:
  // `base_offset` is where `bytes` starts in the module, for error offsets.
  explicit CodeReader(std::span<const u8> bytes, u64 base_offset = 0)
      : begin_(bytes.data()), pos_(bytes.data()), end_(bytes.data() + bytes.size()), base_(base_offset) {}

  bool ok() const { return !failed_; }
  bool at_end() const { return pos_ == end_; }
  const u8* position() const { return pos_; }
  const u8* end() const { return end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - pos_); }
  // Offset in the module of the next byte.
  u64 offset() const { return base_ + static_cast<u64>(pos_ - begin_); }
  // Offset in the module of `position`, which is one of this reader's.
  u64 offset_of(const u8* position) const { return base_ + static_cast<u64>(position - begin_); }
  // Offset relative to the start of the bytes given.
  u32 local_offset() const { return static_cast<u32>(pos_ - begin_); }
  ErrorCode error_code() const { return error_; }
  u64 error_offset() const { return error_offset_; }
  Error error() const { return Error(error_).at(error_offset_); }

  void fail_at(ErrorCode code, u64 at) {
    if (!failed_) {
      failed_ = true;
      error_ = code;
      error_offset_ = at;
    }
    pos_ = end_;
  }
  void fail_here(ErrorCode code) { fail_at(code, offset()); }

  u8 byte() {
    if (pos_ == end_) [[unlikely]] {
      fail_here(ErrorCode::UnexpectedEnd);
      return 0;
    }
    return *pos_++;
  }
  // Passes over `n` bytes, which must be there.
  void skip(size_t n) { pos_ += n; }
  u8 peek() const { return pos_ == end_ ? u8{0} : *pos_; }

  u32 leb_u32() {
    if (pos_ != end_ && *pos_ < 0x80) [[likely]]
      return *pos_++;
    return static_cast<u32>(leb_slow<32, false>());
  }
  u64 leb_u64() {
    if (pos_ != end_ && *pos_ < 0x80) [[likely]]
      return *pos_++;
    return leb_slow<64, false>();
  }
  i32 leb_i32() {
    if (pos_ != end_ && *pos_ < 0x80) [[likely]]
      return static_cast<i32>(static_cast<u32>(*pos_++) << 25) >> 25;
    return static_cast<i32>(leb_slow<32, true>());
  }
  i64 leb_i64() { return static_cast<i64>(leb_slow<64, true>()); }
  i64 leb_s33() { return static_cast<i64>(leb_slow<33, true>()); }

  u32 fixed_u32() { return fixed<u32>(); }
  u64 fixed_u64() { return fixed<u64>(); }
  V128 fixed_v128() { return fixed<V128>(); }

  // Types (specification: binary format, types).
  HeapType heap_type();
  ValType val_type();
  ValType ref_type();
  BlockType block_type();
  CatchClause catch_clause();

  // The immediates of one instruction, by shape.
  NoImm imm(NoImm*) { return {}; }
  BlockType imm(BlockType*) { return block_type(); }
  LabelImm imm(LabelImm*) { return {LabelIdx(leb_u32())}; }
  LabelTableImm imm(LabelTableImm*);
  FuncImm imm(FuncImm*) { return {FuncIdx(leb_u32())}; }
  TypeTableImm imm(TypeTableImm*) {
    auto t = leb_u32();
    return {TypeIdx(t), TableIdx(leb_u32())};
  }
  LocalImm imm(LocalImm*) { return {LocalIdx(leb_u32())}; }
  GlobalImm imm(GlobalImm*) { return {GlobalIdx(leb_u32())}; }
  TableImm imm(TableImm*) { return {TableIdx(leb_u32())}; }
  MemoryImm imm(MemoryImm*) { return {MemoryIdx(leb_u32())}; }
  MemArgImm imm(MemArgImm*) {
    const u64 at = offset();
    u32 flags = leb_u32();
    MemArgImm m{MemoryIdx(0), flags & 63, 0};
    if (flags >= 64) [[unlikely]] {
      if (flags >= 128) fail_at(ErrorCode::MalformedMemopFlags, at);
      m.memory = MemoryIdx(leb_u32());
    }
    m.offset = leb_u64();
    return m;
  }
  MemArgLaneImm imm(MemArgLaneImm*) {
    auto m = imm(static_cast<MemArgImm*>(nullptr));
    return {m, byte()};
  }
  LaneImm imm(LaneImm*) { return {byte()}; }
  ShuffleImm imm(ShuffleImm*) { return {fixed_v128()}; }
  I32Imm imm(I32Imm*) { return {leb_i32()}; }
  I64Imm imm(I64Imm*) { return {leb_i64()}; }
  F32Imm imm(F32Imm*) { return {fixed_u32()}; }
  F64Imm imm(F64Imm*) { return {fixed_u64()}; }
  V128Imm imm(V128Imm*) { return {fixed_v128()}; }
  TypeImm imm(TypeImm*) { return {TypeIdx(leb_u32())}; }
  TypeFieldImm imm(TypeFieldImm*) {
    auto t = leb_u32();
    return {TypeIdx(t), leb_u32()};
  }
  TypeCountImm imm(TypeCountImm*) {
    auto t = leb_u32();
    return {TypeIdx(t), leb_u32()};
  }
  TypeDataImm imm(TypeDataImm*) {
    auto t = leb_u32();
    return {TypeIdx(t), DataIdx(leb_u32())};
  }
  TypeElemImm imm(TypeElemImm*) {
    auto t = leb_u32();
    return {TypeIdx(t), ElemIdx(leb_u32())};
  }
  TypeTypeImm imm(TypeTypeImm*) {
    auto t = leb_u32();
    return {TypeIdx(t), TypeIdx(leb_u32())};
  }
  HeapTypeImm imm(HeapTypeImm*) { return {heap_type()}; }
  BrOnCastImm imm(BrOnCastImm*);
  SelectTypesImm imm(SelectTypesImm*);
  TryTableImm imm(TryTableImm*);
  DataMemoryImm imm(DataMemoryImm*) {
    auto d = leb_u32();
    return {DataIdx(d), MemoryIdx(leb_u32())};
  }
  DataImm imm(DataImm*) { return {DataIdx(leb_u32())}; }
  ElemTableImm imm(ElemTableImm*) {
    auto e = leb_u32();
    return {ElemIdx(e), TableIdx(leb_u32())};
  }
  ElemImm imm(ElemImm*) { return {ElemIdx(leb_u32())}; }
  MemoryMemoryImm imm(MemoryMemoryImm*) {
    auto d = leb_u32();
    return {MemoryIdx(d), MemoryIdx(leb_u32())};
  }
  TableTableImm imm(TableTableImm*) {
    auto d = leb_u32();
    return {TableIdx(d), TableIdx(leb_u32())};
  }
  TagImm imm(TagImm*) { return {TagIdx(leb_u32())}; }
  struct FenceImm {};
  FenceImm imm(FenceImm*) {
    const u64 at = offset();
    if (byte() != 0) fail_at(ErrorCode::ZeroByteExpected, at);
    return {};
  }

 private:
  template <typename T>
  T fixed() {
    static_assert(std::endian::native == std::endian::little);
    T v{};
    if (remaining() < sizeof(T)) [[unlikely]] {
      fail_at(ErrorCode::UnexpectedEnd, base_ + static_cast<u64>(end_ - begin_));
      return v;
    }
    std::memcpy(&v, pos_, sizeof(T));
    pos_ += sizeof(T);
    return v;
  }
  template <int Bits, bool Signed>
  u64 leb_slow();

  const u8* begin_;
  const u8* pos_;
  const u8* end_;
  u64 base_;
  u64 error_offset_ = 0;
  ErrorCode error_ = ErrorCode::UnexpectedEnd;
  bool failed_ = false;
};

namespace detail {
template <Imm I>
struct ImmOf;
#define BERTH_IMM(shape, type) \
  template <>                  \
  struct ImmOf<Imm::shape> {   \
    using T = type;            \
  };
BERTH_IMM(None, NoImm)
BERTH_IMM(Block, BlockType) BERTH_IMM(Label, LabelImm) BERTH_IMM(LabelTable, LabelTableImm) BERTH_IMM(Func, FuncImm)
    BERTH_IMM(TypeTable, TypeTableImm) BERTH_IMM(Local, LocalImm) BERTH_IMM(Global, GlobalImm)
        BERTH_IMM(Table, TableImm) BERTH_IMM(Memory, MemoryImm) BERTH_IMM(MemArg, MemArgImm)
            BERTH_IMM(MemArgLane, MemArgLaneImm) BERTH_IMM(Lane, LaneImm) BERTH_IMM(Shuffle, ShuffleImm)
                BERTH_IMM(I32, I32Imm) BERTH_IMM(I64, I64Imm) BERTH_IMM(F32, F32Imm) BERTH_IMM(F64, F64Imm)
                    BERTH_IMM(V128, V128Imm) BERTH_IMM(Type, TypeImm) BERTH_IMM(TypeField, TypeFieldImm)
                        BERTH_IMM(TypeCount, TypeCountImm) BERTH_IMM(TypeData, TypeDataImm)
                            BERTH_IMM(TypeElem, TypeElemImm) BERTH_IMM(TypeType, TypeTypeImm)
                                BERTH_IMM(HeapType, HeapTypeImm) BERTH_IMM(BrOnCast, BrOnCastImm)
                                    BERTH_IMM(SelectTypes, SelectTypesImm) BERTH_IMM(TryTable, TryTableImm)
                                        BERTH_IMM(DataMemory, DataMemoryImm) BERTH_IMM(Data, DataImm)
                                            BERTH_IMM(ElemTable, ElemTableImm) BERTH_IMM(Elem, ElemImm)
                                                BERTH_IMM(MemoryMemory, MemoryMemoryImm)
                                                    BERTH_IMM(TableTable, TableTableImm) BERTH_IMM(Tag, TagImm)
                                                        BERTH_IMM(Fence, CodeReader::FenceImm)
#undef BERTH_IMM
}  // namespace detail

// The immediate struct of `op`.
template <Op op>
using ImmOf = typename detail::ImmOf<info(op).imm>::T;

// Decodes one instruction and calls `visitor.template on<Op::X>(const ImmOf<Op::X>&)`, whose result it
// returns. A malformed instruction leaves `reader.ok()` false, and `on` is not called. An opcode that no
// row of the table has is ErrorCode::IllegalOpcode at its first byte.
template <typename Visitor>
bool decode_op(CodeReader& reader, Visitor& visitor) {
  const u64 at = reader.offset();
  u32 key = reader.byte();
  if (key >= 0xFB && key <= 0xFE) {
    const u32 code = reader.leb_u32();
    key = code < 0x10000 ? key << 16 | code : 0xFFFFFFFF;
  }
  if (!reader.ok()) [[unlikely]]
    return false;
  switch (key) {
#define BERTH_OP(id, prefix, code, mnemonic, shape, sig, feature, width, constant) \
  case (prefix == 0 ? u32{code} : (u32{prefix} << 16 | u32{code})): {              \
      const auto imm = reader.imm(static_cast<ImmOf<Op::id>*>(nullptr));           \
      if (!reader.ok()) [[unlikely]]                                               \
        return false;                                                              \
      return visitor.template on<Op::id>(imm);                                     \
    }
#include "spec/opcodes.def"
#undef BERTH_OP
    default: reader.fail_at(ErrorCode::IllegalOpcode, at); return false;
  }
}

}  // namespace berth::wasm
