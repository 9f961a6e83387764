// What requests and responses say. Plain values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace berth::http {

// Names of requests are in lower case.
struct Field {
  std::string name;
  std::string value;
  friend bool operator==(const Field&, const Field&) = default;
};
using Fields = std::vector<Field>;

enum class Version : u8 { Http10, Http11, Http2 };
std::string_view to_string(Version version);

struct RequestHead {
  std::string method;
  std::string scheme;     // "http" or "https"
  std::string authority;  // of the host field or what stands for it; may be empty in HTTP/1.0
  std::string path;       // with the query; "*" of OPTIONS
  Version version = Version::Http11;
  Fields fields;  // without what frames and connects the message
  std::optional<u64> content_length;
  bool has_body = false;

  void clear();
  // The first of that name; null: none.
  const std::string* find(std::string_view name) const;
};

// "OK"; empty for codes that have none.
std::string_view reason(u16 status);
// Whether responses with that code have no body.
bool is_bodiless(u16 status);
bool is_token(std::string_view text);
// What may be a field's value: no control characters but tabs.
bool is_field_value(std::string_view text);
// Without regard to case; ASCII.
bool same_name(std::string_view a, std::string_view b);
// Whether a field concerns one connection only, so that the server writes and reads it itself.
bool is_hop_by_hop(std::string_view name);
// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(u64 unix_seconds);

}  // namespace berth::http
