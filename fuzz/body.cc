// Values, statements, numbers, variables, memories and tables.
#include "fuzz/body.h"

#include <algorithm>
#include <array>

#include "fuzz/body_generator.h"

namespace berth::fuzz {

using wasm::Imm;
using wasm::Op;

namespace {

constexpr u32 kMostDepth = 7;
constexpr u32 kMostInstructions = 400;
constexpr u32 kMostLocals = 7;

// Instructions of the table that need nothing but operands on the stack, by the first type they leave;
// index 0 holds those that leave nothing.
class FixedOps {
 public:
  FixedOps() {
    for (u32 i = 0; i < wasm::kOpCount; ++i) {
      const wasm::OpInfo& op = wasm::kOpInfo[i];
      const size_t colon = op.signature().find(':');
      if (colon == std::string_view::npos || !supported(op.imm)) continue;
      // An address as a result (memory.size) depends on the memory; these are made by hand.
      const char first = colon + 1 < op.signature().size() ? op.signature()[colon + 1] : 'n';
      if (first != 'a') ops_[slot(first)].push_back(static_cast<Op>(i));
    }
  }
  const std::vector<Op>& leaving(char type) const { return ops_[slot(type)]; }

 private:
  static bool supported(Imm imm) {
    return imm == Imm::None || imm == Imm::MemArg || imm == Imm::MemArgLane || imm == Imm::Lane || imm == Imm::Shuffle;
  }
  static size_t slot(char type) { return kNumberTypes.find(type) + 1; }  // npos + 1 is 0

