#include "validate/legacy_exceptions.h"

#include <map>

#include "validate/module_facts.h"
#include "wasm/code_reader.h"

namespace berth::validate {

using wasm::BlockType;
using wasm::CatchClause;
using wasm::CodeReader;
using wasm::FuncIdx;
using wasm::ImmOf;
using wasm::LabelIdx;
using wasm::Module;
using wasm::Op;
using wasm::TagIdx;
using wasm::TypeIdx;
using wasm::ValType;

namespace {

constexpr u8 kExnCode = 0x69;  // exnref, and the heap type exn
constexpr u8 kRefCode = 0x64;  // (ref ht)
constexpr u32 kFunctionTarget = ~u32{0};
// Values in the function types added for blocks: what a hostile module can make us allocate.
constexpr u64 kMaxAddedValues = 4'000'000;

void put_u32(std::vector<u8>& out, u32 value) {
  while (value >= 0x80) {
    out.push_back(static_cast<u8>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<u8>(value));
}

// A type index as a block type: a signed number.
void put_type_index(std::vector<u8>& out, u32 value) {
  while (value >= 0x40) {
    out.push_back(static_cast<u8>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<u8>(value));
}

struct Clause {
  std::optional<TagIdx> tag;  // absent: catch_all
  bool rethrown = false;
};

// What is known of a try only at its end, found in a first pass. Tries are numbered as they open.
struct Try {
  std::vector<Clause> clauses;
  bool delegates = false;
  u32 target = kFunctionTarget;  // of the delegation: a try that does not itself delegate, or the function
  bool has_landing = false;
  u32 landing_level = 0;  // depth at which the landing block was opened
};

// --- first pass

class Survey {
 public:
  explicit Survey(std::vector<Try>& tries) : tries_(tries) { frames_.push_back({}); }

  // Whether something is delegated to the function itself. Settles the targets; called once at the end.
  bool settle_targets() {
    bool to_function = false;
    for (Try& t : tries_) {
      if (!t.delegates) continue;
      // Targets open before what delegates to them, so that theirs are settled already.
      if (t.target != kFunctionTarget && tries_[t.target].delegates) t.target = tries_[t.target].target;
      if (t.target == kFunctionTarget) {
        to_function = true;
      } else {
        tries_[t.target].has_landing = true;
      }
    }
    return to_function;
  }

  template <Op O>
  bool on(const ImmOf<O>& imm) {
    if constexpr (O == Op::Block || O == Op::Loop || O == Op::If || O == Op::TryTable) {
      frames_.push_back({kFunctionTarget, frames_.back().nearest});
    } else if constexpr (O == Op::Try) {
      const u32 id = static_cast<u32>(tries_.size());
      frames_.push_back({id, id});
      tries_.emplace_back();
    } else if constexpr (O == Op::Catch) {
      next_clause(imm.tag);
    } else if constexpr (O == Op::CatchAll) {
      next_clause(std::nullopt);
    } else if constexpr (O == Op::Rethrow) {
      tries_[frames_[frames_.size() - 1 - imm.label.value].id].clauses.back().rethrown = true;
    } else if constexpr (O == Op::Delegate) {
      Try& t = tries_[frames_.back().id];
      frames_.pop_back();
      t.delegates = true;
      t.target = frames_[frames_.size() - 1 - imm.label.value].nearest;
    } else if constexpr (O == Op::End) {
      frames_.pop_back();
    }
    return true;
  }
  bool done() const { return frames_.empty(); }

 private:
  struct Frame {
    u32 id = kFunctionTarget;
    // The innermost try, this one included, whose body encloses what is here: blocks and clauses catch
    // nothing, what is thrown in them reaches that try.
    u32 nearest = kFunctionTarget;
  };

  void next_clause(std::optional<TagIdx> tag) {
    tries_[frames_.back().id].clauses.push_back({tag});
    frames_.back().nearest = frames_[frames_.size() - 2].nearest;
  }

  std::vector<Try>& tries_;
  std::vector<Frame> frames_;
};

}  // namespace

class LegacyTranslator::Impl {
 public:
  explicit Impl(Module& m) : module(m) {
    for (u32 i = 0; i < module.types.size(); ++i) {
      const wasm::SubType& t = module.types[i];
      if (t.kind == wasm::CompositeKind::Func) known_.emplace(key(t.func.params, t.func.results), TypeIdx(i));
    }
  }

  // Appends the block type with these parameters and results.
  void put_block_type(std::vector<u8>& out, const std::vector<ValType>& params, std::vector<ValType> results) {
    if (params.empty() && results.empty()) {
      out.push_back(0x40);
      return;
    }
    if (params.empty() && results.size() == 1 && results[0] == ValType::ref(wasm::HeapType::kExn, false)) {
      out.push_back(kRefCode);
      out.push_back(kExnCode);
      return;
    }
    const auto [entry, is_new] = known_.emplace(key(params, results), TypeIdx(static_cast<u32>(module.types.size())));
    if (is_new) {
      wasm::SubType type;
      type.group_start = entry->second.value;
      added_values += params.size() + results.size();
      type.func = {params, std::move(results)};
      module.types.push_back(std::move(type));
      module.canonical.push_back(entry->second);
      module.subtype_depth.push_back(0);
    }
    put_type_index(out, entry->second.value);
  }

  Module& module;
  u64 added_values = 0;

 private:
  using Key = std::vector<u64>;
  static Key key(const std::vector<ValType>& params, const std::vector<ValType>& results) {
    Key k;
    k.reserve(params.size() + results.size() + 1);
    k.push_back(params.size());
    for (const ValType& t : params) k.push_back(std::bit_cast<u64>(t));
    for (const ValType& t : results) k.push_back(std::bit_cast<u64>(t));
    return k;
  }
  std::map<Key, TypeIdx> known_;
};

namespace {

// --- second pass

// Depth is the number of labels open in the translation, the function's own included.
struct Frame {
  u32 level = 0;  // depth at which the label to branch to was opened
  u32 id = kFunctionTarget;
  u32 clause = 0;     // clauses begun so far
  u32 exn_local = 0;  // of the present clause, if it is rethrown
  bool rethrown = false;
};

template <typename Types>
class Rewriter {
 public:
  // `reader` stands at the first instruction.
  Rewriter(Types& types, std::vector<Try>& tries, const CodeReader& reader, bool function_landing, u32 first_exn_local)
      : types_(types),
        module_(types.module),
        tries_(tries),
        reader_(reader),
        first_exn_local_(first_exn_local),
        has_function_landing_(function_landing),
        original_(reader.offset()) {
    frames_.push_back({});
    depth_ = 1;
    function_landing_level_ = depth_;
    if (function_landing) open_landing({});
  }

  // The reader stands at the next instruction.
  void begin_instruction() {
    start_ = reader_.position();
    original_ = reader_.offset();
  }

  template <Op O>
  bool on(const ImmOf<O>& imm) {
    end_ = reader_.position();
    if constexpr (O == Op::Block || O == Op::Loop || O == Op::If) {
      copy();
      open_plain();
    } else if constexpr (O == Op::TryTable) {
      try_table(imm);
    } else if constexpr (O == Op::Try) {
      open_try(imm);
    } else if constexpr (O == Op::Catch || O == Op::CatchAll) {
      begin_clause();
    } else if constexpr (O == Op::Delegate) {
      mark();
      put(Op::End);
      close_plain();
    } else if constexpr (O == Op::Rethrow) {
      mark();
      put(Op::LocalGet);
      put_u32(out, frames_[frames_.size() - 1 - imm.label.value].exn_local);
      mark();
      put(Op::ThrowRef);
    } else if constexpr (O == Op::End) {
      end();
    } else if constexpr (O == Op::Br || O == Op::BrIf || O == Op::BrOnNull || O == Op::BrOnNonNull) {
      mark();
      put(O);
      put_u32(out, relabel(imm.label));
    } else if constexpr (O == Op::BrTable) {
      mark();
      put(O);
      put_u32(out, imm.count);
      CodeReader targets(imm.targets);
      for (u32 i = 0; i <= imm.count; ++i) put_u32(out, relabel(LabelIdx(targets.leb_u32())));
    } else if constexpr (O == Op::BrOnCast || O == Op::BrOnCastFail) {
      br_on_cast();
    } else {
      copy();
    }
    return true;
  }

  bool done() const { return frames_.empty(); }
  u32 exn_locals() const { return exn_locals_; }

  std::vector<u8> out;                          // instructions
  std::vector<wasm::TranslatedOffset> offsets;  // relative to `out`

 private:
  // An instruction begins here that stands for the one being read.
  void mark() {
    const u32 at = static_cast<u32>(out.size());
    const u32 original = static_cast<u32>(original_);
    if (!offsets.empty() && at - offsets.back().translated == original - offsets.back().original) return;
    offsets.push_back({at, original});
  }
  void copy() {
    mark();
    out.insert(out.end(), start_, end_);
  }
  void put(Op op) { out.push_back(static_cast<u8>(wasm::info(op).code)); }
  void put_label(Op op, u32 label) {
    mark();
    put(op);
    put_u32(out, label);
  }
  void put_marked(Op op) {
    mark();
    put(op);
  }

  u32 label_of(u32 level) const { return depth_ - 1 - level; }
  u32 relabel(LabelIdx label) const { return label_of(frames_[frames_.size() - 1 - label.value].level); }

  void open_plain() {
    Frame f;
    f.level = depth_++;
    frames_.push_back(f);
  }
  void close_plain() {
    frames_.pop_back();
    --depth_;
  }

  void open_landing(const std::vector<ValType>& params) {
    mark();
    put(Op::Block);
    types_.put_block_type(out, params, {ValType::ref(wasm::HeapType::kExn, false)});
    ++depth_;
  }

  const std::vector<ValType>& params_of(const BlockType& type) const {
    static const std::vector<ValType> none;
    return type.kind == BlockType::Type ? module_.types[type.type.value].func.params : none;
  }
  void put_original_block_type() { out.insert(out.end(), start_ + 1, end_); }

  void try_table(const wasm::TryTableImm& imm) {
    mark();
    put(Op::TryTable);
    CodeReader reader(std::span(start_ + 1, end_));
    reader.block_type();
    out.insert(out.end(), start_ + 1, reader.position());
    put_u32(out, imm.count);
    CodeReader clauses(imm.clauses);
    for (u32 i = 0; i < imm.count; ++i) {
      const CatchClause c = clauses.catch_clause();
      out.push_back(c.kind);
      if (c.kind == CatchClause::Catch || c.kind == CatchClause::CatchRef) put_u32(out, c.tag.value);
      put_u32(out, relabel(c.label));
    }
    open_plain();
  }

  void br_on_cast() {
    // 0xFB code flags label heap-type heap-type
    mark();
    CodeReader reader(std::span(start_, end_));
    reader.byte();
    reader.leb_u32();
    reader.byte();
    out.insert(out.end(), start_, reader.position());
    put_u32(out, relabel(LabelIdx(reader.leb_u32())));
    out.insert(out.end(), reader.position(), end_);
  }

  void open_try(const BlockType& type) {
    const u32 id = next_try_++;
    Try& t = tries_[id];
    const std::vector<ValType> params = params_of(type);  // a copy: types may be added
    Frame f;
    f.id = id;
    if (t.delegates) {
      const u32 landing = t.target == kFunctionTarget ? function_landing_level_ : tries_[t.target].landing_level;
      mark();
      put(Op::TryTable);
      put_original_block_type();
      put_u32(out, 1);
      out.push_back(CatchClause::CatchAllRef);
      put_u32(out, label_of(landing));
      f.level = depth_++;
      frames_.push_back(f);
      return;
    }

    mark();
    put(Op::Block);
    put_original_block_type();
    f.level = depth_++;
    const size_t count = t.clauses.size();
    for (size_t i = count; i-- > 0;) {
      const Clause& c = t.clauses[i];
      std::vector<ValType> caught;
      if (c.tag) caught = module_.func_type(module_.tags[c.tag->value].type).params;
      if (c.rethrown) caught.push_back(ValType::ref(wasm::HeapType::kExn, false));
      mark();
      put(Op::Block);
      types_.put_block_type(out, params, std::move(caught));
      ++depth_;
    }
    if (count != 0) {
      mark();
      put(Op::TryTable);
      put_original_block_type();
      put_u32(out, static_cast<u32>(count));
      for (u32 i = 0; i < count; ++i) {
        const Clause& c = t.clauses[i];
        if (c.tag) {
          out.push_back(c.rethrown ? CatchClause::CatchRef : CatchClause::Catch);
          put_u32(out, c.tag->value);
        } else {
          out.push_back(c.rethrown ? CatchClause::CatchAllRef : CatchClause::CatchAll);
        }
        put_u32(out, i);
      }
      ++depth_;
    }
    if (t.has_landing) {
      t.landing_level = depth_;
      open_landing(params);
    }
    frames_.push_back(f);
  }

  // The body of a try ends: leave the landing block with the results, throw what lands.
  void close_body(const Try& t) {
    if (t.has_landing) {
      put_label(Op::Br, 1);
      put_marked(Op::End);
      put_marked(Op::ThrowRef);
      --depth_;
    }
    if (!t.clauses.empty()) {
      put_marked(Op::End);
      --depth_;
    }
  }

  void begin_clause() {
    Frame& f = frames_.back();
    const Try& t = tries_[f.id];
    if (f.clause == 0) close_body(t);
    if (f.rethrown) --active_exn_locals_;
    put_label(Op::Br, label_of(f.level));
    put_marked(Op::End);
    --depth_;
    const Clause& c = t.clauses[f.clause++];
    f.rethrown = c.rethrown;
    if (c.rethrown) {
      f.exn_local = first_exn_local_ + active_exn_locals_++;
      exn_locals_ = std::max(exn_locals_, active_exn_locals_);
      put_label(Op::LocalSet, f.exn_local);
    }
  }

  void end() {
    Frame& f = frames_.back();
    if (frames_.size() == 1) {
      if (has_function_landing_) {
        put_marked(Op::Return);
        put_marked(Op::End);
        put_marked(Op::ThrowRef);
        --depth_;
      }
    } else if (f.id != kFunctionTarget) {
      if (f.clause == 0) close_body(tries_[f.id]);
      if (f.rethrown) --active_exn_locals_;
    }
    put_marked(Op::End);
    close_plain();
  }

  Types& types_;
  Module& module_;
  std::vector<Try>& tries_;
  const CodeReader& reader_;
  u32 first_exn_local_;
  bool has_function_landing_;
  u32 function_landing_level_ = 0;
  std::vector<Frame> frames_;
  u32 depth_ = 0;
  u32 next_try_ = 0;
  u32 active_exn_locals_ = 0;
  u32 exn_locals_ = 0;

  const u8* start_ = nullptr;  // of the instruction being read, and its end
  const u8* end_ = nullptr;
  u64 original_;
};

}  // namespace

LegacyTranslator::LegacyTranslator(Module& module) : impl_(std::make_unique<Impl>(module)) {}
LegacyTranslator::~LegacyTranslator() = default;

Result<> LegacyTranslator::translate(FuncIdx func) {
  Module& module = impl_->module;
  wasm::Function& function = module.functions[func.value];
  const auto body = module.range(function.body);

  CodeReader reader(body, function.body.offset);
  const u32 groups = reader.leb_u32();
  const u8* const groups_start = reader.position();
  u32 locals = static_cast<u32>(module.func_type(func).params.size());
  for (u32 i = 0; i < groups; ++i) {
    locals += reader.leb_u32();
    reader.val_type();
  }
  const std::span local_groups(groups_start, reader.position());

  std::vector<Try> tries;
  CodeReader first = reader;
  Survey survey(tries);
  while (!survey.done()) CHECK(wasm::decode_op(first, survey));
  const bool function_landing = survey.settle_targets();

  Rewriter rewriter(*impl_, tries, reader, function_landing, locals);
  while (!rewriter.done()) {
    rewriter.begin_instruction();
    CHECK(wasm::decode_op(reader, rewriter));
  }
  if (impl_->added_values > kMaxAddedValues)
    return fail(limit_error("values in types of translated functions", kMaxAddedValues, impl_->added_values));

  std::vector<u8> header;
  put_u32(header, groups + (rewriter.exn_locals() != 0 ? 1 : 0));
  header.insert(header.end(), local_groups.begin(), local_groups.end());
  if (rewriter.exn_locals() != 0) {
    put_u32(header, rewriter.exn_locals());
    header.push_back(kExnCode);
  }

  auto& translated = module.translated;
  const u64 start = translated.size();
  const u64 size = header.size() + rewriter.out.size();
  if (start + size > 0xFFFFFFFF) return fail(limit_error("bytes of translated functions", 0xFFFFFFFF, start + size));
  translated.insert(translated.end(), header.begin(), header.end());
  translated.insert(translated.end(), rewriter.out.begin(), rewriter.out.end());
  const u32 code_start = static_cast<u32>(start + header.size());
  for (const auto& o : rewriter.offsets) module.translated_offsets.push_back({code_start + o.translated, o.original});
  function.original_offset = function.body.offset;
  function.body = {static_cast<u32>(start), static_cast<u32>(size)};
  function.is_translated = true;
  return {};
}

}  // namespace berth::validate
