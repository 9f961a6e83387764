// Handlers of scalar arithmetic, comparisons and conversions, and of branches fused with comparisons.
#include <array>

#include "interp/handlers.h"
#include "interp/steps.h"

namespace berth::interp {

namespace {

using wasm::Op;

// Those that may trap.
template <Op op, Src L, Src R, Dst D>
BERTH_HANDLER trapping_binary(BERTH_REGS) {
  const auto x = read_left<OperandOf<op, 0>, L>(pc, fp, acc, vacc);
  const auto y = read_right<OperandOf<op, 1>, R>(pc, fp, acc, vacc);
  ResultOf<op> z;
  if (const TrapCode code = Trapping<op>::apply(x, y, z); code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  to_acc(z, acc, vacc);
  if constexpr (D == Dst::Slot) store_slot(fp, field_a(pc), z);
  BERTH_NEXT(L == Src::Const || R == Src::Const ? 3 : 2);
}

template <Op op, Src S, Dst D>
BERTH_HANDLER trapping_unary(BERTH_REGS) {
  ResultOf<op> z;
  const TrapCode code = Trapping<op>::apply(read_left<OperandOf<op, 0>, S>(pc, fp, acc, vacc), z);
  if (code != TrapCode::None) [[unlikely]]
    BERTH_RAISE(code);
  to_acc(z, acc, vacc);
  if constexpr (D == Dst::Slot) store_slot(fp, field_a(pc), z);
  BERTH_NEXT(2);
}

template <Op op, Src L, Src R, Dst D>
consteval Handler binary() {
  if constexpr (traps(op))
    return trapping_binary<op, L, R, D>;
  else
    return steps<Binary<op, L, R, D>>;
}
template <Op op, Src S, Dst D>
consteval Handler unary() {
  if constexpr (traps(op))
    return trapping_unary<op, S, D>;
  else
    return steps<Unary<op, S, D>>;
}
template <Op op, Src L, Src R, bool if_true, bool backward>
constexpr Handler compare_branch = steps_and_branch<CompareBranch<op, L, R, if_true>, backward>;
template <Src src, bool if_true, bool backward>
constexpr Handler test_branch = steps_and_branch<TestBranch<src, if_true>, backward>;
template <Src src, bool if_null, bool backward>
constexpr Handler null_branch = steps_and_branch<NullBranch<src, if_null>, backward>;

// Tables of handlers, one row an instruction that has them, in the order of the opcode table.
struct BinaryRow {
  Handler form[kBinForms][2];
};
struct UnaryRow {
  Handler form[2][2];
};
struct CompareRow {
  Handler form[5][2][2];  // [form][if_true][backward]
};

template <Op op, Dst D>
consteval void fill_binary(BinaryRow& row) {
  constexpr u32 d = static_cast<u32>(D);
  row.form[static_cast<u32>(BinForm::SS)][d] = binary<op, Src::Slot, Src::Slot, D>();
  row.form[static_cast<u32>(BinForm::SA)][d] = binary<op, Src::Slot, Src::Acc, D>();
  row.form[static_cast<u32>(BinForm::AS)][d] = binary<op, Src::Acc, Src::Slot, D>();
  if constexpr (kIsInt<OperandOf<op, 1>>) {
    row.form[static_cast<u32>(BinForm::SI)][d] = binary<op, Src::Slot, Src::Imm, D>();
    row.form[static_cast<u32>(BinForm::AI)][d] = binary<op, Src::Acc, Src::Imm, D>();
  }
  row.form[static_cast<u32>(BinForm::SK)][d] = binary<op, Src::Slot, Src::Const, D>();
  row.form[static_cast<u32>(BinForm::AK)][d] = binary<op, Src::Acc, Src::Const, D>();
  row.form[static_cast<u32>(BinForm::KS)][d] = binary<op, Src::Const, Src::Slot, D>();
  row.form[static_cast<u32>(BinForm::KA)][d] = binary<op, Src::Const, Src::Acc, D>();
}
template <Op op>
consteval BinaryRow binary_row() {
  BinaryRow row{};
  fill_binary<op, Dst::Slot>(row);
  fill_binary<op, Dst::Acc>(row);
  return row;
}
template <Op op>
consteval UnaryRow unary_row() {
  return {{{unary<op, Src::Slot, Dst::Slot>(), unary<op, Src::Slot, Dst::Acc>()},
           {unary<op, Src::Acc, Dst::Slot>(), unary<op, Src::Acc, Dst::Acc>()}}};
}
template <Op op, Src L, Src R>
consteval void fill_compare(Handler (&form)[2][2]) {
  form[0][0] = compare_branch<op, L, R, false, false>;
  form[0][1] = compare_branch<op, L, R, false, true>;
  form[1][0] = compare_branch<op, L, R, true, false>;
  form[1][1] = compare_branch<op, L, R, true, true>;
}
template <Op op>
consteval CompareRow compare_row() {
  CompareRow row{};
  fill_compare<op, Src::Slot, Src::Slot>(row.form[0]);
  fill_compare<op, Src::Slot, Src::Acc>(row.form[1]);
  fill_compare<op, Src::Acc, Src::Slot>(row.form[2]);
  fill_compare<op, Src::Slot, Src::Const>(row.form[3]);
  fill_compare<op, Src::Acc, Src::Const>(row.form[4]);
  return row;
}

constexpr u32 kNoRow = 0xFFFF;

template <bool (*belongs)(Op)>
consteval auto row_indices() {
  std::array<u16, wasm::kOpCount> rows{};
  u16 next = 0;
  for (u32 i = 0; i < wasm::kOpCount; ++i) rows[i] = belongs(static_cast<Op>(i)) ? next++ : u16{kNoRow};
  return rows;
}
template <bool (*belongs)(Op)>
consteval u32 row_count() {
  u32 n = 0;
  for (u32 i = 0; i < wasm::kOpCount; ++i) n += belongs(static_cast<Op>(i));
  return n;
}

constexpr auto kBinaryIndex = row_indices<is_binary>();
constexpr auto kUnaryIndex = row_indices<is_unary>();
constexpr auto kCompareIndex = row_indices<is_compare>();

template <Op op, size_t n>
consteval void add_binary(std::array<BinaryRow, n>& rows, u32& next) {
  if constexpr (is_binary(op)) rows[next++] = binary_row<op>();
}
consteval auto binary_rows() {
  std::array<BinaryRow, row_count<is_binary>()> rows{};
  u32 n = 0;
#define BERTH_OP(id, ...) add_binary<Op::id>(rows, n);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}
template <Op op, size_t n>
consteval void add_unary(std::array<UnaryRow, n>& rows, u32& next) {
  if constexpr (is_unary(op)) rows[next++] = unary_row<op>();
}
consteval auto unary_rows() {
  std::array<UnaryRow, row_count<is_unary>()> rows{};
  u32 n = 0;
#define BERTH_OP(id, ...) add_unary<Op::id>(rows, n);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}
template <Op op, size_t n>
consteval void add_compare(std::array<CompareRow, n>& rows, u32& next) {
  if constexpr (is_compare(op)) rows[next++] = compare_row<op>();
}
consteval auto compare_rows() {
  std::array<CompareRow, row_count<is_compare>()> rows{};
  u32 n = 0;
#define BERTH_OP(id, ...) add_compare<Op::id>(rows, n);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}

constexpr auto kBinaryRows = binary_rows();
constexpr auto kUnaryRows = unary_rows();
constexpr auto kCompareRows = compare_rows();

}  // namespace

Handler binary_handler(Op op, BinForm form, Dst dst) {
  const u32 row = kBinaryIndex[static_cast<u32>(op)];
  CHECK(row != kNoRow);
  return kBinaryRows[row].form[static_cast<u32>(form)][static_cast<u32>(dst)];
}

Handler unary_handler(Op op, Src src, Dst dst) {
  const u32 row = kUnaryIndex[static_cast<u32>(op)];
  CHECK(row != kNoRow && src <= Src::Acc);
  return kUnaryRows[row].form[static_cast<u32>(src)][static_cast<u32>(dst)];
}

Handler compare_branch_handler(Op op, BinForm form, bool if_true, bool backward) {
  const u32 row = kCompareIndex[static_cast<u32>(op)];
  CHECK(row != kNoRow);
  u32 index = 0;
  switch (form) {
    case BinForm::SS: index = 0; break;
    case BinForm::SA: index = 1; break;
    case BinForm::AS: index = 2; break;
    case BinForm::SK: index = 3; break;
    case BinForm::AK: index = 4; break;
    default: CHECK(false);
  }
  return kCompareRows[row].form[index][if_true][backward];
}

Handler test_branch_handler(Src src, bool if_true, bool backward) {
  static constexpr Handler kHandlers[2][2][2] = {
      {{test_branch<Src::Slot, false, false>, test_branch<Src::Slot, false, true>},
       {test_branch<Src::Slot, true, false>, test_branch<Src::Slot, true, true>}},
      {{test_branch<Src::Acc, false, false>, test_branch<Src::Acc, false, true>},
       {test_branch<Src::Acc, true, false>, test_branch<Src::Acc, true, true>}}};
  return kHandlers[src == Src::Acc][if_true][backward];
}

Handler null_branch_handler(Src src, bool if_null, bool backward) {
  static constexpr Handler kHandlers[2][2][2] = {
      {{null_branch<Src::Slot, false, false>, null_branch<Src::Slot, false, true>},
       {null_branch<Src::Slot, true, false>, null_branch<Src::Slot, true, true>}},
      {{null_branch<Src::Acc, false, false>, null_branch<Src::Acc, false, true>},
       {null_branch<Src::Acc, true, false>, null_branch<Src::Acc, true, true>}}};
  return kHandlers[src == Src::Acc][if_null][backward];
}

}  // namespace berth::interp
