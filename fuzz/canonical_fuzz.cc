// The canonical ABI: a value of a random type goes from the host through two components to a function of the host,
// which gives it back the same way. The components pass on what they get, each with an encoding of strings of its own
// and memory of its own, so the value is lowered, copied and lifted, flat or through memory, in both directions; it
// must arrive as it was.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "choices.h"
#include "component/store.h"

namespace berth::fuzz {
namespace {

using component::Value;
using Kind = component::cm::TypeKind;

constexpr u32 kMaxFlatParameters = 16, kMaxFlatResults = 1;

// A type, and how it is written.
struct Type {
  Kind kind = Kind::Bool;
  std::vector<Type> parts;        // fields; payloads, where there are any; the element
  std::vector<bool> has_payload;  // of each case
  u32 count = 0;                  // labels
  u32 name = 0;                   // of a record, variant, enum or flags
};

class Generator {
 public:
  explicit Generator(Choices& choices) : choices_(choices) {}

  Type type(u32 depth) {
    static constexpr Kind kPlain[] = {Kind::U32, Kind::Bool, Kind::S8,  Kind::U8,  Kind::S16,  Kind::U16,   Kind::S32,
                                      Kind::S64, Kind::U64,  Kind::F32, Kind::F64, Kind::Char, Kind::String};
    static constexpr Kind kMade[] = {Kind::List,  Kind::Record, Kind::Variant, Kind::Tuple,
                                     Kind::Flags, Kind::Enum,   Kind::Option,  Kind::Result};
    Type made;
    if (depth == 0 || !choices_.once_in(2)) {
      made.kind = kPlain[choices_.below(std::size(kPlain))];
      return made;
    }
    made.kind = kMade[choices_.below(std::size(kMade))];
    const auto cases = [&](u32 count, u32 odds) {
      for (u32 i = 0; i < count; ++i) {
        made.has_payload.push_back(!choices_.once_in(odds));
        made.parts.push_back(made.has_payload.back() ? type(depth - 1) : Type());
      }
    };
    switch (made.kind) {
      case Kind::List: made.parts.push_back(type(depth - 1)); break;
      case Kind::Record:
      case Kind::Tuple: {
        const u32 fields = 1 + choices_.below(6);
        for (u32 i = 0; i < fields; ++i) made.parts.push_back(type(depth - 1));
        break;
      }
      case Kind::Variant: cases(1 + choices_.below(5), 3); break;
      case Kind::Option: made.parts.push_back(type(depth - 1)); break;
      case Kind::Result: cases(2, 3); break;
      case Kind::Flags: made.count = 1 + choices_.below(32); break;
      default: made.count = 1 + choices_.below(choices_.once_in(4) ? 300 : 20); break;
    }
    if (made.kind == Kind::Record || made.kind == Kind::Variant || made.kind == Kind::Enum ||
        made.kind == Kind::Flags) {
      made.name = names_++;
      definitions_ += "(type $d" + std::to_string(made.name) + " " + definition(made) + ")\n(import \"t" +
                      std::to_string(made.name) + "\" (type $t" + std::to_string(made.name) + " (eq $d" +
                      std::to_string(made.name) + ")))\n";
      with_ += "(with \"t" + std::to_string(made.name) + "\" (type $t" + std::to_string(made.name) + "))";
    }
    return made;
  }

  static std::string use(const Type& t) {
    switch (t.kind) {
      case Kind::Record:
      case Kind::Variant:
      case Kind::Enum:
      case Kind::Flags: return "$t" + std::to_string(t.name);
      case Kind::List: return "(list " + use(t.parts[0]) + ")";
      case Kind::Option: return "(option " + use(t.parts[0]) + ")";
      case Kind::Tuple: {
        std::string text = "(tuple";
        for (const Type& part : t.parts) text += " " + use(part);
        return text + ")";
      }
      case Kind::Result:
        return "(result" + (t.has_payload[0] ? " " + use(t.parts[0]) : "") +
               (t.has_payload[1] ? " (error " + use(t.parts[1]) + ")" : "") + ")";
      default: return component::cm::to_string(t.kind);
    }
  }

