#include "fuzz/body_generator.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "wasm/opcodes.h"

namespace berth::fuzz {
namespace {

using wasm::Imm;
using wasm::Op;

constexpr u32 kMostDepth = 7;
constexpr u32 kMostInstructions = 400;
constexpr u32 kMostLocals = 6;

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

class BodyGenerator {
 public:
  BodyGenerator(Choices& choices, const std::vector<Signature>& functions, u32 index)
      : choices_(choices), functions_(functions), self_(functions[index]) {}

  Writer generate() {
    Writer locals;
    const u32 count = choices_.below(kMostLocals);
    locals.unsigned_leb(count);
    locals_ = self_.params;
    for (u32 i = 0; i < count; ++i) {
      const char type = any_type();
      locals_ += type;
      locals.byte(1);
      write_type(locals, type);
    }
    labels_.push_back(self_.results);
    statements(0);
    values(self_.results, 0);
    out_.byte(0x0b);
    return locals.append(out_);
  }

 private:
  char any_type() { return kAllTypes[choices_.below(kAllTypes.size())]; }
  char number_type() { return kNumberTypes[choices_.below(kNumberTypes.size())]; }
  static bool is_number(char type) { return kNumberTypes.contains(type); }
  // Whether it is time to stop growing.
  bool enough(u32 depth) { return choices_.dry() || depth >= kMostDepth || ++made_ > kMostInstructions; }

  void values(std::string_view types, u32 depth) {
    for (const char type : types) value(type, depth + 1);
  }
  void statements(u32 depth) {
    for (u32 count = choices_.below(4); count > 0; --count) statement(depth + 1);
  }

  void block_type(std::string_view types) {
    if (types.empty()) {
      out_.byte(0x40);
    } else {
      write_type(out_, types.front());
    }
  }
  // `types` is what a branch to the label carries: nothing, or one value.
  template <typename Body>
  void labelled(u32 opcode, std::string_view result, std::string_view carried, Body body) {
    out_.byte(opcode);
    block_type(result);
    labels_.emplace_back(carried);
    body();
    labels_.pop_back();
    out_.byte(0x0b);
  }

  // The depth of a label that carries `types`; the number of labels when there is none.
  u32 label_carrying(std::string_view types) {
    const u32 count = static_cast<u32>(labels_.size());
    const u32 start = choices_.below(count);
    for (u32 i = 0; i < count; ++i) {
      const u32 depth = (start + i) % count;
      if (labels_[count - 1 - depth] == types) return depth;
    }
    return count;
  }
  // The index of a local of `type`; the number of locals when there is none.
  u32 local_of(char type) {
    const u32 count = static_cast<u32>(locals_.size());
    for (u32 i = 0, at = count == 0 ? 0 : choices_.below(count); i < count; ++i, ++at) {
      if (locals_[at % count] == type) return at % count;
    }
    return count;
  }
  u32 function_leaving(std::string_view results) {
    const u32 count = static_cast<u32>(functions_.size());
    const u32 start = choices_.below(count);
    for (u32 i = 0; i < count; ++i) {
      if (functions_[(start + i) % count].results == results) return (start + i) % count;
    }
    return count;
  }

  // --- Instructions of the table -----------------------------------------------------------------

