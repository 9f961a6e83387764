// Writes JSON, indented. Names and strings are escaped; bytes that are not UTF-8 become U+FFFD.
#pragma once

#include <string>
#include <string_view>

#include "base/types.h"

namespace berth::cli {

// A value being written, front to back. Within an object members have a key, within an array none.
class Json {
 public:
  Json& begin_object(std::string_view key = {}) { return open(key, '{'); }
  Json& end_object() { return close('}'); }
  Json& begin_array(std::string_view key = {}) { return open(key, '['); }
  Json& end_array() { return close(']'); }
  Json& string(std::string_view key, std::string_view value) {
    item(key);
    quote(value);
    return *this;
  }
  Json& string(std::string_view value) { return string({}, value); }
  Json& number(std::string_view key, u64 value) {
    item(key);
    text_ += std::to_string(value);
    return *this;
  }
  Json& boolean(std::string_view key, bool value) {
    item(key);
    text_ += value ? "true" : "false";
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  Json& open(std::string_view key, char bracket);
  Json& close(char bracket);
  void item(std::string_view key);
  void quote(std::string_view value);

  std::string text_;
  u32 depth_ = 0;
  bool first_ = true;
};

}  // namespace berth::cli
