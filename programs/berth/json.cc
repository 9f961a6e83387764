#include "berth/json.h"

#include "text/utf8.h"

namespace berth::cli {

Json& Json::open(std::string_view key, char bracket) {
  item(key);
  text_ += bracket;
  ++depth_;
  first_ = true;
  return *this;
}

Json& Json::close(char bracket) {
  --depth_;
  if (!first_) text_ += "\n" + std::string(size_t{2} * depth_, ' ');
  text_ += bracket;
  first_ = false;
  return *this;
}

void Json::item(std::string_view key) {
  if (depth_ > 0) text_ += (first_ ? "\n" : ",\n") + std::string(size_t{2} * depth_, ' ');
  first_ = false;
  if (key.empty()) return;
  quote(key);
  text_ += ": ";
}

void Json::quote(std::string_view value) {
  text_ += '"';
  while (!value.empty()) {
    const auto c = static_cast<u8>(value[0]);
    size_t length = text::utf8_sequence(value);
    if (length == 0) {
      text_ += "\xef\xbf\xbd";
      length = 1;
    } else if (c == '"' || c == '\\') {
      text_ += {'\\', value[0]};
    } else if (c < 0x20 || c == 0x7F) {
      static constexpr char kHex[] = "0123456789abcdef";
      text_ += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
    } else {
      text_ += value.substr(0, length);
    }
    value.remove_prefix(length);
  }
  text_ += '"';
}

}  // namespace berth::cli
