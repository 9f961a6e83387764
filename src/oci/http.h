// HTTP requests, by libcurl. A Client belongs to one thread; libcurl's global state is set up by the first of them.
// Proxies are taken from the environment (https_proxy, no_proxy), as everything else does it.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::oci {

struct HttpOptions {
  bool verify = true;                          // certificates
  bool plain = false;                          // http:// is allowed, also to be redirected to
  std::string ca_file;                         // trusted beside what the system trusts; empty: none
  std::string client_certificate, client_key;  // files; empty: none
};

struct Request {
  std::string method = "GET";
  std::string url = {};
  std::vector<std::string> headers = {};  // "Name: value"; credentials among them are not sent to other hosts
  std::optional<std::string_view> body = {};
  int upload_file = -1;  // or a part of an open file as the body
  u64 upload_offset = 0, upload_size = 0;
  std::function<void(u64)> sent = {};  // told how many bytes of the body are on their way
  // Takes the body of an answer of 200 or 206, piece by piece; an error ends the request. Without it the body is in
  // Response::body, up to `most_body` bytes.
  std::function<Result<>(long status, const std::map<std::string, std::string>& headers, std::string_view piece)> sink =
      {};
  u64 most_body = u64{8} << 20;
};

struct Response {
  long status = 0;
  std::map<std::string, std::string> headers = {};  // names in lower case, the last of each
  std::string body = {};
  std::string url = {};  // where redirections led
};

// Why there is no answer, or not all of one.
struct HttpFailure {
  enum class Kind : u8 { Connect, Tls, Interrupted, Sink, Other } kind = Kind::Other;
  std::string what;            // "connection refused"
  std::optional<Error> error;  // what the sink said
  bool looks_plain = false;    // TLS failed in the way it does where plain HTTP is spoken
};

class HttpClient {
 public:
  explicit HttpClient(const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  std::expected<Response, HttpFailure> perform(const Request& request);

 private:
  struct State;
  const HttpOptions options_;
  std::unique_ptr<State> state_;
};

// For a query string or a form.
std::string url_encode(std::string_view text);
// The scheme, host and port of a URL: "https://host:443"; empty when it is none.
std::string origin_of(std::string_view url);

}  // namespace berth::oci
