// Instructions as text.
#include <bit>
#include <charconv>

#include "text/module_printer.h"

namespace berth::text {

using wasm::Op;

namespace {

constexpr u32 kDeepest = 24;  // lines are not indented further
constexpr size_t kLongSignature = 32;

std::string hex(u64 v) {
  char buffer[20];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, 16).ptr;
  return "0x" + std::string(buffer, end);
}

template <typename Bits, typename Float, int kMantissa>
void append_float(std::string& out, Bits bits) {
  constexpr Bits kPayload = (Bits{1} << kMantissa) - 1;
  constexpr int kWidth = sizeof(Bits) * 8;
  constexpr Bits kExponent = static_cast<Bits>(~(Bits{1} << (kWidth - 1))) & ~kPayload;
  if ((bits & kExponent) == kExponent) {
    if (bits >> (kWidth - 1)) out += '-';
    const Bits payload = bits & kPayload;
    if (payload == 0) {
      out += "inf";
    } else if (payload == Bits{1} << (kMantissa - 1)) {
      out += "nan";
    } else {
      out += "nan:" + hex(payload);
    }
    return;
  }
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::bit_cast<Float>(bits)).ptr;
  out.append(buffer, end);
}

void append_number(std::string& out, u64 v) {
  out += ' ';
  out += std::to_string(v);
}

}  // namespace

// --- words

void TextWriter::line(std::string& out, u32 depth) {
  out += '\n';
  out.append(2 * std::min(depth, kDeepest), ' ');
}

void TextWriter::heap_type(std::string& out, wasm::HeapType type) const {
  if (type.is_index()) {
    index(out, Space::Type, type.index().value);
  } else {
    out += wasm::to_string(type);
  }
}

void TextWriter::val_type(std::string& out, wasm::ValType type) const {
  if (!type.is_ref() || !type.heap.is_index()) {
    out += wasm::to_string(type);
    return;
  }
  out += type.nullable ? "(ref null " : "(ref ";
  heap_type(out, type.heap);
  out += ')';
}

void TextWriter::signature(std::string& out, const wasm::FuncType& type, const IdentifierList* locals,
                           bool repeats) const {
  if (repeats && (!locals || locals->empty()) && type.params.size() + type.results.size() > kLongSignature) return;
  bool open = false;  // a list of parameters without names
  for (u32 i = 0; i < type.params.size(); ++i) {
    const Identifier* id = locals ? &(*locals)[i] : nullptr;
    const bool named = id && !id->empty();
    if (open && named) out += ')', open = false;
    if (!open) out += " (param";
    open = !named;
    if (named) out += (id->id.empty() ? "" : " ") + id->id + id->note;
    out += ' ';
    val_type(out, type.params[i]);
    if (named) out += ')';
  }
  if (open) out += ')';
  if (type.results.empty()) return;
  out += " (result";
  for (const auto& t : type.results) {
    out += ' ';
    val_type(out, t);
  }
  out += ')';
}

// --- immediates

void CodePrinter::label(std::string& out, wasm::LabelIdx i) const {
  out += ' ';
  if (i.value < labels_.size()) {
    // Only the innermost label of a name can be called by it.
    const size_t place = labels_.size() - 1 - i.value;
    const std::string_view name = labels_[place].name;
    if (!name.empty() && label_places_.at(name).back() == place) {
      append_id(out, name);
      return;
    }
  }
  out += std::to_string(i.value);
}

void CodePrinter::type_use(std::string& out, wasm::TypeIdx type) const {
  out += " (type ";
  index(out, Space::Type, type.value);
  out += ')';
  if (is_func_type(type)) signature(out, module_.types[type.value].func, nullptr, true);
}

void CodePrinter::block_type(std::string& out, const wasm::BlockType& type) const {
  switch (type.kind) {
    case wasm::BlockType::Empty: return;
    case wasm::BlockType::Value:
      out += " (result ";
      val_type(out, type.value);
      out += ')';
      return;
    case wasm::BlockType::Type: type_use(out, type.type); return;
  }
}