  std::array<std::vector<Op>, 6> ops_;
};

const FixedOps& fixed_ops() {
  static const FixedOps ops;
  return ops;
}

// Lanes of the vector shape that a mnemonic starts with ("i8x16.extract_lane_s").
u32 lanes_of(std::string_view mnemonic) {
  if (mnemonic.starts_with("i8x16")) return 16;
  if (mnemonic.starts_with("i16x8")) return 8;
  return mnemonic.starts_with("i32x4") || mnemonic.starts_with("f32x4") ? 4 : 2;
}

}  // namespace

Writer generate_body(Choices& choices, ModulePlan& plan, u32 function) {
  return Body(choices, plan, function).generate();
}

Writer Body::generate() {
  Writer locals;
  const u32 count = below(kMostLocals);
  locals.unsigned_leb(count);
  const size_t params = self_.params.size();
  locals_ = self_.params;
  std::string chosen;
  for (u32 i = 0; i < count; ++i) {
    chosen += any_type();
    locals.byte(1);
    write_type(locals, chosen.back());
  }
  labels_.push_back({self_.results});
  // Locals that cannot be null have to be set before they are read.
  for (u32 i = 0; i < count; ++i) {
    if (!is_non_null(chosen[i])) continue;
    constant(chosen[i]);
    out_.byte(0x21).unsigned_leb(params + i);
  }
  locals_ += chosen;
  statements(0);
  values(self_.results, 0);
  op(Op::End);
  return locals.append(out_);
}

// Whether it is time to stop growing.
bool Body::enough(u32 depth) { return choices_.dry() || depth >= kMostDepth || ++made_ > kMostInstructions; }

void Body::op(Op which) {
  const wasm::OpInfo& info = wasm::info(which);
  if (info.prefix == 0) {
    out_.byte(info.code);
  } else {
    out_.byte(info.prefix).unsigned_leb(info.code);
  }
}

// A number half of the time.
char Body::any_type() {
  if (below(2) == 0) return kNumberTypes[below(kNumberTypes.size())];
  const std::string& list = below(4) == 3 ? types_below('F') : types_below('N');
  return below(5) == 4 ? kAbstractTypes[below(kAbstractTypes.size())] : list[below(list.size())];
}

void Body::values(std::string_view types, u32 depth) {
  for (const char type : types) value(type, depth + 1);
}

void Body::statements(u32 depth) {
  for (u32 count = choices_.below(4); count > 0; --count) statement(depth + 1);
}

// The last of them is on top of the stack.
void Body::drop(std::string_view types) {
  for (size_t i = types.size(); i-- > 0;) {
    const u32 start = locals_.empty() ? 0 : below(locals_.size());
    if (start < locals_.size() && is_below(types[i], locals_[start])) {
      out_.byte(0x21).unsigned_leb(start);
    } else {
      op(Op::Drop);
    }
  }
}

// A local with a value of `type`; the number of locals when there is none.
u32 Body::local_below(char type) {
  const u32 count = static_cast<u32>(locals_.size());
  for (u32 i = 0, at = count == 0 ? 0 : below(count); i < count; ++i, ++at) {
    if (is_below(locals_[at % count], type)) return at % count;
  }
  return count;
}

// --- Instructions of the table -----------------------------------------------------------------

void Body::table_op(char type, u32 depth) {
  const std::vector<Op>& ops = fixed_ops().leaving(type);
  fixed_op(ops[below(ops.size())], depth);
}

// The instruction with its operands.
void Body::fixed_op(Op which, u32 depth) {
  const wasm::OpInfo& info = wasm::info(which);
  const bool in_memory = info.imm == Imm::MemArg || info.imm == Imm::MemArgLane;
  u32 memory = in_memory && choices_.once_in(3) ? below(kMemoryKinds) : 0;
  const bool waits = which == Op::MemoryAtomicWait32 || which == Op::MemoryAtomicWait64;
  // Others trap.
  while (waits && !choices_.once_in(8) && plan_.kind(memory) != kSharedMemory) memory = (memory + 1) % kMemoryKinds;
  const size_t colon = info.signature().find(':');
  for (const char operand : info.signature().substr(0, colon)) {
    if (operand == 'a') {
      address(memory, depth + 1);
    } else {
      value(operand, depth + 1);
    }
  }
  if (waits) mask(true, 1023);  // nanoseconds, as nobody will wake it
  op(which);
  if (in_memory) memory_argument(info, memory);
  if (info.imm == Imm::MemArgLane) out_.byte(choices_.below(16u / info.width));
  if (info.imm == Imm::Lane) out_.byte(choices_.below(lanes_of(info.mnemonic())));
  if (info.imm == Imm::Shuffle) {
    for (int i = 0; i < 16; ++i) out_.byte(choices_.below(32));
  }
  // Of several results the first is kept.
  const std::string_view results = info.signature().substr(colon + 1);
  if (results.size() > 1) keep_first(results);
}

void Body::memory_argument(const wasm::OpInfo& info, u32 memory) {
  u32 natural = 0;
  while ((1u << natural) < info.width) ++natural;
  const bool atomic = info.prefix == 0xfe;
  const u32 align = atomic ? natural : choices_.below(natural + 1);
  if (memory != 0) {
    out_.unsigned_leb(align | 0x40).byte(memory);
  } else {
    out_.unsigned_leb(align);
  }
  if (choices_.once_in(8)) {
    out_.unsigned_leb(choices_.number(plan_.is_64(memory) && choices_.once_in(4) ? 8 : 4));
  } else {
    out_.unsigned_leb(atomic ? 8 * choices_.below(8) : choices_.below(64));
  }
}

// An address that is most often inside the memory.
void Body::address(u32 memory, u32 depth) {
  value(plan_.is_64(memory) ? 'l' : 'i', depth);
  if (!choices_.once_in(16)) mask(plan_.is_64(memory), plan_.kind(memory) == kSmallPages ? 0xf8 : 0xfff8);
}

void Body::small_index(bool is_64, u32 depth) {
  value(is_64 ? 'l' : 'i', depth);
  mask(is_64, 7);
}

// --- Values --------------------------------------------------------------------------------------

void Body::constant(char type) {
  const auto raw = [&](u32 count) {
    for (u32 i = 0; i < count; ++i) out_.byte(choices_.byte());
  };
  switch (type) {
    case 'i': i32_const(static_cast<i32>(choices_.number(choices_.below(5)))); return;
    case 'l': out_.byte(0x42).signed_leb(static_cast<i64>(choices_.number(choices_.below(9)))); return;
    case 'f':
      out_.byte(0x43);
      raw(4);
      return;
    case 'd':
      out_.byte(0x44);
      raw(8);
      return;
    case 'v':
      out_.bytes({0xfd, 0x0c});
      raw(16);
      return;
    default: break;
  }
  if (!is_non_null(type)) {
    write_zero(out_, type);
    return;
  }
  const u32 index = index_of(type);
  switch (fixed_types()[index].shape) {
    case TypeDefinition::Struct:
      op(Op::StructNewDefault);
      out_.unsigned_leb(index);
      return;
    case TypeDefinition::Array:
      i32_const(static_cast<i32>(choices_.below(4)));
      op(Op::ArrayNewDefault);
      out_.unsigned_leb(index);
      return;
    case TypeDefinition::Func: make(type, kMostDepth);
  }
}

void Body::leaf(char type) {
  const u32 local = local_below(type);
  if (local < locals_.size() && below(2) == 1) {
    out_.byte(0x20).unsigned_leb(local);
    return;
  }
  if (below(4) == 3) {
    constexpr u32 kMutable = std::size(kMutableGlobals), kAll = kMutable + std::size(kConstantGlobals);
    for (u32 i = 0, at = below(kAll); i < kAll; ++i, ++at) {
      const u32 global = at % kAll;
      const char has = global < kMutable ? kMutableGlobals[global] : kConstantGlobals[global - kMutable];
      if (!is_below(has, type)) continue;
      out_.byte(0x23).unsigned_leb(global);
      return;
    }
  }
  constant(type);
}

void Body::value(char type, u32 depth) {
  if (enough(depth)) return leaf(type);
  switch (below(20)) {
    case 0: return leaf(type);
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6: return control_value(type, depth);
    case 7: return select(type, depth);
    case 8: return tee(type, depth);
    case 9: return call(type, depth);
    case 10:
      if (!read_object(type, depth)) leaf(type);
      return;
    case 11:
      if (!read_table(type, depth)) leaf(type);
      return;
    default: return is_number(type) ? number(type, depth) : reference(type, depth);
  }
}

void Body::number(char type, u32 depth) {
  if (choices_.once_in(4)) {
    if (type == 'i' && below(2) == 0) return heap_i32(depth);
    // What depends on the kind of a memory or table.
    if (type == 'i' || type == 'l') {
      const u32 memory = below(kMemoryKinds);
      if (below(2) == 0 && plan_.is_64(memory) == (type == 'l')) {
        if (below(3) == 0) {
          value(type, depth + 1);
          if (below(2) == 0) mask(type == 'l', 1);
          out_.byte(0x40).byte(memory);
        } else {
          out_.byte(0x3f).byte(memory);
        }
        return;
      }
      const u32 table = type == 'l' ? static_cast<u32>(kAnyTable64) : std::array{0u, 1u, 3u, 4u}[below(4)];
      if (below(3) == 0) {
        value(kTableElements[table], depth + 1);
        small_index(type == 'l', depth + 1);
        op(Op::TableGrow);
      } else {
        op(Op::TableSize);
      }
      out_.byte(table);
      return;
    }
  }
  table_op(type, depth);
}

// --- Statements ----------------------------------------------------------------------------------

void Body::statement(u32 depth) {
  if (enough(depth)) return;
  switch (below(16)) {
    case 0: {
      const char type = any_type();
      value(type, depth + 1);
      op(Op::Drop);
      break;
    }
    case 1:
    case 2: set_variable(depth); break;
    case 3:
    case 4:
    case 5: {
      const std::vector<Op>& stores = fixed_ops().leaving('n');
      fixed_op(stores[below(stores.size())], depth);
      break;
    }
    case 6:
    case 7:
    case 8: control_statement(depth); break;
    case 9: branch_statement(depth); break;
    case 10: bulk_memory(depth); break;
    case 11: table_statement(depth); break;
    case 12:
    case 13: heap_statement(depth); break;
    case 14: reference_statement(depth); break;
    default:
      if (below(2) == 0)
        op(Op::Nop);
      else
        out_.bytes({0xfe, 0x03, 0x00});
  }
}

void Body::set_variable(u32 depth) {
  if (!locals_.empty() && choices_.below(3) != 0) {
    const u32 local = below(locals_.size());
    value(locals_[local], depth + 1);
    out_.byte(0x21).unsigned_leb(local);
  } else {
    const u32 global = below(std::size(kMutableGlobals));
    value(kMutableGlobals[global], depth + 1);
    out_.byte(0x24).unsigned_leb(global);
  }
}

void Body::bulk_memory(u32 depth) {
  const u32 memory = below(kMemoryKinds);
  switch (choices_.below(4)) {
    case 0:
      address(memory, depth + 1);
      value('i', depth + 1);
      small_index(plan_.is_64(memory), depth + 1);
      op(Op::MemoryFill);
      out_.byte(memory);
      break;
    case 1: {
      const u32 from = below(kMemoryKinds);
      address(memory, depth + 1);
      address(from, depth + 1);
      // Between memories of different address types the length has the smaller one.
      small_index(plan_.is_64(memory) && plan_.is_64(from), depth + 1);
      op(Op::MemoryCopy);
      out_.byte(memory).byte(from);
      break;
    }
    case 2:
      address(memory, depth + 1);
      small_index(false, depth + 1);
      small_index(false, depth + 1);
      op(Op::MemoryInit);
      out_.byte(choices_.once_in(8) ? 0 : 1).byte(memory);
      break;
    default:
      if (!choices_.once_in(4)) break;
      op(Op::DataDrop);
      out_.byte(choices_.below(2));
  }
}

void Body::table_statement(u32 depth) {
  const u32 table = below(kTables);
  const char element = kTableElements[table];
  const bool is_64 = table == kAnyTable64;
  switch (choices_.below(6)) {
    case 0:
      small_index(is_64, depth + 1);
      value(element, depth + 1);
      op(Op::TableSet);
      out_.byte(table);
      break;
    case 1:
      small_index(is_64, depth + 1);
      value(element, depth + 1);
      small_index(is_64, depth + 1);
      op(Op::TableFill);
      out_.byte(table);
      break;
    case 2: {
      u32 from = below(kTables);
      if (!is_below(kTableElements[from], element)) from = table;
      small_index(is_64, depth + 1);
      small_index(from == kAnyTable64, depth + 1);
      small_index(is_64 && from == kAnyTable64, depth + 1);
      op(Op::TableCopy);
      out_.byte(table).byte(from);
      break;
    }
    case 3:
    case 4: {
      constexpr std::array<std::array<u32, 2>, 7> kFits = {{{kFuncElem, kFuncTable},
                                                            {kActiveElem, kFuncTable},
                                                            {kAnyElem, kAnyTable64},
                                                            {kBaseElem, kBaseTable},
                                                            {kBaseElem, kAnyTable64},
                                                            {kMakerElem, kFuncTable},
                                                            {kMakerElem, kMakerTable}}};
      const auto [segment, into] = kFits[below(kFits.size())];
      small_index(into == kAnyTable64, depth + 1);
      small_index(false, depth + 1);
      small_index(false, depth + 1);
      op(Op::TableInit);
      out_.byte(segment).byte(into);
      break;
    }
    default:
      if (!choices_.once_in(4)) break;
      op(Op::ElemDrop);
      out_.byte(below(kElems));
  }
}

}  // namespace berth::fuzz
