// Instructions (specification 3.0: text format, instructions), and the older exception handling as
// toolchains still write it.
#include <bit>

#include "text/literals.h"
#include "text/module_parser.h"

namespace berth::text {

using wasm::Imm;
using wasm::Op;

namespace {

// Whether the word starts, continues or ends a block.
bool is_block_word(Word w) {
  if (!is_op(w)) return false;
  switch (as_op(w)) {
    case Op::Block:
    case Op::Loop:
    case Op::If:
    case Op::Else:
    case Op::Try:
    case Op::TryTable:
    case Op::Catch:
    case Op::CatchAll:
    case Op::Delegate:
    case Op::End: return true;
    default: return false;
  }
}

}  // namespace

void ModuleParser::instructions(Sink& sink) { run_instructions(sink, false); }
void ModuleParser::folded_instruction(Sink& sink) {
  if (kind() != TokenKind::LParen) {
    unexpected();
    return;
  }
  run_instructions(sink, true);
}

void ModuleParser::run_instructions(Sink& sink, bool one) {
  frames_.clear();
  pending_.clear();
  label_depth_ = 0;
  while (ok()) {
    switch (kind()) {
      case TokenKind::LParen: folded(sink); break;
      case TokenKind::Word: flat(sink); break;
      case TokenKind::RParen:
        if (frames_.empty()) return;
        close_frame(sink);
        break;
      default: unexpected(); break;
    }
    if (one && frames_.empty()) return;
  }
}

void ModuleParser::mark_instruction(Sink& sink, u32 source, u32 hint, Op op) {
  const auto& all = tokens().annotations;
  for (u32 i = hint; hint != kNone && i < all.size() && all[i].token == all[hint].token; ++i) {
    const Annotation& a = all[i];
    if (a.kind != Annotation::Code) continue;
    hints_.push_back({i, static_cast<u32>(sink.bytes.size())});
    if (a.name == "metadata.code.branch_hint" && op != Op::If && op != Op::BrIf && !out_.custom_error) {
      out_.custom_error = Error(ErrorCode::TextCustom, "@" + a.name + " annotation: invalid target").at(a.offset);
    }
  }
  sink.mark(source);
}

void ModuleParser::flush_pending(Sink& sink, const Frame& frame) {
  // The only instruction that waits and may carry a branch hint is told by its first byte.
  const u8 first = pending_[frame.pending];
  const Op op = first == wasm::info(Op::If).code ? Op::If : first == wasm::info(Op::BrIf).code ? Op::BrIf : Op::Nop;
  mark_instruction(sink, frame.source, frame.hint, op);
  sink.bytes.insert(sink.bytes.end(), pending_.begin() + frame.pending, pending_.end());
  pending_.resize(frame.pending);
}

void ModuleParser::folded(Sink& sink) {
  if (!frames_.empty()) {
    Frame& top = frames_.back();
    if (top.kind == Frame::FoldedIf && folded_if(sink, top)) return;
    if (top.kind == Frame::FoldedTry && folded_try(sink, top)) return;
    if (!ok()) return;
  }
  const u32 at = pos();
  const Token word_token = peek(1);
  const Word w = Tokens::word(word_token);
  if (!is_op(w)) {
    unexpected(word_token);
    return;
  }
  const u32 hint = hint_at(at);
  const u32 source = word_token.offset;
  const Op op = as_op(w);
  advance(), advance();
  switch (op) {
    case Op::Block:
    case Op::Loop:
    case Op::TryTable:
    case Op::Try: {
      const u32 label = label_symbol();
      mark_instruction(sink, source, hint, op);
      block_op(op, sink.bytes);
      push_block(op == Op::Try ? Frame::FoldedTry : Frame::FoldedBlock, label, source);
      open_label(frames_.back());
      return;
    }
    case Op::If: {
      const u32 label = label_symbol();
      push_block(Frame::FoldedIf, label, source);
      frames_.back().pending = static_cast<u32>(pending_.size());
      frames_.back().hint = hint;
      block_op(op, pending_);
      return;
    }
    case Op::Else:
    case Op::End:
    case Op::Catch:
    case Op::CatchAll:
    case Op::Delegate: unexpected(word_token); return;
    default: break;
  }
  Frame frame{};
  frame.kind = Frame::Plain;
  frame.pending = static_cast<u32>(pending_.size());
  frame.source = source;
  frame.hint = hint;
  encode(op, pending_);
  if (!ok()) return;
  if (kind() == TokenKind::RParen) {
    advance();
    flush_pending(sink, frame);
  } else {
    frames_.push_back(frame);
  }
}

// `(then`, `(else`; false for an operand.
bool ModuleParser::folded_if(Sink& sink, Frame& frame) {
  const Word w = list_word();
  if (frame.state == 0) {
    if (w != kw::Then) return false;
    flush_pending(sink, frame);
    open_label(frame);
    frame.state = 1;
  } else if (frame.state == 1 && w == as_word(Op::Else)) {
    sink.mark(peek(1).offset);
    put_op(sink.bytes, Op::Else);
    frame.state = 2;
  } else {
    unexpected(peek(1));
    return true;
  }
  advance(), advance();
  frames_.push_back(Frame{.kind = Frame::List});
  return true;
}

// The clauses of a folded `try`, in their order: do, catch…, catch_all; or do, delegate.
bool ModuleParser::folded_try(Sink& sink, Frame& frame) {
  enum : u8 { kStart, kDone, kCaught, kCaughtAll, kDelegated };
  const Token at = peek(1);
  const Word w = list_word();
  const auto clause = [&](u8 state) {
    frame.state = state;
    frames_.push_back(Frame{.kind = Frame::List});
  };
  if (frame.state == kStart && w == kw::Do) {
    advance(), advance();
    clause(kDone);
  } else if ((frame.state == kDone || frame.state == kCaught) && w == as_word(Op::Catch)) {
    advance(), advance();
    sink.mark(at.offset);
    encode(Op::Catch, sink.bytes);
    clause(kCaught);
  } else if ((frame.state == kDone || frame.state == kCaught) && w == as_word(Op::CatchAll)) {
    advance(), advance();
    sink.mark(at.offset);
    put_op(sink.bytes, Op::CatchAll);
    clause(kCaughtAll);
  } else if (frame.state == kDone && w == as_word(Op::Delegate)) {
    advance(), advance();
    close_label(frame);
    sink.mark(at.offset);
    encode(Op::Delegate, sink.bytes);
    frame.state = kDelegated;
    expect_close();
  } else {
    unexpected(at);
  }
  return true;
}

void ModuleParser::close_frame(Sink& sink) {
  const Frame frame = frames_.back();
  switch (frame.kind) {
    case Frame::Plain: flush_pending(sink, frame); break;
    case Frame::List: break;
    case Frame::FoldedIf:
    case Frame::FoldedTry:
      if (frame.state == 0) {
        unexpected();
        return;
      }
      if (frame.kind == Frame::FoldedTry && frame.state == 4) break;  // ended by its delegate
      [[fallthrough]];
    case Frame::FoldedBlock:
      sink.mark(peek().offset);
      put_op(sink.bytes, Op::End);
      close_label(frame);
      break;
    default:  // a flat block that has no end
      unexpected();
      return;
  }
  frames_.pop_back();
  advance();
}

void ModuleParser::flat(Sink& sink) {
  const Token t = peek();
  const Word w = word();
  Frame* top = frames_.empty() ? nullptr : &frames_.back();
  // Operands that are not folded are no part of the grammar, but other tools take them and so they are
  // found in texts.
  const bool is_operand = top && top->kind == Frame::Plain;
  const bool no_flat = top && (top->kind == Frame::FoldedIf || top->kind == Frame::FoldedTry ||
                               (is_operand && (current_function_ == kNone || is_block_word(w))));
  if (!is_op(w) || no_flat) {
    unexpected();
    return;
  }
  const auto top_is = [&](Frame::Kind kind) { return top && top->kind == kind; };
  const u32 hint = hint_at(pos());
  const Op op = as_op(w);
  advance();
  switch (op) {
    case Op::Block:
    case Op::Loop:
    case Op::TryTable:
    case Op::If:
    case Op::Try: {
      const u32 label = label_symbol();
      mark_instruction(sink, t.offset, hint, op);
      block_op(op, sink.bytes);
      push_block(op == Op::If ? Frame::FlatIf : op == Op::Try ? Frame::FlatTry : Frame::FlatBlock, label, t.offset);
      open_label(frames_.back());
      return;
    }
    case Op::Else:
      if (!top_is(Frame::FlatIf)) break;
      check_label(*top);
      sink.mark(t.offset);
      put_op(sink.bytes, op);
      top->kind = Frame::FlatElse;
      return;
    case Op::Catch:
    case Op::CatchAll:
      if (!top_is(Frame::FlatTry) && !top_is(Frame::FlatCatch)) break;
      sink.mark(t.offset);
      encode(op, sink.bytes);
      top->kind = op == Op::Catch ? Frame::FlatCatch : Frame::FlatCatchAll;
      return;
    case Op::Delegate:
      if (!top_is(Frame::FlatTry)) break;
      close_label(*top);
      sink.mark(t.offset);
      encode(op, sink.bytes);
      frames_.pop_back();
      return;
    case Op::End:
      if (!top || top->kind < Frame::FlatBlock) break;
      check_label(*top);
      sink.mark(t.offset);
      put_op(sink.bytes, op);
      close_label(*top);
      frames_.pop_back();
      return;
    default:
      mark_instruction(sink, t.offset, hint, op);
      encode(op, sink.bytes);
      return;
  }
  unexpected(t);
}

// --- labels

u32 ModuleParser::label_symbol() { return kind() == TokenKind::Id ? intern(take()) : kNone; }

void ModuleParser::push_block(Frame::Kind kind, u32 label, u32 source) {
  Frame frame{};
  frame.kind = kind;
  frame.label = label;
  frame.source = source;
  if (label != kNone && options_.names) label_names_.emplace_back(label_count_, symbols_[label].name);
  ++label_count_;
  frames_.push_back(frame);
}

void ModuleParser::open_label(Frame& frame) {
  ++label_depth_;
  if (frame.label == kNone) return;
  Symbol& symbol = symbols_[frame.label];
  frame.shadowed = symbol.label;
  symbol.label = label_depth_;
}

void ModuleParser::close_label(const Frame& frame) {
  --label_depth_;
  if (frame.label != kNone) symbols_[frame.label].label = frame.shadowed;
}

// The optional repetition of a block's label after `else` and `end`.
void ModuleParser::check_label(const Frame& frame) {
  if (kind() != TokenKind::Id) return;
  const Token id = take();
  if (intern(id) != frame.label) fail(id, "mismatching label " + shown(id));
}

void ModuleParser::put_label(Bytes& out) {
  if (kind() != TokenKind::Id) {
    put_u64(out, take_nat(32));
    return;
  }
  const Token id = take();
  const u32 depth = symbols_[intern(id)].label;
  if (depth == 0) {
    fail(id, "unknown label " + shown(id));
    return;
  }
  put_u32(out, label_depth_ - depth);
}

// --- immediates

void ModuleParser::block_op(Op op, Bytes& out) {
  put_op(out, op);
  block_type(out);
  if (op == Op::TryTable) catch_clauses(out);
}

void ModuleParser::catch_clauses(Bytes& out) {
  Bytes clauses;
  u32 count = 0;
  for (;; ++count) {
    u8 code = 0;
    bool has_tag = false;
    switch (list_word()) {
      case as_word(Op::Catch): code = 0, has_tag = true; break;
      case kw::CatchRef: code = 1, has_tag = true; break;
      case as_word(Op::CatchAll): code = 2; break;
      case kw::CatchAllRef: code = 3; break;
      default:
        put_u32(out, count);
        put_bytes(out, clauses);
        return;
    }
    advance(), advance();
    clauses.push_back(code);
    if (has_tag) put_u32(clauses, take_index(Space::Tag));
    put_label(clauses);
    expect_close();
  }
}

void ModuleParser::memory_argument(Bytes& out, u32 width, bool lane) {
  u32 memory = 0;
  const auto is_argument = [&](Token t, std::string_view name) {
    return t.kind() == TokenKind::Word && text(t).starts_with(name);
  };
  // A number before a lane is a memory only if something else comes between, or another number.
  const Token next = peek(1);
  const bool number_is_memory =
      !lane || next.kind() == TokenKind::Nat || is_argument(next, "offset=") || is_argument(next, "align=");
  if (kind() == TokenKind::Id || (kind() == TokenKind::Nat && number_is_memory)) memory = take_index(Space::Memory);

  const auto argument = [&](std::string_view name, u64 otherwise) -> u64 {
    const Token t = peek();
    if (!is_argument(t, name)) return otherwise;
    const std::string_view number = text(t).substr(name.size());
    if (number.empty() || number_kind(number) != TokenKind::Nat) {
      fail(t, "unknown operator " + shown(t));
      return otherwise;
    }
    const auto value = parse_nat(number);
    if (!value) out_of_range(t, 'i', 64);
    advance();
    return value.value_or(otherwise);
  };
  const u64 offset = argument("offset=", 0);
  const Token align_token = peek();
  const u64 align = argument("align=", width);
  if (!std::has_single_bit(align)) {
    fail(align_token, "alignment must be a power of two");
    return;
  }
  put_u32(out, static_cast<u32>(std::countr_zero(align)) | (memory != 0 ? 0x40 : 0));
  if (memory != 0) put_u32(out, memory);
  put_u64(out, offset);
}

void ModuleParser::shuffle(Bytes& out) {
  u32 count = 0;
  const auto is_number = [](Token t) { return t.kind() >= TokenKind::Nat && t.kind() <= TokenKind::Float; };
  while (count <= 16 && is_number(peek(count))) ++count;
  if (count != 16) {
    fail(peek(), "invalid lane length: i8x16.shuffle takes 16 lanes");
    return;
  }
  for (u32 i = 0; i < 16; ++i) {
    if (kind() != TokenKind::Nat) {
      out_of_range(peek(), 'i', 8);
      return;
    }
    out.push_back(static_cast<u8>(take_nat(8)));
  }
}

// Writes `op`, whose word has been taken, and its immediates, which come next.
void ModuleParser::encode(Op op, Bytes& out) {
  if (op == Op::Select && at_list(kw::Result)) op = Op::SelectTyped;
  const auto put = [&](Space space) { put_u32(out, take_index(space)); };
  // Two indices of which the text has the first one optional, and the binary the other way round.
  const auto put_swapped = [&](Space optional, Space space) {
    const Token next = peek(1);
    const bool both = at_index() && (next.kind() == TokenKind::Id || next.kind() == TokenKind::Nat);
    const u32 first = both ? take_index(optional) : 0;
    put(space);
    put_u32(out, first);
  };
  const auto put_pair = [&](Space space) {
    const bool given = at_index();
    put_u32(out, given ? take_index(space) : 0);
    put_u32(out, given ? take_index(space) : 0);
  };

  // These two say in their opcode whether their type is nullable.
  if (op == Op::RefTest || op == Op::RefCast) {
    bool nullable = false;
    Bytes type, heap;
    ref_type(type, &nullable, &heap);
    put_op(out, op == Op::RefTest ? (nullable ? Op::RefTestNull : Op::RefTest)
                : nullable        ? Op::RefCastNull
                                  : Op::RefCast);
    put_bytes(out, heap);
    return;
  }

  put_op(out, op);
  switch (wasm::info(op).imm) {
    case Imm::None: return;
    case Imm::Block:
    case Imm::TryTable: block_type(out); return;  // taken care of by block_op
    case Imm::Label: put_label(out); return;
    case Imm::LabelTable: {
      Bytes labels;
      u32 count = 0;
      do {
        if (!at_index()) {
          unexpected();
          return;
        }
        put_label(labels);
        ++count;
      } while (at_index());
      put_u32(out, count - 1);
      put_bytes(out, labels);
      return;
    }
    case Imm::Func: put(Space::Func); return;
    case Imm::TypeTable: {
      const u32 table = optional_index(Space::Table);
      put_u32(out, type_index(type_use(false)));
      put_u32(out, table);
      return;
    }
    case Imm::Local: put_u32(out, take_local()); return;
    case Imm::Global: put(Space::Global); return;
    case Imm::Table: put_u32(out, optional_index(Space::Table)); return;
    case Imm::Memory: put_u32(out, optional_index(Space::Memory)); return;
    case Imm::MemArg: memory_argument(out, wasm::info(op).width, false); return;
    case Imm::MemArgLane:
      memory_argument(out, wasm::info(op).width, true);
      out.push_back(static_cast<u8>(take_nat(8)));
      return;
    case Imm::Lane: out.push_back(static_cast<u8>(take_nat(8))); return;
    case Imm::Shuffle: shuffle(out); return;
    case Imm::I32: put_s64(out, static_cast<i32>(take_int(32))); return;
    case Imm::I64: put_s64(out, static_cast<i64>(take_int(64))); return;
    case Imm::F32: put_fixed(out, take_float(32), 4); return;
    case Imm::F64: put_fixed(out, take_float(64), 8); return;
    case Imm::V128: {
      const V128 v = take_vector();
      out.insert(out.end(), std::begin(v.bytes), std::end(v.bytes));
      return;
    }
    case Imm::Type: put(Space::Type); return;
    case Imm::TypeField: {
      const u32 type = take_index(Space::Type);
      put_u32(out, type);
      if (kind() != TokenKind::Id) {
        put_u64(out, take_nat(32));
        return;
      }
      const Token id = take();
      const auto found = struct_fields_.find(u64{type} << 32 | intern(id));
      if (found == struct_fields_.end()) {
        fail(id, "unknown field " + shown(id));
      } else {
        put_u32(out, found->second);
      }
      return;
    }
    case Imm::TypeCount:
      put(Space::Type);
      put_u64(out, take_nat(32));
      return;
    case Imm::TypeData:
      uses_data_count_ = true;
      put(Space::Type);
      put(Space::Data);
      return;
    case Imm::TypeElem: put(Space::Type), put(Space::Elem); return;
    case Imm::TypeType: put(Space::Type), put(Space::Type); return;
    case Imm::HeapType: heap_type(out); return;
    case Imm::BrOnCast: {
      Bytes label, type, from, to;
      put_label(label);
      bool from_null = false, to_null = false;
      ref_type(type, &from_null, &from);
      ref_type(type, &to_null, &to);
      out.push_back(static_cast<u8>((from_null ? 1 : 0) | (to_null ? 2 : 0)));
      put_bytes(out, label);
      put_bytes(out, from);
      put_bytes(out, to);
      return;
    }
    case Imm::SelectTypes: {
      Bytes types;
      u32 count = 0;
      while (take_list(kw::Result)) {
        for (; ok() && !at_close(); ++count) val_type(types);
        expect_close();
      }
      put_u32(out, count);
      put_bytes(out, types);
      return;
    }
    case Imm::DataMemory:
      uses_data_count_ = true;
      put_swapped(Space::Memory, Space::Data);
      return;
    case Imm::Data:
      uses_data_count_ = true;
      put(Space::Data);
      return;
    case Imm::ElemTable: put_swapped(Space::Table, Space::Elem); return;
    case Imm::Elem: put(Space::Elem); return;
    case Imm::MemoryMemory: put_pair(Space::Memory); return;
    case Imm::TableTable: put_pair(Space::Table); return;
    case Imm::Tag: put(Space::Tag); return;
    case Imm::Fence: out.push_back(0); return;
  }
}

}  // namespace berth::text
