// Requests to a broker over HTTP/1.1, plain or by TLS. Each has a connection of its own: a keep makes a handful of
// them. One thread; a call waits, for no longer than its deadline.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::keep {

struct Url {
  bool tls = false;
  std::string host;
  u16 port = 0;
  std::string path;  // "" or "/prefix", without a slash at its end
};
// "http://host[:port][/prefix]" or https. Fails with BadArgument, saying what is wrong.
Result<Url> parse_url(std::string_view text);

struct Server {
  Url url;
  // An IP address and a port, "10.0.2.2:8080" or "[::1]:8080", where the server is reached.
  std::string address;
  // Certificates (PEM) of those whom TLS trusts to vouch for it; needed for https.
  std::string authorities;
};

struct Response {
  u32 status = 0;
  std::string cookies;  // of all Set-Cookie headers, as a Cookie header takes them
  std::string body;
};

inline constexpr u64 kMostBody = u64{512} << 20;

// Fails with System: no connection, a certificate that does not hold, no answer in time, no HTTP, too large a body.
// `path` comes after the URL's own and is visible ASCII. With a body it is a POST of JSON, else a GET.
Result<Response> request(const Server& server, std::string_view path, const std::string* body, std::string_view cookie,
                         std::chrono::seconds patience);

}  // namespace berth::keep
