#include "berth/wast_component.h"

#include <algorithm>

#include "berth/wast_match.h"
#include "text/diagnostic.h"

namespace berth::cli {
namespace {

using component::Value;
using component::cm::TypeKind;
using component::cm::ValType;
using text::ComponentValue;

// What wasmtime's scripts import from "host".
constexpr std::string_view kSimpleModule =
    R"((module (global (export "g") i32 i32.const 100) (func (export "f") (result i32) i32.const 101)))";

u64 extended(TypeKind kind, u64 bits) {
  switch (kind) {
    case TypeKind::S8: return static_cast<u64>(static_cast<i64>(static_cast<i8>(bits)));
    case TypeKind::S16: return static_cast<u64>(static_cast<i64>(static_cast<i16>(bits)));
    case TypeKind::S32: return static_cast<u64>(static_cast<i64>(static_cast<i32>(bits)));
    default: return bits;
  }
}

std::optional<TypeKind> scalar_kind(ComponentValue::Kind kind) {
  using K = ComponentValue::Kind;
  if (kind <= K::F64) return static_cast<TypeKind>(kind);
  if (kind == K::Char) return TypeKind::Char;
  return std::nullopt;
}
static_assert(static_cast<u8>(ComponentValue::Kind::F64) == static_cast<u8>(TypeKind::F64));

std::unexpected<Error> no_value(const ValType& type) {
  return fail(ErrorCode::BadArgument, "the script has no value of type " + component::cm::to_string(type));
}

}  // namespace

Result<Value> to_value(const ComponentValue& v, const ValType& type) {
  using K = ComponentValue::Kind;
  Value out;
  out.kind = type.kind;
  const auto label = [&](const std::string& name) -> std::optional<u64> {
    const auto it = std::ranges::find(type.fields, name, &component::cm::Field::label);
    if (it == type.fields.end()) return std::nullopt;
    return static_cast<u64>(it - type.fields.begin());
  };
  const auto payload = [&](u64 index) -> Result<> {
    out.bits = index;
    const ValType* part = type.fields[index].type;
    if ((part != nullptr) != (v.items.size() == 1)) return no_value(type);
    if (part) out.items.push_back(TRY(to_value(v.items[0], *part)));
    return {};
  };
  if (const auto kind = scalar_kind(v.kind)) {
    if (*kind != type.kind) return no_value(type);
    out.bits = extended(type.kind, v.bits);
    return out;
  }
  switch (v.kind) {
    case K::String:
      if (type.kind != TypeKind::String) return no_value(type);
      out.text = v.text;
      return out;
    case K::List: {
      const bool fits = type.kind == TypeKind::List || type.kind == TypeKind::FixedList || type.kind == TypeKind::Map;
      if (!fits || (type.kind == TypeKind::FixedList && v.items.size() != type.length)) return no_value(type);
      for (const ComponentValue& e : v.items) {
        Value element = TRY(to_value(e, *type.element));
        if (type.element->kind == TypeKind::U8) {
          out.text.push_back(static_cast<char>(element.bits));
        } else {
          out.items.push_back(std::move(element));
        }
      }
      return out;
    }
    case K::Record:
      if (type.kind != TypeKind::Record || v.items.size() != type.fields.size()) return no_value(type);
      for (size_t i = 0; i < v.items.size(); ++i) {
        if (v.labels[i] != type.fields[i].label) return no_value(type);
        out.items.push_back(TRY(to_value(v.items[i], *type.fields[i].type)));
      }
      return out;
    case K::Tuple:
      if (type.kind != TypeKind::Tuple || v.items.size() != type.fields.size()) return no_value(type);
      for (size_t i = 0; i < v.items.size(); ++i) out.items.push_back(TRY(to_value(v.items[i], *type.fields[i].type)));
      return out;
    case K::Variant:
    case K::Enum: {
      const auto index = label(v.text);
      if (type.kind != (v.kind == K::Enum ? TypeKind::Enum : TypeKind::Variant) || !index) return no_value(type);
      TRY(payload(*index));
      return out;
    }
    case K::Option:
      if (type.kind != TypeKind::Option) return no_value(type);
      TRY(payload(v.bits));
      return out;
    case K::Result:
      if (type.kind != TypeKind::Result) return no_value(type);
      TRY(payload(v.bits ? 0 : 1));
      return out;
    case K::Flags:
      if (type.kind != TypeKind::Flags) return no_value(type);
      for (const std::string& name : v.labels) {
        const auto index = label(name);
        if (!index) return no_value(type);
        out.bits |= u64{1} << *index;
      }
      return out;
    default: return no_value(type);
  }
}

namespace {

// Whether `value` is what is wanted; NaNs are compared as their pattern says.
bool matches_value(const Value& value, const ValType& type, const ComponentValue& wanted) {
  using K = ComponentValue::Kind;
  const bool is_float = wanted.kind == K::F32 || wanted.kind == K::F64;
  if (is_float) {
    text::Pattern p;
    const bool narrow = wanted.kind == K::F32;
    if (type.kind != (narrow ? TypeKind::F32 : TypeKind::F64)) return false;
    p.kind = narrow ? text::Pattern::Kind::F32 : text::Pattern::Kind::F64;
    p.bits = wanted.bits;
    p.nan[0] = static_cast<text::NanPattern>(wanted.nan);
    return matches(
        narrow ? runtime::Value::of_f32_bits(static_cast<u32>(value.bits)) : runtime::Value::of_f64_bits(value.bits),
        p);
  }
  const auto each = [&](auto&& element_type) {
    if (value.items.size() != wanted.items.size()) return false;
    for (size_t i = 0; i < value.items.size(); ++i) {
      if (!matches_value(value.items[i], element_type(i), wanted.items[i])) return false;
    }
    return true;
  };
  const bool has_parts = wanted.kind == K::Record || wanted.kind == K::Tuple;
  if (has_parts && value.items.size() == type.fields.size())
    return (type.kind == TypeKind::Record || type.kind == TypeKind::Tuple) &&
           each([&](size_t i) -> const ValType& { return *type.fields[i].type; });
  if (wanted.kind == K::List && type.element && type.element->kind != TypeKind::U8 && value.kind == type.kind)
    return each([&](size_t) -> const ValType& { return *type.element; });
  const auto expected = to_value(wanted, type);
  if (!expected) return false;
  if (value.items.size() == 1 && wanted.items.size() == 1 && value.bits == expected->bits)
    return matches_value(value.items[0], *type.fields[value.bits].type, wanted.items[0]);
  return value == *expected;
}

}  // namespace

std::string mismatch(const Value& value, const ValType& type, const text::Pattern& p) {
  bool same = false;
  if (p.kind == text::Pattern::Kind::Component) {
    same = matches_value(value, type, *p.component);
  } else if (p.kind == text::Pattern::Kind::F32 && type.kind == TypeKind::F32) {
    same = matches(runtime::Value::of_f32_bits(static_cast<u32>(value.bits)), p);
  } else if (p.kind == text::Pattern::Kind::F64 && type.kind == TypeKind::F64) {
    same = matches(runtime::Value::of_f64_bits(value.bits), p);
  }
  return same ? std::string() : "actual   " + component::to_string(value, type);
}

// --- the runner

ComponentRunner::ComponentRunner(engine::Engine& engine, runtime::Store& store)
    : engine_(engine), store_(store), linker_(store_) {
  define_hosts();
}

void ComponentRunner::define_hosts() {
  using Result = runtime::Outcome<std::optional<Value>>;
  const auto number = [](u64 n) {
    return [n](std::span<const Value>) -> Result { return Value::of(TypeKind::U32, n); };
  };
  linker_.define_function("host-return-two", number(2));
  linker_.define_function("host-echo-u32", [](std::span<const Value> a) -> Result { return a[0]; });
  linker_.define_function("host#return-three", number(3));
  linker_.define_function("host#nested#return-four", number(4));
  linker_.define_function("host#return-hi", [](std::span<const Value>) -> Result { return Value::of_string("hi"); });
  auto module = engine_.load({kSimpleModule.begin(), kSimpleModule.end()}, "simple-module");
  CHECK(module);
  linker_.define_module("host#simple-module", std::move(*module));

  component::ResourceType* one = linker_.define_resource("host#resource1", [this](u64 rep) {
    ++drops_;
    last_drop_ = rep;
  });
  linker_.define_resource("host#resource1-again", one);
  linker_.define_resource("host#resource2", [](u64) {});
  linker_.define_function("host#[constructor]resource1", [one](std::span<const Value> a) -> Result {
    Value made = Value::of(TypeKind::Own, a[0].bits);
    made.resource = one;
    return made;
  });
  const auto assert_rep = [](std::span<const Value> a) -> Result {
    if (a[0].bits != a[1].bits)
      return runtime::trap(abi::TrapCode::HostError, "the resource has another representation");
    return std::nullopt;
  };
  linker_.define_function("host#[static]resource1.assert", assert_rep);
  linker_.define_function("host#[method]resource1.simple", assert_rep);
  linker_.define_function("host#[static]resource1.last-drop",
                          [this](std::span<const Value>) -> Result { return Value::of(TypeKind::U32, last_drop_); });
  linker_.define_function("host#[static]resource1.drops",
                          [this](std::span<const Value>) -> Result { return Value::of(TypeKind::U32, drops_); });
  const auto nothing = [](std::span<const Value>) -> Result { return std::nullopt; };
  linker_.define_function("host#[method]resource1.take-borrow", nothing);
  linker_.define_function("host#[method]resource1.take-own", nothing);
}

Result<std::shared_ptr<const component::PreparedComponent>> ComponentRunner::load(const text::ScriptModule& module,
                                                                                  std::string_view source,
                                                                                  const std::string& file,
                                                                                  const engine::Config& config,
                                                                                  std::string* message) {
  text::ParseOptions options;
  options.features = config.features;
  auto parsed = module.parse_component(source, options);
  if (!parsed) {
    if (message) *message = text::render(file, source, parsed.error());
    return std::unexpected(std::move(parsed).error());
  }
  auto compiled = component::compile_component(std::move(parsed->binary), config);
  if (!compiled) {
    if (message) *message = text::render(file, source, compiled.error(), &parsed->map);
    return std::unexpected(std::move(compiled).error());
  }
  return component::prepare(engine_, std::move(*compiled));
}

void ComponentRunner::define(const std::optional<std::string>& id,
                             std::shared_ptr<const component::PreparedComponent> component) {
  if (id) definitions_[*id] = component;
  definitions_[""] = std::move(component);
}

ComponentRunner::Outcome ComponentRunner::instantiate(std::shared_ptr<const component::PreparedComponent> component,
                                                      const std::optional<std::string>& id, bool is_named) {
  Outcome outcome;
  auto made = linker_.instantiate(std::move(component));
  if (made) {
    if (!is_named) return outcome;
    instances_[""] = *made;
    is_last_ = true;
    if (id) {
      instances_[*id] = *made;
      linker_.define_instance(*id, *made);
    }
  } else if (auto* error = std::get_if<Error>(&made.error())) {
    outcome.error = std::move(*error);
  } else {
    outcome.unwind = std::move(std::get<std::unique_ptr<runtime::Unwind>>(made.error()));
  }
  return outcome;
}

ComponentRunner::Outcome ComponentRunner::instantiate(const text::ScriptInstance& command) {
  const auto definition = definitions_.find(command.definition.value_or(""));
  if (definition != definitions_.end()) return instantiate(definition->second, command.id);
  Outcome outcome;
  outcome.error.emplace(ErrorCode::BadArgument, "there is no component definition $" + command.definition.value_or(""));
  return outcome;
}

bool ComponentRunner::owns(const std::optional<std::string>& id) const {
  return id ? instances_.contains(*id) : is_last_;
}

ComponentRunner::Outcome ComponentRunner::invoke(const text::Action& action) {
  Outcome outcome;
  const auto instance = instances_.find(action.module.value_or(""));
  component::Function* function = instance == instances_.end() ? nullptr : instance->second.find_function(action.name);
  if (function == nullptr || action.kind == text::Action::Kind::Get) {
    outcome.error.emplace(ErrorCode::UnknownExport, "function " + action.name);
    return outcome;
  }
  const component::cm::FuncType& type = component::Store::type(*function);
  std::vector<Value> arguments;
  for (size_t i = 0; i < action.arguments.size(); ++i) {
    const text::Constant& c = action.arguments[i];
    ComponentValue given;
    if (c.component) {
      given = *c.component;
    } else {
      given.kind = c.kind == text::Constant::Kind::F32 ? ComponentValue::Kind::F32 : ComponentValue::Kind::F64;
      given.bits = c.bits;
    }
    if (i >= type.params.size()) break;
    auto value = to_value(given, *type.params[i].type);
    if (!value) {
      outcome.error = std::move(value).error();
      return outcome;
    }
    arguments.push_back(std::move(*value));
  }
  auto result = store_.call(*function, arguments);
  if (result) {
    outcome.value = std::move(*result);
    outcome.type = type.result;
  } else if (auto* error = std::get_if<Error>(&result.error())) {
    outcome.error = std::move(*error);
  } else {
    outcome.unwind = std::move(std::get<std::unique_ptr<runtime::Unwind>>(result.error()));
  }
  return outcome;
}

}  // namespace berth::cli