  // `op` with its operands; where it reads or writes memory, a quarter of the time the 64-bit one.
  void fixed_op(Op op, u32 depth) {
    const wasm::OpInfo& info = wasm::info(op);
    const bool in_memory = info.imm == Imm::MemArg || info.imm == Imm::MemArgLane;
    const bool second = in_memory && choices_.once_in(4);
    const size_t colon = info.signature().find(':');
    for (const char operand : info.signature().substr(0, colon)) {
      operand == 'a' ? address(second, depth + 1) : value(operand, depth + 1);
    }
    opcode(info);
    if (in_memory) memory_argument(info, second);
    if (info.imm == Imm::MemArgLane) out_.byte(choices_.below(16u / info.width));
    if (info.imm == Imm::Lane) out_.byte(choices_.below(lanes_of(info.mnemonic())));
    if (info.imm == Imm::Shuffle) {
      for (int i = 0; i < 16; ++i) out_.byte(choices_.below(32));
    }
    // Of several results the first is kept.
    for (size_t extra = colon + 2; extra < info.signature().size(); ++extra) out_.byte(0x1a);
  }
  void opcode(const wasm::OpInfo& info) {
    if (info.prefix == 0) {
      out_.byte(info.code);
    } else {
      out_.byte(info.prefix).unsigned_leb(info.code);
    }
  }
  void memory_argument(const wasm::OpInfo& info, bool second) {
    u32 natural = 0;
    while ((1u << natural) < info.width) ++natural;
    const bool atomic = info.prefix == 0xfe;
    const u32 align = atomic ? natural : choices_.below(natural + 1);
    if (second) {
      out_.unsigned_leb(align | 0x40).byte(1);
    } else {
      out_.unsigned_leb(align);
    }
    out_.unsigned_leb(choices_.once_in(8) ? choices_.number(4) : choices_.below(64));
  }
  // An address that is most often inside the memory.
  void address(bool second, u32 depth) {
    const char type = second ? 'l' : 'i';
    value(type, depth);
    if (choices_.once_in(16)) return;
    out_.byte(second ? 0x42 : 0x41).signed_leb(0xfff8).byte(second ? 0x83 : 0x71);
  }
  void small_index(char type, u32 depth) {
    value(type, depth);
    out_.byte(type == 'l' ? 0x42 : 0x41).signed_leb(7).byte(type == 'l' ? 0x83 : 0x71);
  }

  // --- Values --------------------------------------------------------------------------------------

  void constant(char type) {
    switch (type) {
      case 'i': out_.byte(0x41).signed_leb(static_cast<i32>(choices_.number(choices_.below(5)))); break;
      case 'l': out_.byte(0x42).signed_leb(static_cast<i64>(choices_.number(choices_.below(9)))); break;
      case 'f':
        out_.byte(0x43);
        raw(4);
        break;
      case 'd':
        out_.byte(0x44);
        raw(8);
        break;
      case 'v':
        out_.bytes({0xfd, 0x0c});
        raw(16);
        break;
      default: write_zero(out_, type);
    }
  }
  void raw(u32 count) {
    for (u32 i = 0; i < count; ++i) out_.byte(choices_.byte());
  }

  void leaf(char type) {
    const u32 local = local_of(type);
    if (local < locals_.size() && choices_.below(2) == 1) {
      out_.byte(0x20).unsigned_leb(local);
    } else if (is_number(type) && choices_.below(4) == 3) {
      out_.byte(0x23).unsigned_leb(kNumberTypes.find(type));
    } else {
      constant(type);
    }
  }

