#include "json/json.h"

#include <algorithm>
#include <charconv>

namespace berth::json {

Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;
Value::Value(Kind kind, bool flag, std::string text) : kind_(kind), flag_(flag), text_(std::move(text)) {}
Value::Value(std::string text) : Value(Kind::String, false, std::move(text)) {}
Value::Value(Array items) : kind_(Kind::Array), items_(std::move(items)) {}
Value::Value(Object members) : kind_(Kind::Object), members_(std::move(members)) {}

Value Value::number(std::string digits) { return {Kind::Number, false, std::move(digits)}; }

namespace {

template <typename T>
std::optional<T> parse_integer(std::string_view digits) {
  T value{};
  const char* end = digits.data() + digits.size();
  const auto [last, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || last != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<bool> Value::boolean() const { return is(Kind::Bool) ? std::optional(flag_) : std::nullopt; }
std::optional<i64> Value::integer() const { return parse_integer<i64>(digits()); }
std::optional<u64> Value::size() const { return parse_integer<u64>(digits()); }
std::optional<std::string_view> Value::string() const {
  return is(Kind::String) ? std::optional<std::string_view>(text_) : std::nullopt;
}
const Array& Value::items() const { return items_; }
const Object& Value::members() const { return members_; }

const Value* Value::find(std::string_view name) const {
  const auto found = std::ranges::find(members_, name, &Member::name);
  return found == members_.end() ? nullptr : &found->value;
}

Value* Value::find(std::string_view name) { return const_cast<Value*>(std::as_const(*this).find(name)); }

std::string_view Value::text_at(std::initializer_list<std::string_view> path) const {
  const Value* value = this;
  for (const std::string_view name : path) {
    value = value->find(name);
    if (!value) return {};
  }
  return value->string().value_or(std::string_view());
}

Array& Value::edit_items() {
  if (!is(Kind::Array)) *this = Value(Array());
  return items_;
}

Object& Value::edit_members() {
  if (!is(Kind::Object)) *this = Value(Object());
  return members_;
}

Value& Value::set(std::string_view name, Value value) {
  Object& members = edit_members();
  if (Value* found = find(name)) return *found = std::move(value);
  members.push_back({std::string(name), std::move(value)});
  return members.back().value;
}

Value& Value::object_at(std::string_view name) {
  Value* found = find(name);
  if (!found || !found->is(Kind::Object)) found = &set(name, Object());
  return *found;
}

void Value::erase(std::string_view name) {
  std::erase_if(members_, [&](const Member& member) { return member.name == name; });
}

Value& Value::append(Value value) {
  Array& items = edit_items();
  items.push_back(std::move(value));
  return items.back();
}

namespace {

void write_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<u8>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
}

void write(std::string& out, const Value& value, u32 indent, u32 depth) {
  auto line = [&](u32 level) {
    if (indent != 0) out += "\n" + std::string(size_t{indent} * level, ' ');
  };
  switch (value.kind()) {
    case Kind::Null: out += "null"; break;
    case Kind::Bool: out += *value.boolean() ? "true" : "false"; break;
    case Kind::Number: out += value.digits(); break;
    case Kind::String: write_string(out, *value.string()); break;
    case Kind::Array: {
      out += '[';
      bool first = true;
      for (const Value& item : value.items()) {
        if (!first) out += ',';
        first = false;
        line(depth + 1);
        write(out, item, indent, depth + 1);
      }
      if (!first) line(depth);
      out += ']';
      break;
    }
    case Kind::Object: {
      out += '{';
      bool first = true;
      for (const Member& member : value.members()) {
        if (!first) out += ',';
        first = false;
        line(depth + 1);
        write_string(out, member.name);
        out += indent != 0 ? ": " : ":";
        write(out, member.value, indent, depth + 1);
      }
      if (!first) line(depth);
      out += '}';
      break;
    }
  }
}

}  // namespace

std::string to_text(const Value& value, u32 indent) {
  std::string out;
  write(out, value, indent, 0);
  return out;
}

}  // namespace berth::json
