// JSON texts (RFC 8259) as values: what is read can be changed and written again without losing what was not
// understood. Members keep their order, numbers their digits. Values belong to one thread at a time; functions are
// pure.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace berth::json {

enum class Kind : u8 { Null, Bool, Number, String, Array, Object };

class Value;
using Array = std::vector<Value>;
struct Member;
using Object = std::vector<Member>;

class Value {
 public:
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  Value(std::same_as<bool> auto value) : Value(Kind::Bool, value, {}) {}
  Value(std::integral auto value)
    requires(!std::same_as<decltype(value), bool>)
      : Value(Kind::Number, false, std::to_string(value)) {}
  Value(std::string text);
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(Array items);
  Value(Object members);
  // A number as it is spelled; the caller vouches for its form.
  static Value number(std::string digits);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }

  // Nothing when it is of another kind, or a number that is no integer in range.
  std::optional<bool> boolean() const;
  std::optional<i64> integer() const;
  std::optional<u64> size() const;
  std::optional<std::string_view> string() const;
  // The spelling of a number; empty for other kinds.
  std::string_view digits() const { return is(Kind::Number) ? std::string_view(text_) : std::string_view(); }
  // The items of an array, the members of an object; none for other kinds.
  const Array& items() const;
  const Object& members() const;

  // A member of an object; null when there is none of that name, or this is no object.
  const Value* find(std::string_view name) const;
  Value* find(std::string_view name);
  // The string that is there at a path of members; empty when there is none.
  std::string_view text_at(std::initializer_list<std::string_view> path) const;

  // Sets a member, in its place or at the end; what is no object becomes one. The value is there until the next change.
  Value& set(std::string_view name, Value value);
  // A member, made an empty object when it is not there.
  Value& object_at(std::string_view name);
  void erase(std::string_view name);
  // Appends to an array; what is none becomes one.
  Value& append(Value value);
  // The items of what is an array or becomes one, to be changed; likewise members.
  Array& edit_items();
  Object& edit_members();

 private:
  Value(Kind kind, bool flag, std::string text);

  Kind kind_ = Kind::Null;
  bool flag_ = false;
  std::string text_;  // of a string, or a number's spelling
  Array items_;
  Object members_;
};

struct Member {
  std::string name;
  Value value;
};

struct Limits {
  u32 depth = 64;  // of arrays and objects within each other
};

// Fails with TextSyntax, naming line and column: what is no JSON, is not UTF-8, has a name twice in an object (which
// different readers understand differently), or is nested too deep.
Result<Value> parse(std::string_view text, const Limits& limits = {});

// Without white space, or with members and items on lines of their own, indented by `indent` each.
std::string to_text(const Value& value, u32 indent = 0);

}  // namespace berth::json