  // Code that leaves one value of `type`.
  void value(char type, u32 depth) {
    if (enough(depth)) return leaf(type);
    const std::string result(1, type);
    switch (choices_.below(18)) {
      case 0: return leaf(type);
      case 1:
        return labelled(0x02, result, result, [&] {
          statements(depth);
          value(type, depth + 1);
        });
      case 2:
        return labelled(0x03, result, "", [&] {
          statements(depth);
          value(type, depth + 1);
        });
      case 3: return if_else(type, depth);
      case 4: return tee(type, depth);
      case 5: return select(type, depth);
      case 6: return call(type, depth);
      case 7: return branch_if(type, depth);
      case 8: return try_table(type, depth);
      case 9: return legacy_try(type, depth);
      case 10: return choices_.once_in(6) ? leave(depth) : leaf(type);
      default: return is_number(type) && !choices_.once_in(5) ? table_op(type, depth) : special(type, depth);
    }
  }
  void table_op(char type, u32 depth) {
    const std::vector<Op>& ops = fixed_ops().leaving(type);
    fixed_op(ops[choices_.below(static_cast<u32>(ops.size()))], depth);
  }
  void if_else(char type, u32 depth) {
    value('i', depth + 1);
    labelled(0x04, std::string(1, type), std::string(1, type), [&] {
      statements(depth);
      value(type, depth + 1);
      out_.byte(0x05);
      value(type, depth + 1);
    });
  }
  void tee(char type, u32 depth) {
    const u32 local = local_of(type);
    value(type, depth + 1);
    if (local < locals_.size()) out_.byte(0x22).unsigned_leb(local);
  }
  void select(char type, u32 depth) {
    value(type, depth + 1);
    value(type, depth + 1);
    value('i', depth + 1);
    if (is_number(type) && choices_.below(2) == 0) {
      out_.byte(0x1b);
    } else {
      out_.bytes({0x1c, 1});
      write_type(out_, type);
    }
  }
  void call(char type, u32 depth) {
    const u32 callee = function_leaving(std::string(1, type));
    if (callee == functions_.size()) return leaf(type);
    values(functions_[callee].params, depth);
    call_function(callee, depth, false);
  }
  // Calls `callee` by one of the three ways, its arguments being on the stack.
  void call_function(u32 callee, u32 depth, bool tail) {
    const u32 type = kFirstFunctionType + callee;
    switch (choices_.below(3)) {
      case 0: out_.byte(tail ? 0x12 : 0x10).unsigned_leb(callee); break;
      case 1:
        if (choices_.below(4) == 0) {
          small_index('i', depth + 1);
        } else {
          out_.byte(0x41).signed_leb(callee);
        }
        out_.byte(tail ? 0x13 : 0x11).unsigned_leb(type).byte(0);
        break;
      default: out_.byte(0xd2).unsigned_leb(callee).byte(tail ? 0x15 : 0x14).unsigned_leb(type);
    }
  }
  void branch_if(char type, u32 depth) {
    const u32 label = label_carrying(std::string(1, type));
    value(type, depth + 1);
    if (label == labels_.size()) return;
    value('i', depth + 1);
    out_.byte(0x0d).unsigned_leb(label);
  }
  // Code after which nothing runs, so that it stands for any value.
  void leave(u32 depth) {
    switch (choices_.below(6)) {
      case 0: out_.byte(0x00); break;
      case 1:
        values(self_.results, depth);
        out_.byte(0x0f);
        break;
      case 2:
        value('i', depth + 1);
        out_.bytes({0x08, 0});
        break;
      case 3: out_.bytes({0x08, 1}); break;
      case 4: {
        const u32 label = label_carrying("");
        if (label == labels_.size()) {
          out_.byte(0x00);
          break;
        }
        value('i', depth + 1);
        out_.bytes({0x0e, 2}).unsigned_leb(label).unsigned_leb(label).unsigned_leb(label);
        break;
      }
      default: {
        const u32 callee = function_leaving(self_.results);
        values(functions_[callee].params, depth);
        call_function(callee, depth, true);
      }
    }
  }
  // try_table with a handler outside it that drops what was caught, or throws it again.
  void try_table(char type, u32 depth) {
    const std::string result(1, type);
    constexpr u32 kCatch = 0, kCatchAll = 2, kCatchAllRef = 3;
    constexpr std::array<u32, 3> kClauses = {kCatch, kCatchAll, kCatchAllRef};
    const u32 clause = kClauses[choices_.below(kClauses.size())];
    labelled(0x02, result, result, [&] {
      const std::string caught = clause == kCatch ? "i" : clause == kCatchAllRef ? "X" : "";
      const auto handled = [&] {
        out_.byte(0x1f);
        block_type(result);
        out_.byte(1).byte(clause);
        if (clause == kCatch) out_.byte(0);
        out_.byte(0);
        labels_.push_back(result);
        statements(depth);
        value(type, depth + 1);
        labels_.pop_back();
        out_.bytes({0x0b, 0x0c, 1});
      };
      labelled(0x02, caught, caught, handled);
      if (caught == "X" && choices_.once_in(3)) {
        out_.byte(0x0a);
      } else {
        if (!caught.empty()) out_.byte(0x1a);
        value(type, depth + 1);
      }
    });
  }
  void legacy_try(char type, u32 depth) {
    const std::string result(1, type);
    out_.byte(0x06);
    block_type(result);
    labels_.push_back(result);
    statements(depth);
    value(type, depth + 1);
    if (choices_.once_in(4)) {
      labels_.pop_back();
      out_.byte(0x18).unsigned_leb(choices_.below(static_cast<u32>(labels_.size())));
      return;
    }
    out_.bytes({0x07, 0, 0x1a});
    value(type, depth + 1);
    if (choices_.below(2) == 1) {
      out_.byte(0x19);
      if (choices_.once_in(4)) {
        out_.bytes({0x09, 0});
      } else {
        value(type, depth + 1);
      }
    }
    labels_.pop_back();
    out_.byte(0x0b);
  }

