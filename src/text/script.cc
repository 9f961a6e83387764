#include "text/script.h"

#include "text/cursor.h"
#include "text/literals.h"
#include "text/utf8.h"

namespace berth::text {

namespace {

constexpr u32 kMaxNesting = 64;  // of scripts, threads and alternatives

std::optional<wasm::HeapType> abstract_heap_type(Word w) {
  using wasm::HeapType;
  switch (w) {
    case kw::Func: return HeapType::kFunc;
    case kw::NoFunc: return HeapType::kNoFunc;
    case kw::Extern: return HeapType::kExtern;
    case kw::NoExtern: return HeapType::kNoExtern;
    case kw::Any: return HeapType::kAny;
    case kw::Eq: return HeapType::kEq;
    case kw::I31: return HeapType::kI31;
    case kw::Struct: return HeapType::kStruct;
    case kw::Array: return HeapType::kArray;
    case kw::None: return HeapType::kNone;
    case kw::Exn: return HeapType::kExn;
    case kw::NoExn: return HeapType::kNoExn;
    default: return std::nullopt;
  }
}

bool is_module_field(Word w) {
  switch (w) {
    case kw::Type:
    case kw::Rec:
    case kw::Import:
    case kw::Export:
    case kw::Func:
    case kw::Table:
    case kw::Memory:
    case kw::Global:
    case kw::Tag:
    case kw::Start:
    case kw::Elem:
    case kw::Data: return true;
    default: return false;
  }
}

class ScriptParser : private Cursor {
 public:
  explicit ScriptParser(const Tokens& tokens) : Cursor(tokens) {}

  Result<Script> run() {
    Script script;
    script.source = tokens().source;
    if (is_module_field(list_word())) {
      Command& c = script.commands.emplace_back();
      c.offset = peek().offset;
      c.at = line_column(script.source, c.offset);
      ScriptModule whole;
      whole.end = static_cast<u32>(script.source.size());
      c.body = std::move(whole);
      return script;
    }
    script.commands = commands();
    if (ok() && !at_end()) unexpected();
    if (!ok()) return std::unexpected(take_error());
    return script;
  }

 private:
  std::vector<Command> commands() {
    std::vector<Command> out;
    if (++nesting_ > kMaxNesting) fail(peek(), "unexpected token: scripts nested too deeply");
    while (kind() == TokenKind::LParen) {
      const u32 offset = peek().offset;
      Command c;
      c.offset = offset;
      c.at = locate(offset);
      c.body = body();
      if (!ok()) break;
      out.push_back(std::move(c));
    }
    --nesting_;
    return out;
  }

  // Offsets come in ascending order, so that each is counted on from the one before.
  LineColumn locate(u32 offset) {
    const LineColumn more = line_column(tokens().source.substr(located_), offset - located_);
    if (more.line == 1) {
      last_at_.column += more.column - 1;
    } else {
      last_at_ = {last_at_.line + more.line - 1, more.column};
    }
    located_ = offset;
    return last_at_;
  }

  std::optional<std::string> optional_id() {
    if (kind() != TokenKind::Id) return std::nullopt;
    return id_value(text(take()));
  }
  std::string required_id() {
    if (kind() == TokenKind::Id) return id_value(text(take()));
    unexpected();
    return {};
  }
  std::string message() {
    std::string m;
    if (kind() != TokenKind::String) {
      unexpected();
      return m;
    }
    m = string_value(text(take()));
    return m;
  }