void CodePrinter::catch_clauses(std::string& out, const wasm::TryTableImm& imm) const {
  constexpr const char* kWords[] = {" (catch ", " (catch_ref ", " (catch_all", " (catch_all_ref"};
  wasm::CodeReader clauses(imm.clauses);
  for (u32 i = 0; i < imm.count; ++i) {
    const wasm::CatchClause c = clauses.catch_clause();
    out += kWords[c.kind];
    if (c.kind <= wasm::CatchClause::CatchRef) index(out, Space::Tag, c.tag.value);
    label(out, c.label);
    out += ')';
  }
}

void CodePrinter::memory_argument(std::string& out, Op op, const wasm::MemArgImm& imm) const {
  if (imm.memory.value != 0) out += ' ', index(out, Space::Memory, imm.memory.value);
  if (imm.offset != 0) out += " offset=" + std::to_string(imm.offset);
  if (u64{1} << imm.align_log2 != wasm::info(op).width) out += " align=" + std::to_string(u64{1} << imm.align_log2);
}

#define BERTH_IMMEDIATE(type) \
  void CodePrinter::immediate(std::string& out, [[maybe_unused]] Op op, const wasm::type& imm)
#define BERTH_INDEX(type, space, member) \
  BERTH_IMMEDIATE(type) { out += ' ', index(out, Space::space, imm.member.value); }