  std::string component(const Type& t) {
    const std::string signature = "(param \"x\" " + use(t) + ") (result " + use(t) + ")";
    const std::string outer = encoding(), inner = encoding();
    return "(component\n" + definitions_ + "(import \"sink\" (func $sink " + signature + "))\n" +
           passing("$inner", t, signature, inner) + passing("$outer", t, signature, outer) +
           "(instance $b (instantiate $inner (with \"next\" (func $sink))" + with_ +
           "))\n(alias export $b \"f\" (func $bf))\n(instance $a (instantiate $outer (with \"next\" (func $bf))" +
           with_ + "))\n(alias export $a \"f\" (func $af))\n(export \"f\" (func $af)))";
  }

  Value value(const Type& t) {
    Value v;
    v.kind = t.kind;
    const auto payload = [&](size_t index) { v.items.push_back(value(t.parts[index])); };
    switch (t.kind) {
      case Kind::Bool: v.bits = choices_.below(2); break;
      case Kind::U8: v.bits = choices_.number(1); break;
      case Kind::S8: v.bits = static_cast<u64>(i64{static_cast<i8>(choices_.number(1))}); break;
      case Kind::U16: v.bits = choices_.number(2); break;
      case Kind::S16: v.bits = static_cast<u64>(i64{static_cast<i16>(choices_.number(2))}); break;
      case Kind::U32: v.bits = choices_.number(4); break;
      case Kind::S32: v.bits = static_cast<u64>(i64{static_cast<i32>(choices_.number(4))}); break;
      // A NaN may arrive as another.
      case Kind::F32: v.bits = choices_.number(4) & ~u64{0x00800000}; break;
      case Kind::F64: v.bits = choices_.number(8) & ~(u64{1} << 52); break;
      case Kind::U64:
      case Kind::S64: v.bits = choices_.number(8); break;
      case Kind::Char: v.bits = character(); break;
      case Kind::String:
        for (u32 n = choices_.below(choices_.once_in(8) ? 600 : 12); n > 0; --n) append(v.text, character());
        break;
      case Kind::List:
        for (u32 n = choices_.below(choices_.once_in(8) ? 300 : 6); n > 0; --n) {
          if (t.parts[0].kind == Kind::U8)
            v.text.push_back(static_cast<char>(choices_.byte()));
          else
            payload(0);
        }
        break;
      case Kind::Record:
      case Kind::Tuple:
        for (size_t i = 0; i < t.parts.size(); ++i) payload(i);
        break;
      case Kind::Variant:
      case Kind::Result:
        v.bits = choices_.below(static_cast<u32>(t.parts.size()));
        if (t.has_payload[v.bits]) payload(v.bits);
        break;
      case Kind::Option:
        v.bits = choices_.below(2);
        if (v.bits != 0) payload(0);
        break;
      case Kind::Enum: v.bits = choices_.below(t.count); break;
      default: v.bits = choices_.number(4) & ((u64{1} << t.count) - 1); break;
    }
    return v;
  }

 private:
  static std::string definition(const Type& t) {
    std::string text;
    switch (t.kind) {
      case Kind::Record:
        text = "(record";
        for (size_t i = 0; i < t.parts.size(); ++i)
          text += " (field \"f" + std::to_string(i) + "\" " + use(t.parts[i]) + ")";
        break;
      case Kind::Variant:
        text = "(variant";
        for (size_t i = 0; i < t.parts.size(); ++i)
          text += " (case \"c" + std::to_string(i) + "\"" + (t.has_payload[i] ? " " + use(t.parts[i]) : "") + ")";
        break;
      default:
        text = t.kind == Kind::Enum ? "(enum" : "(flags";
        for (u32 i = 0; i < t.count; ++i) text += " \"l" + std::to_string(i) + "\"";
        break;
    }
    return text + ")";
  }