  Command::Body body() {
    switch (list_word()) {
      case kw::Module:
        if (at_instance()) return instance();
        return module();
      case kw::Register: {
        advance(), advance();
        Register r;
        r.name = take_name();
        r.module = optional_id();
        expect_close();
        return r;
      }
      case kw::Invoke:
      case kw::Get: return action();
      case kw::AssertReturn: {
        advance(), advance();
        AssertReturn a;
        a.action = action();
        while (kind() == TokenKind::LParen) a.results.push_back(pattern());
        expect_close();
        return a;
      }
      case kw::AssertReturnCanonicalNan: return assert_nan(NanPattern::Canonical);
      case kw::AssertReturnArithmeticNan: return assert_nan(NanPattern::Arithmetic);
      case kw::AssertTrap: {
        advance(), advance();
        AssertTrap a;
        if (at_instance()) {
          a.target = instance();
        } else if (at_module()) {
          a.target = module();
        } else {
          a.target = action();
        }
        a.message = message();
        expect_close();
        return a;
      }
      case kw::AssertExhaustion: {
        advance(), advance();
        AssertExhaustion a;
        a.action = action();
        a.message = message();
        expect_close();
        return a;
      }
      case kw::AssertException: {
        advance(), advance();
        AssertException a;
        a.action = action();
        if (kind() == TokenKind::String) message();
        expect_close();
        return a;
      }
      case kw::AssertMalformed: return assert_module(AssertModule::Kind::Malformed);
      case kw::AssertInvalid: return assert_module(AssertModule::Kind::Invalid);
      case kw::AssertUnlinkable: return assert_module(AssertModule::Kind::Unlinkable);
      case kw::AssertMalformedCustom: return assert_module(AssertModule::Kind::MalformedCustom);
      case kw::AssertInvalidCustom: return assert_module(AssertModule::Kind::InvalidCustom);
      case kw::Thread: {
        advance(), advance();
        Thread t;
        t.id = required_id();
        while (take_list(kw::Shared)) {
          expect_list(kw::Module);
          t.shared.push_back(required_id());
          expect_close();
          expect_close();
        }
        t.commands = commands();
        expect_close();
        return t;
      }
      case kw::Wait: {
        advance(), advance();
        Wait w{required_id()};
        expect_close();
        return w;
      }
      case kw::Script: {
        advance(), advance();
        SubScript s;
        s.id = optional_id();
        s.commands = commands();
        expect_close();
        return s;
      }
      case kw::Input: {
        advance(), advance();
        Input i;
        i.id = optional_id();
        i.file = message();
        expect_close();
        return i;
      }
      case kw::Output: {
        advance(), advance();
        Output o;
        o.id = optional_id();
        if (kind() == TokenKind::String) o.file = message();
        expect_close();
        return o;
      }
      default: break;
    }
    if (at_component()) {
      if (at_instance()) return instance();
      return module();
    }
    unexpected(peek(1));
    return Wait{};
  }

  bool at_component() const { return kind() == TokenKind::LParen && text(peek(1)) == "component"; }
  bool at_module() const { return at_list(kw::Module) || at_component(); }
  bool at_instance() const { return at_module() && Tokens::word(peek(2)) == kw::Instance; }

  ScriptInstance instance() {
    ScriptInstance i;
    i.is_component = at_component();
    advance(), advance(), advance();
    i.id = optional_id();
    i.definition = optional_id();
    // One identifier alone is the definition's.
    if (i.id && !i.definition) std::swap(i.id, i.definition);
    expect_close();
    return i;
  }

  ScriptModule module() {
    ScriptModule m;
    const Token open = peek();
    m.begin = open.offset;
    const u32 closing = Tokens::closing(open);
    m.is_component = at_component();
    if (!at_module()) unexpected();
    advance(), advance();
    m.is_definition = take_word(kw::Definition);
    m.id = optional_id();
    if (word() == kw::Binary) m.form = ScriptModule::Form::Binary;
    if (word() == kw::Quote) m.form = ScriptModule::Form::Quote;
    move_to(closing);
    m.end = peek().offset + 1;
    expect_close();
    return m;
  }

  AssertModule assert_module(AssertModule::Kind kind_of_assertion) {
    advance(), advance();
    AssertModule a{kind_of_assertion, {}, {}};
    if (at_instance()) {
      a.target = instance();
    } else {
      a.target = module();
    }
    a.message = message();
    expect_close();
    return a;
  }