void CodePrinter::immediate(std::string&, Op, const wasm::NoImm&) {}
void CodePrinter::immediate(std::string&, Op, const wasm::CodeReader::FenceImm&) {}
BERTH_IMMEDIATE(BlockType) { block_type(out, imm); }
BERTH_IMMEDIATE(LabelImm) { label(out, imm.label); }
BERTH_IMMEDIATE(LabelTableImm) {
  wasm::CodeReader targets(imm.targets);
  for (u64 i = 0; i <= imm.count; ++i) label(out, wasm::LabelIdx(targets.leb_u32()));
}
BERTH_INDEX(FuncImm, Func, func)
BERTH_IMMEDIATE(TypeTableImm) {
  if (imm.table.value != 0) out += ' ', index(out, Space::Table, imm.table.value);
  type_use(out, imm.type);
}
BERTH_IMMEDIATE(LocalImm) { out += ' ', locals_.append(out, imm.local.value); }
BERTH_INDEX(GlobalImm, Global, global)
BERTH_INDEX(TableImm, Table, table)
BERTH_IMMEDIATE(MemoryImm) {
  if (imm.memory.value != 0) out += ' ', index(out, Space::Memory, imm.memory.value);
}
BERTH_IMMEDIATE(MemArgImm) { memory_argument(out, op, imm); }
BERTH_IMMEDIATE(MemArgLaneImm) {
  memory_argument(out, op, imm.mem);
  append_number(out, imm.lane);
}
BERTH_IMMEDIATE(LaneImm) { append_number(out, imm.lane); }
BERTH_IMMEDIATE(ShuffleImm) {
  for (const u8 lane : imm.lanes.bytes) append_number(out, lane);
}
BERTH_IMMEDIATE(I32Imm) { out += ' ' + std::to_string(imm.value); }
BERTH_IMMEDIATE(I64Imm) { out += ' ' + std::to_string(imm.value); }
BERTH_IMMEDIATE(F32Imm) { out += ' ', append_float<u32, f32, 23>(out, imm.bits); }
BERTH_IMMEDIATE(F64Imm) { out += ' ', append_float<u64, f64, 52>(out, imm.bits); }
BERTH_IMMEDIATE(V128Imm) {
  out += " i32x4";
  for (u32 lane = 0; lane < 4; ++lane) {
    u32 value = 0;
    for (u32 i = 4; i-- > 0;) value = value << 8 | imm.value.bytes[4 * lane + i];
    out += ' ' + hex(value);
  }
}
BERTH_INDEX(TypeImm, Type, type)
BERTH_IMMEDIATE(TypeFieldImm) {
  out += ' ', index(out, Space::Type, imm.type.value);
  out += ' ', ids_.fields(imm.type.value).append(out, imm.field);
}
BERTH_IMMEDIATE(TypeCountImm) {
  out += ' ', index(out, Space::Type, imm.type.value);
  append_number(out, imm.count);
}
BERTH_IMMEDIATE(TypeDataImm) {
  out += ' ', index(out, Space::Type, imm.type.value);
  out += ' ', index(out, Space::Data, imm.data.value);
}
BERTH_IMMEDIATE(TypeElemImm) {
  out += ' ', index(out, Space::Type, imm.type.value);
  out += ' ', index(out, Space::Elem, imm.elem.value);
}
BERTH_IMMEDIATE(TypeTypeImm) {
  out += ' ', index(out, Space::Type, imm.dst.value);
  out += ' ', index(out, Space::Type, imm.src.value);
}
BERTH_IMMEDIATE(HeapTypeImm) {
  out += ' ';
  if (op == Op::RefNull) {
    heap_type(out, imm.type);
  } else {
    val_type(out, wasm::ValType::ref(imm.type, op == Op::RefTestNull || op == Op::RefCastNull));
  }
}
BERTH_IMMEDIATE(BrOnCastImm) {
  label(out, imm.label);
  out += ' ', val_type(out, imm.from);
  out += ' ', val_type(out, imm.to);
}
BERTH_IMMEDIATE(SelectTypesImm) {
  out += " (result";
  // Several are not valid and have only been counted.
  if (imm.count >= 1) out += ' ', val_type(out, imm.first);
  out += ')';
}
BERTH_IMMEDIATE(TryTableImm) {
  block_type(out, imm.type);
  catch_clauses(out, imm);
}
BERTH_IMMEDIATE(DataMemoryImm) {
  if (imm.memory.value != 0) out += ' ', index(out, Space::Memory, imm.memory.value);
  out += ' ', index(out, Space::Data, imm.data.value);
}
BERTH_INDEX(DataImm, Data, data)
BERTH_IMMEDIATE(ElemTableImm) {
  if (imm.table.value != 0) out += ' ', index(out, Space::Table, imm.table.value);
  out += ' ', index(out, Space::Elem, imm.elem.value);
}
BERTH_INDEX(ElemImm, Elem, elem)
BERTH_IMMEDIATE(MemoryMemoryImm) {
  if (imm.dst.value == 0 && imm.src.value == 0) return;
  out += ' ', index(out, Space::Memory, imm.dst.value);
  out += ' ', index(out, Space::Memory, imm.src.value);
}
BERTH_IMMEDIATE(TableTableImm) {
  if (imm.dst.value == 0 && imm.src.value == 0) return;
  out += ' ', index(out, Space::Table, imm.dst.value);
  out += ' ', index(out, Space::Table, imm.src.value);
}
BERTH_INDEX(TagImm, Tag, tag)
#undef BERTH_INDEX
#undef BERTH_IMMEDIATE

// --- operands and results

CodePrinter::Arity CodePrinter::arity_of_type(wasm::TypeIdx type, u32 more) const {
  if (!is_func_type(type)) return {more, 0};
  const wasm::FuncType& t = module_.types[type.value].func;
  return {static_cast<u32>(t.params.size()) + more, static_cast<u32>(t.results.size())};
}