  // The core values of a type (Canonical ABI: flattening), worked out here by itself.
  static std::string flat(const Type& t) {
    const auto cases = [&](auto&& payload_of, size_t count) {
      std::string joined;  // i, l, f, d: the four core types
      for (size_t i = 0; i < count; ++i) {
        const std::string one = payload_of(i);
        for (size_t k = 0; k < one.size(); ++k) {
          if (k == joined.size()) {
            joined += one[k];
          } else if (joined[k] != one[k]) {
            const bool both_narrow = std::string("if").contains(joined[k]) && std::string("if").contains(one[k]);
            joined[k] = both_narrow ? 'i' : 'l';
          }
        }
      }
      return "i" + joined;
    };
    switch (t.kind) {
      case Kind::U64:
      case Kind::S64: return "l";
      case Kind::F32: return "f";
      case Kind::F64: return "d";
      case Kind::String:
      case Kind::List: return "ii";
      case Kind::Record:
      case Kind::Tuple: {
        std::string all;
        for (const Type& part : t.parts) all += flat(part);
        return all;
      }
      case Kind::Variant:
      case Kind::Result:
        return cases([&](size_t i) { return t.has_payload[i] ? flat(t.parts[i]) : std::string(); }, t.parts.size());
      case Kind::Option: return cases([&](size_t) { return flat(t.parts[0]); }, 1);
      default: return "i";
    }
  }
  // At least as many bytes as the type takes in memory.
  static u32 most_bytes(const Type& t) {
    u32 bytes = 8;
    if (t.kind == Kind::Record || t.kind == Kind::Tuple) {
      for (const Type& part : t.parts) bytes += most_bytes(part);
    } else if (t.kind != Kind::List) {
      for (const Type& part : t.parts) bytes = std::max(bytes, 8 + most_bytes(part));
    }
    return bytes;
  }

  static std::string core_types(const std::string& flat) {
    std::string text;
    for (const char c : flat) text += c == 'i' ? " i32" : c == 'l' ? " i64" : c == 'f' ? " f32" : " f64";
    return text;
  }

  std::string encoding() {
    static constexpr const char* kEncodings[] = {"string-encoding=utf8", "string-encoding=utf16",
                                                 "string-encoding=latin1+utf16"};
    return kEncodings[choices_.below(3)];
  }

  // A component that passes on what it gets and what it gets back.
  std::string passing(const std::string& name, const Type& t, const std::string& signature,
                      const std::string& string_encoding) const {
    const std::string values = flat(t);
    const std::string parameters = values.size() > kMaxFlatParameters ? "i" : values;
    const bool in_memory = values.size() > kMaxFlatResults;
    const std::string options = " (memory $libc \"memory\") (realloc (func $libc \"realloc\")) " + string_encoding;
    const std::string types = parameters.empty() ? "" : "(param" + core_types(parameters) + ") ";
    std::string pass;
    for (size_t i = 0; i < parameters.size(); ++i) pass += "(local.get " + std::to_string(i) + ") ";
    std::string text =
        "(component " + name + "\n" + definitions_ + "(import \"next\" (func $next " + signature + "))\n";
    text += R"((core module $libc (memory (export "memory") 1)
      (global $next (mut i32) (i32.const 64))
      (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.sub (i32.add (global.get $next) (local.get $align)) (i32.const 1))
                                (i32.sub (i32.const 0) (local.get $align))))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (drop (memory.grow (i32.sub (i32.add (i32.shr_u (global.get $next) (i32.const 16)) (i32.const 1))
                                    (memory.size))))
        (memory.copy (local.get $at) (local.get $old)
          (select (local.get $had) (local.get $size) (i32.lt_u (local.get $had) (local.get $size))))
        (local.get $at)))
      (core instance $libc (instantiate $libc))
      (core func $next' (canon lower (func $next))" +
            options + "))\n";
    if (in_memory) {
      text += "(core module $m (import \"\" \"next\" (func $next " + types + "(param i32)))\n" +
              "(import \"\" \"realloc\" (func $realloc (param i32 i32 i32 i32) (result i32)))\n" +
              "(func (export \"f\") " + types + "(result i32) (local $at i32)\n" +
              "(local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const " +
              std::to_string(most_bytes(t)) + ")))\n(call $next " + pass + "(local.get $at)) (local.get $at)))\n";
    } else {
      const std::string result = "(result" + core_types(values) + ")";
      text += "(core module $m (import \"\" \"next\" (func $next " + types + result + "))\n(func (export \"f\") " +
              types + result + " (call $next " + pass + ")))\n";
    }
    text += "(core instance $m (instantiate $m (with \"\" (instance (export \"next\" (func $next'))" +
            std::string(in_memory ? " (export \"realloc\" (func $libc \"realloc\"))" : "") + "))))\n";
    return text + "(func (export \"f\") " + signature + " (canon lift (core func $m \"f\")" + options + ")))\n";
  }

  u32 character() {
    switch (choices_.below(6)) {
      case 0:
      case 1: return choices_.below(128);
      case 2: return 128 + choices_.below(128);
      case 3: return 256 + static_cast<u32>(choices_.number(2)) % (0xD800 - 256);
      case 4: return 0xE000 + static_cast<u32>(choices_.number(2)) % 0x2000;
      default: return 0x10000 + static_cast<u32>(choices_.number(3)) % 0x100000;
    }
  }
  static void append(std::string& text, u32 c) {
    const auto put = [&](u32 byte) { text.push_back(static_cast<char>(byte)); };
    if (c < 0x80) return put(c);
    if (c < 0x800) return put(0xC0 | c >> 6), put(0x80 | (c & 63));
    if (c < 0x10000) return put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  }

  Choices& choices_;
  u32 names_ = 0;
  std::string definitions_, with_;
};