  AssertReturn assert_nan(NanPattern nan) {
    advance(), advance();
    AssertReturn a;
    a.action = action();
    Pattern p;
    p.kind = Pattern::Kind::AnyNan;
    p.nan[0] = nan;
    a.results.push_back(std::move(p));
    expect_close();
    return a;
  }

  Action action() {
    Action a;
    if (at_list(kw::Get)) {
      a.kind = Action::Kind::Get;
    } else if (!at_list(kw::Invoke)) {
      unexpected(kind() == TokenKind::LParen ? peek(1) : peek());
      return a;
    }
    advance(), advance();
    a.module = optional_id();
    a.name = take_name();
    if (a.kind == Action::Kind::Invoke) {
      while (kind() == TokenKind::LParen) a.arguments.push_back(constant());
    }
    expect_close();
    return a;
  }

  // What is written of component values: "u32.const", "list.const", "option.some" and so on.
  static std::optional<ComponentValue::Kind> component_kind(std::string_view word) {
    using Kind = ComponentValue::Kind;
    static constexpr struct {
      std::string_view word;
      Kind kind;
    } kKinds[] = {{"bool.const", Kind::Bool},    {"s8.const", Kind::S8},           {"u8.const", Kind::U8},
                  {"s16.const", Kind::S16},      {"u16.const", Kind::U16},         {"s32.const", Kind::S32},
                  {"u32.const", Kind::U32},      {"s64.const", Kind::S64},         {"u64.const", Kind::U64},
                  {"f32.const", Kind::F32},      {"f64.const", Kind::F64},         {"char.const", Kind::Char},
                  {"str.const", Kind::String},   {"list.const", Kind::List},       {"record.const", Kind::Record},
                  {"tuple.const", Kind::Tuple},  {"variant.const", Kind::Variant}, {"enum.const", Kind::Enum},
                  {"option.none", Kind::Option}, {"option.some", Kind::Option},    {"result.ok", Kind::Result},
                  {"result.err", Kind::Result},  {"flags.const", Kind::Flags}};
    for (const auto& k : kKinds) {
      if (k.word == word) return k.kind;
    }
    return std::nullopt;
  }
  // Floats by themselves are also what core functions take.
  bool at_component_value() const {
    return kind() == TokenKind::LParen && !is_op(Tokens::word(peek(1))) && component_kind(text(peek(1)));
  }

  ComponentValue component_value() {
    using Kind = ComponentValue::Kind;
    ComponentValue v;
    if (++nesting_ > kMaxNesting) fail(peek(), "unexpected token: values nested too deeply");
    // Inside of others values may do without parentheses.
    const bool enclosed = kind() == TokenKind::LParen;
    const auto known = component_kind(text(peek(enclosed ? 1 : 0)));
    if (!known) {
      unexpected(peek(enclosed ? 1 : 0));
      return v;
    }
    if (enclosed) advance();
    const std::string_view word = text(take());
    v.kind = *known;
    const auto values = [&] {
      while ((kind() == TokenKind::LParen || kind() == TokenKind::Word) && ok()) v.items.push_back(component_value());
    };
    switch (v.kind) {
      case Kind::Bool: {
        const std::string_view t = text(take());
        if (t != "true" && t != "false") unexpected();
        v.bits = t == "true";
        break;
      }
      case Kind::S8:
      case Kind::U8: v.bits = take_int(8); break;
      case Kind::S16:
      case Kind::U16: v.bits = take_int(16); break;
      case Kind::S32:
      case Kind::U32: v.bits = take_int(32); break;
      case Kind::S64:
      case Kind::U64: v.bits = take_int(64); break;
      case Kind::F32:
      case Kind::F64: {
        const NanPattern nan = take_nan();
        v.nan = static_cast<u8>(nan);
        if (nan == NanPattern::None) v.bits = take_float(v.kind == Kind::F32 ? 32 : 64);
        break;
      }
      case Kind::Char: {
        const Token at = peek();
        const std::string s = take_name();
        v.bits = decode_char(s);
        if (v.bits > 0x10FFFF) unexpected(at);
        break;
      }
      case Kind::String: v.text = take_name(); break;
      case Kind::Enum: v.text = take_name(); break;
      case Kind::Variant: v.text = take_name(), values(); break;
      case Kind::Option: v.bits = word == "option.some", values(); break;
      case Kind::Result: v.bits = word == "result.ok", values(); break;
      case Kind::List:
      case Kind::Tuple: values(); break;
      case Kind::Record:
        while (take_list(kw::Field)) {
          v.labels.push_back(take_name());
          v.items.push_back(component_value());
          expect_close();
        }
        break;
      case Kind::Flags:
        while (kind() == TokenKind::String && ok()) v.labels.push_back(take_name());
    }
    if (enclosed) expect_close();
    --nesting_;
    return v;
  }

