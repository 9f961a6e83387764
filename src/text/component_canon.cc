#include "text/component_text.h"

namespace berth::text {
namespace {

// The immediates of canonical built-ins, in order: type index, options, resulting type, flag `async` or `cancellable`,
// memory, slot of the context, core type and table.
enum class Operand : u8 { Type, Options, Result, Async, Cancellable, Memory, Slot, Start };
struct Builtin {
  std::string_view word;
  u8 code;
  Operand operands[3];
  u8 count;
};
constexpr Builtin kBuiltins[] = {
    {"resource.new", 0x02, {Operand::Type}, 1},
    {"resource.drop", 0x03, {Operand::Type}, 1},
    {"resource.rep", 0x04, {Operand::Type}, 1},
    {"task.cancel", 0x05, {}, 0},
    {"subtask.cancel", 0x06, {Operand::Async}, 1},
    {"task.return", 0x09, {Operand::Result, Operand::Options}, 2},
    {"context.get", 0x0A, {Operand::Slot}, 1},
    {"context.set", 0x0B, {Operand::Slot}, 1},
    {"thread.yield", 0x0C, {Operand::Cancellable}, 1},
    {"subtask.drop", 0x0D, {}, 0},
    {"stream.new", 0x0E, {Operand::Type}, 1},
    {"stream.read", 0x0F, {Operand::Type, Operand::Options}, 2},
    {"stream.write", 0x10, {Operand::Type, Operand::Options}, 2},
    {"stream.cancel-read", 0x11, {Operand::Type, Operand::Async}, 2},
    {"stream.cancel-write", 0x12, {Operand::Type, Operand::Async}, 2},
    {"stream.drop-readable", 0x13, {Operand::Type}, 1},
    {"stream.drop-writable", 0x14, {Operand::Type}, 1},
    {"future.new", 0x15, {Operand::Type}, 1},
    {"future.read", 0x16, {Operand::Type, Operand::Options}, 2},
    {"future.write", 0x17, {Operand::Type, Operand::Options}, 2},
    {"future.cancel-read", 0x18, {Operand::Type, Operand::Async}, 2},
    {"future.cancel-write", 0x19, {Operand::Type, Operand::Async}, 2},
    {"future.drop-readable", 0x1A, {Operand::Type}, 1},
    {"future.drop-writable", 0x1B, {Operand::Type}, 1},
    {"error-context.new", 0x1C, {Operand::Options}, 1},
    {"error-context.debug-message", 0x1D, {Operand::Options}, 1},
    {"error-context.drop", 0x1E, {}, 0},
    {"waitable-set.new", 0x1F, {}, 0},
    {"waitable-set.wait", 0x20, {Operand::Cancellable, Operand::Memory}, 2},
    {"waitable-set.poll", 0x21, {Operand::Cancellable, Operand::Memory}, 2},
    {"waitable-set.drop", 0x22, {}, 0},
    {"waitable.join", 0x23, {}, 0},
    {"backpressure.inc", 0x24, {}, 0},
    {"backpressure.dec", 0x25, {}, 0},
    {"thread.index", 0x26, {}, 0},
    {"thread.new-indirect", 0x27, {Operand::Start}, 1},
    {"thread.resume-later", 0x28, {}, 0},
    {"thread.suspend", 0x29, {Operand::Cancellable}, 1},
    {"thread.suspend-then-resume", 0x2A, {Operand::Cancellable}, 1},
    {"thread.yield-then-resume", 0x2B, {Operand::Cancellable}, 1},
    {"thread.suspend-then-promote", 0x2C, {Operand::Cancellable}, 1},
    {"thread.yield-then-promote", 0x2D, {Operand::Cancellable}, 1},
};

}  // namespace

void ComponentParser::canon_options(Bytes& out) {
  Bytes options;
  u32 count = 0;
  const auto core_item = [&](u8 code, Space space) {
    advance(), advance();
    u32 index = 0;
    if (at_index() && peek(1).kind() == TokenKind::String) {
      const u32 base = resolve(Space::CoreInstance);
      index = trailing_names(space, base, true);
    } else {
      index = index_or_ref(space, true);
    }
    options.push_back(code);
    put_u32(options, index);
    expect_close();
  };
  for (; ok(); ++count) {
    if (take_text("string-encoding=utf8")) {
      options.push_back(0);
    } else if (take_text("string-encoding=utf16")) {
      options.push_back(1);
    } else if (take_text("string-encoding=latin1+utf16")) {
      options.push_back(2);
    } else if (take_text("async")) {
      options.push_back(6);
    } else if (at_form("memory")) {
      core_item(3, Space::CoreMemory);
    } else if (at_form("realloc")) {
      core_item(4, Space::CoreFunc);
    } else if (at_form("post-return")) {
      core_item(5, Space::CoreFunc);
    } else if (at_form("callback")) {
      core_item(7, Space::CoreFunc);
    } else {
      break;
    }
  }
  put_u32(out, count);
  put_bytes(out, options);
}

u32 ComponentParser::memory_option() {
  if (!take_form("memory")) {
    unexpected();
    return 0;
  }
  u32 index = 0;
  if (at_index() && peek(1).kind() == TokenKind::String) {
    const u32 base = resolve(Space::CoreInstance);
    index = trailing_names(Space::CoreMemory, base, true);
  } else {
    index = index_or_ref(Space::CoreMemory, true);
  }
  expect_close();
  return index;
}

bool ComponentParser::canon_builtin(std::string_view word, Bytes& out) {
  for (const Builtin& b : kBuiltins) {
    if (b.word != word) continue;
    advance();
    out.push_back(b.code);
    for (u8 i = 0; i < b.count && ok(); ++i) {
      switch (b.operands[i]) {
        case Operand::Type: put_u32(out, index_or_ref(Space::Type, false)); break;
        case Operand::Options: canon_options(out); break;
        case Operand::Result: result_list(out); break;
        case Operand::Async: out.push_back(take_text("async") ? 1 : 0); break;
        case Operand::Cancellable: out.push_back(take_text("cancellable") ? 1 : 0); break;
        case Operand::Memory: put_u32(out, memory_option()); break;
        case Operand::Slot:
          core_val_type(out);
          put_u32(out, static_cast<u32>(take_nat(32)));
          break;
        case Operand::Start: {
          put_u32(out, index_or_ref(Space::CoreType, true));
          if (at_form("table")) {
            advance(), advance();
            u32 table = 0;
            if (at_index() && peek(1).kind() == TokenKind::String) {
              const u32 base = resolve(Space::CoreInstance);
              table = trailing_names(Space::CoreTable, base, true);
            } else {
              table = index_or_ref(Space::CoreTable, true);
            }
            put_u32(out, table);
            expect_close();
          } else {
            put_u32(out, index_or_ref(Space::CoreTable, true));
          }
        }
      }
    }
    return true;
  }
  return false;
}

ComponentParser::Space ComponentParser::canon(Sink& out, std::optional<u32>* lifted_type) {
  if (take_text("lift")) {
    const u32 func = item_ref(true).index;
    Bytes options;
    canon_options(options);
    out.bytes = {0x00, 0x00};
    put_u32(out.bytes, func);
    put_bytes(out.bytes, options);
    if (lifted_type && *lifted_type) put_u32(out.bytes, **lifted_type);
    return Space::Func;
  }
  if (take_text("lower")) {
    const u32 func = item_ref(false).index;
    out.bytes = {0x01, 0x00};
    put_u32(out.bytes, func);
    canon_options(out.bytes);
    return Space::CoreFunc;
  }
  if (!canon_builtin(next_text(), out.bytes)) unexpected();
  return Space::CoreFunc;
}

void ComponentParser::canon_definition() {
  advance(), advance();
  Sink item;
  item.mark(peek().offset);
  const Space space = canon(item, nullptr);
  std::optional<Token> id;
  expect_open();
  if (space == Space::Func) {
    expect_text("func");
    id = optional_id();
    const InlineNames names = inline_names();
    const u32 type = func_type_use();
    put_u32(item.bytes, type);
    emit(Item::Canon, std::move(item));
    const u32 index = define(Space::Func, id);
    emit_exports(names, Space::Func, index);
  } else {
    expect_text("core");
    expect_text("func");
    id = optional_id();
    emit(Item::Canon, std::move(item));
    define(Space::CoreFunc, id);
  }
  expect_close();
  expect_close();
}

}  // namespace berth::text