[[noreturn]] void fail(const std::string& what, const std::string& text) {
  std::fprintf(stderr, "%s\n%s\n", what.c_str(), text.c_str());
  std::abort();
}
std::string text_of(const runtime::InstantiationFailure& failure) {
  if (const auto* error = std::get_if<Error>(&failure)) return error->to_string();
  return std::get<std::unique_ptr<runtime::Unwind>>(failure)->to_string();
}

void run(Choices choices) {
  Generator generator(choices);
  const Type type = generator.type(3);
  const std::string text = generator.component(type);
  static const auto engine = [] {
    engine::Config config;
    config.validation_threads = 1;
    return std::move(*engine::Engine::create(config));
  }();
  const auto loaded = component::load_component({text.begin(), text.end()}, "generated", engine->config());
  if (!loaded) fail(loaded.error().message, text);
  const auto prepared = component::prepare(*engine, *loaded);
  if (!prepared) fail(prepared.error().to_string(), text);

  runtime::Store core(engine->executor(), {.memory_bytes = u64{64} << 20, .stack_bytes = 1 << 20});
  component::Store store(core);
  component::Linker linker(store);
  Value sent;
  const component::cm::ValType* result_type = nullptr;
  linker.define_function("sink", [&](std::span<const Value> got) -> runtime::Outcome<std::optional<Value>> {
    if (got[0] != sent)
      fail("sent " + to_string(sent, *result_type) + ", got " + to_string(got[0], *result_type), text);
    return got[0];
  });
  auto instance = linker.instantiate(*prepared);
  if (!instance) fail(text_of(instance.error()), text);
  component::Function* const f = instance->find_function("f");
  if (f == nullptr) fail("no function", text);
  result_type = component::Store::type(*f).result;
  for (u32 i = 0; i < 3; ++i) {
    sent = generator.value(type);
    const auto back = store.call(*f, std::span(&sent, 1));
    if (!back) fail(text_of(back.error()), text);
    if (*back != sent)
      fail("sent " + to_string(sent, *result_type) + ", back " + to_string(**back, *result_type), text);
  }
}

}  // namespace
}  // namespace berth::fuzz

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, size_t size) {
  if (size <= 4096) berth::fuzz::run(berth::fuzz::Choices({data, size}));
  return 0;
}
