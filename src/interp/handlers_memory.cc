// Handlers of scalar and whole-vector loads and stores. Those of guarded memories rely on the fault
// handler (interpreter.cc) instead of checking bounds.
#include <array>

#include "interp/checked.h"
#include "interp/handlers.h"
#include "interp/steps.h"

namespace berth::interp {

namespace {

using abi::TrapCode;
using wasm::Op;

template <Op op, Src A, Dst D>
constexpr Handler load = steps<LoadStep<op, A, D>>;
template <Op op, Src A, Src V>
constexpr Handler store = steps<StoreStep<op, A, V>>;

template <Op op>
BERTH_HANDLER checked_load(BERTH_REGS) {
  const u8* p = checked_address(ctx, pc, fp, wasm::info(op).width, field_d(pc));
  if (p == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::MemoryOutOfBounds);
  const auto value = load_from<op>(p);
  to_acc(value, acc, vacc);
  store_slot(fp, field_a(pc), value);
  BERTH_NEXT(3);
}
template <Op op>
BERTH_HANDLER checked_store(BERTH_REGS) {
  u8* p = checked_address(ctx, pc, fp, wasm::info(op).width, field_d(pc));
  if (p == nullptr) [[unlikely]]
    BERTH_RAISE(TrapCode::MemoryOutOfBounds);
  store_to<op>(p, load_slot<OperandOf<op, 1>>(fp, field_a(pc)));
  BERTH_NEXT(3);
}

struct LoadRow {
  Handler form[3][2];  // address in slot, acc, constant
  Handler checked;
};
struct StoreRow {
  Handler form[3][3];  // [address][value]
  Handler checked;
};

template <Op op>
consteval LoadRow load_row() {
  return {{{load<op, Src::Slot, Dst::Slot>, load<op, Src::Slot, Dst::Acc>},
           {load<op, Src::Acc, Dst::Slot>, load<op, Src::Acc, Dst::Acc>},
           {load<op, Src::Const, Dst::Slot>, load<op, Src::Const, Dst::Acc>}},
          checked_load<op>};
}
template <Op op>
consteval StoreRow store_row() {
  StoreRow row{{{store<op, Src::Slot, Src::Slot>, store<op, Src::Slot, Src::Acc>, nullptr},
                {store<op, Src::Acc, Src::Slot>, store<op, Src::Acc, Src::Acc>, nullptr},
                {store<op, Src::Const, Src::Slot>, store<op, Src::Const, Src::Acc>, nullptr}},
               checked_store<op>};
  if constexpr (op != Op::V128Store) {
    row.form[0][2] = store<op, Src::Slot, Src::Const>;
    row.form[1][2] = store<op, Src::Acc, Src::Const>;
    row.form[2][2] = store<op, Src::Const, Src::Const>;
  }
  return row;
}

constexpr u32 kLoads = static_cast<u32>(Op::I64Load32U) - static_cast<u32>(Op::I32Load) + 2;
constexpr u32 kStores = static_cast<u32>(Op::I64Store32) - static_cast<u32>(Op::I32Store) + 2;
constexpr u32 load_index(Op op) {
  return op == Op::V128Load ? kLoads - 1 : static_cast<u32>(op) - static_cast<u32>(Op::I32Load);
}
constexpr u32 store_index(Op op) {
  return op == Op::V128Store ? kStores - 1 : static_cast<u32>(op) - static_cast<u32>(Op::I32Store);
}

template <Op op>
consteval void add_load(std::array<LoadRow, kLoads>& rows) {
  if constexpr (is_load(op)) rows[load_index(op)] = load_row<op>();
}
template <Op op>
consteval void add_store(std::array<StoreRow, kStores>& rows) {
  if constexpr (is_store(op)) rows[store_index(op)] = store_row<op>();
}
consteval auto load_rows() {
  std::array<LoadRow, kLoads> rows{};
#define BERTH_OP(id, ...) add_load<Op::id>(rows);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}
consteval auto store_rows() {
  std::array<StoreRow, kStores> rows{};
#define BERTH_OP(id, ...) add_store<Op::id>(rows);
#include "spec/opcodes.def"
#undef BERTH_OP
  return rows;
}

constexpr auto kLoadRows = load_rows();
constexpr auto kStoreRows = store_rows();

constexpr u32 form_index(Src s) { return s == Src::Slot ? 0 : s == Src::Acc ? 1 : 2; }

}  // namespace

Handler load_handler(Op op, Src address, Dst dst) {
  CHECK(is_load(op) && address != Src::Imm);
  return kLoadRows[load_index(op)].form[form_index(address)][static_cast<u32>(dst)];
}

Handler store_handler(Op op, Src address, Src value) {
  CHECK(is_store(op) && address != Src::Imm && value != Src::Imm);
  return kStoreRows[store_index(op)].form[form_index(address)][form_index(value)];
}

Handler checked_memory_handler(Op op) {
  if (is_load(op)) return kLoadRows[load_index(op)].checked;
  CHECK(is_store(op));
  return kStoreRows[store_index(op)].checked;
}

}  // namespace berth::interp