  // What only some types have, mostly of references.
  void special(char type, u32 depth) {
    switch (type) {
      case 'i': return special_i32(depth);
      case 'l':
        switch (choices_.below(4)) {
          case 0: out_.bytes({0x3f, 1}); return;
          case 1:
            value('l', depth + 1);
            out_.bytes({0x40, 1});
            return;
          case 2: out_.bytes({0xfc, 0x10, 2}); return;
          default:
            value('S', depth + 1);
            out_.bytes({0xfb, 0x02, kStructType, 1});
            return;
        }
      case 'd':
        value('S', depth + 1);
        out_.bytes({0xfb, 0x02, kStructType, 2});
        return;
      case 'v':
        value('S', depth + 1);
        out_.bytes({0xfb, 0x02, kStructType, 3});
        return;
      case 'F':
        if (choices_.below(2) == 0) {
          out_.byte(0xd2).unsigned_leb(choices_.below(static_cast<u32>(functions_.size())));
        } else {
          small_index('i', depth + 1);
          out_.bytes({0x25, 0});
        }
        return;
      case 'E':
        if (choices_.below(2) == 0) {
          value('N', depth + 1);
          out_.bytes({0xfb, 0x1b});
        } else {
          small_index('i', depth + 1);
          out_.bytes({0x25, 1});
        }
        return;
      case 'N': return special_any(depth);
      case 'S': return special_struct(depth);
      case 'A': return special_array(depth);
      default: return leaf(type);
    }
  }
  void special_i32(u32 depth) {
    switch (choices_.below(10)) {
      case 0: out_.bytes({0x3f, 0}); break;
      case 1:
        value('i', depth + 1);
        out_.bytes({0x40, 0});
        break;
      case 2:
        value(kAllTypes[5 + choices_.below(5)], depth + 1);
        out_.byte(0xd1);
        break;
      case 3: out_.bytes({0xfc, 0x10, choices_.below(2)}); break;
      case 4:
        value('A', depth + 1);
        out_.bytes({0xfb, 0x0f});
        break;
      case 5:
        value('S', depth + 1);
        out_.bytes({0xfb, 0x03 + choices_.below(2), kStructType, 0});
        break;
      case 6:
        value('A', depth + 1);
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x0c + choices_.below(2), kByteArrayType});
        break;
      case 7:
        value('S', depth + 1);
        value('A', depth + 1);
        out_.byte(0xd3);
        break;
      case 8:
        value('N', depth + 1);
        out_.bytes({0xfb, 0x14 + choices_.below(2), heap_type()});
        break;
      default:
        value('N', depth + 1);
        out_.bytes({0xfb, 0x16, 0x6c, 0xfb, 0x1d + choices_.below(2)});  // i31.get of ref.cast i31
    }
  }
  // A heap type below any.
  u32 heap_type() {
    constexpr std::array<u32, 8> kHeapTypes = {0x6c, 0x6b,        0x6a,           0x6d,
                                               0x71, kStructType, kSubStructType, kByteArrayType};
    return kHeapTypes[choices_.below(kHeapTypes.size())];
  }
  void special_any(u32 depth) {
    switch (choices_.below(8)) {
      case 0:
        value('i', depth + 1);
        out_.bytes({0xfb, 0x1c});
        break;
      case 1: value('S', depth + 1); break;
      case 2: value('A', depth + 1); break;
      case 3:
        value('E', depth + 1);
        out_.bytes({0xfb, 0x1a});
        break;
      case 4:
        value('S', depth + 1);
        out_.bytes({0xfb, 0x02, kStructType, 5});
        break;
      case 5:
        small_index('l', depth + 1);
        out_.bytes({0x25, 2});
        break;
      case 6:
        value('N', depth + 1);
        out_.bytes({0xfb, 0x17, kAnyArrayType});
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x0b, kAnyArrayType});
        break;
      default:
        value('N', depth + 1);
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x06, kAnyArrayType});
    }
  }
  void special_struct(u32 depth) {
    switch (choices_.below(6)) {
      case 0: out_.bytes({0xfb, 0x01, kStructType}); break;
      case 1: out_.bytes({0xfb, 0x01, kSubStructType}); break;
      case 2:
        values(kStructFields, depth);
        out_.bytes({0xfb, 0x00, kStructType});
        break;
      case 3:
        value('S', depth + 1);
        out_.bytes({0xfb, 0x02, kStructType, 4});
        break;
      case 4:
        value('S', depth + 1);
        out_.byte(0xd4);
        break;
      default: value('N', depth + 1); out_.bytes({0xfb, 0x17, kStructType});
    }
  }
  void special_array(u32 depth) {
    switch (choices_.below(5)) {
      case 0:
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x07, kByteArrayType});
        break;
      case 1:
        value('i', depth + 1);
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x06, kByteArrayType});
        break;
      case 2:
        values("iii", depth);
        out_.bytes({0xfb, 0x08, kByteArrayType, 3});
        break;
      case 3:
        small_index('i', depth + 1);
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x09, kByteArrayType, 1});
        break;
      default: value('N', depth + 1); out_.bytes({0xfb, 0x17, kByteArrayType});
    }
  }

  // --- Statements ----------------------------------------------------------------------------------

  // Code that leaves nothing.
  void statement(u32 depth) {
    if (enough(depth)) return;
    switch (choices_.below(16)) {
      case 0:
        value(any_type(), depth + 1);
        out_.byte(0x1a);
        break;
      case 1:
      case 2: set_variable(depth); break;
      case 3:
      case 4:
      case 5: {
        const std::vector<Op>& stores = fixed_ops().leaving('n');
        fixed_op(stores[choices_.below(static_cast<u32>(stores.size()))], depth);
        break;
      }
      case 6: labelled(0x02, "", "", [&] { statements(depth); }); break;
      case 7:
        labelled(0x03, "", "", [&] {
          statements(depth);
          value('i', depth + 1);
          out_.bytes({0x0d, 0});
        });
        break;
      case 8:
        value('i', depth + 1);
        labelled(0x04, "", "", [&] { statements(depth); });
        break;
      case 9: {
        const u32 label = label_carrying("");
        if (label == labels_.size()) break;
        value('i', depth + 1);
        out_.byte(0x0d).unsigned_leb(label);
        break;
      }
      case 10: {
        const u32 callee = function_leaving("");
        if (callee == functions_.size()) break;
        values(functions_[callee].params, depth);
        call_function(callee, depth, false);
        break;
      }
      case 11: bulk_memory(depth); break;
      case 12: table_statement(depth); break;
      case 13: heap_statement(depth); break;
      case 14: out_.bytes({0xfe, 0x03, 0x00}); break;
      default: out_.byte(0x01);
    }
  }
  void set_variable(u32 depth) {
    if (!locals_.empty() && choices_.below(3) != 0) {
      const u32 local = choices_.below(static_cast<u32>(locals_.size()));
      value(locals_[local], depth + 1);
      out_.byte(0x21).unsigned_leb(local);
    } else {
      const u32 global = choices_.below(kNumberTypes.size());
      value(kNumberTypes[global], depth + 1);
      out_.byte(0x24).unsigned_leb(global);
    }
  }
  void bulk_memory(u32 depth) {
    const bool second = choices_.below(3) == 0;
    address(second, depth + 1);
    switch (choices_.below(4)) {
      case 0:
        value('i', depth + 1);
        small_index(second ? 'l' : 'i', depth + 1);
        out_.bytes({0xfc, 0x0b, second});
        break;
      case 1:
        address(false, depth + 1);
        // Between memories of different address types the length has the smaller one.
        small_index('i', depth + 1);
        out_.bytes({0xfc, 0x0a, second, 0});
        break;
      case 2:
        small_index('i', depth + 1);
        small_index('i', depth + 1);
        out_.bytes({0xfc, 0x08, 1, second});
        break;
      default:
        out_.byte(0x1a);
        if (choices_.once_in(4)) out_.bytes({0xfc, 0x09, choices_.below(2)});
    }
  }
  void table_statement(u32 depth) {
    const u32 table = choices_.below(3);
    const char element = "FEN"[table];
    const char index = table == 2 ? 'l' : 'i';
    switch (choices_.below(6)) {
      case 0:
        small_index(index, depth + 1);
        value(element, depth + 1);
        out_.bytes({0x26, table});
        break;
      case 1:
        value(element, depth + 1);
        small_index(index, depth + 1);
        out_.bytes({0xfc, 0x0f, table, 0x1a});
        break;
      case 2:
        small_index(index, depth + 1);
        value(element, depth + 1);
        small_index(index, depth + 1);
        out_.bytes({0xfc, 0x11, table});
        break;
      case 3:
        for (int i = 0; i < 3; ++i) small_index(index, depth + 1);
        out_.bytes({0xfc, 0x0e, table, table});
        break;
      case 4:
        for (int i = 0; i < 3; ++i) small_index('i', depth + 1);
        out_.bytes({0xfc, 0x0c, 1, 0});
        break;
      default:
        if (choices_.once_in(4)) out_.bytes({0xfc, 0x0d, 1});
    }
  }
  void heap_statement(u32 depth) {
    switch (choices_.below(9)) {
      case 0: {
        const u32 field = choices_.below(6);
        value('S', depth + 1);
        value(kStructFields[field], depth + 1);
        out_.bytes({0xfb, 0x05, kStructType, field});
        break;
      }
      case 1:
        value('A', depth + 1);
        small_index('i', depth + 1);
        value('i', depth + 1);
        out_.bytes({0xfb, 0x0e, kByteArrayType});
        break;
      case 2:
        value('A', depth + 1);
        small_index('i', depth + 1);
        value('i', depth + 1);
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x10, kByteArrayType});
        break;
      case 3:
        for (int i = 0; i < 2; ++i) {
          value('A', depth + 1);
          small_index('i', depth + 1);
        }
        small_index('i', depth + 1);
        out_.bytes({0xfb, 0x11, kByteArrayType, kByteArrayType});
        break;
      case 4:
        value('A', depth + 1);
        for (int i = 0; i < 3; ++i) small_index('i', depth + 1);
        out_.bytes({0xfb, 0x12, kByteArrayType, 1});
        break;
      case 5:
        labelled(0x02, "", "", [&] {
          value('S', depth + 1);
          out_.bytes({0xd5, 0, 0x1a});
          statements(depth);
        });
        break;
      // The rest leave a block that carries a reference.
      case 6:
        labelled(0x02, "S", "S", [&] {
          value('S', depth + 1);
          out_.bytes({0xd6, 0});
          write_zero(out_, 'S');
        });
        out_.byte(0x1a);
        break;
      case 7:
        labelled(0x02, "S", "S", [&] {
          value('N', depth + 1);
          out_.bytes({0xfb, 0x18, 0x03, 0, 0x6e, kStructType, 0x1a});
          write_zero(out_, 'S');
        });
        out_.byte(0x1a);
        break;
      default:
        labelled(0x02, "N", "N", [&] {
          value('N', depth + 1);
          out_.bytes({0xfb, 0x19, 0x03, 0, 0x6e, kStructType});
        });
        out_.byte(0x1a);
    }
  }

  Choices& choices_;
  const std::vector<Signature>& functions_;
  const Signature& self_;
  std::string locals_;               // the type of each local, parameters first
  std::vector<std::string> labels_;  // what a branch to each label carries, outermost first
  Writer out_;
  u32 made_ = 0;
};

}  // namespace

Writer generate_body(Choices& choices, const std::vector<Signature>& functions, u32 index) {
  return BodyGenerator(choices, functions, index).generate();
}

}  // namespace berth::fuzz