CodePrinter::Arity CodePrinter::arity_of(Op op) const {
  const std::string_view s = wasm::info(op).signature();
  if (s != "*") {
    const auto colon = static_cast<u32>(s.find(':'));
    return {colon, static_cast<u32>(s.size()) - colon - 1};
  }
  switch (op) {
    case Op::Drop:
    case Op::LocalSet:
    case Op::GlobalSet:
    case Op::BrIf:
    case Op::BrTable:
    case Op::ThrowRef:
    case Op::BrOnNonNull: return {1, 0};
    case Op::Select:
    case Op::SelectTyped: return {3, 1};
    case Op::LocalGet:
    case Op::GlobalGet:
    case Op::RefNull:
    case Op::RefFunc:
    case Op::StructNewDefault:
    case Op::TableSize: return {0, 1};
    case Op::LocalTee:
    case Op::TableGet:
    case Op::RefIsNull:
    case Op::RefAsNonNull:
    case Op::BrOnNull:
    case Op::StructGet:
    case Op::StructGetS:
    case Op::StructGetU:
    case Op::ArrayNewDefault:
    case Op::ArrayLen:
    case Op::RefTest:
    case Op::RefTestNull:
    case Op::RefCast:
    case Op::RefCastNull:
    case Op::BrOnCast:
    case Op::BrOnCastFail:
    case Op::AnyConvertExtern:
    case Op::ExternConvertAny:
    case Op::RefI31:
    case Op::I31GetS:
    case Op::I31GetU: return {1, 1};
    case Op::TableSet:
    case Op::StructSet: return {2, 0};
    case Op::RefEq:
    case Op::ArrayNew:
    case Op::ArrayNewData:
    case Op::ArrayNewElem:
    case Op::ArrayGet:
    case Op::ArrayGetS:
    case Op::ArrayGetU:
    case Op::TableGrow: return {2, 1};
    case Op::ArraySet:
    case Op::MemoryCopy:
    case Op::TableInit:
    case Op::TableCopy:
    case Op::TableFill: return {3, 0};
    case Op::ArrayFill:
    case Op::ArrayInitData:
    case Op::ArrayInitElem: return {4, 0};
    case Op::ArrayCopy: return {5, 0};
    default: return {0, 0};
  }
}

template <typename I>
CodePrinter::Arity CodePrinter::arity(Op op, const I& imm) const {
  if constexpr (std::is_same_v<I, wasm::FuncImm>) {
    if (op == Op::RefFunc || imm.func.value >= module_.functions.size()) return arity_of(op);
    Arity a = arity_of_type(module_.functions[imm.func.value].type, 0);
    return op == Op::ReturnCall ? Arity{a.operands, 0} : a;
  } else if constexpr (std::is_same_v<I, wasm::TypeTableImm>) {
    Arity a = arity_of_type(imm.type, 1);
    return op == Op::ReturnCallIndirect ? Arity{a.operands, 0} : a;
  } else if constexpr (std::is_same_v<I, wasm::TypeImm>) {
    if (op == Op::CallRef) return arity_of_type(imm.type, 1);
    if (op == Op::ReturnCallRef) return {arity_of_type(imm.type, 1).operands, 0};
    if (op == Op::StructNew && imm.type.value < module_.types.size()) {
      return {static_cast<u32>(module_.types[imm.type.value].strct.fields.size()), 1};
    }
    return arity_of(op);
  } else if constexpr (std::is_same_v<I, wasm::TypeCountImm>) {
    return {imm.count, 1};
  } else if constexpr (std::is_same_v<I, wasm::TagImm>) {
    if (imm.tag.value >= module_.tags.size()) return {0, 0};
    return {arity_of_type(module_.tags[imm.tag.value].type, 0).operands, 0};
  } else {
    return arity_of(op);
  }
}

// --- instructions

struct CodeVisitor {
  CodePrinter& printer;
  template <Op op, typename I>
  bool on(const I& imm) {
    return printer.instruction(op, imm);
  }
};

