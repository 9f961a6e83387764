#include "component/store.h"

#include <cstdio>

#include "component/call.h"

namespace berth::component {

Store::Store(runtime::Store& store) : state_(std::make_unique<StoreState>(store)) {}
Store::~Store() = default;

void Store::set_host(void* host) { state_->host = host; }

bool Store::restore(u64 most_kept) {
  if (state_->task != nullptr || !state_->store.restore(most_kept)) return false;
  state_->host = nullptr;
  for (const auto& instance : state_->instances) {
    instance->may_enter = instance->may_leave = true;
    instance->backpressure = 0;
    instance->handles.clear();
  }
  return true;
}

const cm::FuncType& Store::type(const Function& function) { return *function.type; }

std::expected<std::optional<Value>, runtime::InstantiationFailure> Store::call(Function& function,
                                                                               std::span<const Value> arguments) {
  const auto bad = [](std::string what) {
    return std::unexpected(runtime::InstantiationFailure(Error(ErrorCode::BadArgument, std::move(what))));
  };
  const cm::FuncType& type = *function.type;
  if (arguments.size() != type.params.size()) {
    return bad("the function takes " + std::to_string(type.params.size()) + " arguments, " +
               std::to_string(arguments.size()) + " were given");
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!conforms(*type.params[i].type, arguments[i]))
      return bad("argument " + std::to_string(i + 1) + " is not of type " + cm::to_string(*type.params[i].type));
  }
  auto result = call_from_host(*state_, function, arguments);
  if (!result) return std::unexpected(runtime::InstantiationFailure(std::move(result).error()));
  return std::move(*result);
}

Function* Instance::find_function(std::string_view name) const {
  const auto found = state_->exports.items.find(name);
  return found == state_->exports.items.end() ? nullptr : found->second.function;
}

Function* Instance::find_function(std::string_view instance, std::string_view name) const {
  const auto found = state_->exports.items.find(instance);
  if (found == state_->exports.items.end() || found->second.instance == nullptr) return nullptr;
  const auto& items = found->second.instance->items;
  const auto function = items.find(name);
  return function == items.end() ? nullptr : function->second.function;
}

namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string number(cm::TypeKind kind, u64 bits) {
  char text[40];
  switch (kind) {
    case cm::TypeKind::S8:
    case cm::TypeKind::S16:
    case cm::TypeKind::S32:
    case cm::TypeKind::S64: return std::to_string(static_cast<i64>(bits));
    case cm::TypeKind::F32:
      std::snprintf(text, sizeof text, "%a", static_cast<double>(std::bit_cast<f32>(static_cast<u32>(bits))));
      return text;
    case cm::TypeKind::F64: std::snprintf(text, sizeof text, "%a", std::bit_cast<f64>(bits)); return text;
    case cm::TypeKind::Char: std::snprintf(text, sizeof text, "\"\\u{%x}\"", static_cast<u32>(bits)); return text;
    case cm::TypeKind::Bool: return bits ? "true" : "false";
    default: return std::to_string(bits);
  }
}

}  // namespace

std::string to_string(const Value& value, const cm::ValType& type) {
  using K = cm::TypeKind;
  const auto payload = [&](const cm::Field& c) {
    return c.type && !value.items.empty() ? " " + to_string(value.items[0], *c.type) : std::string();
  };
  switch (type.kind) {
    case K::String: return "(str.const " + quoted(value.text) + ")";
    case K::Record: {
      std::string out = "(record.const";
      for (size_t i = 0; i < type.fields.size(); ++i)
        out += " (field " + quoted(type.fields[i].label) + " " + to_string(value.items[i], *type.fields[i].type) + ")";
      return out + ")";
    }
    case K::Tuple: {
      std::string out = "(tuple.const";
      for (size_t i = 0; i < type.fields.size(); ++i) out += " " + to_string(value.items[i], *type.fields[i].type);
      return out + ")";
    }
    case K::List:
    case K::FixedList:
    case K::Map: {
      std::string out = "(list.const";
      if (type.element->kind == K::U8) {
        for (const char c : value.text) out += " (u8.const " + std::to_string(static_cast<u8>(c)) + ")";
      }
      for (const Value& v : value.items) out += " " + to_string(v, *type.element);
      return out + ")";
    }
    case K::Variant:
      return "(variant.const " + quoted(type.fields[value.bits].label) + payload(type.fields[value.bits]) + ")";
    case K::Enum: return "(enum.const " + quoted(type.fields[value.bits].label) + ")";
    case K::Option: return value.bits ? "(option.some" + payload(type.fields[1]) + ")" : "option.none";
    case K::Result: return (value.bits ? "(result.err" : "(result.ok") + payload(type.fields[value.bits]) + ")";
    case K::Flags: {
      std::string out = "(flags.const";
      for (size_t i = 0; i < type.fields.size(); ++i) {
        if (value.bits >> i & 1) out += " " + quoted(type.fields[i].label);
      }
      return out + ")";
    }
    case K::Own:
    case K::Borrow: return std::string("(") + cm::to_string(type.kind) + " " + std::to_string(value.bits) + ")";
    default: return std::string("(") + cm::to_string(type.kind) + ".const " + number(type.kind, value.bits) + ")";
  }
}

}  // namespace berth::component