  // The one character of `s`; past all of them when it is not one.
  static u32 decode_char(std::string_view s) {
    const u32 n = utf8_sequence(s);
    if (n == 0 || n != s.size()) return ~u32{0};
    if (n == 1) return static_cast<u8>(s[0]);
    u32 c = static_cast<u8>(s[0]) & (0xFFu >> (n + 1));
    for (u32 i = 1; i < n; ++i) c = c << 6 | (static_cast<u8>(s[i]) & 63);
    return c;
  }

  Constant constant() {
    using wasm::Op;
    Constant c;
    if (at_component_value()) {
      c.kind = Constant::Kind::Component;
      c.component = component_value();
      return c;
    }
    const Word w = list_word();
    advance();
    const Token word_token = take();
    switch (w) {
      case as_word(Op::I32Const): c.kind = Constant::Kind::I32, c.bits = take_int(32); break;
      case as_word(Op::I64Const): c.kind = Constant::Kind::I64, c.bits = take_int(64); break;
      case as_word(Op::F32Const): c.kind = Constant::Kind::F32, c.bits = take_float(32); break;
      case as_word(Op::F64Const): c.kind = Constant::Kind::F64, c.bits = take_float(64); break;
      case as_word(Op::V128Const): c.kind = Constant::Kind::V128, c.vector = take_vector(); break;
      case as_word(Op::RefNull):
        c.kind = Constant::Kind::RefNull;
        c.heap = heap_type();
        break;
      case kw::RefExtern: c.kind = Constant::Kind::RefExtern, c.bits = take_nat(32); break;
      case kw::RefHost: c.kind = Constant::Kind::RefHost, c.bits = take_nat(32); break;
      default: unexpected(word_token);
    }
    expect_close();
    return c;
  }

  // The type of a null, if one is given and it is an abstract one.
  std::optional<wasm::HeapType> heap_type() {
    const auto heap = abstract_heap_type(word());
    if (heap || kind() == TokenKind::Id || kind() == TokenKind::Nat) advance();
    return heap;
  }

  NanPattern take_nan() {
    if (take_word(kw::NanCanonical)) return NanPattern::Canonical;
    if (take_word(kw::NanArithmetic)) return NanPattern::Arithmetic;
    return NanPattern::None;
  }