template <typename I>
bool CodePrinter::instruction(Op op, const I& imm) {
  if constexpr (std::is_same_v<I, wasm::BlockType>) {
    return block(op, imm, nullptr);
  } else if constexpr (std::is_same_v<I, wasm::TryTableImm>) {
    return block(op, imm.type, &imm);
  } else {
    if (op == Op::End) return end_block(nullptr);
    // The label of a delegate is looked for outside of its block.
    Label delegated{};
    if (op == Op::Delegate) {
      if (labels_.empty()) {
        reader_->fail_at(ErrorCode::IllegalOpcode, at_);
        return false;
      }
      delegated = pop_label();
    }
    scratch_ = wasm::info(op).mnemonic();
    immediate(scratch_, op, imm);
    if (op == Op::Delegate) {
      push_label(delegated);
      return end_block(&scratch_);
    }
    if (op == Op::Else || op == Op::Catch || op == Op::CatchAll) return clause(scratch_);
    return plain(folded_ ? arity(op, imm) : Arity{}, scratch_);
  }
}

std::string_view CodePrinter::new_label() {
  const u32 number = label_count_++;
  return func_ ? ids_.label(*func_, number) : std::string_view();
}

void CodePrinter::push_label(Label label) {
  if (!label.name.empty()) label_places_[label.name].push_back(labels_.size());
  labels_.push_back(label);
}

CodePrinter::Label CodePrinter::pop_label() {
  const Label label = labels_.back();
  labels_.pop_back();
  if (!label.name.empty()) label_places_[label.name].pop_back();
  return label;
}

// The start of an instruction's line, with what is said about its place.
void CodePrinter::begin(u32 depth) {
  line(*out_, depth);
  if (options_.offsets) *out_ += "(;@" + hex(at_).substr(2) + ";) ";
}

// The annotations of the instruction being printed.
std::string CodePrinter::note() const {
  if (hints_.empty()) return {};
  const auto found = hints_.find(static_cast<u32>(at_ - body_offset_));
  return found == hints_.end() ? std::string() : found->second;
}

bool CodePrinter::plain(Arity arity, const std::string& head) {
  if (folded_) {
    CodeNode node;
    node.note = note();
    node.head = head;
    node.results = arity.results;
    take_operands(node, arity.operands);
    open_list().push_back(add_node(std::move(node)));
    return true;
  }
  if (const std::string n = note(); !n.empty()) {
    line(*out_, depth_);
    *out_ += n;
  }
  begin(depth_);
  *out_ += head;
  return true;
}

bool CodePrinter::block(Op op, const wasm::BlockType& type, const wasm::TryTableImm* handlers) {
  std::string head(wasm::info(op).mnemonic());
  const std::string_view name = new_label();
  if (!name.empty()) head += ' ', append_id(head, name);
  block_type(head, type);
  if (handlers) catch_clauses(head, *handlers);
  push_label({name, op});
  if (!folded_) {
    if (const std::string n = note(); !n.empty()) {
      line(*out_, depth_);
      *out_ += n;
    }
    begin(depth_++);
    *out_ += head;
    return true;
  }
  CodeNode node;
  node.note = note();
  node.head = std::move(head);
  node.is_block = true;
  node.has_clauses = op == Op::If || op == Op::Try;
  if (type.kind == wasm::BlockType::Value) node.results = 1;
  if (type.kind == wasm::BlockType::Type) node.results = arity_of_type(type.type, 0).results;
  if (op == Op::If) take_operands(node, 1);
  node.clauses.push_back({op == Op::If ? "then" : op == Op::Try ? "do" : "", {}});
  const u32 number = add_node(std::move(node));
  open_list().push_back(number);
  open_.push_back(number);
  return true;
}

bool CodePrinter::clause(const std::string& head) {
  if (labels_.empty()) {
    reader_->fail_at(ErrorCode::IllegalOpcode, at_);
    return false;
  }
  if (folded_) {
    nodes_[open_.back()].clauses.push_back({head, {}});
    return true;
  }
  begin(depth_ - 1);
  *out_ += head;
  return true;
}

