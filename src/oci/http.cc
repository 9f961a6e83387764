#include "oci/http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <mutex>

#include "os/file.h"

namespace berth::oci {
namespace {

constexpr long kConnectSeconds = 15, kStallSeconds = 60, kMostRedirects = 10;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return static_cast<char>(std::tolower(static_cast<u8>(c))); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<u8>(text.back()))) text.remove_suffix(1);
  while (!text.empty() && std::isspace(static_cast<u8>(text.front()))) text.remove_prefix(1);
  return text;
}

// What libcurl calls back into.
struct Exchange {
  CURL* curl;
  const Request& request;
  Response response;
  std::optional<Error> sink_error;
  bool too_large = false;
  u64 sent = 0;

  static size_t on_header(char* data, size_t size, size_t count, void* self) {
    const std::string_view line(data, size * count);
    auto& headers = static_cast<Exchange*>(self)->response.headers;
    if (line.starts_with("HTTP/")) headers.clear();
    if (const size_t colon = line.find(':'); colon != std::string_view::npos)
      headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
    return line.size();
  }

  static size_t on_body(char* data, size_t size, size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    const std::string_view piece(data, size * count);
    long status = 0;
    curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &status);
    if (exchange.request.sink && (status == 200 || status == 206)) {
      auto taken = exchange.request.sink(status, exchange.response.headers, piece);
      if (taken) return piece.size();
      exchange.sink_error.emplace(std::move(taken).error());
      return 0;
    }
    if (piece.size() > exchange.request.most_body - exchange.response.body.size()) {
      exchange.too_large = true;
      return 0;
    }
    exchange.response.body += piece;
    return piece.size();
  }

  u64 body_size() const { return request.body ? request.body->size() : request.upload_size; }

  static size_t on_upload(char* data, size_t size, size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    const size_t n = static_cast<size_t>(std::min<u64>(size * count, exchange.body_size() - exchange.sent));
    if (exchange.request.body) {
      exchange.request.body->copy(data, n, exchange.sent);
    } else if (n > 0) {
      const ssize_t got = pread(exchange.request.upload_file, data, n,
                                static_cast<off_t>(exchange.request.upload_offset + exchange.sent));
      if (got <= 0) return CURL_READFUNC_ABORT;
      exchange.sent += static_cast<u64>(got);
      if (exchange.request.sent) exchange.request.sent(exchange.sent);
      return static_cast<size_t>(got);
    }
    exchange.sent += n;
    if (exchange.request.sent) exchange.request.sent(exchange.sent);
    return n;
  }

  static int on_seek(void* self, curl_off_t offset, int origin) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (origin != SEEK_SET || offset < 0 || static_cast<u64>(offset) > exchange.body_size()) return CURL_SEEKFUNC_FAIL;
    exchange.sent = static_cast<u64>(offset);
    return CURL_SEEKFUNC_OK;
  }
};

HttpFailure::Kind kind_of(CURLcode code) {
  using enum HttpFailure::Kind;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return Connect;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR: return Tls;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return Interrupted;
    case CURLE_WRITE_ERROR: return Sink;
    default: return Other;
  }
}

}  // namespace

struct HttpClient::State {
  CURL* curl = nullptr;
  std::string trust;  // the system's authorities and one more, together

  ~State() { curl_easy_cleanup(curl); }
};

HttpClient::HttpClient(const HttpOptions& options) : options_(options), state_(std::make_unique<State>()) {
  static std::once_flag once;
  std::call_once(once, [] { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
  state_->curl = curl_easy_init();
  CHECK(state_->curl != nullptr);
  if (options_.ca_file.empty()) return;
  for (const std::string& path : {std::string("/etc/ssl/certs/ca-certificates.crt"), options_.ca_file}) {
    if (const auto bytes = os::read_file(path)) state_->trust.append(bytes->begin(), bytes->end()).append("\n");
  }
}

HttpClient::~HttpClient() = default;

std::expected<Response, HttpFailure> HttpClient::perform(const Request& request) {
  CURL* const curl = state_->curl;
  // Connections stay open; what the last request asked for does not.
  curl_easy_reset(curl);
  Exchange exchange{curl, request, {}, {}};
  char message[CURL_ERROR_SIZE] = "";
  const auto set = [curl](CURLoption option, auto value) { CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_USERAGENT, "berth");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, message);
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  set(CURLOPT_PROTOCOLS_STR, options_.plain ? "http,https" : "https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, options_.plain ? "http,https" : "https");
  set(CURLOPT_SSL_VERIFYPEER, options_.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, options_.verify ? 2L : 0L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(CURLOPT_WRITEDATA, &exchange);
  if (!state_->trust.empty()) {
    curl_blob blob{state_->trust.data(), state_->trust.size(), CURL_BLOB_NOCOPY};
    set(CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!options_.client_certificate.empty()) {
    set(CURLOPT_SSLCERT, options_.client_certificate.c_str());
    set(CURLOPT_SSLKEY, options_.client_key.c_str());
  }
  if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
  // Bodies are for whom the request was: a redirection of an upload is not followed.
  const bool has_body = request.body || request.upload_file >= 0;
  if (!has_body && (request.method == "GET" || request.method == "HEAD")) {
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, kMostRedirects);
  }
  if (has_body) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &Exchange::on_upload);
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_SEEKFUNCTION, &Exchange::on_seek);
    set(CURLOPT_SEEKDATA, &exchange);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.body_size()));
  }
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const std::string& header : request.headers) headers = curl_slist_append(headers, header.c_str());
  set(CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange.response.status);
  if (char* url = nullptr; curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url)
    exchange.response.url = url;
  if (code == CURLE_OK) return std::move(exchange.response);
  HttpFailure failure;
  failure.kind = kind_of(code);
  failure.what = *message ? message : curl_easy_strerror(code);
  while (failure.what.ends_with('\n') || failure.what.ends_with('.')) failure.what.pop_back();
  if (exchange.too_large) failure = {HttpFailure::Kind::Other, "the answer is larger than it may be", {}, false};
  failure.looks_plain =
      failure.kind == HttpFailure::Kind::Tls && (failure.what.find("wrong version number") != std::string::npos ||
                                                 failure.what.find("packet length too long") != std::string::npos);
  if (exchange.sink_error) {
    failure.kind = HttpFailure::Kind::Sink;
    failure.error = std::move(exchange.sink_error);
  }
  return std::unexpected(std::move(failure));
}

std::string url_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<u8>(c);
    if (std::isalnum(byte) || std::string_view("-._~").contains(c)) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string origin_of(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  const size_t end = url.find_first_of("/?#", scheme + 3);
  std::string out = lower(url.substr(0, end));
  const bool has_port =
      out.rfind(':') > out.rfind(']') + 1 && out.rfind(':') != scheme && out.rfind(':') != std::string::npos;
  if (!has_port) out += url.starts_with("https") ? ":443" : ":80";
  return out;
}

}  // namespace berth::oci