  Pattern pattern() {
    using Kind = Pattern::Kind;
    using wasm::Op;
    Pattern p;
    if (at_component_value()) {
      p.kind = Kind::Component;
      p.component = component_value();
      return p;
    }
    const Word w = list_word();
    advance();
    const Token word_token = take();
    const auto number = [&](Kind kind_of_number, u32 bits, bool is_float) {
      p.kind = kind_of_number;
      if (is_float) {
        p.nan[0] = take_nan();
        if (p.nan[0] == NanPattern::None) p.bits = take_float(bits);
      } else {
        p.bits = take_int(bits);
      }
    };
    const auto reference = [&](Kind kind_of_reference) {
      p.kind = kind_of_reference;
      if (kind() == TokenKind::Nat) p.number = static_cast<u32>(take_nat(32));
    };
    switch (w) {
      case as_word(Op::I32Const): number(Kind::I32, 32, false); break;
      case as_word(Op::I64Const): number(Kind::I64, 64, false); break;
      case as_word(Op::F32Const): number(Kind::F32, 32, true); break;
      case as_word(Op::F64Const): number(Kind::F64, 64, true); break;
      case as_word(Op::V128Const): vector_pattern(p); break;
      case as_word(Op::RefNull):
        p.kind = Kind::RefNull;
        p.heap = heap_type();
        break;
      case as_word(Op::RefFunc):
        reference(Kind::RefFunc);
        if (kind() == TokenKind::Id) advance();
        break;
      case as_word(Op::RefEq): reference(Kind::RefEq); break;
      case as_word(Op::RefI31): reference(Kind::RefI31); break;
      case kw::RefExtern: reference(Kind::RefExtern); break;
      case kw::RefHost:
        p.kind = Kind::RefHost;
        p.number = static_cast<u32>(take_nat(32));
        break;
      case kw::RefAny: reference(Kind::RefAny); break;
      case kw::RefStruct: reference(Kind::RefStruct); break;
      case kw::RefArray: reference(Kind::RefArray); break;
      case kw::RefExn: reference(Kind::RefExn); break;
      case kw::Either:
        p.kind = Kind::Either;
        if (++nesting_ > kMaxNesting) fail(word_token, "unexpected token: alternatives nested too deeply");
        while (kind() == TokenKind::LParen) p.alternatives.push_back(pattern());
        --nesting_;
        break;
      default: unexpected(word_token);
    }
    expect_close();
    return p;
  }

  void vector_pattern(Pattern& p) {
    p.kind = Pattern::Kind::V128;
    const Shape shape = take_shape();
    p.lane_bits = static_cast<u8>(shape.bits);
    p.lanes_are_floats = shape.is_float;
    const u32 bytes = shape.bits / 8;
    for (u32 lane = 0; ok() && lane < shape.lanes; ++lane) {
      u64 bits = 0;
      if (shape.is_float) {
        p.nan[lane] = take_nan();
        if (p.nan[lane] == NanPattern::None) bits = take_float(shape.bits);
      } else {
        bits = take_int(shape.bits);
      }
      for (u32 i = 0; i < bytes; ++i) p.vector.bytes[lane * bytes + i] = static_cast<u8>(bits >> (8 * i));
    }
  }

  u32 nesting_ = 0;
  u32 located_ = 0;
  LineColumn last_at_;
};

}  // namespace

Result<Script> parse_script(std::string_view source) {
  const Tokens tokens = TRY(lex(source));
  return ScriptParser(tokens).run();
}

std::string_view command_name(const Command& command) {
  struct Namer {
    std::string_view operator()(const ScriptModule&) const { return "module"; }
    std::string_view operator()(const ScriptInstance&) const { return "module instance"; }
    std::string_view operator()(const Register&) const { return "register"; }
    std::string_view operator()(const Action& a) const { return a.kind == Action::Kind::Get ? "get" : "invoke"; }
    std::string_view operator()(const AssertReturn&) const { return "assert_return"; }
    std::string_view operator()(const AssertTrap&) const { return "assert_trap"; }
    std::string_view operator()(const AssertExhaustion&) const { return "assert_exhaustion"; }
    std::string_view operator()(const AssertException&) const { return "assert_exception"; }
    std::string_view operator()(const AssertModule& a) const {
      switch (a.kind) {
        case AssertModule::Kind::Malformed: return "assert_malformed";
        case AssertModule::Kind::Invalid: return "assert_invalid";
        case AssertModule::Kind::Unlinkable: return "assert_unlinkable";
        case AssertModule::Kind::MalformedCustom: return "assert_malformed_custom";
        case AssertModule::Kind::InvalidCustom: return "assert_invalid_custom";
      }
      return "";
    }
    std::string_view operator()(const Thread&) const { return "thread"; }
    std::string_view operator()(const Wait&) const { return "wait"; }
    std::string_view operator()(const SubScript&) const { return "script"; }
    std::string_view operator()(const Input&) const { return "input"; }
    std::string_view operator()(const Output&) const { return "output"; }
  };
  return std::visit(Namer{}, command.body);
}

}  // namespace berth::text