// The end of a block, or of the whole: `head` is a delegate.
bool CodePrinter::end_block(const std::string* head) {
  if (labels_.empty()) return false;
  pop_label();
  if (folded_) {
    if (head) nodes_[open_.back()].clauses.push_back({*head, {}});
    open_.pop_back();
    return true;
  }
  begin(--depth_);
  *out_ += head ? *head : "end";
  return true;
}

Result<> CodePrinter::code(std::string& out, std::span<const u8> bytes, u64 offset, u32 depth,
                           std::optional<u32> func) {
  out_ = &out;
  depth_ = depth;
  folded_ = options_.folded || depth == kNone;
  func_ = func;
  label_count_ = 0;
  labels_.clear();
  label_places_.clear();
  nodes_.clear();
  roots_.clear();
  open_.clear();
  wasm::CodeReader reader(bytes, offset);
  reader_ = &reader;
  CodeVisitor visitor{*this};
  do {
    at_ = reader.offset();
  } while (wasm::decode_op(reader, visitor));
  if (!reader.ok()) return std::unexpected(reader.error());
  if (folded_) print_nodes(out, roots_, depth);
  return {};
}

// --- the folded form

u32 CodePrinter::add_node(CodeNode node) {
  nodes_.push_back(std::move(node));
  return static_cast<u32>(nodes_.size()) - 1;
}

std::vector<u32>& CodePrinter::open_list() {
  return open_.empty() ? roots_ : nodes_[open_.back()].clauses.back().nodes;
}

// Moves up to `count` values that stand right before into the node.
void CodePrinter::take_operands(CodeNode& node, u32 count) {
  std::vector<u32>& list = open_list();
  size_t first = list.size();
  while (first > 0 && list.size() - first < count && nodes_[list[first - 1]].results == 1) --first;
  node.operands.assign(list.begin() + static_cast<std::ptrdiff_t>(first), list.end());
  list.resize(first);
}

void CodePrinter::print_nodes(std::string& out, const std::vector<u32>& roots, u32 depth) const {
  // What remains to be printed: lists of nodes, and text that closes them. No recursion, since blocks
  // may be nested as deep as a module likes.
  struct Step {
    const std::vector<u32>* list;
    size_t next;
    u32 depth;
    const CodeNode* node;  // whose list it is; null at the root
    int clause;            // -1 for the operands
  };
  const auto deeper = [](u32 d) { return d == kNone ? kNone : d + 1; };
  const auto new_line = [&](u32 d) {
    if (d == kNone) {
      if (!out.empty() && out.back() != '(') out += ' ';
    } else {
      line(out, d);
    }
  };
  std::vector<Step> steps = {{&roots, 0, depth, nullptr, -1}};
  while (!steps.empty()) {
    Step& step = steps.back();
    if (step.next < step.list->size()) {
      const CodeNode& node = nodes_[(*step.list)[step.next++]];
      const u32 d = step.depth;
      new_line(d);
      if (!node.note.empty()) out += node.note + ' ';
      out += '(' + node.head;
      if (node.operands.empty() && !node.is_block) {
        out += ')';
      } else {
        steps.push_back({&node.operands, 0, deeper(d), &node, -1});
      }
      continue;
    }
    const Step done = step;
    steps.pop_back();
    if (!done.node) continue;
    const CodeNode& node = *done.node;
    if (done.clause >= 0 && node.has_clauses) out += ')';
    const int clause = done.clause + 1;
    if (node.is_block && static_cast<size_t>(clause) < node.clauses.size()) {
      const CodeNode::Clause& c = node.clauses[static_cast<size_t>(clause)];
      const u32 inner = node.has_clauses && done.clause >= 0 ? done.depth - (done.depth != kNone) : done.depth;
      if (node.has_clauses) {
        new_line(inner);
        out += '(' + c.head;
        steps.push_back({&c.nodes, 0, deeper(inner), &node, clause});
      } else {
        steps.push_back({&c.nodes, 0, inner, &node, clause});
      }
      continue;
    }
    out += ')';
  }
}

}  // namespace berth::text
